"""A schema as plain lists, dicts, strings and numbers: what each must be before it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FORMAT = 1


def checked_form(plain: Any) -> Mapping[str, Any]:
    """A schema's plain form, if it has the parts of one; `kinds.feature_of` looks at the features.

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
