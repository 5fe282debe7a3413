"""`rare-label`: its grid, metrics by the truth by hand, and a report of results made up."""

from dataclasses import replace
from math import log
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import tfpfd
from experiments import rare_label_tasks
from experiments.finished_cells import FinishedCells
from experiments.markdown_report import write_report
from experiments.methods import METHODS
from experiments.rare_label import RATES, ROWS, STRENGTHS, RareLabel
from experiments.rare_label_tasks import FEEDBACKS, RareTask, of_feedback, started
from tfpfd.datasets import marketplace
from tfpfd.demo.methods import Parts
from tfpfd.evaluation import multiplicities
from tfpfd.evaluation.measured_rivals import MeasuredRivals


def test_what_sees_no_privileged_features_is_trained_once_for_all_strengths():
    cells = RareLabel("marketplace").cells(2)
    tasks = len(RATES) * len(ROWS)
    by_method = pd.DataFrame(cells).groupby("method")
    assert by_method.size().to_dict() == {
        **dict.fromkeys(("bias", "logistic", "trees", "truth", "baseline", "self"), 2 * tasks),
        **dict.fromkeys(
            ("PFD", "LUPI", "MTL", "shuffled", "MTL shuffled"), 2 * tasks * len(STRENGTHS)
        ),
    }
    assert by_method.get_group("self")["strength"].unique() == [0.0]
    assert set(by_method.get_group("shuffled")["strength"]) == set(STRENGTHS)


def test_nobody_knows_the_truth_of_real_labels():
    cells = RareLabel("kuairand").cells(1)
    assert len(cells) == 10 * len(FEEDBACKS)
    assert "truth" not in {cell["method"] for cell in cells}
    assert RareTask(None).against_truth(np.zeros(3)) == {}


def test_metrics_by_the_truth_are_those_of_labels_drawn_anew():
    """Two rows of the rates 1/2 and 1/4: AUC and log loss by hand, of 1.25 negatives."""
    users = np.array([0, 1])
    task = SimpleNamespace(users=users, resamples=multiplicities(2, 5))
    rare = RareTask(task, truth=np.array([0.5, 0.25]))

    found = rare.against_truth(np.array([0.0, log(1 / 3)]))

    # The first is above the second, and as high as itself.
    auc = (0.5 * 0.75 + (0.5 * 0.5 + 0.25 * 0.75) / 2) / (0.75 * 1.25)
    loss = (log(2) - 0.25 * log(0.25) - 0.75 * log(0.75)) / 2
    assert found["true_auc"][0] == pytest.approx(auc)
    assert found["true_log_loss"][0] == pytest.approx(loss)
    assert found["true_auc"].shape == found["true_log_loss"].shape == (6,)
    # With other rows drawn, of which one is there twice, all that is left are ties.
    twice = np.flatnonzero(task.resamples[:, 0] == 2)
    np.testing.assert_allclose(found["true_auc"][twice], 0.5)
    # Turned around.
    other = rare.against_truth(np.array([log(1 / 3), 0.0]))
    assert other["true_auc"][0] == pytest.approx(1 - auc)


@pytest.mark.parametrize("method", ["baseline", "PFD", "MTL"])
def test_rankers_start_with_the_log_odds(schema, method):
    def encoder(schema, names):
        return tfpfd.FeatureEncoder(schema, names, 3)

    parts = Parts(schema, lambda sees, strong: tfpfd.MLP([4], batch_norm=False), encoder)
    model = started(METHODS[method](parts), 0.01)

    rankers = [getattr(model, name) for name in ("student", "teacher") if hasattr(model, name)]
    assert len(rankers) == {"baseline": 0, "PFD": 2, "MTL": 1}[method]
    for ranker in rankers or [model]:
        np.testing.assert_allclose(ranker.network.logit.bias, [log(0.01 / 0.99)], rtol=1e-6)


