"""Features whose inputs are rows of one embedding table."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfpfd.schema.feature import Feature, Known, Tensors
from tfpfd.schema.table_requests import Asked, Embedded

# Every table starts with one row for padding and missing values, so that a mask is `ids > 0`.
PADDING_ROWS = 1


def masked_mean(values: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """Mean over the valid positions; zero where there is none.

    Args:
      values: `[batch, length, dim]`.
      valid: bool `[batch, length]`.

    Returns:
      `[batch, dim]`.
    """
    # Selected, not multiplied: a NaN at a masked position must not reach the sum.
    kept = tf.where(valid[..., None], values, tf.zeros_like(values))
    count = tf.reduce_sum(tf.cast(valid, values.dtype), axis=1, keepdims=True)
    return tf.reduce_sum(kept, axis=1) / tf.maximum(count, 1)


class TableFeature(Feature):
    """A feature that is looked up to rows of one table, int32 `[batch]` or `[batch, length]`."""

    length: Any
    """Most values of a row; None: exactly one."""

    @property
    @abc.abstractmethod
    def table(self) -> str:
        """Name of the embedding table, that of the feature that owns it."""

    @property
    def tables(self) -> tuple[str, ...]:
        """The one table."""
        return (self.table,)

    @property
    def inputs_are(self) -> str:
        """Table rows."""
        return "table rows, int32"

    def inputs(self) -> dict[str, tf.TensorSpec]:
        """Rows of the table."""
        shape = [None] if self.length is None else [None, self.length]
        return {self.name: tf.TensorSpec(shape, tf.int32, name=self.name)}

    def probe(self, rows: int, known: Known) -> dict[str, np.ndarray]:
        """The first rows of the table, again and again where it has fewer."""
        shape = [rows] if self.length is None else [rows, self.length]
        found = np.arange(np.prod(shape), dtype=np.int32) % known[self.table].rows
        return {self.name: found.reshape(shape)}

    def asks(self, inputs: Tensors) -> list[Asked]:
        """The rows as they are."""
        rows = inputs[self.name]
        return [Asked(self.table, rows[:, None] if self.length is None else rows)]

    def width(self, dims: Mapping[str, int], layer: Any) -> int:
        """That of the table."""
        return dims[self.table]

    def combine(self, inputs: Tensors, embedded: Sequence[Embedded], layer: Any) -> tf.Tensor:
        """The vector of the one value, or the mean of several."""
        (one,) = embedded
        return tf.squeeze(one.vectors, 1) if self.length is None else masked_mean(*one)


def mean_of_held(values: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Mean `[batch]` over the values of a row where it has some, else 0.

    Args:
      values: `[batch, values]`.
      rows: `[batch, values]` table rows, 0 where there is no value.
    """
    held = tf.cast(rows > 0, tf.float32)
    return tf.math.divide_no_nan(
        tf.reduce_sum(tf.where(held > 0, values, 0.0), 1), tf.reduce_sum(held, 1)
    )
