"""Rows of groups in blocks of one size, so that what a group has in common isn't repeated."""

from __future__ import annotations

import tensorflow as tf


class RowBlocks:
    """Rows of groups in blocks of one size; each block is of one group.

    A block has as many places as a group has rows on average, so at most twice as many blocks are
    needed as there are groups, however unequal these are.

    Args:
      group: int32 `[batch]`, the group of each row.
      groups: how many there are, a scalar.

    Attributes:
      of: int32 `[blocks]`, the group of each block.
    """

    def __init__(self, group: tf.Tensor, groups: tf.Tensor) -> None:
        rows = tf.size(group)
        counts = tf.math.bincount(group, minlength=groups, dtype=tf.int32)
        size = tf.maximum(-(-rows // tf.maximum(groups, 1)), 1)
        order = tf.argsort(group, stable=True)
        ordered = tf.gather(group, order)
        first = tf.cumsum(counts, exclusive=True)
        rank = tf.scatter_nd(order[:, None], tf.range(rows) - tf.gather(first, ordered), [rows])
        blocks = -(-counts // size)
        start = tf.gather(tf.cumsum(blocks, exclusive=True), group)
        self.of = tf.repeat(tf.range(groups), blocks)
        self._at = tf.stack([start + rank // size, rank % size], axis=1)
        self._shape = tf.stack([tf.size(self.of), size])

    def blocks(self, values: tf.Tensor) -> tf.Tensor:
        """Values `[batch, width]` of rows as `[blocks, size, width]`, zeros in empty places."""
        shape = tf.concat([self._shape, [values.shape[1]]], axis=0)
        blocks = tf.scatter_nd(self._at, values, shape)
        return tf.ensure_shape(blocks, [None, None, values.shape[1]])

    def rows(self, blocks: tf.Tensor) -> tf.Tensor:
        """Values `[blocks, size, …]` as `[batch, …]`."""
        return tf.gather_nd(blocks, self._at)
