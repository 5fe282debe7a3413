"""Losses of one row: its label or the teacher's logit, and the student's logit."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfpfd._keras import keras, register
from tfpfd.distillation.losses.reduction import LABELS, SOFT_LABELS, check_temperature


@register
class CrossEntropy(keras.losses.Loss):
    """Cross entropy of labels and logits: `-y·log σ(f) - (1-y)·log(1-σ(f))`.

    Args:
      name: of the loss.
    """

    targets = LABELS

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

    targets = SOFT_LABELS

    def __init__(
        self, temperature: float = 1.0, name: str = "soft_cross_entropy", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.temperature = check_temperature(temperature)

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


@register
class SquaredLogits(keras.losses.Loss):
    """Squared difference of a teacher's and a student's logits: `(f_t - f_s)²`.

    The limit of `SoftCrossEntropy` for large temperatures, up to a factor of 8: there the gradient
    is `(f_s - f_t) / 4`. It asks for confident logits too to be matched, where cross entropy
    sees next to no difference (Ba and Caruana, "Do Deep Nets Really Need to be Deep?", NIPS 2014).

    Args:
      name: of the loss.
    """

    targets = SOFT_LABELS

    def __init__(self, name: str = "squared_logits", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """One loss a row.

        Args:
          y_true: `[batch]` logits of the teacher.
          y_pred: `[batch]` logits of the student.

        Returns:
          `[batch]`.
        """
        return tf.math.squared_difference(y_true, y_pred)
