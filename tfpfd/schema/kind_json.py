"""The arguments of a feature kind as JSON holds them: what each must be before it is read."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, Union

LATER = {"setting": "if set"}
"""Of the fields that a kind got after files were written: among its settings if they are set.

Files with weights tell one schema from another by settings, and those from before must still load.
"""
TRAINING = {"setting": "never"}
"""Of fields that change how a model is trained, and not what its inputs are."""


def settings_of(feature: Any) -> dict[str, Any]:
    """All fields that decide what inputs are, but for later ones that have their default."""
    left = {
        field.name
        for field in dataclasses.fields(feature)
        if field.metadata == TRAINING
        or (field.metadata == LATER and getattr(feature, field.name) == field.default)
    }
    found = dataclasses.asdict(feature)
    return {name: value for name, value in found.items() if name not in left}


def checked_fields(kind: Any, entries: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by name, lists as tuples.

    Args:
      kind: a dataclass whose fields say their types: texts, integers, numbers, truth values, tuples
        of such, or None beside one of them.
      entries: as JSON has them.

    Raises:
      ValueError: naming what is wrong, what was expected and what came.
    """
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    required = {name for name, field in fields.items() if field.default is dataclasses.MISSING}
    if not required <= set(entries) <= set(fields):
        raise ValueError(
            f"a {kind.__name__} must hold {sorted(required)} and may hold {sorted(fields)}, "
            f"received {sorted(entries)}"
        )
    hints = typing.get_type_hints(kind)
    found = {}
    for name, value in entries.items():
        fits, what = _fits(hints[name], value)
        if not fits:
            raise ValueError(
                f"'{name}' of a {kind.__name__} must be {what}, received {value!r:.100}"
            )
        found[name] = tuple(value) if isinstance(value, list) else value
    return found


def _fits(hint: Any, value: Any) -> tuple[bool, str]:
    """Whether a value is of a type as JSON writes it, and what that is called."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        named = next(part for part in arguments if part is not type(None))
        fits, what = _fits(named, value)
        return fits or (value is None and type(None) in arguments), what
    if origin is tuple:
        return isinstance(value, list | tuple), "a list"
    if origin is Literal or hint is str:
        return isinstance(value, str), "a string"
    if hint is bool:
        return isinstance(value, bool), "true or false"
    if hint is float:
        return type(value) in (int, float), "a number"
    return type(value) is int, "an integer"
