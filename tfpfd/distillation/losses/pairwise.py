"""Pairwise losses: which of two rows of a list comes first."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfpfd._keras import register
from tfpfd.distillation.losses.list_loss import ListLoss, Lists
from tfpfd.distillation.losses.reduction import LABELS, SOFT_LABELS


def _pairs(lists: Lists) -> tuple[tf.Tensor, tf.Tensor]:
    """Every two rows of the same list, once: int32 `[pairs]`, ascending, and `[pairs]`."""
    rows = tf.range(tf.size(lists.place))
    behind = lists.spread(tf.cumsum(lists.sizes)) - rows - 1
    first = tf.repeat(rows, behind)
    before = tf.cumsum(behind, exclusive=True)
    second = first + 1 + tf.range(tf.size(first)) - tf.gather(before, first)
    return first, second


def _sums(values: tf.Tensor, first: tf.Tensor, lists: Lists) -> tf.Tensor:
    """`[lists]` sums over the pairs `[pairs]` of each list."""
    of_row = tf.math.unsorted_segment_sum(values, first, tf.size(lists.place))
    return lists.sum(of_row)


class _Pairwise(ListLoss):
    """Logistic loss of the pairs of a list, averaged over its pairs, then over lists.

    Time and memory grow with the number of pairs, n(n-1)/2 for a list of n rows.
    """

    def preferences(
        self, first: tf.Tensor, second: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """What the truth says of pairs.

        Args:
          first: `[pairs]` truth of the first row.
          second: `[pairs]` truth of the second row.

        Returns:
          `[pairs]` each: how likely the first row comes before the second, the part of the first
          row's weight in that of the pair, and 1 for pairs that count or 0.
        """
        raise NotImplementedError

    def of_lists(
        self, truth: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor, lists: Lists
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """See `ListLoss`."""
        first, second = _pairs(lists)
        preferred, part, counts = self.preferences(
            tf.gather(truth, first), tf.gather(truth, second)
        )
        margin = tf.gather(logits, first) - tf.gather(logits, second)
        costs = tf.nn.sigmoid_cross_entropy_with_logits(labels=preferred, logits=margin)
        weight = part * tf.gather(weights, first) + (1 - part) * tf.gather(weights, second)
        total, number = (_sums(x, first, lists) for x in (counts * weight * costs, counts))
        return tf.reduce_sum(total / tf.maximum(number, 1)), number > 0


@register
class PairwiseLogistic(_Pairwise):
    """Logistic loss of the pairs whose labels differ.

        L(list) = Σ_{y_i > y_j} w_i · log(1 + exp(-(f_i - f_j))) / number of such pairs

    Averaged over the lists that hold such a pair; the others say nothing. The weight of a pair is
    that of the row which should come first, as in TF-Ranking's `PairwiseLogisticLoss`, whose mean
    over the pairs of a list it is.

    Example: labels 1, 0, 0, logits ln 3, 0, ln 3: `(log(4/3) + log 2) / 2 = .4904`. To train with
    it:

        model.compile(optimizer, loss=tfpfd.losses.PairwiseLogistic())

    Args:
      name: of the loss.

    Reference:
      Burges et al., "Learning to Rank using Gradient Descent", ICML 2005.
    """

    targets = LABELS

    def __init__(self, name: str = "pairwise_logistic", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def preferences(
        self, first: tf.Tensor, second: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """1 or 0, all the weight to the row that should come first; equal labels don't count."""
        preferred = tf.cast(first > second, tf.float32)
        return preferred, preferred, tf.cast(first != second, tf.float32)


@register
class SoftPairwiseLogistic(_Pairwise):
    """Logistic loss of all pairs, with the teacher's opinion as the soft label.

        L(list) = Σ_{i < j} w_ij · CE(σ(f_t,i - f_t,j), f_s,i - f_s,j) / number of pairs

    w_ij is the mean of the sample weights of both rows. Averaged over the lists of two rows or
    more, labelled or not.

    Args:
      name: of the loss.

    Reference:
      RankNet with the probabilities of a model as targets: Burges et al., "Learning to Rank using
      Gradient Descent", ICML 2005, eq. 1–3.
    """

    targets = SOFT_LABELS

    def __init__(self, name: str = "soft_pairwise_logistic", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def preferences(
        self, first: tf.Tensor, second: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The teacher's probability; both rows have as much of the weight; all pairs count."""
        preferred = tf.sigmoid(first - second)
        return preferred, tf.fill(tf.shape(first), 0.5), tf.ones_like(first)
