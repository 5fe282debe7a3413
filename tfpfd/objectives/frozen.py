"""Scorers made of trained parts that run forward only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import tensorflow as tf

from tfpfd._keras import freeze, keras
from tfpfd.distillation import PrecomputedTeacher
from tfpfd.distillation.precomputed_teacher import check_inputs


class Frozen(keras.Model):
    """Base of the scorers whose parts never learn, whatever holds them.

    The parts are frozen here and stay frozen: `trainable = True` on the scorer, or on a model
    around it, doesn't reach them, so they have no gradient and no optimizer state. A subclass
    calls them with `training=False`, so batch normalisation keeps its statistics.

    Args:
      parts: the trained layers.
      learner: a part that does learn, if there is one; the scorer is then as trainable as it is.
    """

    def __init__(
        self,
        parts: Sequence[keras.layers.Layer],
        learner: keras.layers.Layer | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # Scores stay float32 in mixed precision.
        self.parts = list(parts)
        self.learner: Any = learner
        # XLA would leave out the checks for scores that aren't finite.
        self.supports_jit = False
        self.freeze_parts()
        self.built = True

    def freeze_parts(self) -> None:
        """Freezes the parts; again where somebody who holds one of them has thawed it."""
        for part in self.parts:
            freeze(part)

    def check_inputs(self, names: Collection[str]) -> None:
        """Raises a `ValueError` if an input of a part isn't among the names of a batch's inputs."""
        for part in self.parts:
            check_inputs(part, names)

    @property
    def trainable(self) -> bool:
        """Whether there is something that learns, and may."""
        learner: Any = getattr(self, "learner", None)  # Keras asks before there is one.
        return learner is not None and learner.trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        """Thaws or freezes the learner; the parts stay frozen, whatever the value."""
        learner: Any = getattr(self, "learner", None)
        if learner is not None:
            learner.trainable = value

    @property
    def trainable_weights(self) -> list[Any]:
        """The learner's."""
        return [] if self.learner is None else list(self.learner.trainable_weights)

    @property
    def non_trainable_weights(self) -> list[Any]:
        """All others."""
        learning = {id(weight) for weight in self.trainable_weights}
        layers = self.parts if self.learner is None else [*self.parts, self.learner]
        unique = {id(weight): weight for layer in layers for weight in layer.weights}
        return [weight for key, weight in unique.items() if key not in learning]


def part_of(argument: str, scorer: Any) -> keras.layers.Layer:
    """A scorer as a layer.

    Args:
      argument: what a message calls it.
      scorer: a Keras layer, or a string, the name of a column of scores.

    Raises:
      TypeError: it is neither.
    """
    layer = PrecomputedTeacher(scorer) if isinstance(scorer, str) else scorer
    if not isinstance(layer, keras.layers.Layer):
        raise TypeError(
            f"{argument} must be a Keras model or the name of a column of scores, received "
            f"{scorer!r}"
        )
    return layer


def flat(numbers: Any) -> tf.Tensor:
    """Numbers or bool `[batch]` or `[batch, 1]` as float32 `[batch]`."""
    return tf.reshape(tf.cast(numbers, tf.float32), [-1])
