"""When the teacher starts to count: schedules of the distillation weight λ."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tfpfd._arguments import check_integer, check_number
from tfpfd._keras import register


@register
class WarmUp:
    """λ = 0 before step `steps`, `distillation_weight` from that step on: a hard switch.

    Algorithm 1 of "Privileged Features Distillation at Taobao Recommendations" (λ = 0.5,
    10⁶ steps): an untrained teacher has nothing to say. Steps are counted from 0.

    Args:
      distillation_weight: λ, in [0, 1].
      steps: number of steps that the student learns from the labels alone.

    Raises:
      ValueError: `distillation_weight` is no number in [0, 1], or `steps` is not a non-negative
        integer.
    """

    def __init__(self, distillation_weight: float = 0.5, steps: int | np.integer = 0) -> None:
        check_number("distillation_weight", distillation_weight, most=1)
        check_integer("steps", steps, least=0)
        self.distillation_weight = float(distillation_weight)
        self.steps = int(steps)

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """λ at a step: a float32 scalar for an int64 scalar."""
        return tf.where(step < self.steps, 0.0, self.distillation_weight)

    def get_config(self) -> dict[str, Any]:
        """The arguments, for Keras."""
        return {"distillation_weight": self.distillation_weight, "steps": self.steps}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> WarmUp:
        """The inverse of `get_config`, for Keras."""
        # The name of λ in files from before it had this one.
        config = {"distillation_weight": config.get("weight"), **config}
        return cls(config["distillation_weight"], config["steps"])


def schedule_of(distillation_weight: Any) -> Any:
    """What gives λ at a step, of a number or of a schedule.

    Args:
      distillation_weight: λ, in [0, 1], or an object from step to λ.

    Raises:
      ValueError: it is no number in [0, 1].
    """
    if callable(distillation_weight):
        return distillation_weight
    check_number("distillation_weight", distillation_weight, most=1)
    return WarmUp(distillation_weight)
