"""Checks of arguments: integers, numbers, ids, and what NumPy has in their place."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np


def without_numpy(value: Any) -> Any:
    """What a NumPy scalar stands for in Python, and anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def check_integer(name: str, value: Any, least: int) -> None:
    """Refuses anything but an integer of at least `least`."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
        raise ValueError(
            f"`{name}` must be an integer of at least {least}, received {without_numpy(value)!r}"
        )


def check_number(name: str, value: Any, most: float = math.inf) -> None:
    """Refuses anything but a finite number from 0 to `most`."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not 0 <= value <= most:
        upper = "on" if math.isinf(most) else f"to {most:g}"
        raise ValueError(
            f"`{name}` must be a finite number from 0 {upper}, received {without_numpy(value)!r}"
        )


def check_above_0(name: str, value: Any) -> None:
    """Refuses anything but a finite number above 0."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not 0 < value < math.inf:
        raise ValueError(f"`{name}` must be above 0, received {without_numpy(value)!r}")


def check_flag(name: str, value: Any) -> None:
    """Refuses anything but True and False: a string such as "no" would be true."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"`{name}` must be True or False, received {value!r}")


def names_in(argument: str, names: Iterable[str]) -> list[str]:
    """The names that an argument lists; refuses one string, whose letters would be taken.

    Raises:
      TypeError: naming the argument.
    """
    # A copy: of a generator, names come but once.
    held = list(names) if isinstance(names, Iterable) and not isinstance(names, str) else None
    if held is None or not all(isinstance(name, str) for name in held):
        raise TypeError(f"`{argument}` must be names in a list, received {held or names!r}")
    return held


def check_ids(name: str, values: Any, count: int) -> np.ndarray:
    """The ids as int64; refuses anything but integers from 0 to below `count`."""
    ids = np.asarray(values)
    if ids.dtype.kind not in "iu":
        raise ValueError(f"`{name}` must hold integers, received dtype {ids.dtype}")
    outside = ids[(ids < 0) | (ids >= count)]
    if outside.size:
        raise ValueError(f"`{name}` must lie in 0 to {count - 1}, received {outside[0]}")
    return ids.astype(np.int64)
