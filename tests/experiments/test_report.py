import numpy as np
import pytest

from tfpfd.experiments.report import METRICS, compare, draw, verdict

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


def test_no_difference_is_noise():
    assert verdict(results()).endswith(f"nothing; inside the noise: {', '.join(METRICS.values())}.")


def test_a_gain_over_every_control_is_real():
    said = verdict(results(distilled=0.1))
    assert "controls: AUC, group AUC, recall@50, NDCG@10;" in said
    assert "worse than base: log loss, ECE" in said


def test_a_gain_that_a_control_shares_is_not_called_real():
    said = verdict(results(distilled=0.1, shuffled=0.1))
    assert "controls: nothing" in said
    assert "over every control: AUC, group AUC, recall@50, NDCG@10" in said


def test_differences_are_paired():
    assert compare(results(distilled=0.1), "base")["auc"].mean == pytest.approx(0.1, abs=2e-3)


def test_figure(tmp_path):
    made = results()
    made["teacher"] = {"auc": made["base"]["auc"]}
    path = draw(made, tmp_path / "figure.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_loss_against_a_control_is_named():
    said = verdict(results(self=0.1))
    assert "worse than a control: AUC (self), group AUC (self), recall@50 (self)" in said
    assert "inside the noise" in said
