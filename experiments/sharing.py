"""What teacher and student should share, and whether to train them together (RQ4)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.coarse_and_fine import COARSE
from experiments.experiment import Section
from experiments.finished_cells import FinishedCells
from experiments.grid import Cell, Metrics
from experiments.method_comparison import (
    MethodExperiment,
    difference_table,
    draw_differences,
    metric_table,
)
from experiments.methods import METHODS
from tfpfd._keras import freeze, keras
from tfpfd.datasets.registry import can
from tfpfd.distillation import Distillation

METHOD = "PFD+MD"
SHARED = {"none": None, "all": (), "all but user_id": ("user_id",)}
"""What a teacher doesn't share, see `Parts`, by what it shares."""

BASELINE: Cell = {"shared": "baseline", "training": "alone"}
GRID: dict[str, Cell] = {
    "independent, asynchronous": {"shared": "none", "training": "asynchronous"},
    "independent, synchronous": {"shared": "none", "training": "synchronous"},
    "shared, synchronous": {"shared": "all", "training": "synchronous"},
    "shared but the user id": {"shared": "all but user_id", "training": "synchronous"},
}


class Sharing(MethodExperiment):
    """PFD+MD with inputs that are shared or not, the teacher trained first or along."""

    name = "sharing"
    question = "Should teacher and student share their inputs, and be trained together?"
    claim = (
        'Xu et al., "Privileged Features Distillation at Taobao Recommendations", KDD 2020, CTR, '
        "1 day: AUC of the student (time added to the baseline's): independent, asynchronous .6751 "
        "(+99.5 %); independent, synchronous .6748 (+55.0 %); shared .6717 (+2.9 %); shared but "
        "the user id .6745 (+11.4 %)."
    )
    tasks = COARSE
    sources = tuple(tasks)

    @property
    def grid(self) -> dict[str, Cell]:
        """The kinds of sharing; clicks of KuaiRand have no user id to keep apart."""
        left_out = None if can(self.source, "user ids") else "all but user_id"
        return {name: cell for name, cell in GRID.items() if cell["shared"] != left_out}

    def cells(self, seeds: int) -> list[Cell]:
        """The baseline and every kind of sharing."""
        kinds = (BASELINE, *self.grid.values())
        return [{**cell, "seed": seed} for seed in range(seeds) for cell in kinds]

    def bases(self) -> dict[str, Cell]:
        """The baseline."""
        return {"baseline": BASELINE}

    def run(self, cell: Cell) -> Metrics:
        """Trains one kind; a teacher that is trained first has a training of its own."""
        seed = int(cell["seed"])
        if cell["training"] == "alone":
            return self.train(METHODS["baseline"], seed)
        unshared = SHARED[str(cell["shared"])]
        if cell["training"] == "synchronous":
            return self.train(METHODS[METHOD], seed, unshared=unshared)
        keras.utils.set_random_seed(seed)
        parts = self.task.parts(unshared=unshared)
        teacher = parts.teacher("all", strong=True)
        first = self.fit(teacher, seed)
        freeze(teacher)
        model = Distillation(
            student=parts.student, teacher=teacher, distillation_weight=parts.distillation_weight
        )
        second = self.fit(model, seed)
        return self.measured(model, {name: first[name] + second[name] for name in first})

    def report(self, results: FinishedCells) -> list[Section]:
        """Metrics, differences from the baseline, and times."""
        measures = self.measures
        rows = {"baseline": BASELINE, **self.grid}
        title = f"Student minus baseline, {self.source}; 95 % intervals over seeds and users"
        return [
            Section("Test metrics", "", metric_table(results, measures, rows)),
            Section(
                "Minus the baseline",
                "Paired by seed and resampled user; bold where the interval excludes zero.",
                difference_table(results, measures, self.grid, BASELINE),
                draw_differences(results, measures, self.grid, BASELINE, title),
            ),
            Section(
                "Time",
                "Processor seconds of an epoch's steps (median over seeds), over the baseline's; "
                "an asynchronous one has an epoch of the teacher and one of the student.",
                _times(results, self.grid),
            ),
        ]


def _times(results: FinishedCells, grid: dict[str, Cell]) -> pd.DataFrame:
    def seconds(cell: Cell) -> float:
        values = [value[0] for value in results.values("epoch_seconds", **cell).values()]
        return float(np.median(values)) if values else float("nan")

    alone = seconds(BASELINE)
    return pd.DataFrame(
        {"": name, "time": f"{seconds(cell) / alone:.2f}"} for name, cell in grid.items()
    )
