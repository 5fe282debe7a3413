"""A simulated marketplace whose true click and purchase rates are known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import tensorflow as tf

from tfpfd._keras import keras
from tfpfd.datasets.arguments import check_ids, check_integer, check_number
from tfpfd.datasets.marketplace_rows import (
    CROSS_FEATURES,
    LABELS,
    PARTS,
    POST_EVENT_FEATURES,
    MarketplaceRows,
    Task,
)
from tfpfd.datasets.past_clicks import HISTORY_LENGTH
from tfpfd.datasets.proxies import NUM_STYLES, item_table, user_table
from tfpfd.datasets.simulation import Log, World, simulate
from tfpfd.schema import Categorical, Numeric, Schema, Sequence


def marketplace(
    task: Task = "click",
    users: int = 2_000,
    items: int = 500,
    categories: int = 12,
    days: int = 20,
    shown: int = 10,
    strength: float = 1.0,
    noise: float = 1.0,
    seed: int = 0,
    verbose: int | bool = 0,
) -> Marketplace:
    """Simulates a marketplace: impressions, clicks, purchases. See `Marketplace` for the process.

    The number of impressions is users · days · shown. Each takes about 6 bytes until a part is
    asked for; `Marketplace.to_parquet` writes parts that are too large for memory.

    Args:
      task: `"click"` (rows: impressions, label: clicked, privileged: cross features) or
        `"purchase"` (rows: clicks, label: purchased, privileged: post-event features).
      users: how many.
      items: how many.
      categories: how many.
      days: how many; every user visits once a day.
      shown: items shown on a visit.
      strength: of the signal in post-event features, from 0 (none) to 1.
      noise: of post-event features, from 0 to 5; 1 is as much as the signal of strength 1.
      seed: of all draws. The same arguments give the same data. Neither `task` nor `strength` and
        `noise` change what is shown, clicked and purchased, and more days don't change earlier
        ones.
      verbose: 0: silent, 1: a progress bar.

    Returns:
      The data, its parts and the truth.

    Raises:
      ValueError: an argument is out of its range.
    """
    if task not in LABELS:
        raise ValueError(f"`task` must be one of {list(LABELS)}, received {task!r}")
    for name, value, least in (
        ("users", users, 1),
        ("items", items, 2),
        ("categories", categories, 1),
        ("days", days, len(PARTS)),
        ("shown", shown, 1),
        ("seed", seed, 0),
    ):
        check_integer(name, value, least)
    if shown > items:
        raise ValueError(f"`shown` must be at most `items` ({items}), received {shown}")
    check_number("strength", strength, most=1.0)
    check_number("noise", noise, most=5.0)  # Beyond, exp() leaves what a count can be.
    # A generator a purpose: what one of them draws doesn't move the others.
    world_draws, log_draws, event_draws, proxy_draws = (
        np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(4)
    )
    world = World.draw(world_draws, users, items, categories)
    log = simulate(world, (log_draws, event_draws), days, shown, strength, noise, verbose)
    return Marketplace(
        task=task,
        users=user_table(proxy_draws, world),
        items=item_table(proxy_draws, world),
        days=days,
        shown=shown,
        world=world,
        log=log,
    )


@dataclass(frozen=True, eq=False)
class Marketplace:
    """Users, items, and what happened between them day by day; the truth; features of any moment.

    **The process.** Every user visits once a day. Of 50 candidates (2 · `shown` if that is more,
    all items if there are fewer), drawn uniformly, the logging policy shows `shown`, drawn without
    replacement from the softmax of its own estimate of the click logit, so that exposure is biased
    and wrong in places:

        η(u, i) = −4 + 0.8 ⟨p_u, q_i⟩ + a_u[c(i)] + 0.5 v_i − 0.4 s_u z_i
        estimate(u, i) = η(u, i) + 0.7 ⟨p'_u, q'_i⟩

    p_u ~ N(0, I_8) is the user's taste, q_i ~ N(0, I/8) the item, a_u ~ N(0, I) the affinity to
    each category, v_i ~ N(0, 1) the appeal, ln s_u ~ N(0, 1/4) the price sensitivity, z_i ~ N(0, 1)
    the price level; p', q' are distributed as p, q, and say how the policy errs. Clicks are
    independent of each other given these; after a click there is an intent g ~ N(0, 1), unseen:

        ctr(u, i) = P(click | shown)      = sigmoid(η(u, i))
        m(u, i)   = −2.2 + 0.4 ⟨p_u, q_i⟩ + 0.4 v_i − 0.5 s_u z_i
        purchase  = 1[m(u, i) + g > 0]
        cvr(u, i) = P(purchase | click)   = Φ(m(u, i))

    The truth of a pair is the same on all days: what changes is what is known of it.

    **Served features** are ids and noisy proxies: `segment` (three signs of p_u + N(0, I)), `age`
    (of a fourth component), `thrift` (of ln s_u), `photo_score` (of v_i), `style_0` to `style_3`
    (of q_i), `price` (20 e^{0.8 z}), and `history`, the last 20 items clicked in earlier days.

    **Cross features**, of the clicks C of u before day t, and those in the category of i:

    - `category_recent_clicks`: number in the category on the days t − 7 to t − 1.
    - `category_click_share`: share of the category in C; 0 without clicks.
    - `category_recency`: 1 / days since the last in the category; 0 if there was none.
    - `price_gap`: ln of the price of i over the mean price of C; 0 without clicks.

    **Post-event features** exist after a click only; k is `strength`, n `noise`, e_1..3 ~ N(0, 1):

    - `dwell_time`: exp(3 + 0.8 (k (0.4 g + 1.2 z_i) + n e_1)) seconds. Misleading: it is long on
      expensive items, which are bought less, so that only beside the price it speaks for purchase.
    - `comments_read`: Poisson(exp(0.8 (k g + n e_2))).
    - `seller_contacted`: 1[k g + n e_3 > 1].

    **Parts** follow the days: the last tenth (one at least) is test, the tenth before it
    validation, the rest training. All statistics of a row are strictly past: of earlier days.

    Attributes:
      task: `"click"` or `"purchase"`.
      users: `user_id` and the served features of users.
      items: `item_id`, the served features of items, and `new_seller`, which is not served.
      days: number of days.
      shown: items shown on a visit.
      world: the latent truth.
      log: what was shown and what happened.
    """

    task: Task
    users: pd.DataFrame
    items: pd.DataFrame
    days: int
    shown: int
    world: World
    log: Log

    @cached_property
    def train(self) -> pd.DataFrame:
        """Rows of the first days: `features`, privileged features and the label."""
        return self._rows.frame("train")

    @cached_property
    def validation(self) -> pd.DataFrame:
        """Rows of the days after, with the columns of `train`."""
        return self._rows.frame("validation")

    @cached_property
    def test(self) -> pd.DataFrame:
        """Rows of the last days, with the columns of `train`."""
        return self._rows.frame("test")

    @cached_property
    def exposed_until_training(self) -> pd.DataFrame:
        """(user_id, item_id) of all impressions of the training days."""
        user, item, _ = self._rows.pairs(np.arange(*self._rows.impressions("train")))
        return pd.DataFrame({"user_id": user, "item_id": item})

    @property
    def user_key(self) -> str:
        """The column of the user id: pages of a user aren't independent of each other."""
        return "user_id"

    @property
    def schema(self) -> Schema:
        """The columns by role, the page (`visit`) as list; not adapted yet."""
        names, kind = (
            (CROSS_FEATURES, "cross")
            if self.task == "click"
            else (POST_EVENT_FEATURES, "post_event")
        )
        return Schema(
            user=(
                Categorical("user_id", dtype="int"),
                Categorical("segment", dtype="int"),
                Numeric("age"),
                Numeric("thrift"),
                Sequence("history", of="item_id", length=HISTORY_LENGTH),
            ),
            item=(
                Categorical("item_id", dtype="int"),
                Categorical("category", dtype="int"),
                Categorical("seller_id", dtype="int"),
                Numeric("price"),
                Numeric("photo_score"),
                *(Numeric(f"style_{number}") for number in range(NUM_STYLES)),
            ),
            privileged={kind: tuple(Numeric(name) for name in names)},
            label=LABELS[self.task],
            list_key="visit",
        )

    def ctr(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """True P(click | shown) of pairs.

        Args:
          users: integer ids, of any shape.
          items: integer ids, of a shape that broadcasts: `users[:, None]` and `items[None]` give
            every pair.

        Returns:
          float64, of the common shape.

        Raises:
          ValueError: an id is unknown.
        """
        return 1 / (1 + np.exp(-self.world.click_logit(*self._known(users, items)).astype(float)))

    def cvr(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """True P(purchase | click) of pairs; arguments and result as in `ctr`."""
        index = self.world.purchase_index(*self._known(users, items)).astype(float)
        return 0.5 * tf.math.erfc(-index / np.sqrt(2)).numpy()

    def features(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Joins and computes all features of (user, item, day), shown or not.

        Post-event features aren't among them: without a click there are none.

        Args:
          rows: frame of n rows with the integer columns `user_id`, `item_id` and `day`; others
            are not read.

        Returns:
          Frame of n rows in the same order, under the same index: the three columns, `visit`, the
          served features and, for the task `"click"`, the cross features.

        Raises:
          ValueError: a column is missing, an id unknown, or a day not among those simulated.
        """
        missing = [name for name in ("user_id", "item_id", "day") if name not in rows]
        if missing:
            raise ValueError(f"`rows` misses the columns {missing}, received {list(rows)}")
        user, item = self._known(rows["user_id"], rows["item_id"])
        day = check_ids("day", rows["day"], self.days)
        return self._rows.features(user, item, day).to_pandas().set_axis(rows.index, axis=0)

    def to_parquet(
        self, folder: str | Path, rows_per_chunk: int = 100_000, verbose: int | bool = 1
    ) -> Path:
        """Writes `train.parquet`, `validation.parquet` and `test.parquet`, a chunk at a time.

        The columns are those of `train`; `Schema.adapt` and `tfpfd.data.from_rows` take the paths.
        Rows stand in the order of time.

        Args:
          folder: where; made if needed.
          rows_per_chunk: bounds the memory; the rows don't depend on it.
          verbose: 0: silent, 1: a progress bar.

        Returns:
          The folder.
        """
        check_integer("rows_per_chunk", rows_per_chunk, least=1)
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        rows = sum(stop - start for start, stop in map(self._rows.range_of, PARTS))
        progress = keras.utils.Progbar(rows, verbose=int(verbose), unit_name="row")
        for part in PARTS:
            schema = self._rows.table(0, 0).schema
            with pa.parquet.ParquetWriter(folder / f"{part}.parquet", schema) as writer:
                for table in self._rows.tables(part, rows_per_chunk):
                    writer.write_table(table)
                    progress.add(len(table))
        return folder

    @cached_property
    def _rows(self) -> MarketplaceRows:
        return MarketplaceRows(self.task, self.users, self.items, self.days, self.shown, self.log)

    def _known(self, users: Any, items: Any) -> tuple[np.ndarray, np.ndarray]:
        user = check_ids("user_id", users, len(self.users))
        return user, check_ids("item_id", items, len(self.items))
