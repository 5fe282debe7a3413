"""The log of a simulated marketplace as rows with features, in chunks of any size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from tfpfd._keras import keras
from tfpfd.datasets.marketplace.past_clicks import PastClicks
from tfpfd.datasets.marketplace.world import Log

Task = Literal["click", "purchase", "objectives"]
PARTS = ("train", "validation", "test")
CROSS_FEATURES = (
    "category_recent_clicks",
    "category_click_share",
    "category_recency",
    "price_gap",
)
POST_EVENT_FEATURES = ("dwell_time", "comments_read", "seller_contacted")
OBJECTIVES: dict[Task, tuple[str, ...]] = {
    "click": ("clicked",),
    "purchase": ("purchased",),
    "objectives": ("purchased", "clicked", "cancelled", "rated_well"),
}
"""The columns of a task's labels, the schema's first."""


@dataclass(frozen=True, eq=False)
class MarketplaceRows:
    """Impressions or clicks by their position, and the features of any user, item and day.

    Attributes:
      task: `"purchase"`, whose rows are clicks, or another, whose rows are impressions.
      users: a row a user, whose position is the id.
      items: a row an item, whose position is the id.
      days: number of days.
      shown: items shown on a visit.
      log: what happened.
    """

    task: Task
    users: pd.DataFrame
    items: pd.DataFrame
    days: int
    shown: int
    log: Log

    def frame(self, part: str, size: int = 100_000) -> pd.DataFrame:
        """All rows of a part."""
        # The empty table holds the columns of a part without rows.
        return pa.concat_tables([self.table(0, 0), *self.tables(part, size)]).to_pandas()

    def tables(self, part: str, size: int) -> Iterator[pa.Table]:
        """The rows of a part, `size` at a time."""
        first, last = self.range_of(part)
        for start in range(first, last, size):
            yield self.table(start, min(start + size, last))

    def write(self, folder: Path, size: int, verbose: int | bool) -> None:
        """Writes a Parquet file a part, `size` rows at a time."""
        rows = sum(stop - start for start, stop in map(self.range_of, PARTS))
        progress = keras.utils.Progbar(rows, verbose=int(verbose), unit_name="row")
        for part in PARTS:
            schema = self.table(0, 0).schema
            with pa.parquet.ParquetWriter(folder / f"{part}.parquet", schema) as writer:
                for table in self.tables(part, size):
                    writer.write_table(table)
                    progress.add(len(table))

    def impressions(self, part: str) -> tuple[int, int]:
        """First and last + 1 impression of a part."""
        tenth = max(1, self.days // 10)
        days = [0, self.days - 2 * tenth, self.days - tenth, self.days]
        number = PARTS.index(part)
        daily = len(self.users) * self.shown
        return days[number] * daily, days[number + 1] * daily

    def range_of(self, part: str) -> tuple[int, int]:
        """First and last + 1 row of a part, among all impressions or among all clicks."""
        start, stop = self.impressions(part)
        if self.task == "purchase":
            start, stop = np.searchsorted(self.log.clicks, (start, stop))
        return int(start), int(stop)

    def table(self, start: int, stop: int) -> pa.Table:
        """Labelled rows with all features."""
        log, clicked = self.log, slice(start, stop)
        if self.task == "purchase":
            table = self.features(*self.pairs(log.clicks[clicked]))
            for name, values in zip(POST_EVENT_FEATURES, log.post_event[clicked].T, strict=True):
                table = table.append_column(name, pa.array(values))
            place = np.arange(stop - start)
        else:
            table = self.features(*self.pairs(np.arange(start, stop)))
            clicked = slice(*np.searchsorted(log.clicks, (start, stop)))
            place = log.clicks[clicked] - start
        for name in OBJECTIVES[self.task]:
            label = np.zeros(stop - start, np.float32)
            # Every click is one, so it isn't in the log beside what followed.
            label[place] = 1.0 if name == "clicked" else getattr(log, name)[clicked]
            table = table.append_column(name, pa.array(label))
        return table

    def pairs(self, impressions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """User, item and day, [rows] each, of positions in the log."""
        day, visit = np.divmod(impressions, len(self.users) * self.shown)
        return visit // self.shown, self.log.items[impressions].astype(np.int64), day

    def features(self, user: np.ndarray, item: np.ndarray, day: np.ndarray) -> pa.Table:
        """Everything but post-event features and labels."""
        columns = {"user_id": user, "item_id": item, "day": day}
        columns["visit"] = day * len(self.users) + user
        # Only objectives have a use for what is known of items and not served.
        known = self.items if self.task == "objectives" else self.items.drop(columns="new_seller")
        for frame, ids in ((self.users, user), (known, item)):
            columns.update({name: frame[name].to_numpy()[ids] for name in frame.columns})
        arrays = {name: pa.array(values) for name, values in columns.items()}
        items, offsets = self._past.history(user, day)
        arrays["history"] = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), items)
        if self.task == "click":
            cross = self._past.cross(user, item, day)
            arrays.update({n: pa.array(cross[:, i]) for i, n in enumerate(CROSS_FEATURES)})
        return pa.table(arrays)

    @cached_property
    def _past(self) -> PastClicks:
        cents = np.round(self.items["price"].to_numpy(float) * 100).astype(np.int64)
        clicks = self.pairs(self.log.clicks)
        return PastClicks(*clicks, self.items["category"].to_numpy(), cents, self.days)
