"""How the rows of a batch become one number."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from tfpfd._arguments import check_above_0
from tfpfd._keras import keras
from tfpfd.distillation.targets import Targets


def check_temperature(temperature: float) -> float:
    """The temperature of soft labels; refuses one by which no logit can be divided."""
    check_above_0("temperature", temperature)
    return float(temperature)


LABELS, SOFT_LABELS = "labels", "soft labels"
"""What a loss is of: numbers in [0, 1], or logits of a teacher. Own losses say so in `targets`."""


class Term(NamedTuple):
    """A mean over rows or lists, in the two parts that add up over batches and over replicas.

    Attributes:
      total: scalar, what the rows or lists cost together.
      count: float32 scalar, how many they are.
    """

    total: tf.Tensor
    count: tf.Tensor

    @property
    def mean(self) -> tf.Tensor:
        """Scalar; 0 where nothing was counted."""
        return self.total / tf.maximum(self.count, 1)


class BatchLoss(keras.losses.Loss):
    """Base of the losses that need more of a batch than a target and a logit a row.

    For `Ranker.compile` and for `Distillation`; Keras alone has no place for lists.

    Args:
      name: of the loss.
    """

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def term(
        self, truth: tf.Tensor, logits: tf.Tensor, targets: Targets, counted: tf.Tensor
    ) -> Term:
        """The loss of a batch; the arguments are those of `term_of`."""
        raise NotImplementedError

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        raise NotImplementedError(
            f"{type(self).__name__} needs more than rows of targets and logits: give it to "
            "`compile` of a tfpfd model, or to Distillation as `distillation_loss`"
        )


def term_of(
    loss: keras.losses.Loss,
    truth: tf.Tensor,
    logits: tf.Tensor,
    targets: Targets,
    counted: tf.Tensor,
) -> Term:
    """The loss of a batch, as a mean in two parts.

    Args:
      loss: any Keras loss, of which each row has a value, or a `BatchLoss`.
      truth: `[batch]`, labels or, for a distillation loss, logits of the teacher.
      logits: `[batch]`, of the ranker that learns.
      targets: labels, weights and lists of the batch.
      counted: bool `[batch]`, the rows that count.

    Returns:
      `row_term`, or what the `BatchLoss` says. On several replicas the parts of all of them add up
      to those of the whole batch.

    Raises:
      ValueError: `loss` looks at lists, and `targets` has none.
    """
    if isinstance(loss, BatchLoss):
        # In mixed precision logits are float16.
        truth, logits = (tf.cast(part, tf.float32) for part in (truth, logits))
        return loss.term(truth, logits, targets, counted)
    return row_term(per_row(loss, truth, logits), targets.weights, counted)


def mean_loss(
    loss: keras.losses.Loss,
    truth: tf.Tensor,
    logits: tf.Tensor,
    targets: Targets,
    counted: tf.Tensor,
) -> tf.Tensor:
    """The loss of a batch as one number, a scalar; arguments and errors are those of `term_of`."""
    return term_of(loss, truth, logits, targets, counted).mean


def per_row(loss: keras.losses.Loss, targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Values of a Keras loss `[batch]` for targets and logits `[batch]`."""
    # A Keras loss averages over the last axis, so that axis must not be the batch.
    # In mixed precision logits are float16.
    columns = [tf.cast(part, tf.float32)[:, None] for part in (targets, logits)]
    values = loss.call(*columns)
    return tf.reshape(values, [-1])


def row_term(values: tf.Tensor, weights: tf.Tensor, counted: tf.Tensor) -> Term:
    """`Σ weight · value`, and the number of rows, over the rows counted.

    Args:
      values: `[batch]`.
      weights: `[batch]` sample weights.
      counted: bool `[batch]`.

    Returns:
      A term, whose mean is Keras' own reduction, `sum_over_batch_size`, when every row counts.
    """
    total = tf.reduce_sum(tf.where(counted, weights * values, tf.zeros_like(values)))
    return Term(total, tf.reduce_sum(tf.cast(counted, tf.float32)))
