"""How often, and how long ago, users acted in a category before a moment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tfpfd._arguments import check_integer
from tfpfd.data.past import Past


class CategoryCounts:
    """The events of users by category.

    Args:
      user: [num_events] codes from 0.
      category: [num_events] codes from 0, -1 for none.
      time: [num_events] integers.
      day: how long a day is, in the unit of `time`.
      windows: days.

    Raises:
      ValueError: windows that aren't whole days, each once.
    """

    def __init__(
        self,
        user: NDArray,
        category: NDArray,
        time: NDArray,
        day: int,
        windows: Sequence[int],
    ) -> None:
        if not pd.api.types.is_list_like(windows) or len(set(windows)) < len(windows):
            raise ValueError(f"`windows` must be a list of days, each once, received {windows!r}")
        for window in windows:
            check_integer("windows", window, least=1)
        self._categories = int(category.max(initial=0)) + 1
        self._day, self._windows = day, tuple(windows)
        self._all = Past(user, time)
        some = category >= 0
        self._own = Past(self._key(user[some], category[some]), time[some])
        self._times = np.append(time[some][self._own.order], 0)

    @property
    def names(self) -> list[str]:
        """What `before` returns."""
        windows = (*(f"{days}d" for days in self._windows), "all")
        pairs = [f"category_{what}_{window}" for window in windows for what in ("count", "share")]
        return [*pairs, "category_seen", "category_recency"]

    def _key(self, user: NDArray, category: NDArray) -> NDArray:
        # Of an unknown user or category a key that no event has.
        known = (user >= 0) & (category >= 0)
        return np.where(known, user * np.int64(self._categories) + category, -1)

    def before(self, user: NDArray, category: NDArray, time: NDArray) -> list[NDArray]:
        """Counts of users in categories before moments.

        Args:
          user: [num_rows] codes, -1 for unknown ones.
          category: [num_rows] codes, -1 for unknown ones.
          time: [num_rows] integers.

        Returns:
          [num_rows] each: by window, at last that of all events, the count and its share of the
          user's events; whether there is one; its recency `1 / (1 + days)`, 0 if there is none.
        """
        key = self._key(user, category)
        own, everything = self._own.before(key, time), self._all.before(user, time)
        columns: list[NDArray] = []
        for window in self._windows:
            start = time - window * self._day
            inside = own.count - self._own.before(key, start).count
            columns += _count_and_share(
                inside, everything.count - self._all.before(user, start).count
            )
        columns += _count_and_share(own.count, everything.count)
        seen = own.count > 0
        # The place before the first event is the last one: not read, as nothing is seen there.
        days = np.where(seen, time - self._times[own.stop - 1], 0) / self._day
        return [*columns, seen, np.where(seen, 1 / (1 + days), 0.0)]


def _count_and_share(count: NDArray, of: NDArray) -> tuple[NDArray, NDArray]:
    return count, count / np.maximum(of, 1)
