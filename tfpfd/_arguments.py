"""Checks of arguments: integers, numbers, ids, and what NumPy has in their place."""

from __future__ import annotations

import inspect
import math
import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np


def without_numpy(value: Any) -> Any:
    """What a NumPy scalar stands for in Python, and anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def shown(value: Any) -> str:
    """A value in a message of one line: of a frame, an array or a long list its type alone."""
    text = repr(without_numpy(value))
    return text if len(text) <= 80 and "\n" not in text else f"a {type(value).__name__}"


def is_number(value: Any) -> bool:
    """Whether it is a real number, and no truth value."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def check_integer(name: str, value: Any, least: int) -> None:
    """Refuses anything but an integer of at least `least`."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
        raise ValueError(
            f"`{name}` must be an integer of at least {least}, received {shown(value)}"
        )


def check_number(name: str, value: Any, most: float = math.inf) -> None:
    """Refuses anything but a finite number from 0 to `most`."""
    if not is_number(value) or not math.isfinite(value) or not 0 <= value <= most:
        upper = "on" if math.isinf(most) else f"to {most:g}"
        raise ValueError(
            f"`{name}` must be a finite number from 0 {upper}, received {shown(value)}"
        )


def check_above_0(name: str, value: Any) -> None:
    """Refuses anything but a finite number above 0."""
    if not is_number(value) or not 0 < value < math.inf:
        raise ValueError(f"`{name}` must be above 0, received {shown(value)}")


def check_flag(name: str, value: Any) -> None:
    """Refuses anything but True and False: a string such as "no" would be true."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"`{name}` must be True or False, received {shown(value)}")


def check_takes(name: str, function: Any, *arguments: str, makes: str) -> None:
    """Refuses what can't be called with these arguments, before anything is.

    Args:
      name: of the argument that holds the function.
      function: its value.
      arguments: what it is called with, by what a message calls them.
      makes: what it is to return, for the message.

    Raises:
      TypeError: naming the argument.
    """
    expected = f"`{name}` must be a function of ({', '.join(arguments)}) that returns {makes}"
    if not callable(function):
        raise TypeError(f"{expected}, received {shown(function)}")
    made = inspect.isclass(function)
    try:
        # Of a Keras class `__new__`, which would be asked otherwise, takes anything.
        takes = inspect.signature(function.__init__ if made else function)
    except ValueError:  # Some that are written in C don't say.
        return
    parameters = list(takes.parameters.values())[1 if made else 0 :]
    takes = takes.replace(
        parameters=[one.replace(annotation=one.empty) for one in parameters],
        return_annotation=takes.empty,
    )
    try:
        takes.bind(*arguments)
    except TypeError:
        called = getattr(function, "__name__", type(function).__name__)
        raise TypeError(f"{expected}, received {called}{takes}") from None


def names_in(argument: str, names: Iterable[str]) -> list[str]:
    """The names that an argument lists; refuses one string, whose letters would be taken.

    Raises:
      TypeError: naming the argument.
    """
    # A copy: of a generator, names come but once.
    held = list(names) if isinstance(names, Iterable) and not isinstance(names, str) else None
    if held is None or not all(isinstance(name, str) for name in held):
        raise TypeError(f"`{argument}` must be names in a list, received {shown(held or names)}")
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
