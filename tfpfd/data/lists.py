"""Lists of rows: their numbers in a batch, and batches that hold whole lists."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tfpfd.data.epochs import orders
from tfpfd.schema.columns import series_of

# No feature can have this name: those begin with a letter.
LIST = "__list__"
"""Where the inputs of a batch say which rows share a list: int64 `[batch]`.

Numbers are equal where rows share a list, and different elsewhere: in the epoch, and in other
datasets, so that those of several may be put together.
"""
_MOST_LISTS = 2**32
# Where no key of `from_stream` is, hashed or an integer as it is.
_first_numbers = itertools.count(-(2**63), _MOST_LISTS)


def numbered(name: str, keys: Sequence[Any]) -> np.ndarray:
    """Numbers the lists from 0, in the order in which they appear.

    Args:
      name: of the column, for messages.
      keys: the list key of each row, any hashable values, in one column or in several parts.

    Returns:
      int64 `[rows]`.

    Raises:
      ValueError: a row has no key, or one that is not hashable.
    """
    # A Series may hold tuples, which are keys of more than one part.
    parts = [part if isinstance(part, pd.Series) else series_of(name, part) for part in keys]
    column = pd.concat(parts, ignore_index=True)
    try:
        numbers, _ = pd.factorize(column)
    except TypeError as error:
        raise ValueError(
            f"column '{name}': expected hashable list keys, received {error}"
        ) from error
    missing = int((numbers < 0).sum())
    if missing:
        raise ValueError(
            f"column '{name}': expected a list key in every row, received {missing} of "
            f"{len(numbers)} missing"
        )
    return numbers.astype(np.int64)


def hashed(name: str, keys: tf.Tensor) -> tf.Tensor:
    """Numbers that are equal where list keys are equal: int64 `[batch]`.

    Args:
      name: of the column, for messages.
      keys: `[batch]` strings, or integers, which stay what they are.

    Raises:
      ValueError: keys of another shape or type.
    """
    if keys.shape.rank not in (None, 1) or not (keys.dtype == tf.string or keys.dtype.is_integer):
        raise ValueError(
            f"column '{name}': expected strings or integers of shape [batch] as list keys, "
            f"received {keys.dtype.name} of shape {keys.shape}"
        )
    if keys.dtype == tf.string:
        # So many buckets that two keys hardly ever share one.
        return tf.strings.to_hash_bucket_fast(keys, 2**62)
    return tf.cast(keys, tf.int64)


def batches_of_lists(
    columns: Any, lists: np.ndarray, size: int, shuffle: bool, seed: int | None
) -> tf.data.Dataset:
    """Batches of whole lists, as many in a row as fit.

    Args:
      columns: `(inputs, labels)` or `(inputs, labels, weights)`, arrays `[rows, ...]`.
      lists: `[rows]` the number of each row's list, from 0. Batches number lists anew, in the order
        of the epoch, from a number that no other dataset of this process has.
      size: rows that a batch holds at most, unless a single list has more.
      shuffle: whether every epoch has another order of lists; rows of a list keep theirs.
      seed: of the order.
    """
    order = np.argsort(lists, kind="stable")
    with tf.init_scope():  # A graph that is being traced can't hold more than 2 GB.
        held = tf.nest.map_structure(lambda column: tf.constant(column[order]), columns)
    counts = np.bincount(lists)
    first_number = next(_first_numbers)
    sizes, starts = (tf.constant(part, tf.int64) for part in (counts, np.cumsum(counts) - counts))

    def batches(chosen: tf.Tensor) -> tf.data.Dataset:
        """Of lists `[lists]` in the order of an epoch."""
        ends = tf.cumsum(tf.gather(sizes, chosen))
        # A batch that begins with a list ends before `after`, or holds that list alone.
        fitting = ends - tf.gather(sizes, chosen) + size
        after = tf.searchsorted(ends, fitting, side="right", out_type=tf.int64)
        after = tf.maximum(after, tf.range(1, len(counts) + 1, dtype=tf.int64))
        after = tf.concat([after, [len(counts)]], axis=0)
        return (
            tf.data.Dataset.range(len(counts))
            .scan(tf.constant(0, tf.int64), lambda at, _: (after[at], (at, after[at])))
            .take_while(lambda first, end: first < len(counts))
            .map(lambda first, end: (first, chosen[first:end]))
        )

    def rows(before: tf.Tensor, chosen: tf.Tensor) -> Any:
        """Of lists `[lists]`, and how many came before them in the epoch."""
        first = tf.gather(starts, chosen)
        index = tf.ragged.range(first, first + tf.gather(sizes, chosen))
        inputs, *others = tf.nest.map_structure(lambda c: tf.gather(c, index.values), held)
        # Counted one by one, losses of lists need neither sort nor number them.
        return ({**inputs, LIST: first_number + before + index.value_rowids()}, *others)

    # One element holds the order of an epoch, which is cut into batches.
    epoch = tf.data.Dataset.range(len(counts)).batch(len(counts))
    if shuffle:
        epoch = orders(len(counts), seed)
    return epoch.flat_map(batches).map(rows, tf.data.AUTOTUNE)
