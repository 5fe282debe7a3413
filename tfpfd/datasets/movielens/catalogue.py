"""MovieLens-100K as a catalogue: what users liked, and what a log says of any film beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd

from tfpfd.data import PastFeatures
from tfpfd.data.catalogue import CatalogueSplits
from tfpfd.schema import Schema

ORDER = "order"
"""The time in a user's own order: twice the millionths of their ratings that are older."""
WHOLE = 2_000_000
_CUTS = (0.2, 0.35, 0.5, 0.6, 0.7)
_BUCKETS = 20
_KEYS = ["user_id", "film_id", "timestamp"]


def in_own_order(ratings: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """When ratings are asked for, and when they are known, by their users' own order.

    Ratings of one second are asked for when the first of them is, and known after the last: half a
    millionth before what comes next is asked for. So no table that is made of what is known before
    a share of the ratings holds one that lies behind it.

    Args:
      ratings: `user_id` and `timestamp` of all ratings.

    Returns:
      `ORDER` of each rating, int64 `[num_ratings]`, and the time from which it is past.
    """
    by_user = ratings.groupby("user_id")["timestamp"]
    count = by_user.transform("size").to_numpy()
    older = by_user.rank(method="min").to_numpy(np.int64) - 1
    up_to = by_user.rank(method="max").to_numpy(np.int64)
    return tuple(
        2 * (WHOLE // 2 * ranks // count) - late for ranks, late in ((older, 0), (up_to, 1))
    )


def catalogue_of(
    ratings: pd.DataFrame,
    items: pd.DataFrame,
    schema: Schema,
    features: Callable[[pd.DataFrame], pd.DataFrame],
    *,
    since: float,
    drawn: int,
) -> CatalogueSplits:
    """The likes as a coarse ranker's task; see `MovieLens.catalogue` for the last two arguments.

    Args:
      ratings: `user_id`, `film_id`, `timestamp`, `part` (0 history, 1 train, 2 validation, 3 test)
        and `liked`.
      items: the films.
      schema: of rows that were shown; its privileged features are replaced.
      features: of rows of (user, film, moment).
    """
    order, known = in_own_order(ratings)
    ratings = ratings.assign(**{ORDER: order})
    likes = ratings[ratings["liked"]]
    events = likes.assign(**{ORDER: known[ratings["liked"].to_numpy()]})
    cuts = [round(WHOLE * share) for share in _CUTS]
    past = PastFeatures(events, user="user_id", item="film_id", time=ORDER, until=cuts)
    names = [feature.name for feature in past.declarations]

    def of_past(pairs: pd.DataFrame) -> pd.DataFrame:
        """Missing before the first cut, where tables would hold a row's own like."""
        later = (pairs[ORDER] >= cuts[0]).to_numpy()
        found = pd.DataFrame(np.nan, pairs.index, names, np.float32)
        found[later] = past.features(pairs[later])
        return found

    def rows(chosen: pd.DataFrame) -> pd.DataFrame:
        made = features(chosen[_KEYS])
        columns = [*dict.fromkeys([*_KEYS, *(feature.name for feature in schema.user)])]
        return made[columns].assign(**{ORDER: chosen[ORDER]}).reset_index(drop=True)

    before, recent = likes["part"] <= 1, likes[ORDER] >= WHOLE * since
    pairs = ["user_id", "film_id"]
    cross = tuple(
        dataclasses.replace(feature, buckets=_BUCKETS, optional=True)
        for feature in past.declarations
    )
    return CatalogueSplits(
        rows(likes[before & recent]),
        rows(likes[likes["part"] == 2]),
        rows(likes[likes["part"] == 3]),
        items,
        dataclasses.replace(schema, privileged={"cross": cross}),
        user="user_id",
        item="film_id",
        exposed=ratings.loc[ratings["part"] <= 1, pairs],
        seen=ratings.loc[ratings["part"] == 2, pairs],
        history=likes.loc[before & ~recent, pairs] if since else None,
        privileged=of_past,
        extra_columns=(ORDER,),
        drawn=drawn,
    )
