"""MovieLens as a catalogue: who liked what when, and what only earlier likes say."""

import numpy as np
import pandas as pd
import pytest

from tfpfd.datasets import MovieLens
from tfpfd.datasets.movielens.catalogue import ORDER, WHOLE, in_own_order

PAIRS = ["user_id", "film_id"]


def made(ratings):
    users = pd.DataFrame({"user_id": range(6), "age": 30, "gender": "F", "occupation": "none"})
    items = pd.DataFrame(
        {"film_id": range(30), "title": "t", "genres": [["Drama"]] * 30, "release_year": 1990.0}
    )
    return MovieLens(users, items, ratings)


@pytest.fixture
def ratings():
    """Ten films a user, two of them in one second, most of them liked."""
    random = np.random.default_rng(0)
    films = [random.choice(30, 10, replace=False) for _ in range(6)]
    times = np.array([0, 1, 2, 3, 3, 5, 6, 7, 8, 9])
    return pd.DataFrame(
        {
            "user_id": np.repeat(np.arange(6), 10),
            "film_id": np.concatenate(films),
            "rating": random.choice([2, 4, 5], 60, p=[0.2, 0.4, 0.4]),
            "timestamp": np.tile(times, 6),
        }
    )


def test_the_time_is_the_share_of_older_ratings(ratings):
    asked = WHOLE // 10 * np.array([0, 1, 2, 3, 3, 5, 6, 7, 8, 9])
    known = WHOLE // 10 * np.array([1, 2, 3, 5, 5, 6, 7, 8, 9, 10]) - 1
    shuffled = ratings.sample(frac=1, random_state=1)
    for frame in (ratings, shuffled):
        for found, expected in zip(in_own_order(frame), (asked, known), strict=True):
            assert found.tolist() == np.tile(expected, 6)[frame.index].tolist()


def pairs(frame):
    return set(map(tuple, frame[PAIRS].to_numpy().tolist()))


@pytest.mark.parametrize(
    ("since", "until"), [(0.0, 0.7), (0.5, 0.7), (0.7, 0.8), (0.0, 0.8), (0.25, 0.55)]
)
def test_what_students_learn_from(ratings, since, until):
    data = made(ratings)
    found = data.catalogue(since=since, until=until, drawn=3)
    shown = data.ratings.assign(place=data.ratings.index % 10)
    likes = shown[shown["rating"] >= 4]
    first, end = int(10 * since), int(10 * until)
    assert pairs(found.train) == pairs(likes[likes["place"].between(first, end - 1)])
    assert pairs(found.validation) == pairs(likes[likes["place"].between(end, 7)])
    assert pairs(found.test) == pairs(likes.query("place >= 8"))
    assert pairs(found.exposed) == pairs(shown[shown["place"] < end])
    assert pairs(found.seen) == pairs(shown[shown["place"].between(end, 7)])
    assert found.history is None
    assert list(found.schema.features("privileged")) == [
        "past_knn", "past_co_count_sum", "past_co_count_max", "past_ease"
    ]  # fmt: skip


@pytest.mark.parametrize(("since", "until"), [(0.0, 0.7), (0.3, 0.7), (0.4, 0.8), (0.7, 0.8)])
def test_served_histories_hold_what_may_be_learned_from_alone(ratings, since, until):
    """What was liked from `since` on, before the row's second, or else before its part."""
    data = made(ratings)
    found = data.catalogue(since=since, until=until, drawn=3)
    likes = data.ratings.assign(place=data.ratings.index % 10).query("rating >= 4")
    parts = {"train": 10 * since, "validation": 10 * until, "test": 8}
    for part, begins in parts.items():
        for row in getattr(found, part).itertuples():
            own = likes[(likes["user_id"] == row.user_id) & (likes["place"] >= int(10 * since))]
            known = own[(own["timestamp"] < row.timestamp) | (own["place"] < int(begins))]
            assert row.history == known["film_id"].tolist()
    assert any(map(len, found.test["history"]))


