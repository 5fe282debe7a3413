"""Listwise losses: cross entropy of two distributions over the rows of a list."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfpfd._keras import register
from tfpfd.distillation.losses.lists import ListLoss, Lists


def _cross_entropy(shares: tf.Tensor, scores: tf.Tensor, lists: Lists) -> tf.Tensor:
    """`[lists]`: `-Σ q_i · log softmax(f)_i` of shares q and scores f `[rows]`."""
    shifted = lists.shifted(scores)
    partition = tf.math.log(lists.sum(tf.exp(shifted)))
    return lists.sum(shares) * partition - lists.sum(shares * shifted)


def _check_temperature(temperature: float) -> float:
    if temperature <= 0:
        raise ValueError(f"`temperature` must be above 0, received {temperature}")
    return temperature


@register
class ListwiseSoftmax(ListLoss):
    """Softmax cross entropy of the labels over a list.

        L(list) = -Σ_i w_i · y_i · log softmax(f / T)_i

    Averaged over the lists of two rows or more of which one has a label above 0; the others say
    nothing. Sample weights scale the labels, as in TF-Ranking's `SoftmaxLoss`, whose sum it is.

    Example: labels 1 and 0, logits ln 3 and 0: `-log(3 / (3 + 1)) = .2877`. To train with it:

        model.compile(optimizer, loss=tfpfd.losses.ListwiseSoftmax())

    Args:
      temperature: T, above 0.
      name: of the loss.

    Raises:
      ValueError: `temperature` isn't above 0.

    Reference:
      Cao et al., "Learning to Rank: From Pairwise Approach to Listwise Approach", ICML 2007.
    """

    def __init__(
        self, temperature: float = 1.0, name: str = "listwise_softmax", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.temperature = _check_temperature(temperature)

    def per_list(
        self, truth: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor, lists: Lists
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """See `ListLoss`; `truth` are labels of at least 0."""
        costs = _cross_entropy(weights * truth, logits / self.temperature, lists)
        return costs, (lists.sum(truth) > 0) & (lists.sizes > 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "temperature": self.temperature}


class _SoftListwise(ListLoss):
    """Cross entropy of the teacher's and the student's distribution over a list.

        L(list) = -w · Σ_i P_t(i) · log P_s(i),    P = softmax(scores(f))

    A distribution speaks about the whole list, so w, the list's weight, is the mean over its rows:
    weights of single rows would draw the student away from the teacher. Averaged over the lists
    of two rows or more, labelled or not.
    """

    def scores(self, logits: tf.Tensor) -> tf.Tensor:
        """`[rows]`: logarithms, up to a constant, of what a row's share is proportional to."""
        raise NotImplementedError

    def per_list(
        self, truth: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor, lists: Lists
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """See `ListLoss`; `truth` are logits of the teacher."""
        shares = lists.softmax(self.scores(truth))
        costs = _cross_entropy(shares, self.scores(logits), lists)
        return lists.mean(weights) * costs, lists.sizes > 1


@register
class SoftListwiseSoftmax(_SoftListwise):
    """Softmax cross entropy of a teacher's soft labels over a list.

        L(list) = -w · Σ_i softmax(f_t / T)_i · log softmax(f_s / T)_i

    w is the mean of the rows' sample weights. Averaged over the lists of two rows or more,
    labelled or not. Unlike `SoftCrossEntropy` it has no factor T², so that beside a
    `ListwiseSoftmax` of the same temperature the two terms keep their proportion.

    Args:
      temperature: T, above 0.
      name: of the loss.

    Raises:
      ValueError: `temperature` isn't above 0.

    Reference:
      The distillation term of "Multi-objective Learning to Rank by Model Distillation", KDD 2024
      (arXiv 2407.07181), eq. 15; top-one probabilities of Cao et al., ICML 2007.
    """

    def __init__(
        self, temperature: float = 1.0, name: str = "soft_listwise_softmax", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.temperature = _check_temperature(temperature)

    def scores(self, logits: tf.Tensor) -> tf.Tensor:
        """`f / T`."""
        return logits / self.temperature

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "temperature": self.temperature}


@register
class CalibratedListwise(_SoftListwise):
    """CLID: listwise distillation of probabilities, which leaves the student calibrated.

        L(list) = -w · Σ_i P_t(i) · log P_s(i),    P(i) = σ(f_i) / Σ_j σ(f_j)

    Shares of predicted probabilities in place of a softmax of logits: a student that predicts the
    teacher's probabilities, or a multiple of them, is at the minimum, so the pointwise label loss
    beside it decides on the scale alone. w is the mean of the rows' sample weights. Averaged over
    the lists of two rows or more, labelled or not.

    Args:
      name: of the loss.

    Reference:
      Gui et al., "Calibration-compatible Listwise Distillation of Privileged Features for CTR
      Prediction", WSDM 2024 (arXiv 2312.08727).
    """

    def __init__(self, name: str = "calibrated_listwise", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def scores(self, logits: tf.Tensor) -> tf.Tensor:
        """`log σ(f)`, whose softmax are the shares."""
        return tf.math.log_sigmoid(logits)
