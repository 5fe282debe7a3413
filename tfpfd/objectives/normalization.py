"""Scores of several teachers on one scale, before they are added up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import tensorflow as tf

from tfpfd.distillation.losses.list_loss import Lists, over_lists
from tfpfd.distillation.losses.listwise import softmax

Normalize = Literal["logits", "probabilities", "softmax", "standard"]


def _standard(scores: tf.Tensor, lists: Lists) -> tf.Tensor:
    """Minus the mean of the list, over its standard deviation; 0 where all are equal."""
    apart = scores - lists.spread(lists.mean(scores))
    deviation = tf.sqrt(lists.mean(tf.square(apart)))
    # Not a deviation of 0: the mean of equal numbers is rounded.
    differ = lists.max(scores) > -lists.max(-scores)
    return apart * lists.spread(
        tf.where(differ, tf.math.reciprocal_no_nan(deviation), tf.zeros_like(deviation))
    )


_PER_LIST: dict[str, Callable[[tf.Tensor, Lists], tf.Tensor]] = {
    "softmax": softmax,
    "standard": _standard,
}
NORMALIZATIONS = ("logits", "probabilities", *_PER_LIST)


def normalized(scores: tf.Tensor, how: Normalize, lists: tf.Tensor | None) -> tf.Tensor:
    """Brings the scores of each teacher onto a scale.

    Args:
      scores: `[batch, teachers]` logits.
      how: `"logits"`, as they are; `"probabilities"`, their sigmoid; `"softmax"` over each list;
        `"standard"`, minus the mean of the list, over its standard deviation, and 0 in a list of
        equal scores, such as one of a single row.
      lists: integers `[batch]`, equal for rows of the same list, in any order, or None.

    Returns:
      `[batch, teachers]`.

    Raises:
      ValueError: `how` looks at lists, and `lists` is None.
    """
    if how == "logits":
        return scores
    if how == "probabilities":
        return tf.sigmoid(scores)
    if lists is None:
        raise ValueError(
            f"normalize='{how}' looks at whole lists, but the batch doesn't say which rows share "
            "one: declare `list_key` in the schema and make batches with "
            "`tfpfd.data.from_rows(…, by_list=True)`"
        )
    return over_lists(_PER_LIST[how], scores, tf.reshape(lists, [-1]))
