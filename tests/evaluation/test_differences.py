import math

import numpy as np
import pytest

from tfpfd.auditing.tables import cell
from tfpfd.evaluation import Interval
from tfpfd.evaluation.differences import by_metric, compare, gain, is_better
from tfpfd.evaluation.intervals import level, number
from tfpfd.evaluation.titles import METRICS

SEEDS, RESAMPLES = 3, 50


def results(**shifts):
    """Arms whose metrics all equal `.5` plus a shift, with the same small noise."""
    noise = np.random.default_rng(0).normal(0, 1e-3, (SEEDS, 1 + RESAMPLES))
    arms = {"base": 0.0, "self": 0.0, "shuffled": 0.0, "distilled": 0.0, **shifts}
    own = np.random.default_rng(1).normal(0, 1e-3, (SEEDS, 1 + RESAMPLES))
    return {
        arm: {
            metric: 0.5 + shift + noise + (own if arm == "distilled" else 0) for metric in METRICS
        }
        for arm, shift in arms.items()
    }


def said(**shifts):
    return by_metric(results(**shifts), list(METRICS))


def test_no_difference_is_noise():
    assert said().endswith(f"nothing; inside the noise: {', '.join(METRICS.values())}.")


def test_a_gain_over_every_control_is_real():
    assert "every control: AUC, group AUC, recall@50, NDCG@10;" in said(distilled=0.1)
    assert "worse than base: log loss, ECE" in said(distilled=0.1)


def test_a_gain_that_a_control_shares_is_not_called_real():
    shared = said(distilled=0.1, shuffled=0.1)
    assert "real, over base and every control: nothing" in shared
    assert "beyond doubt over every control: AUC, group AUC, recall@50, NDCG@10" in shared


@pytest.mark.parametrize("control", ["self", "shuffled", "zeroed"])
def test_every_control_that_there_is_counts(control):
    shared = said(distilled=0.1, **{control: 0.1})
    assert "real, over base and every control: nothing" in shared


def test_a_loss_against_a_control_is_named():
    lost = said(self=0.1)
    assert "worse than a control: AUC (self), group AUC (self), recall@50 (self)" in lost
    assert "inside the noise" in lost


def test_differences_are_paired():
    found = compare(results(distilled=0.1), "base", ["auc"])
    assert list(found) == ["auc"]
    assert found["auc"].mean == pytest.approx(0.1, abs=2e-3)


def test_a_gain_is_positive_whichever_way_the_metric_goes():
    low, high = results(base=-0.1)["base"], results()["base"]
    assert gain(high, low, "auc").mean == pytest.approx(0.1)
    assert gain(high, low, "log_loss").mean == pytest.approx(-0.1)
    assert gain(low, high, "log_loss").mean == pytest.approx(0.1)


def test_which_way_is_better():
    up, down = Interval(0.1, 0.05, 0.15), Interval(-0.1, -0.15, -0.05)
    assert [is_better(up, "auc"), is_better(down, "auc")] == [True, False]
    assert [is_better(up, "ece"), is_better(down, "ece")] == [False, True]


def test_numbers_are_written_without_a_zero_before_the_point():
    assert [number(0.5), number(1.5), number(-0.25), number(10.05)] == [
        ".5000",
        "1.5000",
        "-.2500",
        "10.0500",
    ]
    assert cell({"auc": np.full((2, 5), 0.75)}, "auc") == ".7500 ± .0000"
    assert cell({}, "auc") == "–"


def test_levels_are_written_with_as_much_as_is_known():
    assert level(Interval(0.7495, 0.7352, 0.7638)) == ".7495 ± .0143"
    assert level(Interval(0.75, math.nan, math.nan)) == ".7500"
    assert level(Interval(math.nan, math.nan, math.nan)) == "–"
