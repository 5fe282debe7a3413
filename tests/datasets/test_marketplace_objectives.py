import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from scipy.stats import norm, spearmanr

import tfpfd
from tfpfd.data.common_features import ONCE
from tfpfd.datasets import marketplace

SMALL = dict(users=60, items=40, categories=5, days=10, shown=4)
FURTHER, KEPT = ["clicked", "cancelled", "rated_well"], ["new_seller"]


@pytest.fixture(scope="module")
def data():
    return marketplace("objectives", users=1_000, items=200, days=10)


def all_rows(data):
    return pd.concat([data.train, data.validation, data.test], ignore_index=True)


def pairs(rows):
    return rows["user_id"].to_numpy(), rows["item_id"].to_numpy()


# --- Labels --------------------------------------------------------------------------------------


def test_labels_are_those_of_the_other_tasks(data):
    rows = all_rows(data)
    clicks, purchases = (
        all_rows(marketplace(task, users=1_000, items=200, days=10))
        for task in ("click", "purchase")
    )

    assert data.objectives == ("purchased", "clicked", "cancelled", "rated_well")
    assert data.schema.label == "purchased" and clicks["clicked"].equals(rows["clicked"])
    clicked = rows[rows["clicked"] == 1].reset_index(drop=True)
    assert purchases["purchased"].equals(clicked["purchased"])
    served = [name for name in purchases if name in rows]
    pd.testing.assert_frame_equal(purchases[served], clicked[served])


def test_labels_are_events_of_an_impression(data):
    rows = all_rows(data)

    assert {str(rows[name].dtype) for name in data.objectives} == {"float32"}
    # One after the other, and no good rating of a purchase that was cancelled.
    assert (rows["clicked"] >= rows["purchased"]).all()
    assert (rows["purchased"] >= rows["cancelled"] + rows["rated_well"]).all()
    assert 0 < rows["rated_well"].sum() < (rows["purchased"] - rows["cancelled"]).sum()
    assert (rows.groupby("visit").size() == 10).all()


@pytest.mark.parametrize("seed", range(4))
def test_cancellations_are_rare(seed):
    log = marketplace(users=500, seed=seed).log

    assert log.purchased.sum() > 10 * log.cancelled.sum() > 0
    assert not (log.cancelled & log.rated_well).any()


def test_rows_say_whose_seller_is_new(data):
    rows = data.test

    expected = data.items["new_seller"].to_numpy()[rows["item_id"]]
    np.testing.assert_array_equal(rows["new_seller"], expected)
    assert 0 < expected.mean() < 0.5
    assert "new_seller" not in data.schema.features()
    features = data.features(rows[["user_id", "item_id", "day"]])
    pd.testing.assert_frame_equal(features, rows.drop(columns=list(data.objectives)))
    for task in ("click", "purchase"):
        assert "new_seller" not in marketplace(task, **SMALL).train


def test_other_tasks_have_one_objective():
    for task, label in (("click", "clicked"), ("purchase", "purchased")):
        assert marketplace(task, **SMALL).objectives == (label,)


# --- Truth ---------------------------------------------------------------------------------------


def test_truth_is_the_frequency_of_what_happened(data):
    """In each tenth of the rows by true rate, the count lies within 4.5 standard deviations.

    The variance of a sum of independent Bernoulli draws is Σ p (1 − p); a count of few is Poisson,
    which the 3 on top allow for.
    """
    rows = all_rows(data)
    rates = data.rates(*pairs(rows))
    assert set(rates) == set(data.objectives)
    bought = rows["purchased"].to_numpy() == 1
    kept = bought & (rows["cancelled"].to_numpy() == 0)
    for label, rate, among in (
        *((name, rate, np.ones(len(rows), bool)) for name, rate in rates.items()),
        ("cancelled", data.cancel_rate(*pairs(rows)), bought),
        ("rated_well", data.rating_rate(*pairs(rows)), kept),
    ):
        happened, rate = rows[label].to_numpy()[among], rate[among]
        for part in np.array_split(np.argsort(rate), 10):
            distance = abs(happened[part].sum() - rate[part].sum())
            assert distance < 3 + 4.5 * np.sqrt((rate[part] * (1 - rate[part])).sum()), label


