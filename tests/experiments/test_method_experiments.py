"""The experiments on methods: a report from made-up results, one real cell."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import tfpfd
from tfpfd.datasets import marketplace
from tfpfd.experiments.all_methods import CoarseCTR, FineCVR
from tfpfd.experiments.document import write_report
from tfpfd.experiments.results import Results
from tfpfd.experiments.tasks import Task, fine_network
from tfpfd.experiments.teacher_strength import TeacherStrength, weakened


def test_bold_means_beyond_doubt(tmp_path):
    """Values that never vary differ beyond doubt; equal ones don't."""
    experiment = CoarseCTR()
    results = Results(tmp_path, experiment, 2)
    for cell in results.cells:
        value = 0.7 if cell["method"] == "PFD" else 0.6
        results.append(cell, {"auc": np.full(4, value)}, 1.0)
    text = write_report(experiment, results).read_text()
    line = next(line for line in text.splitlines() if "PFD |" in line and "**" in line)
    assert "**+.1000 ± .0000**" in line
    assert "**+.0000" not in text


@pytest.mark.usefixtures("_eager")
def test_a_cell_is_trained_and_measured():
    """On few rows; shuffling changes what the teacher knows."""
    experiment = FineCVR("marketplace")
    source = experiment.tasks["marketplace"]
    recipe = replace(source.recipe, epochs=1, batch_size=128)
    data = marketplace("purchase", users=150, items=40, days=10)
    experiment.task = Task.of(data, fine_network, recipe)
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


def test_kuairand_needs_its_path():
    experiment = CoarseCTR("kuairand")
    with pytest.raises(ValueError, match="needs the folder of its files: `kuairand:PATH`"):
        experiment.prepare()


def test_methods_at_a_strength_meet_the_same_rows_which_are_drawn_once(monkeypatch):
    tasks = []

    def train(self, compose, seed, treatment):
        tasks.append(self.task)
        return {}

    monkeypatch.setattr(TeacherStrength, "train", train)
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


@pytest.mark.parametrize(("strength", "own"), [(0.0, 0), (0.25, 25_000), (1.0, 100_000)])
def test_a_share_of_weakened_rows_keeps_its_privileged_features(strength, own):
    rows = pd.DataFrame({"age": range(100_000), "dwell": range(100_000), "seen": range(100_000)})
    rows = rows.assign(user_id=1, label=0)
    schema = tfpfd.Schema(
        user=[tfpfd.Categorical("age", dtype="int")],
        item=[],
        privileged={"post_event": [tfpfd.Numeric("dwell"), tfpfd.Numeric("seen")]},
        list_key="user_id",
    )
    data = weakened(tfpfd.Splits(rows, rows[:1000], rows[:10], schema, "age"), strength, seed=3)
    # Both features of a row stay together, and none is lost.
    assert (data.train["dwell"] == data.train["seen"]).all()
    np.testing.assert_array_equal(np.sort(data.train["dwell"]), rows["dwell"])
    pd.testing.assert_frame_equal(
        data.train.drop(columns=["dwell", "seen"]), rows[["age", "user_id", "label"]]
    )
    # Binomial, and one row in 100,000 that is exchanged with itself.
    assert (data.train["dwell"] == rows["dwell"]).sum() == pytest.approx(own, abs=600)
    assert [len(data.validation), len(data.test), data.user_key] == [1000, 10, "age"]
