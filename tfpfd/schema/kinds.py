"""The kinds of features that there are, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from tfpfd.schema.feature import Feature

Kind = TypeVar("Kind", bound=type[Feature])

_KINDS: dict[str, type[Feature]] = {}


def register_kind(kind: Kind) -> Kind:
    """Makes a kind known by its name, so that schemas in files can hold it; a decorator.

    Raises:
      ValueError: another kind has its name.
    """
    known = _KINDS.get(kind.__name__, kind)
    # The same file may be imported twice, as notebooks do.
    if (known.__module__, known.__qualname__) != (kind.__module__, kind.__qualname__):
        raise ValueError(f"expected a feature kind of a new name, '{kind.__name__}' is taken")
    _KINDS[kind.__name__] = kind
    return kind


def feature_of(plain: Any) -> Feature:
    """A feature of what its `to_dict` made.

    Raises:
      ValueError: naming what is wrong, what was expected and what came.
    """
    if not isinstance(plain, Mapping):
        raise ValueError(f"a feature must be an object, received {plain!r:.100}")
    entries = dict(plain)
    kind = entries.pop("kind", None)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(
            f"expected a feature of kind {list(_KINDS)}, or another that `register_kind` made "
            f"known, received {kind!r:.100}"
        )
    return _KINDS[kind].from_dict(entries)
