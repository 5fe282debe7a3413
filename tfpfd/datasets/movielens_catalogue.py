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
"""The time of a rating in its user's own order: thousandths of their ratings that are older."""
_CUTS = (200, 350, 500, 600, 700)
_BUCKETS = 20
_KEYS = ["user_id", "film_id", "timestamp"]


def in_own_order(ratings: pd.DataFrame) -> np.ndarray:
    """`ORDER` of ratings, int64 `[num_ratings]`; those of one second have the same.

    Args:
      ratings: `user_id` and `timestamp` of all ratings.
    """
    by_user = ratings.groupby("user_id")["timestamp"]
    older = by_user.rank(method="min").to_numpy(np.int64) - 1
    return 1000 * older // by_user.transform("size").to_numpy()


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
    ratings = ratings.assign(**{ORDER: in_own_order(ratings)})
    likes = ratings[ratings["liked"]]
    past = PastFeatures(likes, user="user_id", item="film_id", time=ORDER, until=list(_CUTS))
    names = [feature.name for feature in past.declarations]

    def of_past(pairs: pd.DataFrame) -> pd.DataFrame:
        """Missing before the first cut, where tables would hold a row's own like."""
        later = (pairs[ORDER] >= _CUTS[0]).to_numpy()
        found = pd.DataFrame(np.nan, pairs.index, names, np.float32)
        found[later] = past.features(pairs[later])
        return found

    def rows(chosen: pd.DataFrame) -> pd.DataFrame:
        made = features(chosen[_KEYS])
        columns = [*dict.fromkeys([*_KEYS, *(feature.name for feature in schema.user)])]
        return made[columns].assign(**{ORDER: chosen[ORDER]}).reset_index(drop=True)

    before, recent = likes["part"] <= 1, likes[ORDER] >= 1000 * since
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
        keep=(ORDER,),
        drawn=drawn,
    )
