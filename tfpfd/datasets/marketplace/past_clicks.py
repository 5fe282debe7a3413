"""What users clicked in earlier days: counts and histories as of any day, by binary search."""

from __future__ import annotations

import numpy as np

WINDOW = 7  # days that are recent
HISTORY_LENGTH = 20  # clicks


class PastClicks:
    """The clicks of all days, looked at from the beginning of a day.

    A query of day t sees the clicks of days before t and no other: later ones, of the same
    day too, lie behind the place that the search finds. So one object serves every row in any
    order and in chunks of any size.

    Args:
      user: [clicks] in the order of time.
      item: [clicks].
      day: [clicks] day of each click.
      category: [items] category of each item.
      cents: [items] price of each item.
      days: how many days there are.
    """

    def __init__(
        self,
        user: np.ndarray,
        item: np.ndarray,
        day: np.ndarray,
        category: np.ndarray,
        cents: np.ndarray,
        days: int,
    ) -> None:
        self._category, self._cents, self._days = category, cents, days
        self._categories = int(category.max()) + 1
        keys = self._key(user, day)
        order = np.argsort(keys, kind="stable")
        self._by_user, self._items = keys[order], item[order]
        # Whole cents: sums of floats would depend on the clicks of others.
        self._spent = np.concatenate([[0], np.cumsum(cents[self._items])])
        self._by_category = np.sort(self._key(self._group(user, item), day))

    def _key(self, group: np.ndarray, day: np.ndarray | int) -> np.ndarray:
        return group * np.int64(self._days + 1) + day

    def _group(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        return user * np.int64(self._categories) + self._category[item]

    def cross(self, user: np.ndarray, item: np.ndarray, day: np.ndarray) -> np.ndarray:
        """Cross features of users and items at the beginning of days; see `Marketplace`.

        Args:
          user: [rows].
          item: [rows].
          day: [rows].

        Returns:
          [rows, 4] recent clicks in the category, its share, its recency, the price gap.
        """
        first, last = self._range(user, day)
        spent = self._spent[last] - self._spent[first]
        group = self._group(user, item)
        start, recent, end = (
            np.searchsorted(self._by_category, self._key(group, moment))
            for moment in (0, np.maximum(day - WINDOW, 0), day)
        )
        clicked = end > start
        latest = self._by_category[np.maximum(end, 1) - 1] if len(self._by_category) else end
        ago = self._key(group, day) - latest
        gap = np.log(self._cents[item] * np.maximum(last - first, 1) / np.maximum(spent, 1))
        columns = (
            end - recent,
            (end - start) / np.maximum(last - first, 1),
            np.where(clicked, 1 / np.where(clicked, ago, 1), 0.0),
            np.where(last > first, gap, 0.0),
        )
        return np.column_stack(columns).astype(np.float32)

    def history(self, user: np.ndarray, day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The last 20 items that users clicked before days, the oldest first.

        Args:
          user: [rows].
          day: [rows].

        Returns:
          Items of all rows on end, and [rows + 1] where each row starts and the last one ends.
        """
        first, last = self._range(user, day)
        count = np.minimum(last - first, HISTORY_LENGTH)
        offsets = np.concatenate([[0], np.cumsum(count)])
        places = np.repeat(last - offsets[1:], count) + np.arange(offsets[-1])
        return self._items[places], offsets

    def _range(self, user: np.ndarray, day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where a user's clicks before a day start and end in `_by_user`."""
        first, last = (np.searchsorted(self._by_user, self._key(user, m)) for m in (0, day))
        return first, last
