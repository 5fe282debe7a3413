"""Cross features of user, item and moment from a log of events, strictly past."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tfpfd._arguments import shown
from tfpfd.data.category_counts import CategoryCounts
from tfpfd.data.frames import (
    INTEGERS,
    check_column_name,
    check_same_type,
    moments,
    require_columns,
    require_every_id,
)
from tfpfd.data.item_features import ItemFeatures
from tfpfd.schema import Numeric

Unit = Literal["D", "h", "m", "s", "ms", "us", "ns"]
_DAY: dict[str, int] = {
    "D": 1,
    "h": 24,
    "m": 24 * 60,
    "s": 86_400,
    "ms": 86_400 * 10**3,
    "us": 86_400 * 10**6,
    "ns": 86_400 * 10**9,
}


class PastFeatures:
    """What a user's past says of an item: dear to compute, so features for a teacher.

    For rows (user, item, moment) of any log, H being the items that the user had in events with a
    smaller time (the latest `history` events, each item once, without the row's own item):

    - `past_knn`: `Σ_{i ∈ H} c_ij` of the row's item j, `c_ij = n_ij / (√(n_i n_j) + shrinkage)`
      for the `neighbours` items i nearest to j (equally near ones: those that came first), else 0;
    - `past_co_count_sum`, `past_co_count_max`: sum and maximum over H of `log(1 + n_ij)`;
    - `past_ease`: `Σ_{i ∈ H} B_ij`, `B = I - P · diag(1 / diag(P))`, `P = (XᵀX + l2 · I)⁻¹`;
    - `past_category_count_7d`, one a window, and `_all`: the user's events in the row's category
      in the last days (`time - days ≤ t < time`), or ever; `past_category_share_7d`, …: divided
      by the user's events of these days, 0 if there are none;
    - `past_category_seen`, 1 if there was one, and `past_category_recency`, `1 / (1 + days)`
      since the last one, 0 if there was none.

    n_i users had item i, n_ij had both, X is 1 where a user had an item: tables that are made of
    the events before a cut (`until`). Of several cuts a row takes the last one at or before it.

    So no event at or after a row's time changes its features, and rows before the first cut are
    refused. To take a row's own event out of a table that holds it (leave-one-out) would tell its
    label: only clicked rows had something to take out.

    An unknown user has no past: all is 0. For an item that wasn't there before the cut, the
    first four are 0, and such an item in a history adds nothing. Rows and events without a category
    (missing, or one that no event has) count in no category, but events in what shares are of.

    Args:
      events: the log, a row an event (clicks, say); only the columns below are read.
      user: column of the user's id, integers or strings.
      item: column of the item's id, integers or strings.
      time: column of the time, integers or datetimes.
      until: the cut, or cuts in ascending order, of the type of the times; None leaves out the
        features of items. Each cut holds `4 · items²` bytes for EASE, and 16 for each ordered two
        items that some user had both.
      category: column of the item's category, one a row; None leaves out those of categories.
      unit: of integer times where there is a category: "D", "h", "m", "s", "ms", "us" or "ns".
      windows: days.
      history: how many of the user's latest events the first four features look at.
      neighbours: k of the item-kNN, to be chosen on validation rows like the next two.
      shrinkage: of cosines that few users speak for.
      l2: λ of EASE; None leaves it out, as for catalogues of more than some 20,000 items.
      prefix: of the names of the features, such as "clicks_" beside "purchases_" of another log.

    Raises:
      TypeError: `events` is no frame, or `user`, `item`, `time` or `category` no name.
      ValueError: a column or an id is missing, times of another type, no event before the first
        cut, cuts or numbers out of range, or neither `until` nor `category`.
      ImportError: with `until`, without SciPy.

        clicks = pd.DataFrame({"user": ["u", "v", "v"], "film": ["a", "a", "b"],
                               "day": [1, 1, 2], "genre": ["x", "x", "y"]})
        past = PastFeatures(clicks, user="user", item="film", time="day", until=3,
                            category="genre", unit="D", windows=(1, 7))
        rows = pd.DataFrame({"user": ["u"], "film": ["b"], "day": [4], "genre": ["x"]})
        rows = rows.join(past.features(rows))  # past_knn: 1 / √(2 · 1) = .71
        privileged = {"cross": past.declarations}  # of a Schema

    References:
      Xu et al., "Privileged Features Distillation at Taobao Recommendations", KDD 2020.
      Deshpande and Karypis, "Item-based top-N recommendation algorithms", TOIS 2004.
      Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019, eq. 8.
    """

    def __init__(
        self,
        events: pd.DataFrame,
        *,
        user: str,
        item: str,
        time: str,
        until: Any = None,
        category: str | None = None,
        unit: Unit | None = None,
        windows: Sequence[int] = (1, 7, 30),
        history: int = 200,
        neighbours: int = 200,
        shrinkage: float = 0.0,
        l2: float | None = 300.0,
        prefix: str = "past_",
    ) -> None:
        if until is None and category is None:
            raise ValueError("one of `until` and `category` must be given, received neither")
        named = {"user": user, "item": item, "time": time, "category": category}
        for argument, column in named.items():
            if argument != "category" or column is not None:
                check_column_name(argument, column)
        if not isinstance(prefix, str):
            raise TypeError(f"`prefix` must be a string, received {shown(prefix)}")
        self._user, self._item, self._time, self._category = user, item, time, category
        self._ids = [user, item, *([] if category is None else [category])]
        self._check("events", events)
        if events.empty:
            raise ValueError("`events` must hold at least one event, received none")
        # What rows are compared with: a value of each column of ids.
        self._samples = {c: events[c].dropna().iloc[:1] for c in self._ids}
        self._kind, times = moments("events", events[time])
        users, self._users = _coded(events[user])
        items, self._items = _coded(events[item])
        self._of_items: ItemFeatures | None = None
        self._of_categories: CategoryCounts | None = None
        names: list[str] = []
        if until is not None:
            cuts = self._checked_cuts(until, times)
            self._first_cut = cuts[0]
            self._of_items = ItemFeatures(
                users, items, times, cuts, history, neighbours, shrinkage, l2
            )
            names += self._of_items.names
        if category is not None:
            categories, self._categories = _coded(events[category])
            self._of_categories = CategoryCounts(
                users, categories, times, self._checked_day(unit), windows
            )
            names += self._of_categories.names
        seen = f"{prefix}category_seen"  # 0 or 1
        self._declarations = tuple(
            Numeric(name, boundaries=(0.5,) if name == seen else None)
            for name in (prefix + name for name in names)
        )

    @property
    def declarations(self) -> tuple[Numeric, ...]:
        """The features, for `Schema(privileged={"cross": past.declarations})`."""
        return self._declarations

    def features(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Computes the features of rows: of the log, of another one, or of drawn candidates.

        Args:
          rows: [num_rows] with the columns of user, item, time and category; others aren't read.

        Returns:
          float32 [num_rows, features], under the index of `rows`, never NaN.

        Raises:
          ValueError: a column or an id is missing, ids or times of another type than in the
            events, or rows before the first cut.
        """
        self._check("rows", rows)
        for column, sample in self._samples.items():
            check_same_type("rows", rows[column].dropna(), "events", sample)
        kind, time = moments("rows", rows[self._time])
        if kind != self._kind:
            raise ValueError(f"`rows` must hold {self._kind} as times, received {kind}")
        user = self._users.get_indexer(pd.Index(rows[self._user]))
        columns: list[NDArray] = []
        if self._of_items is not None:
            self._refuse_before_the_cut(time)
            item = self._items.get_indexer(pd.Index(rows[self._item]))
            columns += self._of_items.before(user, item, time)
        if self._of_categories is not None:
            category = self._categories.get_indexer(pd.Index(rows[self._category]))
            columns += self._of_categories.before(user, category, time)
        names = [feature.name for feature in self._declarations]
        values = np.column_stack(columns).astype(np.float32)
        return pd.DataFrame(values, index=rows.index, columns=names)

    def _check(self, name: str, frame: pd.DataFrame) -> None:
        require_columns(name, frame, [*self._ids, self._time])
        for column in (self._user, self._item):
            require_every_id(name, frame, column)

    def _checked_cuts(self, until: Any, times: NDArray) -> NDArray:
        listed = list(until) if pd.api.types.is_list_like(until) else [until]
        if not listed:
            raise ValueError(
                "`until` must be a moment or ascending ones, received none; leave it out (None) "
                "for features of categories alone"
            )
        kind, cuts = moments("until", pd.Series(listed, name="moment"))
        if kind != self._kind:
            raise ValueError(f"`until` must hold {self._kind} as the events do, received {kind}")
        if (np.diff(cuts) <= 0).any():
            raise ValueError(f"`until` must be a moment or ascending ones, received {until!r}")
        if not (times < cuts[0]).any():
            raise ValueError(f"`until` must have events before it, received {listed[0]!r}")
        return cuts

    def _checked_day(self, unit: Unit | None) -> int:
        """How long a day is in the integers of the times."""
        if self._kind != INTEGERS and unit is not None:
            raise ValueError(f"`unit` is that of integer times, received {unit!r} and datetimes")
        if self._kind == INTEGERS and unit not in _DAY:
            raise ValueError(f"`unit` of integer times must be one of {[*_DAY]}, received {unit!r}")
        return _DAY[unit or "ns"]

    def _refuse_before_the_cut(self, time: NDArray) -> None:
        early = int((time < self._first_cut).sum())
        if early:
            raise ValueError(
                "`rows` must lie at or after the first moment of `until`, whose tables may hold "
                f"their own events, received {early} of {len(time)} before it"
            )


def _coded(ids: pd.Series) -> tuple[NDArray, pd.Index]:
    """Codes [num_events] from 0, -1 where there is none, and the id of each code."""
    codes, known = pd.factorize(pd.Index(ids))
    return codes.astype(np.int64), pd.Index(known)
