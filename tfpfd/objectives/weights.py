"""Weights of objectives: what a user may give."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping


def checked_weights(weights: Mapping[str, float]) -> dict[str, float]:
    """The weights of the objectives as floats.

    Raises:
      TypeError: `weights` is no mapping.
      ValueError: a weight is no finite number, or there is none that isn't 0. Weights that cancel
        each other out are fine: `{"book": 1, "cancel": -1}` is the difference of two scores.
    """
    if not isinstance(weights, Mapping):
        raise TypeError(f"`weights` must map objectives to numbers, received {weights!r}")
    for objective, weight in weights.items():
        if not isinstance(weight, numbers.Real) or not math.isfinite(weight):
            raise ValueError(
                f"`weights` of '{objective}' must be a finite number, received {weight!r}"
            )
    if not any(weights.values()):
        raise ValueError(
            f"`weights` must have one that isn't 0, received {dict(weights)}: the soft label would "
            "be the same for every row"
        )
    return {objective: float(weight) for objective, weight in weights.items()}
