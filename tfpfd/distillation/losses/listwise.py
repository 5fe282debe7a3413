"""Listwise losses: cross entropy of two distributions over the rows of a list."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from tfpfd._keras import register
from tfpfd.distillation.losses.list_loss import ListLoss, Lists
from tfpfd.distillation.losses.reduction import LABELS, SOFT_LABELS, check_temperature


def _shifted(scores: tf.Tensor, lists: Lists) -> tf.Tensor:
    """Scores `[rows, …]` less constants of lists: no list's exponentials are infinite or all 0.

    A softmax doesn't change with the shift, so gradients pass as if there were none.
    """

    @tf.custom_gradient
    def shift(scores: tf.Tensor) -> tuple[tf.Tensor, Any]:
        top = tf.reduce_max(scores)
        # exp(-60) is far from the smallest float; one constant for all spares a maximum and a
        # gather.
        shifted = tf.cond(
            top - tf.reduce_min(scores) < 60,
            lambda: scores - top,
            lambda: scores - lists.spread(lists.max(scores)),
        )
        return shifted, lambda upstream: upstream

    return shift(scores)


def softmax(scores: tf.Tensor, lists: Lists) -> tf.Tensor:
    """`[rows, …]`: softmax of scores `[rows, …]` over each list."""
    exponentials = tf.exp(_shifted(scores, lists))
    return lists.scale(exponentials, 1 / lists.sum(exponentials))


class _Shares(NamedTuple):
    """What the share of a row in its list is proportional to.

    Attributes:
      parts: `[rows]`, above 0.
      logs: `[rows]`, their logarithms, by which gradients pass.
    """

    parts: tf.Tensor
    logs: tf.Tensor


def _exponential(scores: tf.Tensor, lists: Lists) -> _Shares:
    """Shares that are the softmax of scores `[rows]`."""
    logs = _shifted(scores, lists)
    return _Shares(tf.exp(logs), logs)


def _cross_entropy(truth: tf.Tensor, totals: tf.Tensor, shares: _Shares, lists: Lists) -> tf.Tensor:
    """`-Σ q_i · log P(i)` over all lists, a scalar.

    Args:
      truth: q, `[rows]`, constants.
      totals: `[lists]` sums of q.
      shares: from which P follows.
      lists: of the rows.
    """

    @tf.custom_gradient
    def cost(logs: tf.Tensor) -> tuple[tf.Tensor, Any]:
        sums = lists.sum(shares.parts)
        value = tf.reduce_sum(totals * tf.math.log(sums)) - tf.reduce_sum(truth * logs)

        # By the chain rule it would be two more sums over lists and two more gathers.
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return upstream * (lists.scale(shares.parts, totals / sums) - truth)

        return value, gradient

    return cost(shares.logs)


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

    targets = LABELS

    def __init__(
        self, temperature: float = 1.0, name: str = "listwise_softmax", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.temperature = check_temperature(temperature)

    def of_lists(
        self, truth: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor, lists: Lists
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """See `ListLoss`; `truth` are labels of at least 0."""
        # A list of one row costs nothing anyway, but for rounding.
        weighted = weights * truth
        shares = _exponential(logits / self.temperature, lists)
        cost = _cross_entropy(weighted, lists.sum(weighted), shares, lists)
        return cost, (lists.sum(truth) > 0) & (lists.sizes > 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "temperature": self.temperature}


class _SoftListwise(ListLoss):
    """Cross entropy of the teacher's and the student's distribution over a list.

        L(list) = -w · Σ_i P_t(i) · log P_s(i)

    A distribution speaks about the whole list, so w, the list's weight, is the mean over its rows:
    weights of single rows would draw the student away from the teacher. Averaged over the lists
    of two rows or more, labelled or not.
    """

    targets = SOFT_LABELS

    def _shares(self, logits: tf.Tensor, lists: Lists) -> _Shares:
        """From which P follows, for logits `[rows]`."""
        raise NotImplementedError

    def of_lists(
        self, truth: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor, lists: Lists
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """See `ListLoss`; `truth` are logits of the teacher."""
        speaks = lists.sizes > 1
        weight = lists.mean(weights) * tf.cast(speaks, weights.dtype)
        parts, _ = self._shares(truth, lists)
        soft = lists.scale(parts, weight / lists.sum(parts))
        return _cross_entropy(soft, weight, self._shares(logits, lists), lists), speaks


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
        self.temperature = check_temperature(temperature)

    def _shares(self, logits: tf.Tensor, lists: Lists) -> _Shares:
        """Those of `f / T`."""
        return _exponential(logits / self.temperature, lists)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "temperature": self.temperature}


@register
class CalibratedListwise(_SoftListwise):
    """CLID: listwise distillation of probabilities, which leaves the student calibrated.

        L(list) = -w · Σ_i P_t(i) · log P_s(i),    P(i) = σ(f_i) / Σ_j σ(f_j)

    Shares of predicted probabilities in place of a softmax of logits: a student that predicts the
    teacher's probabilities, or a multiple of them, is at the minimum, so the pointwise label loss
    beside it decides on the scale alone. Logits below -60 count as -60. w is the mean of the rows'
    sample weights. Averaged over the lists of two rows or more, labelled or not.

    Args:
      name: of the loss.

    Reference:
      Gui et al., "Calibration-compatible Listwise Distillation of Privileged Features for CTR
      Prediction", WSDM 2024 (arXiv 2312.08727).
    """

    def __init__(self, name: str = "calibrated_listwise", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def _shares(self, logits: tf.Tensor, lists: Lists) -> _Shares:
        """`σ(f)`."""
        # Of a list of nothing but smaller probabilities, 1e-26, the sum would be 0.
        probabilities = tf.sigmoid(tf.maximum(logits, -60.0))
        return _Shares(probabilities, tf.math.log(probabilities))
