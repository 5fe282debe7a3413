"""What the items that users had say of candidates."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tfpfd.data.item_tables import co_counts, cosines, ease_weights, interactions


class ItemScores:
    """Scores candidates by histories, with tables of items made from some events.

    Items are numbered as these events bring them, so nothing depends on any other event.

    Args:
      user: [num_events] codes of who had what the tables are made of.
      item: [num_events] codes from 0.
      codes: how many codes of items there are.
      neighbours: of `cosines`.
      shrinkage: of `cosines`.
      l2: of `ease_weights`; None leaves EASE out.
    """

    def __init__(
        self,
        user: NDArray,
        item: NDArray,
        codes: int,
        neighbours: int,
        shrinkage: float,
        l2: float | None,
    ) -> None:
        users, known_users = pd.factorize(user)
        items, known_items = pd.factorize(item)
        self._count = len(known_items)
        self._number = np.full(
            codes + 1, -1
        )  # The last, which code -1 takes, is for unknown items.
        self._number[known_items] = np.arange(self._count)
        history = interactions(
            users, items, (len(known_users), self._count), needed_by="scores of items"
        )
        together, counts = co_counts(history)
        columns = np.repeat(np.arange(self._count), np.diff(together.indptr))
        # One more, which no pair equals, so that each search finds a place.
        self._pairs = np.append(columns * self._count + together.indices, np.iinfo(np.int64).max)
        self._cosines = np.append(cosines(together, counts, neighbours, shrinkage), 0)
        self._log_counts = np.append(np.log1p(together.data), 0)
        # A candidate's weights lie side by side.
        self._ease = None if l2 is None else np.ascontiguousarray(ease_weights(history, l2).T)

    def scores(self, of: NDArray, had: NDArray, candidate: NDArray) -> list[NDArray]:
        """Scores rows; unknown candidates and items of the history add nothing.

        Args:
          of: [num_had] the row that an item of a history belongs to, ascending.
          had: [num_had] codes of these items.
          candidate: [num_rows] codes of the candidates; the search is fastest in their order.

        Returns:
          float64 [num_rows] each: the sum of cosines, the sum and the maximum of log1p of
          co-counts, the sum of EASE's weights if there are any.
        """
        item, other = self._number[candidate][of], self._number[had]
        known = (item >= 0) & (other >= 0)
        of, item, other = of[known], item[known], other[known]
        pair = item * self._count + other
        place = np.searchsorted(self._pairs, pair)
        place[self._pairs[place] != pair] = len(self._pairs) - 1

        def total(values: NDArray) -> NDArray:
            return np.bincount(of, weights=values, minlength=len(candidate))

        log_counts = self._log_counts[place]
        largest = np.zeros(len(candidate))
        np.maximum.at(largest, of, log_counts)
        found = [total(self._cosines[place]), total(log_counts), largest]
        return found if self._ease is None else [*found, total(self._ease[item, other])]
