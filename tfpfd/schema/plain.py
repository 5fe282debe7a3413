"""A schema as plain lists, dicts, strings and numbers: what each must be before it is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from tfpfd.schema.features import Categorical, Feature, Numeric, Sequence

_KINDS = {kind.__name__: kind for kind in (Categorical, Numeric, Sequence)}
FORMAT = 1
_TEXTS = ("name", "dtype", "of")
_LISTS = ("vocabulary", "boundaries")


def checked_form(plain: Any) -> Mapping[str, Any]:
    """A schema's plain form, if it has the parts of one; `feature_of` looks at the features.

    Raises:
      ValueError: naming the part, what was expected and what came.
    """
    if not isinstance(plain, Mapping):
        raise ValueError(f"a schema must be an object, received {type(plain).__name__}")
    if plain.get("format") != FORMAT:
        raise ValueError(f"expected a schema of format {FORMAT}, received {plain.get('format')!r}")
    known = {"format", "user", "item", "privileged", "label", "weight", "list_key", "stripped"}
    missing, unknown = sorted(known - {"stripped"} - set(plain)), sorted(set(plain) - known)
    if missing or unknown:
        raise ValueError(
            f"a schema must hold {sorted(known)}, received it without {missing}, with {unknown}"
        )
    if not isinstance(plain["privileged"], Mapping):
        raise ValueError(f"'privileged' must be an object, received {plain['privileged']!r:.100}")
    sides = [(name, plain[name]) for name in ("user", "item")]
    for name, group in (*sides, *plain["privileged"].items()):
        if not isinstance(group, list | tuple):
            raise ValueError(f"'{name}' must be a list of features, received {group!r:.100}")
    names = plain.get("stripped", [])
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"'stripped' must be a list of names, received {names!r:.100}")
    return plain


def feature_of(plain: Any) -> Feature:
    """A feature of its plain form.

    Raises:
      ValueError: naming what is wrong, what was expected and what came.
    """
    if not isinstance(plain, Mapping):
        raise ValueError(f"a feature must be an object, received {plain!r:.100}")
    entries = dict(plain)
    kind = entries.pop("kind", None)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"expected a feature of kind {list(_KINDS)}, received {kind!r:.100}")
    known = {field.name for field in dataclasses.fields(_KINDS[kind]) if field.init}
    required = {"name"} if kind != "Sequence" else {"name", "of"}
    if not required <= set(entries) <= known:
        raise ValueError(
            f"a {kind} must hold {sorted(required)} and may hold {sorted(known)}, received "
            f"{sorted(entries)}"
        )
    for name, value in entries.items():
        if name in _LISTS:
            fits, what = value is None or isinstance(value, list | tuple), "a list"
        elif name in _TEXTS:
            fits, what = value is None or isinstance(value, str), "a string"
        elif name == "optional":
            fits, what = isinstance(value, bool), "true or false"
        else:
            fits, what = value is None or type(value) is int, "an integer"
        if not fits:
            raise ValueError(f"'{name}' of a {kind} must be {what}, received {value!r:.100}")
        if name in _LISTS and value is not None:
            entries[name] = tuple(value)
    try:
        return _KINDS[kind](**entries)
    except (TypeError, OverflowError) as error:
        raise ValueError(f"no {kind} can be made of {entries!r:.200}: {error}") from None
