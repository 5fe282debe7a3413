"""Self-distillation and irreproducibility: reports of made-up results, tiny real cells."""

import dataclasses
from datetime import datetime, timezone
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from experiments.finished_cells import FinishedCells
from experiments.markdown_report import write_report
from experiments.objectives import self_distillation
from experiments.objectives.irreproducibility import (
    ALONE,
    DISTILLED,
    IrreproducibilityExperiment,
    _shares,
)
from experiments.objectives.irreproducibility import SELF as SELF_DISTILLED
from experiments.objectives.list_rows import ListRows
from experiments.objectives.self_distillation import (
    FROZEN,
    GENERATIONS,
    LABELS,
    RENEWED,
    SELF,
    SelfDistillation,
    days_of,
    windows,
)
from tfpfd.data.list_ids import LIST
from tfpfd.data.scoring import scores_of

BOTH = (SelfDistillation, IrreproducibilityExperiment)


@pytest.fixture(scope="module")
def task(tiny):
    """One secondary objective."""
    source = dataclasses.replace(tiny.source, omega={"rated_well": 0.5})
    return dataclasses.replace(tiny, source=source)


@pytest.mark.parametrize("kind", BOTH)
def test_settings_tell_data_and_recipes_apart(kind):
    settings = kind("marketplace").settings()
    assert settings["data"] == "marketplace"
    assert settings["recipe"]["distillation_weight"] == 0.8
    assert settings["omega"] == {"cancelled": -0.3, "rated_well": 0.5}
    with pytest.raises(ValueError, match="needs the folder of its files: `kuairand:PATH`"):
        kind("kuairand").prepare()


def test_a_window_holds_whole_days_and_lists_of_its_own():
    """Seven days in three windows: 3, 2 and 2; a list of several days has a part in each."""
    days = np.array([6, 0, 1, 1, 2, 3, 4, 5, 0])
    lists = np.array([5, 0, 1, 1, 5, 3, 0, 4, 0])
    rows = ListRows({"x": np.arange(9), LIST: lists}, np.arange(9) / 10)
    first, second, third = windows(rows, days, 3)
    np.testing.assert_array_equal(first.inputs["x"], [1, 2, 3, 4, 8])
    np.testing.assert_array_equal(first.lists, [0, 1, 1, 2, 0])
    np.testing.assert_array_equal(second.inputs["x"], [5, 6])
    np.testing.assert_array_equal(second.lists, [1, 0])
    np.testing.assert_array_equal(third.labels, [0.0, 0.7])
    with pytest.raises(ValueError, match=r"of 8 days at least, .* received 7"):
        windows(rows, days, 8)


def test_days_of_a_log_are_those_in_china():
    """16:00 UTC is midnight there."""
    midnight = int(datetime(2022, 4, 24, 16, tzinfo=timezone.utc).timestamp() * 1000)
    frame = pd.DataFrame({"time_ms": [midnight - 1, midnight, midnight + 23 * 3_600_000]})
    first, *others = days_of(frame)
    np.testing.assert_array_equal(np.array(others) - first, [1, 1])


def test_who_teaches_whom(monkeypatch):
    """Version 0 learns from teachers, later ones as their method says; nothing is trained twice."""
    trained = []

    def recorded(name):
        def made(task, *how):
            found = (name, *how)
            if name.startswith("train"):
                trained.append(found)
            return found

        monkeypatch.setattr(self_distillation, name, made)

    def taught(window, seed, teachers):
        scored = ("scored_by_teachers", window, teachers)
        return ("train_from_teachers", scored, seed, 1.0)

    def follows(window, seed, previous):
        return ("train_from_previous", ("scored_by_previous", window, previous), seed)

    for name in ("train_alone", "train_teachers", "train_from_teachers", "train_from_previous"):
        recorded(name)
    for name in ("scored_by_teachers", "scored_by_previous"):
        recorded(name)
    experiment = SelfDistillation("marketplace")
    scored = []
    experiment.task = SimpleNamespace(
        test=SimpleNamespace(scores=scored.append), evaluate=lambda scores: {"ndcg": 0.5}
    )
    experiment.windows = ["w0", "w1", "w2", "w3", "w4", "w5"]

    def run(method, generation, seed=1):
        experiment.run({"method": method, "generation": generation, "seed": seed})
        return scored[-1]

    teachers = ("train_teachers", "w0", 6)
    first = taught("w0", 6, teachers)
    second = follows("w1", 7, first)
    # As where a run goes on in the middle of a line.
    assert run(SELF, 2) == follows("w2", 8, second)
    assert len(trained) == 4
    assert run(SELF, 1) is trained[2]
    assert [run(method, 0) for method in (SELF, FROZEN, RENEWED)] == [first] * 3
    assert len(trained) == 4
    assert run(FROZEN, 2) == taught("w2", 8, teachers)
    assert run(RENEWED, 2) == taught("w2", 8, ("train_teachers", "w2", 8))
    assert run(LABELS, 0) == ("train_alone", "w0", 6)
    assert run(SELF, 0, seed=2) == taught("w0", 12, ("train_teachers", "w0", 12))


