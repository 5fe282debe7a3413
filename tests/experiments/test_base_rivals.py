"""Rivals of an experiment's base: computed once a folder, and first in its report."""

import io

import numpy as np
import pytest
from rich.console import Console

from experiments import base_rivals
from experiments.finished_cells import FinishedCells
from experiments.runner import run_cells
from tfpfd.evaluation.measured_rivals import MeasuredRivals


@pytest.fixture
def watched(toy):
    """A toy whose base `a` has two rivals, and which counts how often they are computed."""

    class Watched(toy):
        computed = 0
        about_rivals = "They know it."

        def bases(self):
            return {"student alone": {"arm": "a"}}

        def rivals(self):
            assert self.prepared or self.ran
            type(self).computed += 1
            found = {"ease": np.full(6, 9.0), "popularity": np.full(6, -9.0)}
            return MeasuredRivals(
                {name: {"score": v} for name, v in found.items()}, {"ease": "l2 300"}
            )

    return Watched


def go(experiment, out, seeds=2):
    console = Console(file=io.StringIO(), width=200)
    experiment.prepare()
    return run_cells(experiment, FinishedCells(out, experiment, seeds), console)


def test_a_report_begins_with_the_base_beside_its_rivals(watched, tmp_path):
    text = go(watched(), tmp_path).read_text()
    start = text.index("## Base and rivals")
    assert start < text.index("## Found, by arm")
    base = np.mean([np.random.default_rng(seed).normal(size=6)[0] / 3 for seed in (0, 1)])
    found = f"{base:.4f}".replace("0.", ".")
    assert f"The student alone is below EASE: fix that first (score {found} < 9.0000;" in text
    assert "They know it. Chosen on validation rows: EASE: l2 300." in text
    rows = [line for line in text[start:].splitlines() if line.startswith("|")][2:5]
    assert [row.split(" | ")[0] for row in rows] == ["| EASE", "| popularity", "| student alone"]


def test_rivals_are_computed_once_a_folder_and_read_as_they_were(watched, tmp_path):
    stopped = watched(fail_at=1)
    with pytest.raises(RuntimeError, match="no more"):
        go(stopped, tmp_path)
    assert "## Base and rivals" in (tmp_path / "report.md").read_text()
    go(watched(), tmp_path)
    go(watched(), tmp_path, seeds=3)
    assert watched.computed == 1
    read, made = base_rivals.read(tmp_path), watched(fail_at=0)
    made.prepare()
    for name, values in made.rivals().metrics.items():
        np.testing.assert_array_equal(read.metrics[name]["score"], values["score"])
    assert read.settings == {"ease": "l2 300"}


def test_a_folder_of_finished_cells_gets_them_too(watched, toy, tmp_path):
    go(toy(), tmp_path)
    assert not (tmp_path / base_rivals.FILE).exists()
    assert base_rivals.lacking(watched(), tmp_path)
    go(watched(), tmp_path)
    assert not base_rivals.lacking(watched(), tmp_path)


def test_nothing_is_kept_before_the_folder_says_whose_it_is(watched, tmp_path):
    with pytest.raises(RuntimeError, match="no more"):
        go(watched(fail_at=0), tmp_path)
    assert not (tmp_path / base_rivals.FILE).exists()


def test_an_experiment_without_a_base_has_no_such_section(toy, tmp_path):
    experiment = toy()
    assert not base_rivals.lacking(experiment, tmp_path)
    assert "Base and rivals" not in go(experiment, tmp_path).read_text()
    with pytest.raises(NotImplementedError, match="`toy` has no base that rivals stand beside"):
        experiment.rivals()


def test_a_base_that_is_not_finished_is_left_out(watched, tmp_path):
    experiment = watched()
    results = FinishedCells(tmp_path, experiment, 1)
    cell = next(cell for cell in results.cells if cell["arm"] != "a")
    results.append(cell, experiment.run(cell), 1.0)
    base_rivals.keep(experiment, tmp_path)
    (section,) = base_rivals.section(experiment, results)
    assert list(section.table[""]) == ["EASE", "popularity"]
    assert "The student alone" not in section.text
