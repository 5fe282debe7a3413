"""Weights of objectives: what a user may give."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping

from tfpfd._arguments import shown


def check_finite(argument: str, weights: Mapping[str, float]) -> dict[str, float]:
    """Numbers by objective as floats.

    Args:
      argument: name of the argument, for messages.
      weights: by objective.

    Raises:
      TypeError: `weights` is no mapping.
      ValueError: it is empty, or one is no finite number.
    """
    if not isinstance(weights, Mapping):
        raise TypeError(f"`{argument}` must map objectives to numbers, received {shown(weights)}")
    if not weights:
        raise ValueError(f"`{argument}` must hold a number for each objective, received none")
    for objective, weight in weights.items():
        if not isinstance(weight, numbers.Real) or not math.isfinite(weight):
            raise ValueError(
                f"`{argument}` of '{objective}' must be a finite number, received {shown(weight)}"
            )
    return {objective: float(weight) for objective, weight in weights.items()}


def checked_weights(weights: Mapping[str, float]) -> dict[str, float]:
    """The weights of the objectives as floats, of which not all may be 0.

    Weights that cancel each other out are fine: `{"book": 1, "cancel": -1}` is the difference of
    two scores.
    """
    found = check_finite("weights", weights)
    if not any(found.values()):
        raise ValueError(f"`weights` must have one that isn't 0, received {dict(weights)}")
    return found


def check_shares(weights: Mapping[str, float]) -> dict[str, float]:
    """Weights as `checked_weights`, none of them negative."""
    found = checked_weights(weights)
    negative = {name: weight for name, weight in found.items() if weight < 0}
    if negative:
        raise ValueError(
            f"`weights` must be at least 0, received {negative}: to avoid something, take its "
            "absence as the label"
        )
    return found
