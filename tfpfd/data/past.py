"""What lies strictly before a moment: the events of a key by time, without a loop over rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True, eq=False)
class Span:
    """For each of some questions, a range of events in the order of a `Past`.

    Attributes:
      first: [num_questions] the earliest event of the range.
      stop: [num_questions] the event after the last one of the range.
    """

    first: np.ndarray
    stop: np.ndarray

    @property
    def count(self) -> np.ndarray:
        """[num_questions] How many events there are."""
        return self.stop - self.first

    def last(self, length: int) -> Span:
        """The ranges cut to their last `length` events."""
        return Span(np.maximum(self.first, self.stop - length), self.stop)

    def total(self, values: np.ndarray) -> np.ndarray:
        """Adds up [num_events] integers, in the order of the `Past`: [num_questions]."""
        sums = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])
        return sums[self.stop] - sums[self.first]

    def values(self, values: np.ndarray | Sequence) -> np.ndarray:
        """Slices of [num_events] values, in the order of the `Past`: [num_questions] objects.

        Equal ranges share one slice: of an array a view, of a list a list.
        """
        # One number a range: `np.unique` of pairs is ten times slower.
        _, where, which = np.unique(
            self.first * (len(values) + 1) + self.stop, return_index=True, return_inverse=True
        )
        slices = np.empty(len(where), dtype=object)
        for place, row in enumerate(where):
            slices[place] = values[self.first[row] : self.stop[row]]
        return slices[which.ravel()]


class Past:
    """Events by key and time, for questions about those with a smaller time.

    Events in the same moment are not past of one another, and keys are never mixed.

    Args:
      key: [num_events] integers: whose events they are.
      time: [num_events] integers.

    Attributes:
      order: [num_events] the events by key and time; those of one moment stay in their order.
    """

    def __init__(self, key: np.ndarray, time: np.ndarray) -> None:
        # Ranks in place of values: a key and a time together fit into one 64-bit integer.
        keys, key_rank = np.unique(key, return_inverse=True)
        self._keys = pd.Index(keys)
        self._times, time_rank = np.unique(time, return_inverse=True)
        places = self._place(key_rank.ravel(), time_rank.ravel())
        self.order = np.argsort(places, kind="stable")
        self._places = places[self.order]
        starts = np.searchsorted(self._places, self._place(np.arange(len(keys)), 0))
        self._starts = np.append(starts, 0)  # The last, which rank -1 takes, is for unknown keys.

    def _place(self, key_rank: np.ndarray, time_rank: np.ndarray | int) -> np.ndarray:
        return key_rank.astype(np.int64) * (len(self._times) + 1) + time_rank

    def before(self, key: np.ndarray, time: np.ndarray) -> Span:
        """The events of `key` with a time smaller than `time`; each [num_questions]."""
        rank = self._keys.get_indexer(pd.Index(key))
        # A moment's rank is the number of moments before it.
        moment = np.searchsorted(self._times, time, side="left")
        place = self._place(rank, moment)
        # In ascending order the searches stay within the processor's cache.
        ascending = np.argsort(place)
        stop = np.empty(len(place), np.int64)
        stop[ascending] = np.searchsorted(self._places, place[ascending], side="left")
        return Span(self._starts[rank], np.where(rank < 0, 0, stop))
