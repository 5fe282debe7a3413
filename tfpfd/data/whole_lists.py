"""Batches that hold whole lists."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfpfd.data.common_features import in_common, key_of
from tfpfd.data.epochs import orders
from tfpfd.data.list_ids import LIST

_MOST_LISTS = 2**32
# Where no key of `from_stream` is, hashed or an integer as it is.
_first_numbers = itertools.count(-(2**63), _MOST_LISTS)


class ListColumns(NamedTuple):
    """Columns of rows that stand list by list, each held where it has fewest entries.

    Attributes:
      of_rows: `(inputs, labels)` or `(inputs, labels, weights)`, arrays `[rows, ...]`.
      of_lists: inputs that the rows of a list have in common, `[lists, ...]`.
      of_items: inputs of the rows' items, `[items, ...]`.
      item: int64 `[rows]`, the item of each row; None where there are no `of_items`.
    """

    of_rows: Any
    of_lists: dict[str, np.ndarray] = {}
    of_items: dict[str, np.ndarray] = {}
    item: np.ndarray | None = None


def batches_of_lists(
    columns: Any, lists: np.ndarray, size: int, shuffle: bool, seed: int | None
) -> tf.data.Dataset:
    """Batches of whole lists of rows in any order.

    Args:
      columns: `(inputs, labels)` or `(inputs, labels, weights)`, arrays `[rows, ...]`.
      lists: `[rows]` the number of each row's list, from 0. Batches number lists anew, in the order
        of the epoch, from a number that no other dataset of this process has.
      size: rows that a batch holds at most, unless a single list has more.
      shuffle: whether every epoch has another order of lists; rows of a list keep theirs.
      seed: of the order.

    Returns:
      As of `whole_lists`.
    """
    order = np.argsort(lists, kind="stable")
    inputs, *others = tf.nest.map_structure(lambda column: column[order], columns)
    counts = np.bincount(lists)
    firsts = np.cumsum(counts) - counts
    of_lists = {name: inputs.pop(name)[firsts] for name in in_common(inputs, counts)}
    return whole_lists(ListColumns((inputs, *others), of_lists), counts, size, shuffle, seed)


def whole_lists(
    columns: ListColumns, counts: np.ndarray, size: int, shuffle: bool, seed: int | None
) -> tf.data.Dataset:
    """Batches of whole lists, as many in every epoch.

    In the given order, batches have as many lists in a row as fit. Shuffled ones are cut evenly:
    see `_even`.

    Args:
      columns: of the rows, list by list.
      counts: `[lists]` the rows of each.
      size: as of `batches_of_lists`.
      shuffle: as of `batches_of_lists`.
      seed: as of `batches_of_lists`.

    Returns:
      A dataset that says how many batches it has. Keras 2 takes those of the first epoch for all,
      and would leave out lists, or end, where another order made more or fewer of them.
    """
    inputs, *others = columns.of_rows
    once = _features(columns.of_lists)
    # A batch that has most items once or not at all has nothing to gain.
    together = _features({n: c for n, c in columns.of_items.items() if len(c) < size})
    with tf.init_scope():  # A graph that is being traced can't hold more than 2 GB.
        of_rows, of_lists, of_items = tf.nest.map_structure(
            tf.constant, ((inputs, *others), columns.of_lists, columns.of_items)
        )
        item = tf.constant([] if columns.item is None else columns.item, tf.int64)
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
        place, row = index.value_rowids(), index.values
        own, *others = tf.nest.map_structure(lambda c: tf.gather(c, row), of_rows)
        common = {name: tf.gather(c, tf.gather(chosen, place)) for name, c in of_lists.items()}
        items = {name: tf.gather(c, tf.gather(item, row)) for name, c in of_items.items()}
        # Counted one by one, losses of lists need neither sort nor number them.
        lists = first_number + before + place
        groups = {key_of(once): lists} if once else {}
        if together:
            groups[key_of(together)] = first_number + tf.gather(item, row)
        return ({**own, **common, **items, **groups, LIST: lists}, *others)

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


def _features(columns: dict[str, np.ndarray]) -> list[str]:
    """The names of columns that are features, sorted."""
    return sorted(name for name in columns if not name.startswith("__"))


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
