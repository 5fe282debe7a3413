import re

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

import tfpfd
from tfpfd.datasets import marketplace
from tfpfd.datasets.marketplace.past_clicks import HISTORY_LENGTH, WINDOW
from tfpfd.datasets.marketplace.rows import CROSS_FEATURES, POST_EVENT_FEATURES

SMALL = dict(users=60, items=40, categories=5, days=10, shown=4)
TASKS = ["click", "purchase", "objectives"]


@pytest.fixture(scope="module")
def clicks():
    return marketplace(users=1_000, items=200, days=10)


def all_rows(data):
    return pd.concat([data.train, data.validation, data.test], ignore_index=True)


# --- Seeds, time, chunks -------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_same_seed_same_data(task):
    one, other = (marketplace(task, **SMALL, seed=3) for _ in range(2))
    different = marketplace(task, **SMALL, seed=4)

    pd.testing.assert_frame_equal(one.train, other.train)
    pd.testing.assert_frame_equal(one.items, other.items)
    assert not one.train.equals(different.train)


def test_task_strength_and_noise_leave_what_happened_alone():
    base = marketplace(**SMALL).log
    for other in (
        marketplace("purchase", **SMALL).log,
        marketplace("purchase", **SMALL, strength=0.0, noise=3.0).log,
        marketplace("objectives", **SMALL, strength=0.5).log,
    ):
        for name in ("items", "clicks", "purchased", "cancelled", "rated_well"):
            np.testing.assert_array_equal(getattr(other, name), getattr(base, name))