@pytest.mark.parametrize(
    ("feedback", "label", "unseen"),
    [
        ("comment", "is_comment", set()),
        ("comment, stay not seen", "is_comment", {"comment_stay_time"}),
        ("profile_enter", "is_profile_enter", {"profile_stay_time"}),
    ],
)
def test_no_teacher_sees_its_label(feedback, label, unseen):
    rows = pd.DataFrame(
        {"user_id": [1], "tab": [2], "clicked_tags": [[4, 4, 7]], "liked_tags": [[]]}
    )
    served = tfpfd.Schema(user=[tfpfd.Categorical("tab", dtype="int")], item=[], list_key="user_id")
    data = of_feedback(tfpfd.Splits(rows, rows, rows, served), feedback)
    seen = set(data.schema.features("privileged"))
    assert data.schema.label == label
    assert [*data.train[["clicked_tags_length", "liked_tags_length"]].iloc[0]] == [3, 0]
    assert "liked_tags_length" in data.schema.features("served")
    assert {"is_like", "is_follow", "is_comment", "play_time_ms"} - {label} <= seen
    assert not seen & {label, *unseen}
    assert ("comment_stay_time" in seen) == ("comment_stay_time" not in unseen)


def test_kuairand_needs_its_path():
    with pytest.raises(ValueError, match="needs the folder of its files: `kuairand:PATH`"):
        RareLabel("kuairand").prepare()


@pytest.mark.slow
@pytest.mark.usefixtures("_eager")
def test_cells_are_trained_and_measured(monkeypatch):
    """On few rows; the test rows of more are the same."""

    def small(task, users, **others):
        return marketplace(task, users=150, items=40, days=10, **others)

    source = rare_label_tasks.SOURCES["marketplace"]
    short = replace(source, recipe=replace(source.recipe, epochs=1, batch_size=128))
    monkeypatch.setattr(rare_label_tasks, "marketplace", small)
    monkeypatch.setitem(rare_label_tasks.SOURCES, "marketplace", short)
    # Rivals have tests of their own, and take a while.
    monkeypatch.setattr(rare_label_tasks, "row_rivals", lambda *rows: MeasuredRivals())
    experiment = RareLabel("marketplace")
    experiment.prepare()
    cell = {"rate": 0.1, "strength": 4.0, "rows": 300, "method": "PFD", "seed": 1}
    found = experiment.run(cell)
    assert set(found) == set(experiment.metrics)
    assert 0 < found["true_auc"][0] < 1
    few = experiment.task
    assert found["positives"] == few.train.labels.sum()
    assert len(few.train.labels) == 300

    truth = experiment.run({**cell, "strength": 0.0, "rows": 10_000, "method": "truth"})
    every = experiment.task
    assert truth["true_auc"][0] > found["true_auc"][0]
    assert set(experiment.metrics) > set(truth)
    np.testing.assert_array_equal(every.test.labels, few.test.labels)
    (few_positives, positives) = (task.train.labels.sum() for task in (few, every))
    assert 300 < len(every.train.labels) and few_positives < positives


@pytest.mark.parametrize(
    ("levels", "sentence"),
    [
        ({"PFD": 0.7}, "**PFD** profile_enter; like; comment; comment, stay not seen; follow;"),
        ({"PFD": 0.7, "self": 0.7}, "**PFD** nowhere."),
        ({"PFD": 0.7, "shuffled": 0.8}, "**PFD** nowhere."),
        ({"MTL": 0.7, "shuffled": 0.8}, "**MTL** profile_enter; like;"),
        ({"MTL": 0.7, "MTL shuffled": 0.7}, "**MTL** nowhere."),
    ],
)
def test_a_gain_is_over_the_baseline_and_all_controls(tmp_path, levels, sentence):
    experiment = RareLabel("kuairand")
    results = FinishedCells(tmp_path, experiment, 2)
    for cell in results.cells:
        results.append(cell, {"auc": np.full(4, levels.get(cell["method"], 0.6))}, 1.0)
    text = write_report(experiment, results).read_text()
    assert sentence in text
    assert "**LUPI** nowhere." in text
    # Rivals are as good as the baseline, which is said before anything else.
    assert text.index("isn't better than every rival beyond doubt") < text.index("**PFD**")
    if levels == {"PFD": 0.7}:
        assert "| **+.1000 ± .0000** |" in text
        (figure,) = [s.figure for s in experiment.report(results) if s.figure is not None]
        assert figure.get_supxlabel() == "gain in AUC" and figure.get_supylabel() == "label"