def test_later_likes_change_no_privileged_feature(ratings):
    """Nor does the row's own, nor those of the same second."""
    asked = pd.DataFrame({"user_id": 2, "film_id": range(30), ORDER: WHOLE // 2})
    expected = made(ratings).catalogue().privileged(asked)
    assert (expected != 0).any(axis=None)
    later = ratings["timestamp"] >= 5
    other = ratings.assign(rating=ratings["rating"].where(~later, 2))
    pd.testing.assert_frame_equal(made(other).catalogue().privileged(asked), expected)
    earlier = ratings.assign(rating=ratings["rating"].where(ratings["timestamp"] != 1, 2))
    assert not made(earlier).catalogue().privileged(asked).equals(expected)


def test_before_the_first_table_scores_are_missing(ratings):
    asked = pd.DataFrame(
        {"user_id": 2, "film_id": [1, 2, 3], ORDER: [0, WHOLE // 5 - 1, WHOLE // 5]},
        index=[5, 3, 4],
    )
    found = made(ratings).catalogue().privileged(asked)
    assert found.index.tolist() == [5, 3, 4]
    assert found.isna().all(axis=1).tolist() == [True, True, False]
    assert not found.loc[4].isna().any()


def test_features_are_those_of_the_moment(ratings):
    data = made(ratings)
    train = data.catalogue().train
    expected = data.features(train[["user_id", "film_id", "timestamp"]])
    for name in ("age", "gender", "occupation"):
        np.testing.assert_array_equal(train[name], expected[name])
    assert train["history"].tolist() == expected["history"].tolist()


@pytest.mark.parametrize("since", [0.7, 1, -0.1, float("nan"), "a"])
def test_since_is_a_share_before_training_ends(ratings, since):
    with pytest.raises(ValueError, match="`since` must be"):
        made(ratings).catalogue(since=since)


@pytest.mark.parametrize("until", [0, 0.5, 0.81, -0.1, float("nan"), "a"])
def test_until_is_a_share_before_the_test(ratings, until):
    with pytest.raises(ValueError, match=r"`until` must be|below `until`"):
        made(ratings).catalogue(since=0.5, until=until)


def test_no_table_holds_what_is_kept_for_later():
    """A block of one second that reaches from before .7 into the test is known after it."""
    ratings = pd.DataFrame(
        {
            "user_id": np.repeat(np.arange(6), 10),
            "film_id": np.tile(np.arange(10), 6),
            "rating": 5,
            "timestamp": np.tile([0, 1, 2, 3, 4, 5, 6, 6, 6, 7], 6),
        }
    )
    catalogue = made(ratings).catalogue()
    asked = pd.DataFrame({"user_id": 0, "film_id": range(10), ORDER: round(0.9 * WHOLE)})
    scores = catalogue.privileged(asked)
    # Films 0 to 5 are in the tables, 6 to 8 of the block and 9 after it aren't.
    assert (scores["past_co_count_sum"] > 0).tolist() == [True] * 6 + [False] * 4
    # What comes next has the whole block behind it, a row of the block what lies before the test.
    assert catalogue.test.query("user_id == 0")["history"].map(len).tolist() == [8, 9]


@pytest.mark.slow
def test_tables_of_movielens_hold_no_like_of_the_validation_or_the_test(movielens):
    ratings = movielens.ratings.assign(part=movielens._parts)
    _, known = in_own_order(ratings)
    ends = {0.5: 0, 0.6: 1, 0.7: 1}
    for share, last in ends.items():
        assert ratings["part"][known < round(share * WHOLE)].max() == last
    order, _ = in_own_order(ratings)
    by_user = ratings.groupby("user_id")
    number, count = by_user.cumcount(), by_user["rating"].transform("size")
    # A rating is past for all rows that are asked for after it, and for no other.
    for user in (1, 405, 943):
        own = (ratings["user_id"] == user).to_numpy()
        times = ratings["timestamp"].to_numpy()[own]
        past = known[own][None, :] < order[own][:, None]
        np.testing.assert_array_equal(past, times[None, :] < times[:, None])
    assert (order <= WHOLE * number / count).all()