@pytest.mark.parametrize("task", TASKS)
def test_later_days_change_nothing_earlier(task):
    longer = all_rows(marketplace(task, **{**SMALL, "days": 14}))
    shorter = all_rows(marketplace(task, **SMALL))

    expected = longer[longer["day"] < SMALL["days"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(shorter, expected)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("rows_per_chunk", [97, 10**6])
def test_parquet_in_chunks_holds_the_rows_of_the_frames(task, rows_per_chunk, tmp_path):
    data = marketplace(task, **SMALL)

    folder = data.to_parquet(tmp_path / "new" / "folder", rows_per_chunk, verbose=0)

    for part in ("train", "validation", "test"):
        written = pq.read_table(folder / f"{part}.parquet").to_pandas()
        pd.testing.assert_frame_equal(written, getattr(data, part))


def test_parts_follow_the_days():
    data = marketplace(**{**SMALL, "days": 23})

    days = [getattr(data, part)["day"].unique().tolist() for part in ("train", "validation")]
    assert days == [list(range(19)), [19, 20]]
    assert data.test["day"].unique().tolist() == [21, 22]
    for part in (data.train, data.validation, data.test):
        # Every user visits once a day and is shown four different items.
        assert (part.groupby("visit")["item_id"].nunique() == SMALL["shown"]).all()
        assert part["visit"].nunique() == part["day"].nunique() * SMALL["users"]
    assert len(data.exposed_until_training) == len(data.train)


def test_purchase_rows_are_the_clicks():
    clicked, bought = marketplace(**SMALL), marketplace("purchase", **SMALL)

    rows = clicked.train[clicked.train["clicked"] == 1].reset_index(drop=True)
    served = [name for name in bought.train if name in rows]
    pd.testing.assert_frame_equal(bought.train[served], rows[served])
    assert {*POST_EVENT_FEATURES, "purchased"} == {*bought.train} - {*served}


# --- Features ------------------------------------------------------------------------------------


def test_features_against_plain_loops():
    data = marketplace(**SMALL)
    rows = all_rows(data)
    price, category = data.items["price"], data.items["category"]
    clicked = rows[rows["clicked"] == 1]
    for row in rows.iloc[::17].itertuples():
        past = clicked[(clicked["user_id"] == row.user_id) & (clicked["day"] < row.day)]
        same = past[past["category"] == row.category]
        expected = [
            (same["day"] >= row.day - WINDOW).sum(),
            len(same) / max(len(past), 1),
            1 / (row.day - same["day"].max()) if len(same) else 0,
            np.log(price[row.item_id] / past["price"].mean()) if len(past) else 0,
        ]
        np.testing.assert_allclose(
            [getattr(row, name) for name in CROSS_FEATURES], expected, rtol=1e-5, atol=1e-6
        )
        assert row.history.tolist() == past["item_id"].tolist()[-HISTORY_LENGTH:]
        assert row.category == category[row.item_id]
    assert (rows["category_recent_clicks"] > 1).any()


def test_unexposed_candidates_get_features(clicks):
    drawn = tfpfd.data.sample_unexposed(
        clicks.train.head(300),
        clicks.items,
        clicks.schema,
        user="user_id",
        item="item_id",
        exposed=clicks.exposed_until_training,
        extra_columns=["day"],
    )

    rows = clicks.features(drawn[["user_id", "item_id", "day"]])

    assert list(rows) == [name for name in clicks.train if name != "clicked"]
    for name in ("visit", "age", "price", "category"):
        np.testing.assert_array_equal(rows[name], drawn[name])
    shown = pd.MultiIndex.from_frame(clicks.exposed_until_training)
    assert not pd.MultiIndex.from_frame(rows[["user_id", "item_id"]]).isin(shown).any()


def test_features_of_logged_rows_are_those_of_the_log(clicks):
    some = clicks.test.iloc[[5, 900, 3]]

    got = clicks.features(some[["day", "item_id", "user_id"]])

    pd.testing.assert_frame_equal(got, some.drop(columns="clicked"))


# --- Use and misuse ------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_a_ranker_is_trained_on_frames_and_files(task, tmp_path):
    data = marketplace(task, **SMALL)
    schema = data.schema.adapt(data.train, verbose=0)
    folder = data.to_parquet(tmp_path, verbose=0)
    assert data.schema.adapt(folder / "train.parquet", verbose=0) == schema
    frames, files = (
        tfpfd.data.from_rows(source, schema, batch_size=1024)
        for source in (data.train, folder / "train.parquet")
    )
    for one, other in zip(frames, files, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, one, other)

    student = tfpfd.Ranker(schema, tfpfd.TwoTower([4]))
    teacher = tfpfd.Ranker(schema, tfpfd.MLP([4]), sees="all", encoder=student.encoder)
    model = tfpfd.Distillation(student=student, teacher=teacher)
    model.compile("sgd", run_eagerly=True)  # Few steps: a graph takes longer.
    history = model.fit(frames, epochs=1, verbose=0).history

    assert np.isfinite(history["student_loss"]).all() and np.isfinite(history["teacher_loss"]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"task": "ctr"},
            "`task` must be one of ['click', 'purchase', 'objectives'], received 'ctr'",
        ),
        ({"users": 0}, "`users` must be an integer of at least 1, received 0"),
        ({"items": 1}, "`items` must be an integer of at least 2, received 1"),
        ({"categories": 1.5}, "`categories` must be an integer of at least 1, received 1.5"),
        ({"days": 2}, "`days` must be an integer of at least 3, received 2"),
        ({"shown": True}, "`shown` must be an integer of at least 1, received True"),
        ({"shown": 11, "items": 10}, "`shown` must be at most `items` (10), received 11"),
        ({"strength": 1.1}, "`strength` must be a finite number from 0 to 1, received 1.1"),
        ({"noise": -1.0}, "`noise` must be a finite number from 0 to 5, received -1.0"),
        ({"noise": float("inf")}, "`noise` must be a finite number from 0 to 5, received inf"),
        ({"completion": 1.1}, "`completion` must be a finite number from 0 to 1, received 1.1"),
        ({"seed": None}, "`seed` must be an integer of at least 0, received None"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        marketplace(**arguments)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"day": None}, "`rows` misses the columns ['day'], received ['user_id', 'item_id']"),
        ({"user_id": [60]}, "`user_id` must lie in 0 to 59, received 60"),
        ({"item_id": [-1]}, "`item_id` must lie in 0 to 39, received -1"),
        ({"day": [10]}, "`day` must lie in 0 to 9, received 10"),
        ({"item_id": [1.0]}, "`item_id` must hold integers, received dtype float64"),
    ],
)
def test_bad_rows_are_named(columns, message):
    rows = {"user_id": [0], "item_id": [0], "day": [0], **columns}
    rows = pd.DataFrame({name: values for name, values in rows.items() if values is not None})
    with pytest.raises(ValueError, match=re.escape(message)):
        marketplace(**SMALL).features(rows)


def test_bad_chunks_are_refused(tmp_path):
    with pytest.raises(ValueError, match="`rows_per_chunk` must be an integer of at least 1"):
        marketplace(**SMALL).to_parquet(tmp_path, rows_per_chunk=0)