@pytest.mark.slow
@pytest.mark.usefixtures("_eager")
def test_a_version_is_trained_and_measured(task):
    """From the version before it, which learned from teachers."""
    experiment = SelfDistillation("marketplace")
    experiment.task = task
    experiment.windows = windows(task.train, days_of(task.data.train), GENERATIONS)
    found = experiment.run({"method": SELF, "generation": 1, "seed": 1})
    assert set(found) == {"ndcg", "purchase_rate", "rated_well"}
    assert all(values.shape == (201,) for values in found.values())
    assert 0 < found["ndcg"][0] < 1


def test_report_of_a_line_that_decays(tmp_path):
    """NDCG falls by .01 a version, beyond doubt, where students teach each other."""
    experiment = SelfDistillation()
    results = FinishedCells(tmp_path, experiment, 2)
    for number, cell in enumerate(results.cells):
        loss = 0.01 * cell["generation"] if cell["method"] == SELF else 0.0
        results.append(cell, {"ndcg": np.full(4, 0.6 - loss)}, 1.0)
        if number == 3:
            assert "Unfinished" in write_report(experiment, results).read_text()
    text = write_report(experiment, results).read_text()
    assert experiment.question in text
    faded = text.split("## Self-distillation minus its version 0")[1].split("##")[0]
    assert "| 1 | **-.0100 ± .0000** |" in faded
    assert "| 5 | **-.0500 ± .0000** |" in faded
    alone = text.split("## Self-distillation minus labels alone")[1].split("##")[0]
    assert "| 0 | +.0000 ± .0000 |" in alone
    assert "purchase rate" not in text.split("## How it was run")[0].split("## By version")[1]
    assert len(list(tmp_path.glob("*.png"))) == 1


def test_shares_of_a_list_by_hand():
    """e^0 : e^ln 3 is 1 : 3; a list of one row has all of it, whatever its score."""
    scores = np.array([0.0, 1000.0, np.log(3)], np.float32)
    np.testing.assert_allclose(_shares(scores, np.array([0, 1, 0])), [0.25, 1, 0.75], rtol=1e-6)


def test_report_of_retrainings_that_agree_or_not(tmp_path):
    """Students alone swap every list of two, .25 for .75: PD is 2 · .5 / 1; others agree."""
    experiment = IrreproducibilityExperiment()
    results = FinishedCells(tmp_path, experiment, 2)
    lists = np.repeat(np.arange(4), 2)
    for cell in results.cells:
        order = [0.25, 0.75]
        if cell["method"] == ALONE and cell["seed"] == 1:
            order = order[::-1]
        found = {"probability": np.tile(order, 4), "list": lists, "ndcg": np.full(4, 0.5)}
        results.append(cell, found, 1.0)
        # Nothing to compare, one method's pair, and all of them below.
        if cell == results.cells[0] or (cell["seed"], cell["method"]) == (1, ALONE):
            assert experiment.question in write_report(experiment, results).read_text()
    text = write_report(experiment, results).read_text()
    assert experiment.question in text
    lines = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]]
        for line in text.splitlines()
        if line.startswith("|") and line.count("|") == 7
    }
    sure, none = "1.0000 ± .0000", ".0000 ± .0000"
    assert lines[ALONE] == [sure, none, sure, f"-{sure}", sure]
    for method in (DISTILLED, SELF_DISTILLED):
        assert lines[method] == [none, none, none, sure, none]
    assert lines["paper"] == ["77 % → 36 %", "–", "–", "–", ".407 → .363"]
    assert "(+.0000 ± .0000)" in text


@pytest.mark.slow
@pytest.mark.usefixtures("_eager")
def test_retrainings_keep_their_predictions(task, monkeypatch):
    """Probabilities of the lists, which differ by seed; what teaches them scores the rows once."""
    scored = []

    def scores(rows, scorer):
        scored.append(rows)
        return scores_of(scorer, rows.inputs, len(rows.labels))

    monkeypatch.setattr(ListRows, "scores", scores)
    experiment = IrreproducibilityExperiment("marketplace")
    experiment.task = task
    one, other = (experiment.run({"method": SELF_DISTILLED, "seed": seed}) for seed in (0, 1))
    # By two teachers and by the previous version, rows to train on and to stop by; by students.
    assert len(scored) == 2 * 2 + 2 + 2
    assert sum(rows is task.test for rows in scored) == 2
    for found in (one, other):
        np.testing.assert_allclose(np.bincount(found["list"], found["probability"]), 1)
        assert set(found) == set(experiment.metrics)
    assert (one["probability"] != other["probability"]).any()
    again = experiment.run({"method": SELF_DISTILLED, "seed": 0})
    np.testing.assert_allclose(again["probability"], one["probability"], rtol=1e-5)
    assert len(scored) == 9
