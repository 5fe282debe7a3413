"""The task: which labels it holds, what its metrics are on rankings that are known."""

import numpy as np
import pytest

from experiments.objectives.objective_task import PICKED, TOP
from experiments.objectives.sources import SOURCES
from tfpfd.evaluation import list_exposure, list_ndcg


def test_what_stands_for_cancellations(tiny):
    """Kept: bought and not cancelled, on every impression."""
    rows, frame = tiny.train, tiny.data.train
    np.testing.assert_array_equal(rows.labels, frame["purchased"])
    np.testing.assert_array_equal(rows.inputs["kept"], frame["purchased"] - frame["cancelled"])
    np.testing.assert_array_equal(rows.inputs[PICKED], frame["new_seller"].astype(float))


def test_weights_of_a_trade_off(tiny):
    omega = tiny.source.omega
    assert tiny.omega(0.5) == {
        "purchased": 1.0,
        "cancelled": 0.5 * omega["cancelled"],
        "rated_well": 0.5 * omega["rated_well"],
    }
    assert tiny.shares(0.5) == {
        "purchased": 1.0,
        "kept": -0.5 * omega["cancelled"],
        "rated_well": 0.5 * omega["rated_well"],
    }


@pytest.mark.slow
def test_metrics_on_the_test_set_itself(tiny):
    """The first value by hand, without resamples; a list is a visit, so its user is one."""
    scores = np.random.default_rng(0).normal(size=len(tiny.test.labels)).astype(np.float32)
    found = tiny.evaluate(scores)
    assert set(found) == {"ndcg", "purchase_rate", "cancelled", "rated_well", "exposure"}
    frame = tiny.data.test
    purchased, cancelled = (
        list_exposure(tiny.rates[name], scores, frame["visit"], TOP).mean()
        for name in ("purchased", "cancelled")
    )
    assert found["purchase_rate"][0] == pytest.approx(purchased)
    assert found["cancelled"][0] == pytest.approx(cancelled / purchased)
    ndcg = np.nanmean(list_ndcg(frame["purchased"], scores, frame["visit"]))
    assert found["ndcg"][0] == pytest.approx(ndcg)
    assert len(tiny.users) == frame["visit"].nunique()
    first = frame.drop_duplicates("visit")["user_id"]
    np.testing.assert_array_equal(np.unique(first)[tiny.users], first)


@pytest.mark.slow
def test_the_truth_ranks_best(tiny):
    by_truth, reverse = (tiny.evaluate(sign * tiny.rates["purchased"]) for sign in (1, -1))
    assert (by_truth["purchase_rate"] > reverse["purchase_rate"]).all()
    more = tiny.evaluate(np.log(tiny.rates["purchased"]) - np.log(tiny.rates["cancelled"]))
    assert more["cancelled"][0] < by_truth["cancelled"][0]


def test_utility_is_the_weighted_sum_of_lifts(tiny):
    """Scores that say nothing lift nothing: Σ ω."""
    nothing = np.zeros(len(tiny.validation.labels))
    assert tiny.utility(nothing, 0.5) == pytest.approx(sum(tiny.omega(0.5).values()), rel=1e-5)
    assert tiny.utility(tiny.validation.labels, 0.0) > 2
    scores = np.random.default_rng(0).normal(size=nothing.size)
    rows, lifts = tiny.validation, 0.0
    for name, weight in tiny.omega(0.5).items():
        labels = tiny.labels(rows, name)
        lifts += weight * list_exposure(labels, scores, rows.lists, TOP).mean() / labels.mean()
    assert tiny.utility(scores, 0.5) == pytest.approx(lifts, rel=1e-5)


def test_scores_stand_in_the_order_of_the_rows(tiny):
    ranker = tiny.ranker()
    some = np.random.default_rng(1).permutation(len(tiny.test.labels))[:50]
    inputs = {name: values[some] for name, values in tiny.test.inputs.items()}
    np.testing.assert_allclose(tiny.test.scores(ranker)[some], ranker(inputs), rtol=1e-5, atol=1e-6)


def test_kuairand_needs_its_path():
    with pytest.raises(ValueError, match="needs the folder of its files: `kuairand:PATH`"):
        SOURCES["kuairand"].load(None)
