"""The area under the ROC curve, of logits of any width, for labels of any rarity."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfpfd._keras import keras, register

_BINS = 2**14
_NARROW = 1e-2  # Below it bins are evenly wide, above their width grows with the logit.
_LARGEST = 1e4


@register
class AUC(keras.metrics.Metric):
    """How often a positive row has a higher logit than a negative one; equal logits are half.

        Σ_b p_b · (n_1 + … + n_(b-1) + n_b / 2) / (Σ p · Σ n)

    p_b and n_b are the weights of the positive and of the negative rows whose logit is in bin b. A
    label between 0 and 1 is a positive row in that part. The 16,384 bins are evenly spaced in
    `asinh(logit / .01)`: .2 % of a logit wide, and .00002 around 0. So rare positives and the
    narrow logits of an untrained model are told apart, where `keras.metrics.AUC(from_logits=True)`
    has 200 thresholds evenly spaced in probability, most of which lie beside the logits of rare
    positives. Where all logits lie closer together than that, at most a fifth of a percent of their
    distance from 0 apart, they count as equal; `sklearn.metrics.roc_auc_score` of the predictions
    then says more. The area depends on nothing but the rows: not on batch size, order, or number of
    replicas. Logits that aren't finite give NaN, and so do rows of one class alone, labels out of
    [0, 1] and negative weights.

    Example: labels 1, 0, 0, 1 and logits 2, 1, 3, 3: of four pairs one is wrong and one is equal,
    (1 + 0 + 1 + .5) / 4 = .625.

        metric = tfpfd.AUC()
        metric.update_state([1.0, 0, 0, 1], [2.0, 1, 3, 3])
        metric.result()  # .625

    Args:
      name: of the metric.
    """

    def __init__(self, name: str = "auc", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        # Counts of many rows in one bin are beyond the integers of a float32.
        self.counts = self.add_weight(
            name="counts", shape=(_BINS, 2), initializer="zeros", dtype="float64"
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts rows.

        Args:
          y_true: labels in [0, 1], `[rows]` or `[rows, 1]`.
          y_pred: logits of the same shape.
          sample_weight: `[rows]` or `[rows, 1]`, or None for 1.
        """
        labels, logits = (tf.reshape(tf.cast(x, tf.float32), [-1]) for x in (y_true, y_pred))
        weights = tf.ones_like(labels) if sample_weight is None else sample_weight
        weights = tf.reshape(tf.cast(weights, tf.float64), [-1])
        # A row that counts and has no finite logit must show.
        unknown = tf.logical_not(tf.math.is_finite(logits) & (labels >= 0) & (labels <= 1))
        unknown = (unknown & (weights > 0)) | (weights < 0)
        weights = tf.where(unknown, tf.constant(float("nan"), tf.float64), weights)
        places = tf.asinh(tf.clip_by_value(logits, -_LARGEST, _LARGEST) / _NARROW)
        largest = tf.asinh(_LARGEST / _NARROW)
        bins = tf.cast((places / largest + 1) * (_BINS / 2), tf.int32)
        bins = tf.clip_by_value(bins, 0, _BINS - 1)
        positive = weights * tf.cast(labels, tf.float64)
        parts = tf.stack([weights - positive, positive], axis=1)
        self.counts.assign_add(tf.math.unsorted_segment_sum(parts, bins, _BINS))

    def reset_state(self) -> None:
        """Forgets all rows."""
        self.counts.assign(tf.zeros([_BINS, 2], tf.float64))

    def result(self) -> tf.Tensor:
        """The area, a float32 scalar."""
        negative, positive = tf.unstack(tf.convert_to_tensor(self.counts), axis=1)
        below = tf.cumsum(negative) - negative / 2
        pairs = tf.reduce_sum(negative) * tf.reduce_sum(positive)
        return tf.cast(tf.reduce_sum(positive * below) / pairs, tf.float32)
