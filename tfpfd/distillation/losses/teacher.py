"""Distillation losses for teachers that are sometimes wrong."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfpfd._arguments import check_number
from tfpfd._keras import keras, register
from tfpfd.distillation.losses.reduction import SOFT_LABELS, BatchLoss, Term, term_of
from tfpfd.distillation.targets import Targets


def _check_loss(loss: Any) -> None:
    if not isinstance(loss, keras.losses.Loss):
        raise TypeError(
            "`loss` must be a keras.losses.Loss of the teacher's and the student's logits, such "
            f"as SoftCrossEntropy(), received {loss!r}"
        )


def _revived(config: dict[str, Any]) -> dict[str, Any]:
    """The arguments with the loss in place of its configuration."""
    return {**config, "loss": keras.utils.deserialize_keras_object(config["loss"])}


@register
class ConfidenceWeighted(keras.losses.Loss):
    """A pointwise distillation loss that listens to the teacher where it is confident.

        L_d = |2·σ(f_t) - 1|^power · loss(f_t, f_s)

    The factor is 0 where the teacher says 1/2 and tends to 1 where it is sure, whichever way. The
    mean stays over all rows, so an unsure teacher counts less in the sum with the label loss.
    It speaks of confidence, not of being right: see `Corrected` for that.

    Args:
      loss: a loss of the teacher's and the student's logits, with a value a row.
      power: how fast confidence counts; 0 switches the weighting off.
      name: of the loss.

    Raises:
      TypeError: `loss` is no Keras loss, or has no value a row.
      ValueError: `power` is negative.

    Reference:
      The idea is that of confidence-aware privileged features distillation (CPFD, 2024,
      arXiv 2410.03038); this measure of confidence is ours.
    """

    targets = SOFT_LABELS

    def __init__(
        self,
        loss: keras.losses.Loss,
        power: float = 1.0,
        name: str = "confidence_weighted",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        _check_loss(loss)
        if isinstance(loss, BatchLoss):
            raise TypeError(f"`loss` must have a value a row, received {type(loss).__name__}")
        check_number("power", power)
        self.loss = loss
        self.power = power

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """One loss a row.

        Args:
          y_true: `[batch, 1]` logits of the teacher.
          y_pred: `[batch, 1]` logits of the student.

        Returns:
          `[batch]`.
        """
        confidence = tf.abs(tf.tanh(y_true / 2)) ** self.power  # tanh(f/2) = 2·σ(f) - 1.
        values = tf.reshape(self.loss.call(y_true, y_pred), [-1])
        return tf.reshape(confidence, [-1]) * values

    def get_config(self) -> dict[str, Any]:
        loss = keras.utils.serialize_keras_object(self.loss)
        return {**super().get_config(), "loss": loss, "power": self.power}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ConfidenceWeighted:
        return cls(**_revived(config))


@register
class Corrected(BatchLoss):
    """A distillation loss whose soft labels are moved towards the observed labels.

        f_c = f_t + strength · (y - p) / max(p·(1-p), floor),    p = σ(f_t)
        L_d = loss(f_c, f_s)

    on rows with a label; on rows without one f_c = f_t. A teacher that is wrong on average is wrong
    in f_t but not in f_c: the label is an unbiased witness of what p should be.

    With strength 1 and without the floor it is one Newton step of the log loss from the teacher's
    logit, and for `SquaredLogits` it is the loss correction of the reference: a loss ℓ of the
    teacher's probability p gets the first-order term `∂ℓ/∂p · (y - p)`, and for
    `ℓ = (log(p/(1-p)) - f_s)²` the sum is `(f_c - f_s)²` but for what doesn't depend on f_s. There
    the logarithm is of class probabilities under a softmax; here it is of the odds, as there is
    one logit. Other losses get the same f_c, and no such promise. The price is variance, up to
    `strength / floor` logits a row: less strength or a higher floor give a part of the correction
    for less noise. It can't mend a teacher that has learned the labels of these very rows by
    heart; let the teacher be fitted on others (out of fold), as in the reference.

    Args:
      loss: a loss of the teacher's and the student's logits, pointwise or of lists.
      strength: γ, at least 0; 1 is the whole correction, 0 none.
      floor: lowest variance p·(1-p) that is divided by, in (0, 0.25].
      name: of the loss.

    Raises:
      TypeError: `loss` is no Keras loss.
      ValueError: `strength` is negative, or `floor` outside (0, 0.25].

    Reference:
      Dao et al., "Knowledge Distillation as Semiparametric Inference", ICLR 2021
      (arXiv 2104.09732).
    """

    targets = SOFT_LABELS

    def __init__(
        self,
        loss: keras.losses.Loss,
        strength: float = 1.0,
        floor: float = 0.05,
        name: str = "corrected",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        _check_loss(loss)
        check_number("strength", strength)
        if not 0 < floor <= 0.25:
            raise ValueError(f"`floor` must be in (0, 0.25], received {floor}")
        self.loss = loss
        self.strength = strength
        self.floor = floor

    def term(
        self, truth: tf.Tensor, logits: tf.Tensor, targets: Targets, counted: tf.Tensor
    ) -> Term:
        """The loss of the corrected soft labels; see `term_of`."""
        return term_of(self.loss, self.soft_labels(truth, targets), logits, targets, counted)

    def soft_labels(self, teacher: tf.Tensor, targets: Targets) -> tf.Tensor:
        """f_c, logits `[batch]`, of the teacher's logits `[batch]`."""
        p = tf.sigmoid(teacher)
        variance = tf.maximum(p * (1 - p), self.floor)
        step = self.strength * (targets.labels - p) / variance
        return teacher + tf.where(targets.labelled, step, tf.zeros_like(step))

    def get_config(self) -> dict[str, Any]:
        loss = keras.utils.serialize_keras_object(self.loss)
        config = {"loss": loss, "strength": self.strength, "floor": self.floor}
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Corrected:
        return cls(**_revived(config))
