"""Lists of rows: their numbers in a batch, and batches that hold whole lists."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
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
    if len({part.dtype for part in parts}) > 1:
        # One type for all would be floats for integers of two kinds, and lose digits.
        parts = [part.astype(object) for part in parts]
        kinds = {pd.api.types.infer_dtype(part, skipna=True) for part in parts} - {"empty"}
        if kinds & {"string", "bytes"} and len(kinds) > 1:
            raise ValueError(
                f"column '{name}': expected list keys of one kind, received {sorted(kinds)} in "
                "different parts of the rows"
            )
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
    """Batches of whole lists, as many in every epoch.

    In the given order, batches have as many lists in a row as fit. Shuffled ones are cut evenly:
    see `_even`.

    Args:
      columns: `(inputs, labels)` or `(inputs, labels, weights)`, arrays `[rows, ...]`.
      lists: `[rows]` the number of each row's list, from 0. Batches number lists anew, in the order
        of the epoch, from a number that no other dataset of this process has.
      size: rows that a batch holds at most, unless a single list has more.
      shuffle: whether every epoch has another order of lists; rows of a list keep theirs.
      seed: of the order.

    Returns:
      A dataset that says how many batches it has. Keras 2 takes those of the first epoch for all,
      and would leave out lists, or end, where another order made more or fewer of them.
    """
    order = np.argsort(lists, kind="stable")
    with tf.init_scope():  # A graph that is being traced can't hold more than 2 GB.
        held = tf.nest.map_structure(lambda column: tf.constant(column[order]), columns)
    counts = np.bincount(lists)
    first_number = next(_first_numbers)
    sizes, starts = (tf.constant(part, tf.int64) for part in (counts, np.cumsum(counts) - counts))
    batch_of, batches = (_even if shuffle else _greedy)(counts, size)

    def cut(chosen: tf.Tensor) -> tf.data.Dataset:
        """Batches of lists `[lists]` in the order of an epoch."""
        batch = batch_of(chosen)
        together = tf.argsort(batch, stable=True)
        ends = tf.cumsum(tf.math.unsorted_segment_sum(tf.ones_like(batch), batch, batches))
        ends = tf.concat([[0], ends], axis=0)
        # They come where their first lists stand.
        places = tf.range(len(counts), dtype=tf.int64)
        first = tf.math.unsorted_segment_min(places, batch, batches)
        return tf.data.Dataset.from_tensor_slices(tf.argsort(first)).map(
            lambda one: tf.gather(chosen, together[ends[one] : ends[one + 1]])
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
    numbered_anew = epoch.flat_map(cut).scan(
        tf.constant(0, tf.int64),
        lambda before, chosen: (before + tf.size(chosen, tf.int64), (before, chosen)),
    )
    dataset = numbered_anew.map(rows, tf.data.AUTOTUNE)
    return dataset.apply(tf.data.experimental.assert_cardinality(batches))


_BatchOf = Callable[[tf.Tensor], tf.Tensor]
"""From lists `[lists]` in the order of an epoch to the batch of each, int64, in any order."""


def _greedy(counts: np.ndarray, most: int) -> tuple[_BatchOf, int]:
    """As many lists in a row as fit; a longer one is a batch of its own."""
    ends = np.cumsum(counts)
    firsts = [0]
    while firsts[-1] < len(counts):
        fitting = ends[firsts[-1]] - counts[firsts[-1]] + most
        firsts.append(max(int(np.searchsorted(ends, fitting, side="right")), firsts[-1] + 1))
    batches = len(firsts) - 1
    batch = tf.constant(np.repeat(np.arange(batches), np.diff(firsts)), tf.int64)
    return lambda chosen: tf.gather(batch, chosen), batches


def _even(counts: np.ndarray, most: int) -> tuple[_BatchOf, int]:
    """Long lists are batches of their own, and the others are cut evenly: as many in any order.

    Of R rows in B batches, the list that begins in row r of an epoch is in batch ⌊r · B / R⌋. Let g
    divide all sizes and L be the largest. Lists begin at multiples of g, so that at most ⌈t / g⌉ of
    them do within t = R / B rows, which makes g ⌈t / g⌉ - g + L rows at most. No batch is empty
    if t ≥ L.
    """
    sizes, numbers = np.unique(counts[2 * counts <= most], return_counts=True)
    rows = np.cumsum(sizes * numbers)
    divisors = np.gcd.accumulate(sizes)
    batches = -(-rows // (divisors * ((most - sizes + divisors) // divisors)))
    usable = np.flatnonzero(rows >= sizes * batches)
    largest, total, even = (
        (int(part[usable[-1]]) if len(usable) else 0) for part in (sizes, rows, batches)
    )
    small = tf.constant(np.where(counts <= largest, counts, 0), tf.int64)

    def batch_of(chosen: tf.Tensor) -> tf.Tensor:
        own = tf.gather(small, chosen)
        begins = tf.cumsum(own, exclusive=True)
        alone = tf.cumsum(tf.cast(own == 0, tf.int64), exclusive=True)
        return tf.where(own > 0, begins * even // max(total, 1), even + alone)

    return batch_of, even + int((counts > largest).sum())
