"""What an audit says of its base beside rivals, from made-up numbers."""

import dataclasses

import numpy as np
import pytest

from tfpfd.auditing import Evidence, Report, judge
from tfpfd.evaluation import Interval
from tfpfd.evaluation.comparison import Standing
from tfpfd.evaluation.measured_rivals import MeasuredRivals

CLEAR, UNCLEAR = Interval(0.01, 0.008, 0.012), Interval(0.001, -0.001, 0.003)


def evidence(standing=None, gain=CLEAR):
    controls = dict.fromkeys(("self", "shuffled", "zeroed"), gain)
    return Evidence("recall@50", gain, controls, controls, gain, unlabelled=1, standing=standing)


def standing(where, rival="popularity", metric="recall@50", difference=CLEAR):
    return Standing(where, rival, metric, 0.3, 0.31, difference)


class TestVerdict:
    def test_a_base_below_a_rival_comes_before_the_features(self):
        found = judge(evidence(standing("below")))
        assert found.sentence.splitlines() == [
            "Your base is below popularity: fix that first "
            "(recall@50 .3000 < .3100; popularity minus base +.0100 ± .0020).",
            judge(evidence()).sentence,
        ]
        assert str(found) == found.sentence
        assert found.kind == judge(evidence()).kind == "helps"
        assert found.advice[0].startswith("A better base, before anything else")
        assert judge(evidence()).advice == ()

    @pytest.mark.parametrize("where", ["better", "unclear"])
    def test_another_base_is_not_spoken_of(self, where):
        assert judge(evidence(standing(where))) == judge(evidence())

    @pytest.mark.parametrize(
        ("rival", "name"),
        [
            ("popularity", "popularity"),
            ("item_knn", "item-kNN"),
            ("ease", "EASE"),
            ("bias", "the bias model"),
            ("logistic", "logistic regression"),
            ("trees", "boosted trees"),
        ],
    )
    def test_rivals_have_plain_names(self, rival, name):
        said = judge(evidence(standing("below", rival))).sentence
        assert said.startswith(f"Your base is below {name}: fix that first (")
        assert f"; {name} minus base +.0100" in said

    def test_a_loss_is_worse(self):
        found = standing("below", "trees", "log_loss", Interval(-0.01, -0.02, -0.005))
        said = judge(evidence(found)).sentence
        assert said.startswith("Your base is worse than boosted trees: fix that first (log_loss")


def rivals_of(**over):
    """Rivals by how much better than the base they are, on average."""
    users = np.random.default_rng(20_000).normal(0, 8e-3, 61)
    return MeasuredRivals(
        {
            name: {
                "auc": 0.75 + more + users,
                "group_auc": 0.68 + more + users,
                "log_loss": 0.55 - more - users,
                "ece": np.full(61, 0.04),
            }
            for name, more in over.items()
        },
        dict.fromkeys(over, "l2 3"),
    )


class TestReport:
    @pytest.fixture(autouse=True)
    def _pictures(self):
        pytest.importorskip("matplotlib")

    def test_below_a_rival(self, results_of):
        found = rivals_of(bias=-0.05, logistic=0.05, trees=0.09)
        report = Report(dataclasses.replace(results_of(sizes=(0.5, 1.0)), rivals=found))
        assert str(report).startswith("Your base is below boosted trees: fix that first (auc .7")
        text, page = report.to_markdown(), report.to_html()
        lines = [line for line in text.splitlines() if line]
        assert lines[1].startswith("**Your base is below boosted trees: fix that first")
        assert lines[2].startswith("**Helps:")
        assert page.index("fix that first") < page.index("Helps: with privileged features")
        assert "## Is the base good enough to start from?" in text
        row = next(line for line in lines if line.startswith("| boosted trees"))
        assert "\\*" in row
        assert "l2 3" in row

    def test_a_rival_that_is_not_better(self, results_of):
        report = Report(dataclasses.replace(results_of(), rivals=rivals_of(bias=-0.05)))
        assert str(report).startswith("Helps:")
        said = "Your base is better than every rival, the nearest the bias model (auc .7"
        assert said in report.to_markdown()

    def test_the_frame(self, results_of):
        found = rivals_of(bias=-0.05, trees=0.09)
        frame = dataclasses.replace(results_of(sizes=(0.5, 1.0)), rivals=found).frame()
        rivals = frame[frame["role"] == "rival"]
        assert rivals["size"].unique().tolist() == [1.0]  # What they were fitted on.
        gains = rivals[rivals["metric"] == "auc"].set_index("arm")["gain"]
        assert gains.to_dict() == pytest.approx({"bias": -0.05, "trees": 0.09}, abs=0.01)
        losses = rivals[rivals["metric"] == "log_loss"].set_index("arm")["gain"]
        assert losses["trees"] > 0

    def test_no_rivals(self, results_of):
        lacking = MeasuredRivals(
            lacking="pointwise rivals need scikit-learn: pip install 'tfpfd[audit]'"
        )
        report = Report(dataclasses.replace(results_of(), rivals=lacking))
        (warning,) = report.warnings
        assert "whether it is good enough to start from is not known" in warning
        assert "scikit-learn: pip install 'tfpfd[audit]'." in warning
        assert "Is the base good enough" not in report.to_markdown()


def test_rivals_are_the_same_from_arrays():
    found = rivals_of(bias=0.1, trees=0.2)
    again = MeasuredRivals.of(found.arrays())
    assert again.settings == found.settings
    for rival, metrics in found.metrics.items():
        for name, values in metrics.items():
            np.testing.assert_array_equal(again.metrics[rival][name], values)
