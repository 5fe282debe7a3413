"""What holds of every experiment: its grid of cells, its report of results that are made up."""

import numpy as np
import pytest

from experiments.finished_cells import FinishedCells
from experiments.markdown_report import write_report
from experiments.objectives.irreproducibility import IrreproducibilityExperiment
from experiments.registry import EXPERIMENTS


@pytest.mark.parametrize("kind", EXPERIMENTS.values())
def test_fewer_seeds_are_among_more(kind):
    one, three = kind().cells(1), kind().cells(3)
    assert all(cell in three for cell in one)
    assert len(three) == 3 * len(one)
    assert {cell["seed"] for cell in three} == {0, 1, 2}


BY_SOURCE = (
    "multi-objective",
    "boost",
    "coarse-ctr",
    "sharing",
    "teacher-strength",
    "warm-up",
    "rare-label",
)
# Irreproducibility keeps predictions of rows, which have to fit together.
REPORTED = [
    (kind, source)
    for kind in EXPERIMENTS.values()
    if kind is not IrreproducibilityExperiment
    for source in (kind.sources if kind.name in BY_SOURCE else (None,))
]


@pytest.mark.parametrize(("kind", "source"), REPORTED)
def test_reports_of_all_and_of_some_cells(kind, source, tmp_path):
    experiment = kind(source)
    random = np.random.default_rng(0)
    results = FinishedCells(tmp_path, experiment, 2)
    half = len(results.cells) // 2
    for number, cell in enumerate(results.cells):
        found = {metric: 0.5 + random.normal(0, 0.01, 5) for metric in experiment.metrics}
        results.append(cell, found, 1.0)
        if number in (half, len(results.cells) - 1):
            text = write_report(experiment, results).read_text()
            assert experiment.question in text
            assert len(list(tmp_path.glob("*.png"))) >= 1