def test_truth_by_its_equations(data):
    world, user, item = data.world, 7, 11
    seller = data.items["seller_id"][item]
    appeal, quality = float(world.appeal[item]), float(world.quality[item])
    reliability = float(world.reliability[seller])
    cost = float(world.sensitivity[user]) * float(world.price_level[item])
    match = float(world.taste[user].astype(float) @ world.factors[item])

    cancel = norm.cdf(-3.1 - 0.6 * reliability + 0.4 * appeal - 0.25 * cost)
    rating = norm.cdf(0.6 + 0.7 * quality + 0.3 * match + 0.3 * reliability - 0.6 * appeal)

    every = np.arange(1_000)[:, None], np.arange(200)
    assert data.cancel_rate(*every).shape == data.rating_rate(*every).shape == (1_000, 200)
    np.testing.assert_allclose(data.cancel_rate(*every)[user, item], cancel, rtol=1e-5)
    np.testing.assert_allclose(data.rating_rate(*every)[user, item], rating, rtol=1e-5)
    purchase = data.ctr(user, item) * data.cvr(user, item)
    rates = data.rates(user, item)
    np.testing.assert_allclose(rates["purchased"], purchase)
    np.testing.assert_allclose(rates["cancelled"], purchase * cancel, rtol=1e-5)
    np.testing.assert_allclose(rates["rated_well"], purchase * (1 - cancel) * rating, rtol=1e-5)


def test_objectives_are_partly_opposed(data):
    """What sells is cancelled more; to mind it costs few purchases and saves many cancellations."""
    rows = all_rows(data)
    rates = data.rates(*pairs(rows))

    assert spearmanr(data.cvr(*pairs(rows)), data.cancel_rate(*pairs(rows))).statistic > 0.2
    assert spearmanr(data.cvr(*pairs(rows)), data.rating_rate(*pairs(rows))).statistic < 0

    def first_three(scores):
        order = np.argsort(-scores.reshape(-1, 10), axis=1)[:, :3]
        return [
            np.take_along_axis(rates[name].reshape(-1, 10), order, axis=1).sum()
            for name in ("purchased", "cancelled")
        ]

    bought, cancelled = first_three(rates["purchased"])
    fewer, much_fewer = first_three(rates["purchased"] - 5 * rates["cancelled"])
    assert 0.75 < fewer / bought < 0.99 and much_fewer / cancelled < 0.7


# --- Use -----------------------------------------------------------------------------------------


def test_batches_hold_pages_and_all_labels(tmp_path):
    data = marketplace("objectives", **SMALL)
    schema = data.schema.adapt(data.train, verbose=0)
    assert schema.privileged == {} and schema.sides["privileged"] == ()
    folder = data.to_parquet(tmp_path / "rows", verbose=0)
    frames, files = (
        tfpfd.data.from_rows(
            source, schema, batch_size=512, by_list=True, labels=FURTHER, extra_columns=KEPT
        )
        for source in (data.train, folder / "train.parquet")
    )
    for one, other in zip(frames, files, strict=True):
        for part in (one[0], other[0]):  # Numbered anew: they are lists of two datasets.
            for key in {tfpfd.data.LIST, *(name for name in part if name.startswith(ONCE))}:
                part[key] -= part[key][0]
        tf.nest.map_structure(np.testing.assert_array_equal, one, other)
    (inputs, labels), *_ = frames
    for name in (*FURTHER, *KEPT):
        np.testing.assert_array_equal(inputs[name], data.train[name].iloc[:512].astype("float32"))
    np.testing.assert_array_equal(labels, data.train["purchased"].iloc[:512])
