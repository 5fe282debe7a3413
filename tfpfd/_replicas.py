"""Several replicas of a `tf.distribute` strategy: what their parts of a batch add up to."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf


def replicas() -> int:
    """How many replicas take part in a step; 1 outside of a step."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def summed(values: tf.Tensor) -> tf.Tensor:
    """The sum over replicas of what each has, of any shape; on each of them."""
    if replicas() == 1:
        return values
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, values)


def gathered(columns: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The rows of all replicas below each other, on each of them.

    Args:
      columns: `[rows, …]` each, of any type; the number of rows may differ between replicas.

    Returns:
      The columns `[rows of all replicas, …]`. The gradient of what all replicas make of them adds
      up over replicas.
    """
    if replicas() == 1:
        return list(columns)
    context = tf.distribute.get_replica_context()
    # One by one: they have different types.
    return [
        tf.cast(context.all_gather(tf.cast(c, tf.int32), axis=0), tf.bool)
        if c.dtype == tf.bool
        else context.all_gather(c, axis=0)
        for c in columns
    ]
