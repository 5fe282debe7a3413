"""What the arguments of a feature kind must be."""

from __future__ import annotations

import dataclasses
import keyword
from collections.abc import Hashable
from typing import Any

from tfpfd._arguments import without_numpy


def check_name(name: object) -> None:
    """Refuses a name that no input of a signature can have."""
    # A signature of a SavedModel takes features as keyword arguments.
    usable = (
        isinstance(name, str)
        and name.isascii()
        and name.isidentifier()
        and not keyword.iskeyword(name)
        and not name.startswith("_")
    )
    if not usable:
        raise ValueError(
            "`name` of a feature must be a string of ASCII letters, digits and _, a letter first, "
            f"and no Python keyword, received {name!r}"
        )


def replace_numpy(feature: Any) -> None:
    """Replaces NumPy's integers, strings and truth values: JSON has no place for them."""
    for argument in dataclasses.fields(feature):
        object.__setattr__(feature, argument.name, without_numpy(getattr(feature, argument.name)))


def check_optional(owner: str, value: object) -> None:
    """Refuses what is no truth value."""
    if not isinstance(value, bool):
        raise ValueError(
            f"`optional` of feature '{owner}' must be True or False, received {value!r}"
        )


def check_positive(owner: str, argument: str, value: object, least: int = 1) -> None:
    """Refuses what is no integer of at least `least`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(
            f"`{argument}` of feature '{owner}' must be an integer of at least {least}, "
            f"received {value!r}"
        )


def check_rate(owner: str, value: object) -> None:
    """Refuses what is no rate at which ids may be taken for unknown ones."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
        raise ValueError(
            f"`oov_rate` of feature '{owner}' must be a number in [0, 1), received {value!r}"
        )


def check_unique(what: str, values: tuple[Hashable, ...]) -> None:
    """Refuses values of which one stands twice."""
    if len(set(values)) != len(values):
        seen: set[Hashable] = set()
        twice = next(value for value in values if value in seen or seen.add(value))  # type: ignore[func-returns-value]
        raise ValueError(f"{what} must not repeat a value, received {twice!r} more than once")
