"""What a user had before a moment, and what it says of a candidate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfpfd._arguments import check_above_0, check_integer, check_number
from tfpfd.data.item_scores import ItemScores
from tfpfd.data.past import Past, Span

_PAIRS = 1_000_000  # of rows and items of their histories at a time: bounds the memory


class Histories:
    """The items that users had, by time.

    Args:
      user: [num_events] codes from 0.
      item: [num_events] codes from 0.
      time: [num_events] integers.
      length: how many of a user's latest events make a history.
    """

    def __init__(self, user: NDArray, item: NDArray, time: NDArray, length: int) -> None:
        self._past = Past(user, time)
        self._length = length
        order = self._past.order
        self._items = item[order]
        # Where the same user had the same item again: of several, a history holds the last one.
        pair = user[order] * (item.max(initial=0) + 1) + self._items
        by_pair = np.argsort(pair, kind="stable")
        again = pair[by_pair[1:]] == pair[by_pair[:-1]]
        self._next = np.full(len(pair), len(pair))
        self._next[by_pair[:-1][again]] = by_pair[1:][again]

    def before(self, user: NDArray, time: NDArray) -> Span:
        """The latest events of users before moments; of an unknown user (-1) none."""
        return self._past.before(user, time).last(self._length)

    def items(self, span: Span) -> tuple[NDArray, NDArray]:
        """All items of all spans, each once a span, and before them the span that each is of."""
        count = span.count
        of = np.repeat(np.arange(len(count)), count)
        place = np.arange(len(of)) + np.repeat(span.first - (np.cumsum(count) - count), count)
        last = self._next[place] >= span.stop[of]
        return of[last], self._items[place[last]]


class ItemFeatures:
    """Scores candidates by the histories of users, with the tables of the last cut before a row.

    Args:
      user: [num_events] codes from 0.
      item: [num_events] codes from 0.
      time: [num_events] integers.
      cuts: [num_cuts] ascending; tables are made of the events before each.
      history: how many of a user's latest events make a history.
      neighbours: of the item-kNN.
      shrinkage: of cosines that few users speak for.
      l2: of EASE; None leaves it out.

    Raises:
      ValueError: a number out of range.
      ImportError: without SciPy.
    """

    def __init__(
        self,
        user: NDArray,
        item: NDArray,
        time: NDArray,
        cuts: NDArray,
        history: int,
        neighbours: int,
        shrinkage: float,
        l2: float | None,
    ) -> None:
        check_integer("history", history, least=1)
        check_integer("neighbours", neighbours, least=1)
        check_number("shrinkage", shrinkage)
        if l2 is not None:
            check_above_0("l2", l2)
        self.names = ["knn", "co_count_sum", "co_count_max", *(["ease"] if l2 is not None else [])]
        self._cuts = cuts
        self._histories = Histories(user, item, time, history)
        codes = int(item.max()) + 1
        self._scores = [
            ItemScores(user[before], item[before], codes, neighbours, shrinkage, l2)
            for before in (time < cut for cut in cuts)
        ]

    def before(self, user: NDArray, item: NDArray, time: NDArray) -> list[NDArray]:
        """Scores of candidates for users before moments.

        Args:
          user: [num_rows] codes, -1 for unknown ones.
          item: [num_rows] codes of the candidates, -1 for unknown ones.
          time: [num_rows] integers, none of them before the first cut.

        Returns:
          float64 [num_rows] each, as `names` says.
        """
        found = np.zeros((len(self.names), len(user)))
        cut = np.searchsorted(self._cuts, time, side="right") - 1
        # By cut, and then by candidate: what is read next lies close by.
        order = np.lexsort((item, cut))
        pairs = np.cumsum(self._histories.before(user[order], time[order]).count)
        apart = np.diff(cut[order]) | np.diff(pairs // _PAIRS)
        for rows in np.split(order, np.flatnonzero(apart) + 1) if len(order) else []:
            of, had = self._histories.items(self._histories.before(user[rows], time[rows]))
            found[:, rows] = self._scores[cut[rows[0]]].scores(of, had, item[rows])
        return list(found)
