"""How long the student should learn from labels alone before the teacher counts."""

from __future__ import annotations

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
from tfpfd.distillation import WarmUp

BASELINE: Cell = {"method": "baseline", "warm_up": 0.0}
LENGTHS: dict[str, Cell] = {
    f"{epochs:g} epochs": {"method": "PFD", "warm_up": epochs} for epochs in (0.0, 0.5, 1.0, 2.0)
}


class WarmUpExperiment(MethodExperiment):
    """PFD with warm-ups of several lengths."""

    name = "warm-up"
    question = "Does it help to let the teacher learn before it teaches?"
    claim = (
        'Xu et al., "Privileged Features Distillation at Taobao Recommendations", KDD 2020, '
        "Algorithm 1: a hard switch after 10⁶ steps, as an untrained teacher's soft labels are "
        "noise. No figures are given."
    )
    tasks = COARSE
    sources = tuple(COARSE)

    def cells(self, seeds: int) -> list[Cell]:
        """Every length, and the baseline."""
        kinds = [BASELINE, *LENGTHS.values()]
        return [{**cell, "seed": seed} for seed in range(seeds) for cell in kinds]

    def bases(self) -> dict[str, Cell]:
        """The baseline."""
        return {"baseline": BASELINE}

    def run(self, cell: Cell) -> Metrics:
        """Trains the baseline, or PFD with a warm-up."""
        seed = int(cell["seed"])
        steps = int(float(cell["warm_up"]) * self.task.steps)
        weight = WarmUp(self.of_source.recipe.distillation_weight, steps)
        return self.train(METHODS[str(cell["method"])], seed, distillation_weight=weight)

    def report(self, results: FinishedCells) -> list[Section]:
        """Metrics by length, and differences from none."""
        measures, (none, *others) = self.measures, LENGTHS
        longer = {name: LENGTHS[name] for name in others}
        title = f"PFD's student with a warm-up minus without, {self.source}"
        rows = {"baseline": BASELINE, **LENGTHS}
        return [
            Section("Test metrics", "", metric_table(results, measures, rows)),
            Section(
                "Minus no warm-up",
                "Paired by seed and resampled user; bold where the interval excludes zero.",
                difference_table(results, measures, longer, LENGTHS[none]),
                draw_differences(results, measures, longer, LENGTHS[none], title),
            ),
        ]
