"""MovieLens-100K with cross features that only a training job can afford: the privileged part."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from tfpfd._arguments import check_number
from tfpfd.data.catalogue import CatalogueSplits
from tfpfd.data.past import Past
from tfpfd.datasets.checks import positions, require_columns, require_integers, require_one_row_each
from tfpfd.datasets.movielens.catalogue import TEST, catalogue_of
from tfpfd.datasets.movielens.cross import CROSS_FEATURES, cross_features
from tfpfd.datasets.movielens.files import TERMS, fetch, parse
from tfpfd.schema import Categorical, Numeric, Schema, Sequence

LIKED_FROM = 4  # stars
HISTORY_LENGTH = 50  # films
SHRINKAGE = 10.0  # common likers at which a similarity counts half
_CHUNK = 2048  # rows of one user at a time: bounds the memory to 2048 x their ratings


def movielens_100k(path: str | Path | None = None, cache: str | Path | None = None) -> MovieLens:
    """Loads MovieLens-100K: 100,000 ratings of 1,682 films by 943 users, 1997-98.

    Without `path`, the data is taken from the cache, else downloaded from its publisher, else
    taken out of the Python package `recbole` 1.2.1, which pip downloads and does not install.
    Downloads are checked against published checksums. The source and the terms of use are
    printed to stderr.

    Args:
      path: a folder, zip or wheel with the publisher's files (`u.data`, `u.item`, `u.user`) or
        RecBole's (`ml-100k.inter`, `.item`, `.user`). It is read as it is.
      cache: folder for downloads; `$TFPFD_CACHE`, `$XDG_CACHE_HOME/tfpfd` or `~/.cache/tfpfd`
        where it is not given.

    Returns:
      The data, its splits and its features.
    """
    files, source = fetch(path, cache)
    print(f"movielens_100k: {source}. {TERMS}", file=sys.stderr)
    return MovieLens(*parse(files))


@dataclass(frozen=True, eq=False)
class MovieLens:
    """Users, films and ratings; labelled rows split by time; features as of any moment.

    Every user's ratings are cut in the order of time: the first 50 % are history only, then 20 %
    are training rows, 10 % validation rows and the rest test rows. A film is liked when it got 4
    stars or more.

    **What a feature may know.** User-side quantities (`history`, the user's counts, rates and
    lists of liked films within the cross features) are strictly past for each row: they come
    from this user's ratings with a smaller timestamp, whatever part those fall into. Ratings in
    the same second are not past, and three quarters of the ratings share their second with
    another of the same user. Film-film similarities are one fixed table, made from the history
    part of all users, to which no training, validation or test row belongs. A film's own rating
    never enters its cross features, even where it is past (`history`, the same for all films of
    a moment, keeps it). Two things follow. Rows of the history part are no labelled rows,
    because the table knows them. And the table is past in each user's own order, not by the
    calendar: users who came late contribute ratings younger than the test rows of early ones.

    **Cross features**, for user u, film f and time t, of the past ratings P (of u, before t, not
    of f), its likes L and its dislikes D; `a` is the number of likes and `n` the number of
    ratings in a genre, both averaged over the genres of f:

    - `genre_like_rate`: (a + 5 r) / (n + 5), where r = (|L| + 2.5) / (|P| + 5).
    - `genre_like_share`: a / |L|.
    - `genre_log_count`: log(1 + n).
    - `year_gap`: release year of f minus the mean release year of L, in years.
    - `similarity_mean`, `similarity_max`, `similarity_top5`: mean, largest, and mean of the five
      largest similarities of f to the films in L.
    - `similarity_contrast`: mean similarity to L minus mean similarity to D.

    What cannot be computed (no likes yet, no known year) is 0; a mean over no films is 0.

    The similarity of two films is c / sqrt(c1 c2) * c / (c + 10), where c users liked both, c1
    the one and c2 the other, in the history part.

    Attributes:
      users: `user_id`, `age` (years), `gender`, `occupation`.
      items: `film_id`, `title`, `genres` (list of str), `release_year` (NaN where unknown).
      ratings: `user_id`, `film_id`, `rating` (1 to 5), `timestamp` (seconds), sorted by user and
        time; rows of one user and second keep their order.
    """

    users: pd.DataFrame
    items: pd.DataFrame
    ratings: pd.DataFrame

    def __post_init__(self) -> None:
        for name, frame, columns, key in (
            ("users", self.users, ("user_id", "age", "gender", "occupation"), 1),
            ("items", self.items, ("film_id", "title", "genres", "release_year"), 1),
            ("ratings", self.ratings, ("user_id", "film_id", "rating", "timestamp"), 2),
        ):
            require_columns(name, frame, columns)
            require_one_row_each(name, frame, columns[:key])
        self._positions(self.ratings, "ratings")  # Raises where an id is unknown.
        by = ["user_id", "timestamp"]
        ordered = self.ratings.sort_values(by, kind="stable", ignore_index=True)
        object.__setattr__(self, "ratings", ordered)

    @cached_property
    def train(self) -> pd.DataFrame:
        """Rows between 50 % and 70 % of each user's ratings: `features` and the label `liked`."""
        return self._labelled(1)

    @cached_property
    def validation(self) -> pd.DataFrame:
        """Rows between 70 % and 80 % of each user's ratings, with the columns of `train`."""
        return self._labelled(2)

    @cached_property
    def test(self) -> pd.DataFrame:
        """Rows after 80 % of each user's ratings, with the columns of `train`."""
        return self._labelled(3)

    @cached_property
    def exposed_until_training(self) -> pd.DataFrame:
        """(user_id, film_id) of all that a user rated in the history and training parts.

        Candidates "never shown" are drawn outside of these pairs. To leave out later ratings too
        would tell training which films a user is going to see.
        """
        shown = self.ratings.loc[self._parts <= 1, ["user_id", "film_id"]]
        return shown.reset_index(drop=True)

    @property
    def schema(self) -> Schema:
        """The columns by role: user, item, privileged (group "cross"), label; not adapted yet."""
        return Schema(
            user=(
                Categorical("user_id", dtype="int"),
                Numeric("age", buckets=10),
                Categorical("gender"),
                Categorical("occupation"),
                Sequence("history", of="film_id", length=HISTORY_LENGTH),
            ),
            item=(
                Categorical("film_id", dtype="int"),
                Categorical("genres", length=6),
                Numeric("release_year", buckets=10, optional=True),
            ),
            privileged={"cross": tuple(Numeric(name, buckets=10) for name in CROSS_FEATURES)},
            label="liked",
            list_key="user_id",
        )

    def catalogue(self, since: float = 0.0, until: float = 0.7, drawn: int = 20) -> CatalogueSplits:
        """What users liked, for a coarse ranker of all films.

        Privileged are scores of each film by the user's earlier likes (`tfpfd.data.PastFeatures`):
        item-kNN, EASE and co-counts. Their time is each user's own order, as in the splits, and
        their tables are made of what users liked before .2, .35, .5, .6 and .7 of their ratings;
        before the first of them the scores are missing. They know all of the log before.

        The `history` that is served holds what was liked before a row's moment or before its part,
        but nothing that lies before `since`: what students may not learn from isn't in what they
        see either, where a student could learn from each step of it. Films that a user rated
        before `since` aren't drawn nor recommended all the same.

        Args:
          since: in [0, until), the share of a user's ratings, in the order of time, with which
            begins what students and rivals learn from.
          until: in (since, .8], where that ends; what lies between it and .8 is the validation.
          drawn: films drawn beside each like.

        Raises:
          ValueError: `since` or `until` is out of range.
          ImportError: without SciPy.
        """
        check_number("since", since)
        check_number("until", until)
        if not 0 <= since < until <= TEST:
            raise ValueError(
                f"`since` must be below `until`, and that at most {TEST}, where the test begins, "
                f"received {since!r} and {until!r}"
            )
        likes = self.ratings.assign(liked=self.ratings["rating"] >= LIKED_FROM)
        return catalogue_of(
            likes,
            self.items,
            self.schema,
            self.features,
            since=since,
            until=until,
            drawn=drawn,
            length=HISTORY_LENGTH,
        )

    def features(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Joins and computes all features of (user, film, moment), rated or not.

        Args:
          rows: frame of n rows with the integer columns `user_id`, `film_id` and `timestamp`
            (seconds); others are not read.

        Returns:
          Frame of n rows in the same order, under the same index: the three columns, `age`,
          `gender`, `occupation`, `genres`, `release_year`, `history` (list of at most 50 film
          ids that the user liked before the timestamp, oldest first) and the cross features
          (float32, never NaN). Rows with the same past share one `history` list.
        """
        keys = ("user_id", "film_id", "timestamp")
        require_integers("rows", rows, keys)
        user, film = self._positions(rows, "rows")
        history, cross = self._past_of(user, film, rows["timestamp"].to_numpy(np.int64))
        columns = {name: rows[name].to_numpy(np.int64) for name in keys}
        joined = (
            pd.DataFrame(columns),
            self.users[["age", "gender", "occupation"]].take(user).reset_index(drop=True),
            self.items[["genres", "release_year"]].take(film).reset_index(drop=True),
            pd.Series(history, name="history", dtype=object),
            pd.DataFrame(cross, columns=list(CROSS_FEATURES)),
        )
        return pd.concat(joined, axis=1).set_axis(rows.index, axis=0)

    def _labelled(self, part: int) -> pd.DataFrame:
        rows = self.ratings[self._parts == part].reset_index(drop=True)
        return self.features(rows).assign(liked=(rows["rating"] >= LIKED_FROM).astype(np.float32))

    @cached_property
    def _parts(self) -> np.ndarray:
        """[num_ratings] 0 history, 1 train, 2 validation, 3 test."""
        by_user = self.ratings.groupby("user_id")["rating"]
        rank, count = by_user.cumcount().to_numpy(), by_user.transform("size").to_numpy()
        # Whole numbers: 0.7 * 10 is not exactly 7 in binary.
        return np.sum([rank >= count * tenths // 10 for tenths in (5, 7, 8)], axis=0)

    @cached_property
    def _similarity(self) -> np.ndarray:
        """[num_films, num_films] shrunk cosine of co-likes in the history part, diagonal 0."""
        liked = (self._parts == 0) & (self.ratings["rating"] >= LIKED_FROM).to_numpy()
        user, film = self._positions(self.ratings[liked], "ratings")
        likes = np.zeros((len(self.users), len(self.items)), np.float32)
        likes[user, film] = 1.0
        both = (likes.T @ likes).astype(float)
        likers = np.maximum(np.diag(both), 1.0)
        similarity = both / np.sqrt(np.outer(likers, likers)) * both / (both + SHRINKAGE)
        np.fill_diagonal(similarity, 0.0)
        return similarity

    @cached_property
    def _genre_matrix(self) -> np.ndarray:
        """[num_films, num_genres] 1 where a film has a genre."""
        names = sorted({genre for genres in self.items["genres"] for genre in genres})
        return np.array([[float(n in genres) for n in names] for genres in self.items["genres"]])

    def _positions(self, rows: pd.DataFrame, argument: str) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers in `users` and `items`, each [num_rows]."""
        return (
            positions(rows, argument, "user_id", self.users["user_id"], "users"),
            positions(rows, argument, "film_id", self.items["film_id"], "items"),
        )

    def _past_of(
        self, user: np.ndarray, film: np.ndarray, time: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Histories, [num_rows] lists, and cross features, [num_rows, 8], of [num_rows] each."""
        owner, rated = self._positions(self.ratings, "ratings")
        times = self.ratings["timestamp"].to_numpy(np.int64)
        liked = (self.ratings["rating"] >= LIKED_FROM).to_numpy()
        likes = Past(owner[liked], times[liked])
        ids = self.items["film_id"].to_numpy(np.int64)[rated[liked][likes.order]].tolist()
        history = likes.before(user, time).last(HISTORY_LENGTH).values(ids)

        cross = np.zeros((len(user), len(CROSS_FEATURES)), np.float32)
        years = self.items["release_year"].to_numpy(float)
        by_user = np.argsort(user, kind="stable")
        starts = np.flatnonzero(np.diff(user[by_user], prepend=-1))
        for rows in np.split(by_user, starts[1:]) if len(user) else []:
            own = np.flatnonzero(owner == user[rows[0]])
            for start in range(0, len(rows), _CHUNK):
                some = rows[start : start + _CHUNK]
                past = (times[own] < time[some, None]) & (rated[own] != film[some, None])
                cross[some] = cross_features(
                    film[some], rated[own], past, liked[own],
                    genres=self._genre_matrix, years=years, similarity=self._similarity,
                )  # fmt: skip
        return history, cross
