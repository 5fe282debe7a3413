"""Rows of groups on benches of equal length, so that what a group has in common isn't repeated."""

from __future__ import annotations

import tensorflow as tf


class Benches:
    """Rows of groups, seated on benches; each bench is of one group.

    A bench has as many seats as a group has rows on average, so at most twice as many benches are
    needed as there are groups, however unequal these are.

    Args:
      place: int32 `[batch]`, the group of each row.
      groups: how many there are, a scalar.

    Attributes:
      group: int32 `[benches]`, the group of each bench.
    """

    def __init__(self, place: tf.Tensor, groups: tf.Tensor) -> None:
        rows = tf.size(place)
        counts = tf.math.bincount(place, minlength=groups, dtype=tf.int32)
        seats = tf.maximum(-(-rows // tf.maximum(groups, 1)), 1)
        order = tf.argsort(place, stable=True)
        ordered = tf.gather(place, order)
        first = tf.cumsum(counts, exclusive=True)
        rank = tf.scatter_nd(order[:, None], tf.range(rows) - tf.gather(first, ordered), [rows])
        benches = -(-counts // seats)
        start = tf.gather(tf.cumsum(benches, exclusive=True), place)
        self.group = tf.repeat(tf.range(groups), benches)
        self._at = tf.stack([start + rank // seats, rank % seats], axis=1)
        self._shape = tf.stack([tf.size(self.group), seats])

    def seat(self, values: tf.Tensor) -> tf.Tensor:
        """Values `[batch, width]` of rows as `[benches, seats, width]`, zeros on empty seats."""
        shape = tf.concat([self._shape, [values.shape[1]]], axis=0)
        seated = tf.scatter_nd(self._at, values, shape)
        return tf.ensure_shape(seated, [None, None, values.shape[1]])

    def rows(self, seated: tf.Tensor) -> tf.Tensor:
        """Values `[benches, seats, …]` as `[batch, …]`."""
        return tf.gather_nd(seated, self._at)
