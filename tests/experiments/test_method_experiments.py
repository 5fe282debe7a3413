"""The experiments on methods: a report from made-up results, one real cell."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.all_methods import CoarseCTR, FineCVR
from experiments.coarse_and_fine import COARSE, fine_network
from experiments.finished_cells import FinishedCells
from experiments.markdown_report import write_report
from experiments.rows_task import RowsRecipe, RowsTask
from experiments.sharing import Sharing
from experiments.teacher_strength import TeacherStrength
from experiments.warm_up import WarmUpExperiment
from tfpfd.datasets import marketplace


@pytest.fixture(scope="module")
def rows():
    data = marketplace("purchase", users=150, items=40, days=10, verbose=0)
    return RowsTask.of(data, fine_network, RowsRecipe(epochs=1, batch_size=128))


def test_bold_means_beyond_doubt(tmp_path):
    """Values that never vary differ beyond doubt; equal ones don't."""
    experiment = CoarseCTR()
    results = FinishedCells(tmp_path, experiment, 2)
    for cell in results.cells:
        value = 0.7 if cell["method"] == "PFD" else 0.6
        results.append(cell, {"auc": np.full(4, value)}, 1.0)
    text = write_report(experiment, results).read_text()
    line = next(line for line in text.splitlines() if "PFD |" in line and "**" in line)
    assert "**+.1000 ± .0000**" in line
    assert "**+.0000" not in text


@pytest.mark.slow
@pytest.mark.usefixtures("_eager")
def test_a_cell_is_trained_and_measured(rows):
    """On few rows; shuffling changes what the teacher knows."""
    experiment = FineCVR("marketplace")
    experiment.task = rows
    one, shuffled = (
        experiment.run({"method": method, "seed": 1}) for method in ("PFD", "shuffled")
    )
    assert set(one) == set(experiment.metrics)
    assert 0 < one["auc"][0] < 1
    assert one["epochs"] == 1
    assert not np.allclose(one["teacher_auc"], shuffled["teacher_auc"])


def test_settings_tell_recipes_apart():
    settings = CoarseCTR("marketplace").settings()
    assert settings["data"] == "marketplace"
    assert settings["recipe"]["learning_rate"] == 4e-3
    assert CoarseCTR("movielens").settings()["recipe"]["drawn"] == 100


@pytest.mark.slow
def test_metrics_are_those_of_the_task():
    rows, catalogue = (CoarseCTR(source).metrics for source in ("marketplace", "movielens"))
    assert {"auc", "teacher_auc"} < set(rows)
    assert {"recall@50", "ndcg@10", "teacher_ndcg"} < set(catalogue)
    assert set(rows) & set(catalogue) == {"epochs", "epoch_seconds"}


def test_kuairand_needs_its_path():
    experiment = CoarseCTR("kuairand")
    with pytest.raises(ValueError, match="needs the folder of its files: `kuairand:PATH`"):
        experiment.prepare()


@pytest.fixture
def tasks(monkeypatch):
    """The tasks of the cells that are run, none of which is trained."""
    tasks = []

    def train(self, compose, seed, treatment):
        tasks.append(self.task)
        return {}

    monkeypatch.setattr(TeacherStrength, "train", train)
    return tasks


def test_methods_at_a_strength_meet_the_same_rows_which_are_drawn_once(tasks):
    experiment = TeacherStrength()
    experiment.prepare()
    for strength, seed in ((0.0, 0), (1.0, 0), (1.0, 1)):
        for method in ("baseline", "PFD"):
            experiment.run({"strength": strength, "seed": seed, "method": method})
    assert [task is tasks[0] for task in tasks] == [True, True, False, False, False, False]
    weak, strong, other = tasks[::2]
    assert [tasks[1] is weak, tasks[3] is strong, tasks[5] is other] == [True] * 3
    np.testing.assert_array_equal(weak.test.labels, strong.test.labels)
    assert (strong.test.labels != other.test.labels).any()
    assert (weak.test.inputs["mediator_0"] != strong.test.inputs["mediator_0"]).any()
    # Of rows that are others for each seed there is no one rival.
    assert experiment.bases() == {}


@pytest.mark.slow
def test_of_real_data_what_sees_no_privileged_features_is_trained_once(tasks, monkeypatch):
    data = marketplace("click", users=20, items=40, days=10, shown=4, verbose=0)
    source = replace(COARSE["kuairand"], load=lambda path: data)
    monkeypatch.setitem(TeacherStrength.tasks, "kuairand", source)
    experiment = TeacherStrength("kuairand")
    experiment.prepare()
    whole = experiment.task
    cells = experiment.cells(1)
    strengths = {m: [c["strength"] for c in cells if c["method"] == m] for m in ("self", "PFD")}
    assert strengths == {"self": [1.0], "PFD": [0.0, 0.25, 0.5, 1.0]}
    assert experiment.bases() == {"baseline": {"strength": 1.0, "method": "baseline"}}
    for cell in cells:
        experiment.run(cell)
    name = whole.privileged[0]
    same = [(task.train.inputs[name] == whole.train.inputs[name]).all() for task in tasks]
    assert same == [cell["strength"] == 1.0 for cell in cells]


@pytest.mark.slow
def test_a_warm_up_is_a_share_of_the_steps_of_an_epoch(rows, monkeypatch):
    weights = []
    monkeypatch.setattr(
        WarmUpExperiment,
        "train",
        lambda self, compose, seed, distillation_weight: weights.append(distillation_weight),
    )
    experiment = WarmUpExperiment("marketplace")
    experiment.task = rows
    for cell in experiment.cells(1):
        experiment.run(cell)
    assert [one.steps for one in weights] == [
        int(epochs * rows.steps) for epochs in (0, 0, 0.5, 1, 2)
    ]
    assert {one.distillation_weight for one in weights} == {0.5}


@pytest.mark.slow
@pytest.mark.usefixtures("_eager")
@pytest.mark.parametrize("kind", ["asynchronous", "synchronous"])
def test_a_teacher_that_is_trained_first_takes_an_epoch_more(rows, kind):
    experiment = Sharing("marketplace")
    experiment.task = rows
    found = experiment.run({"shared": "none", "training": kind, "seed": 0})
    assert set(found) == set(experiment.metrics)
    assert found["epochs"] == (2 if kind == "asynchronous" else 1)
