"""Losses on rows of logits, and how rows become one number."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfpfd._keras import keras, register


@register
class CrossEntropy(keras.losses.Loss):
    """Cross entropy of labels and logits: `-y·log σ(f) - (1-y)·log(1-σ(f))`.

    Args:
      name: of the loss.
    """

    def __init__(self, name: str = "cross_entropy", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """One loss a row.

        Args:
          y_true: `[batch]` labels in [0, 1].
          y_pred: `[batch]` logits.

        Returns:
          `[batch]`.
        """
        return tf.nn.sigmoid_cross_entropy_with_logits(labels=y_true, logits=y_pred)


@register
class SoftCrossEntropy(keras.losses.Loss):
    """Cross entropy of a teacher's soft labels and a student's logits.

        L_d = T² · CE(σ(f_t / T), f_s / T)

    With T = 1 it is the distillation loss of "Privileged Features Distillation at Taobao
    Recommendations", eq. 1–5. A larger temperature T softens both sides; T² keeps the size of the
    gradient (Hinton et al., "Distilling the Knowledge in a Neural Network", 2015).

    Args:
      temperature: T, above 0.
      name: of the loss.

    Raises:
      ValueError: `temperature` isn't above 0.
    """

    def __init__(
        self, temperature: float = 1.0, name: str = "soft_cross_entropy", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        if temperature <= 0:
            raise ValueError(f"`temperature` must be above 0, received {temperature}")
        self.temperature = temperature

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """One loss a row.

        Args:
          y_true: `[batch]` logits of the teacher.
          y_pred: `[batch]` logits of the student.

        Returns:
          `[batch]`.
        """
        soft_labels = tf.sigmoid(y_true / self.temperature)
        loss = tf.nn.sigmoid_cross_entropy_with_logits(
            labels=soft_labels, logits=y_pred / self.temperature
        )
        return self.temperature**2 * loss

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "temperature": self.temperature}


def per_row(loss: keras.losses.Loss, targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Values of a Keras loss `[batch]` for targets and logits `[batch]`."""
    # A Keras loss averages over the last axis, so that axis must not be the batch.
    # In mixed precision logits are float16.
    columns = [tf.cast(part, tf.float32)[:, None] for part in (targets, logits)]
    values = loss.call(*columns)
    return tf.reshape(values, [-1])


def row_mean(values: tf.Tensor, weights: tf.Tensor, counted: tf.Tensor) -> tf.Tensor:
    """`Σ weight · value / number of rows counted`, over the rows counted; 0 if there is none.

    Args:
      values: `[batch]`.
      weights: `[batch]` sample weights.
      counted: bool `[batch]`.

    Returns:
      A scalar. When every row counts it is Keras' own reduction, `sum_over_batch_size`.
    """
    total = tf.reduce_sum(tf.where(counted, weights * values, tf.zeros_like(values)))
    return total / tf.maximum(tf.reduce_sum(tf.cast(counted, values.dtype)), 1)
