"""A learning rate that rises linearly, then stays."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfpfd._arguments import check_integer
from tfpfd._keras import keras, register_formerly


@register_formerly("LinearWarmUp")
class LinearWarmup(keras.optimizers.schedules.LearningRateSchedule):
    """`rate · min(1, (step + 1) / steps)`.

    "Privileged Features Distillation at Taobao Recommendations" trains with it: up to 0.01 over
    10⁶ steps of Adagrad. Steps are counted from 0, so the first step moves already.

    Args:
      rate: the learning rate at the end, above 0.
      steps: number of steps until then, at least 1.

    Raises:
      ValueError: `rate` or `steps` is too small.
    """

    def __init__(self, rate: float, steps: int) -> None:
        super().__init__()
        if rate <= 0:
            raise ValueError(f"`rate` must be above 0, received {rate}")
        check_integer("steps", steps, least=1)
        self.rate = float(rate)
        self.steps = int(steps)

    def __call__(self, step: Any) -> tf.Tensor:
        """The learning rate at a step: a float32 scalar for an integer scalar."""
        share = (tf.cast(step, tf.float32) + 1) / self.steps
        return self.rate * tf.minimum(share, 1.0)

    def get_config(self) -> dict[str, Any]:
        """The arguments, for Keras."""
        return {"rate": self.rate, "steps": self.steps}
