"""The data of a simulated marketplace: its parts, features of any moment, and the truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tfpfd._arguments import check_ids, check_integer
from tfpfd._files import path_in
from tfpfd.data.catalogue import CatalogueSplits
from tfpfd.datasets.marketplace.rows import OBJECTIVES, MarketplaceRows, Task
from tfpfd.datasets.marketplace.schema import make_schema
from tfpfd.datasets.marketplace.world import Log, World
from tfpfd.schema import Schema


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
    independent of each other given these; after a click there is an intent g ~ N(0, 1), unseen, and
    of the purchases that are wanted a share c, `completion`, is completed, by lot:

        ctr(u, i) = P(click | shown)      = sigmoid(η(u, i))
        m(u, i)   = −2.2 + 0.4 ⟨p_u, q_i⟩ + 0.4 v_i − 0.5 s_u z_i
        purchase  = 1[m(u, i) + g > 0] · Bernoulli(c)
        cvr(u, i) = P(purchase | click)   = c · Φ(m(u, i))

    A purchase may be cancelled, and one that is kept may be rated well, independently given u, i:

        κ(u, i) = −3.1 − 0.6 r_{s(i)} + 0.4 v_i − 0.25 s_u z_i
        ρ(u, i) = 0.6 + 0.7 d_i + 0.3 ⟨p_u, q_i⟩ + 0.3 r_{s(i)} − 0.6 v_i
        cancel_rate(u, i) = P(cancelled | purchase)        = Φ(κ(u, i))
        rating_rate(u, i) = P(rated well | purchase, kept) = Φ(ρ(u, i))

    r ~ N(0, 1) is the reliability of the seller s(i), d_i ~ N(0, 1) the quality of the item. What
    sells by its looks or its low price is bought on impulse, cancelled more often, and doesn't keep
    its promise: ranking by purchases alone brings cancellations with them. About one purchase in
    20 is cancelled. A tenth of the sellers is new (`items["new_seller"]`), which changes nothing of
    all this: their exposure is a goal that no label stands for.

    The truth of a pair is the same on all days: what changes is what is known of it.

    **Objectives.** The task of that name has all labels on impressions: an impression was
    `clicked`, `purchased`, `cancelled` (bought, and cancelled) and `rated_well` (bought, kept and
    rated well) or not. 0 thus says that it didn't come to the event, and never that it is unknown:
    scores of the objectives are log-odds of events of one impression, and may be added. Its rows
    also hold `new_seller`, for rules. Lists are pages (`visit`).

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
      task: `"click"`, `"purchase"` or `"objectives"`.
      users: `user_id` and the served features of users.
      items: `item_id`, the served features of items, and `new_seller`, which is not served.
      days: number of days.
      shown: items shown on a visit.
      completion: share of the wanted purchases that are completed.
      world: the latent truth.
      log: what was shown and what happened.
    """

    task: Task
    users: pd.DataFrame
    items: pd.DataFrame
    days: int
    shown: int
    completion: float
    world: World
    log: Log

    @cached_property
    def train(self) -> pd.DataFrame:
        """Rows of the first days: `features`, privileged features and the labels."""
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
    def objectives(self) -> tuple[str, ...]:
        """The columns of the labels, the schema's first; all are 0 or 1."""
        return OBJECTIVES[self.task]

    @property
    def schema(self) -> Schema:
        """The columns by role, the page (`visit`) as list; not adapted yet."""
        return make_schema(self.task)

    def catalogue(self, drawn: int = 20) -> CatalogueSplits:
        """What users clicked, for a coarse ranker of all items; the task must be `"click"`.

        Post-event features are known of clicks alone, so no other task has privileged features of
        an item that is drawn.

        Args:
          drawn: items drawn beside each click.

        Raises:
          ValueError: another task.
        """
        if self.task != "click":
            raise ValueError(
                f"`catalogue` needs the task 'click', whose privileged features are known of every "
                f"item, received '{self.task}'"
            )
        names = list(self.schema.features("privileged"))
        columns = ["user_id", "item_id", "day", *(f.name for f in self.schema.user)]
        train, validation, test = (
            rows.loc[rows["clicked"] == 1, list(dict.fromkeys(columns))].reset_index(drop=True)
            for rows in (self.train, self.validation, self.test)
        )
        return CatalogueSplits(
            train,
            validation,
            test,
            self.items,
            self.schema,
            user="user_id",
            item="item_id",
            exposed=self.exposed_until_training,
            seen=self.validation[["user_id", "item_id"]],
            privileged=lambda rows: self.features(rows)[names],
            extra_columns=("day",),
            drawn=drawn,
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
        wanted = _normal_cdf(self.world.purchase_index(*self._known(users, items)))
        return self.completion * wanted

    def cancel_rate(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """True P(cancelled | purchase) of pairs; arguments and result as in `ctr`."""
        return _normal_cdf(self.world.cancel_index(*self._known(users, items)))

    def rating_rate(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """True P(rated well | purchase that is kept) of pairs; arguments and result as in `ctr`."""
        return _normal_cdf(self.world.rating_index(*self._known(users, items)))

    def rates(self, users: np.ndarray, items: np.ndarray) -> dict[str, np.ndarray]:
        """True rates of the labels of an impression; arguments as in `ctr`.

        Returns:
          By column, "clicked", "purchased", "cancelled" and "rated_well": float64, of the common
          shape.
        """
        clicked = self.ctr(users, items)
        purchased = clicked * self.cvr(users, items)
        cancelled = purchased * self.cancel_rate(users, items)
        rated_well = (purchased - cancelled) * self.rating_rate(users, items)
        return {
            "clicked": clicked,
            "purchased": purchased,
            "cancelled": cancelled,
            "rated_well": rated_well,
        }

    def features(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Joins and computes all features of (user, item, day), shown or not.

        Post-event features aren't among them: without a click there are none.

        Args:
          rows: frame of n rows with the integer columns `user_id`, `item_id` and `day`; others
            are not read.

        Returns:
          Frame of n rows in the same order, under the same index: the three columns, `visit`, the
          served features and, for the task `"click"`, the cross features, for `"objectives"`
          `new_seller`.

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
        folder = path_in("folder", folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._rows.write(folder, rows_per_chunk, verbose)
        return folder

    @cached_property
    def _rows(self) -> MarketplaceRows:
        return MarketplaceRows(self.task, self.users, self.items, self.days, self.shown, self.log)

    def _known(self, users: Any, items: Any) -> tuple[np.ndarray, np.ndarray]:
        user = check_ids("user_id", users, len(self.users))
        return user, check_ids("item_id", items, len(self.items))


def _normal_cdf(index: np.ndarray) -> np.ndarray:
    return 0.5 * tf.math.erfc(-index.astype(float) / np.sqrt(2)).numpy()
