from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from tfpfd.datasets import marketplace
from tfpfd.datasets.marketplace.rows import CROSS_FEATURES, POST_EVENT_FEATURES


@pytest.fixture(scope="module")
def clicks():
    return marketplace(users=1_000, items=200, days=10)


@pytest.fixture(scope="module")
def purchases():
    return marketplace("purchase", users=1_000, items=200, days=10)


def all_rows(data):
    return pd.concat([data.train, data.validation, data.test], ignore_index=True)


# --- Truth ---------------------------------------------------------------------------------------


def test_truth_is_the_frequency_of_what_happened(clicks, purchases):
    """In each tenth of the rows by true rate, the count lies within 4.5 standard deviations.

    The variance of a sum of independent Bernoulli draws is Σ p (1 − p). Twenty counts leave
    20 · 2 (1 − Φ(4.5)) = 1.4e-4 for a wrong alarm.
    """
    for data, truth, label in (
        (clicks, clicks.ctr, "clicked"),
        (purchases, purchases.cvr, "purchased"),
    ):
        rows = all_rows(data)
        rate = truth(rows["user_id"].to_numpy(), rows["item_id"].to_numpy())
        for part in np.array_split(np.argsort(rate), 10):
            count, expected = rows[label].to_numpy()[part].sum(), rate[part].sum()
            assert abs(count - expected) < 4.5 * np.sqrt((rate[part] * (1 - rate[part])).sum())


def test_completion_thins_purchases_and_nothing_else(purchases):
    """Those of a smaller share are among those of a larger; as many as the truth says."""
    of = partial(marketplace, "purchase", users=1_000, items=200, days=10)
    kept = [all_rows(of(completion=share))["purchased"].to_numpy() for share in (0.0, 0.1, 0.5)]
    whole = all_rows(purchases)
    assert not kept[0].any()
    for fewer, more in pairwise([*kept, whole["purchased"].to_numpy()]):
        assert (fewer <= more).all()
    tenth = of(completion=0.1)
    pd.testing.assert_frame_equal(
        all_rows(tenth).drop(columns="purchased"), whole.drop(columns="purchased")
    )
    every = whole["user_id"].to_numpy(), whole["item_id"].to_numpy()
    np.testing.assert_allclose(tenth.cvr(*every), 0.1 * purchases.cvr(*every))
    rate = tenth.cvr(*every)
    assert abs(kept[1].sum() - rate.sum()) < 4.5 * np.sqrt((rate * (1 - rate)).sum())


def test_truth_of_one_pair_is_its_frequency():
    # One user, two items, both shown each day: 2,000 clicks-or-not on each pair.
    data = marketplace(users=1, items=2, categories=1, shown=2, days=2_000, seed=5)
    rows = all_rows(data)
    for item, shown in rows.groupby("item_id"):
        rate = data.ctr(np.array([0]), np.array([item]))[0]
        assert 1e-3 < rate < 0.5
        deviation = np.sqrt(rate * (1 - rate) / len(shown))
        assert len(shown) == 2_000 and abs(shown["clicked"].mean() - rate) < 4.5 * deviation


def test_truth_by_its_equations(clicks):
    world = clicks.world
    user, item = 7, 11
    match = float(world.taste[user].astype(float) @ world.factors[item])
    cost = float(world.sensitivity[user]) * float(world.price_level[item])
    affinity = float(world.affinity[user, clicks.items["category"][item]])
    appeal = float(world.appeal[item])

    logit = -4 + 0.8 * match + affinity + 0.5 * appeal - 0.4 * cost
    index = -2.2 + 0.4 * match + 0.4 * appeal - 0.5 * cost

    every = np.arange(1_000)[:, None], np.arange(200)
    ctr, cvr = clicks.ctr(*every), clicks.cvr(*every)
    assert ctr.shape == cvr.shape == (1_000, 200)
    np.testing.assert_allclose(ctr[user, item], 1 / (1 + np.exp(-logit)), rtol=1e-5)
    np.testing.assert_allclose(cvr[user, item], norm.cdf(index), rtol=1e-5)


def test_rates_are_sane_and_exposure_is_biased(clicks, purchases):
    everything = clicks.ctr(np.arange(1_000)[:, None], np.arange(200)).mean()
    rate = all_rows(clicks)["clicked"].mean()
    assert 0.05 < rate < 0.2 and rate > 1.5 * everything
    assert 0.05 < all_rows(purchases)["purchased"].mean() < 0.3


# --- Privileged features -------------------------------------------------------------------------


def post_event_auc(**settings):
    data = marketplace("purchase", users=1_000, items=200, days=10, **settings)
    rows = pd.concat([data.train, data.validation, data.test])
    features = rows[list(POST_EVENT_FEATURES)].assign(
        dwell_time=np.log(rows["dwell_time"]), comments_read=np.log1p(rows["comments_read"])
    )
    standardized = (features - features.mean()) / features.std()
    fitted = LogisticRegression().fit(standardized, rows["purchased"])
    return roc_auc_score(rows["purchased"], fitted.decision_function(standardized))


def test_strength_and_noise_move_the_post_event_features():
    by_strength = [post_event_auc(strength=strength) for strength in (0.0, 0.5, 1.0)]
    by_noise = [post_event_auc(noise=noise) for noise in (4.0, 1.0, 0.25)]

    # Fitted in-sample, three features of noise give a little more than one half.
    assert by_strength[0] < 0.53
    assert by_strength[0] + 0.05 < by_strength[1] < by_strength[2] - 0.05
    assert by_noise[0] + 0.05 < by_noise[1] < by_noise[2] - 0.05


def test_post_event_features_of_no_strength_are_noise():
    data = marketplace("purchase", users=1_000, items=200, days=10, strength=0.0)
    rows = all_rows(data)
    for name in POST_EVENT_FEATURES:
        for other in ("purchased", "price"):
            assert spearmanr(rows[name], rows[other]).pvalue > 0.01, (name, other)


def test_post_event_features_stay_finite_at_the_largest_noise():
    data = marketplace("purchase", users=1_000, items=200, days=10, noise=5.0)

    assert np.isfinite(all_rows(data)[list(POST_EVENT_FEATURES)]).all(axis=None)


def test_long_dwell_misleads(purchases):
    rows = all_rows(purchases)
    correlation = rows[["dwell_time", "price", "purchased"]].corr("spearman")

    assert correlation.loc["dwell_time", "price"] > 0.5
    assert correlation.loc["price", "purchased"] < -0.2
    assert correlation.loc["dwell_time", "purchased"] < -0.05
    # Beside the price, long dwell speaks for a purchase.
    inputs = np.log(rows[["dwell_time", "price"]])
    assert LogisticRegression().fit(inputs, rows["purchased"]).coef_[0, 0] > 0.1


def test_cross_features_tell_of_the_affinity(clicks):
    rows = clicks.test
    affinity = clicks.world.affinity[rows["user_id"], rows["category"]]
    for name in CROSS_FEATURES[:3]:
        assert spearmanr(rows[name], affinity).statistic > 0.15, name
