"""MovieLens-100K as a catalogue: what users liked, and what a log says of any film beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd

from tfpfd.data import PastFeatures
from tfpfd.data.catalogue import CatalogueSplits
from tfpfd.data.past import Past
from tfpfd.schema import Schema

ORDER = "order"
"""The time in a user's own order: twice the millionths of their ratings that are older."""
WHOLE = 2_000_000
TEST = 0.8
"""The share of a user's ratings with which the test begins."""
_CUTS = (0.2, 0.35, 0.5, 0.6, 0.7)
_BUCKETS = 20
_PLACE = "place"
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
    until: float,
    drawn: int,
    length: int,
) -> CatalogueSplits:
    """The likes as a coarse ranker's task; see `MovieLens.catalogue` for shares and `drawn`.

    Args:
      ratings: `user_id`, `film_id`, `timestamp` and `liked`, by user and time.
      items: the films.
      schema: of rows that were shown; its privileged features are replaced.
      features: of rows of (user, film, moment).
      length: likes that a history holds at most.
    """
    order, known = in_own_order(ratings)
    by_user = ratings.groupby("user_id")["timestamp"]
    place, count = by_user.cumcount().to_numpy(), by_user.transform("size").to_numpy()
    first, end, test = (_place_of(share, count) for share in (since, until, TEST))
    ratings = ratings.assign(**{ORDER: order, _PLACE: place})
    liked = ratings["liked"].to_numpy()
    cuts = [round(WHOLE * share) for share in _CUTS]
    events = ratings[liked].assign(**{ORDER: known[liked]})
    past = PastFeatures(events, user="user_id", item="film_id", time=ORDER, until=cuts)
    names = [feature.name for feature in past.declarations]
    learned = ratings[liked & (place >= first)]
    histories = Past(learned["user_id"].to_numpy(), learned[_PLACE].to_numpy())
    films = learned["film_id"].to_numpy()[histories.order].tolist()
    earlier = by_user.rank(method="min").to_numpy(np.int64) - 1

    def of_past(pairs: pd.DataFrame) -> pd.DataFrame:
        """Missing before the first cut, where tables would hold a row's own like."""
        later = (pairs[ORDER] >= cuts[0]).to_numpy()
        found = pd.DataFrame(np.nan, pairs.index, names, np.float32)
        found[later] = past.features(pairs[later])
        return found

    def rows(chosen: np.ndarray, begins: np.ndarray) -> pd.DataFrame:
        """Likes with what is served: the user, and what was liked before, or before the part."""
        some = ratings[chosen]
        made = features(some[_KEYS])
        columns = [*dict.fromkeys([*_KEYS, *(feature.name for feature in schema.user)])]
        before = histories.before(
            some["user_id"].to_numpy(), np.maximum(earlier, begins)[chosen]
        ).last(length)
        made["history"] = pd.Series(before.values(films), index=made.index, dtype=object)
        return made[columns].assign(**{ORDER: some[ORDER]}).reset_index(drop=True)

    shown = ratings[["user_id", "film_id"]]
    cross = tuple(
        dataclasses.replace(feature, buckets=_BUCKETS, optional=True)
        for feature in past.declarations
    )
    return CatalogueSplits(
        rows(liked & (first <= place) & (place < end), first),
        rows(liked & (end <= place) & (place < test), end),
        rows(liked & (place >= test), test),
        items,
        dataclasses.replace(schema, privileged={"cross": cross}),
        user="user_id",
        item="film_id",
        exposed=shown[place < end],
        seen=shown[(end <= place) & (place < test)],
        privileged=of_past,
        extra_columns=(ORDER,),
        drawn=drawn,
    )


def _place_of(share: float, count: np.ndarray) -> np.ndarray:
    """Of how many ratings there are before a share of them; .7 of 90 are 63, not 62."""
    return np.floor(share * count + 1e-9).astype(np.int64)
