"""Vocabularies: learned batch by batch, and looked up by a hash table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tfpfd.schema.columns import MISSING, Kind, is_missing
from tfpfd.schema.table_feature import PADDING_ROWS


class VocabularyLearner:
    """Counts the values of one vocabulary; memory grows with its size, not with the rows.

    Args:
      min_count: a value seen less often is left out.
      max_size: the largest number of values kept, the most frequent first.
    """

    def __init__(self, min_count: int = 1, max_size: int | None = None) -> None:
        self._min_count, self._max_size = min_count, max_size
        self._counts = pd.Series(dtype=np.int64)
        self._pending: list[pd.Series] = []
        self._waiting = 0

    def update(self, values: np.ndarray) -> None:
        """Counts the values of a column that `columns.column` returned."""
        flat = values.ravel()
        counted = pd.Series(flat[~is_missing(flat)]).value_counts(sort=False)
        self._pending.append(counted)
        self._waiting += len(counted)
        # Merging once as much waits as was counted costs a constant number of passes a value.
        if self._waiting > max(len(self._counts), 1_000_000):
            self._merge()

    def _merge(self) -> None:
        parts = [part for part in (self._counts, *self._pending) if len(part)]
        if parts:
            self._counts = pd.concat(parts).groupby(level=0, sort=False).sum()
        self._pending, self._waiting = [], 0

    def learned(self) -> tuple:
        """The vocabulary: the most frequent first, ties in order of value."""
        self._merge()
        counts = self._counts[self._counts >= self._min_count].sort_index()
        counts = counts.sort_values(ascending=False, kind="stable")
        return tuple(counts.index[: self._max_size].tolist())


def hash_table(
    vocabulary: tuple, dtype: tf.DType, oov: int
) -> tf.lookup.experimental.MutableHashTable:
    """From values to table rows, 0 for others; `oov` rows stand before those of the vocabulary."""
    table = tf.lookup.experimental.MutableHashTable(dtype, tf.int64, default_value=0)
    first = PADDING_ROWS + oov
    if vocabulary:
        table.insert(
            tf.constant(vocabulary, dtype),
            tf.range(first, first + len(vocabulary), dtype=tf.int64),
        )
    return table


def look_up(values: tf.Tensor, owner: Any, table: Any) -> tf.Tensor:
    """Raw values to int32 rows of an owner's embedding table.

    Args:
      values: string or int64, of any shape.
      owner: the `Categorical` that owns the vocabulary.
      table: its `hash_table`, or None where values are hashed.
    """
    missing = values == "" if owner.dtype == "string" else values < 0
    rows = owner.hash_buckets or owner.oov
    if rows == 1:
        # All in one row: to hash them would cost as much as the table does.
        hashed = tf.zeros(tf.shape(values), tf.int64)
    elif owner.dtype == "string":
        hashed = tf.strings.to_hash_bucket_fast(values, rows)
    elif owner.hash_buckets is None:
        hashed = tf.math.floormod(values, tf.constant(rows, tf.int64))
    else:
        # Through strings: consecutive ids would otherwise fall into consecutive buckets.
        hashed = tf.strings.to_hash_bucket_fast(tf.strings.as_string(values), rows)
    ids = hashed + PADDING_ROWS
    if table is not None:
        # The table forgets the static shape.
        known = tf.ensure_shape(table.lookup(values), values.shape)
        ids = tf.where(known > 0, known, ids)
    return tf.cast(tf.where(missing, tf.zeros_like(ids), ids), tf.int32)


def last(ids: tf.Tensor, length: int) -> tf.Tensor:
    """The last `length` ids of each row that aren't padding, moved to the front."""
    ids = tf.ensure_shape(ids, [None, None])
    held = tf.ragged.boolean_mask(ids, ids > 0)
    return held[:, -length:].to_tensor(shape=[None, length])


def drawn(known: Any, kind: Kind, shape: tuple[int, ...], random: np.random.Generator) -> Any:
    """Some of the known values, or missing ones where none is known."""
    dtype = object if kind == "string" else None
    if not known:
        return np.full(shape, MISSING[kind], dtype)
    values = [known[i] for i in random.integers(0, len(known), np.prod(shape))]
    values = [str(value) for value in values] if kind == "string" else values
    return np.array(values, dtype).reshape(shape)


def drawn_rows(
    known: Any, kind: Kind, rows: int, length: int, random: np.random.Generator
) -> np.ndarray:
    """`[rows, width]` of known values, with as many in a row as there may be, or fewer."""
    width = int(random.integers(1, length + 1))
    values = drawn(known, kind, (rows, width), random)
    lengths = random.integers(0, width + 1, (rows, 1))
    return np.where(np.arange(width) < lengths, values, MISSING[kind])


def members(column: np.ndarray, length: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers `[members]`, ascending, and the values there.

    Args:
      column: `[rows]`, of which a missing value is one like any other; or `[rows, width]`, in
        which a missing one pads.
      length: how many members of a row are used, the last ones; None for one value a row.
    """
    if length is None:
        return np.arange(len(column)), column
    held = ~is_missing(column)
    # Counted from the end of the row, as a model that is served sees the last ones.
    behind = np.cumsum(held[:, ::-1], axis=1)[:, ::-1]
    rows, places = np.nonzero(held & (behind <= length))
    return rows, column[rows, places]


def cross_entropy(rows: tf.Tensor, output: tf.Tensor) -> tf.Tensor:
    """`[batch, values]`, of rows `[batch, values]` and logits `[batch, rows of the table]`."""
    return -tf.gather(tf.nn.log_softmax(output), rows, batch_dims=1)
