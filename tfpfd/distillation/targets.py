"""What a batch says beside its features: labels, weights, lists."""

from __future__ import annotations

import tensorflow as tf

from tfpfd.schema.label_checks import checked_labels, checked_weights


class Targets:
    """The labels of a batch, of which some may be missing.

    Args:
      y: `[batch]` or `[batch, 1]` labels in [0, 1], NaN on rows without one.
      sample_weight: `[batch]` or `[batch, 1]`, or None for 1.
      lists: integers `[batch]` or `[batch, 1]`, equal for rows of the same list, or None.

    Attributes:
      labels: float32 `[batch]`, 0 where there is none.
      weights: float32 `[batch]` sample weights.
      labelled: bool `[batch]`, which rows have a label.
      lists: int64 `[batch]`, or None.
    """

    def __init__(
        self, y: tf.Tensor, sample_weight: tf.Tensor | None, lists: tf.Tensor | None = None
    ) -> None:
        y = tf.reshape(tf.cast(y, tf.float32), [-1])
        self.labelled = tf.logical_not(tf.math.is_nan(y))
        self.labels = tf.where(self.labelled, y, tf.zeros_like(y))
        weights = tf.ones_like(y) if sample_weight is None else tf.cast(sample_weight, tf.float32)
        self.weights = tf.reshape(weights, [-1])
        self.lists = None if lists is None else tf.reshape(tf.cast(lists, tf.int64), [-1])

    def check(self) -> None:
        """Lets a batch fail whose labels or weights `from_rows` would have refused."""
        self.labels = checked_labels("labels", self.labels)
        self.weights = checked_weights("weights", self.weights)

    def of(self, prefix: str) -> Targets:
        """The targets of an output, where there are labels of several kinds.

        Args:
          prefix: of the names of the output's metrics.
        """
        return self
