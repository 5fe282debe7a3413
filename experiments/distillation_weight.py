"""How much the choice of λ matters (RQ3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.coarse_and_fine import COARSE
from experiments.experiment import Section
from experiments.finished_cells import FinishedCells
from experiments.grid import Cell, Metrics
from experiments.method_comparison import MethodExperiment, difference_table, metric_table
from experiments.method_task import Measures
from experiments.methods import METHODS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COMPARED = ("LUPI", "PFD")
WEIGHTS = (0.1, 0.3, 0.5, 0.7, 0.9)
BASELINE: Cell = {"method": "baseline", "weight": 0.0}


class DistillationWeight(MethodExperiment):
    """λ from .1 to .9 for the methods of which the paper says what λ does."""

    name = "distillation-weight"
    question = "How much does the student depend on λ?"
    claim = (
        'Xu et al., "Privileged Features Distillation at Taobao Recommendations", KDD 2020: PFD is '
        "flat over λ = .1, .3, .5, .7, .9 (CTR: AUC .6711 .6709 .6712 .6700 .6696), LUPI falls "
        "(CVR: .9024 .8998 .8965 .8876 .8613)."
    )
    tasks = COARSE
    sources = tuple(COARSE)

    def cells(self, seeds: int) -> list[Cell]:
        """Every method with every λ, and the baseline."""
        grid: list[Cell] = [{"method": m, "weight": w} for m in COMPARED for w in WEIGHTS]
        return [{**cell, "seed": seed} for seed in range(seeds) for cell in [BASELINE, *grid]]

    def bases(self) -> dict[str, Cell]:
        """The baseline."""
        return {"baseline": BASELINE}

    def run(self, cell: Cell) -> Metrics:
        """Trains a method with a λ."""
        method = METHODS[str(cell["method"])]
        return self.train(method, int(cell["seed"]), distillation_weight=float(cell["weight"]))

    def report(self, results: FinishedCells) -> list[Section]:
        """The student over λ."""
        measures = self.measures
        rows: dict[str, Cell] = {
            f"{method}, λ = {weight}": {"method": method, "weight": weight}
            for method in COMPARED
            for weight in WEIGHTS
        }
        return [
            Section("The student over λ", figure=_draw(results, measures, self.source)),
            Section(
                "Test metrics", "", metric_table(results, measures, {"baseline": BASELINE, **rows})
            ),
            Section(
                "Minus the baseline",
                "Paired by seed and resampled user; bold where the interval excludes zero.",
                difference_table(results, measures, rows, BASELINE),
            ),
        ]


def _draw(results: FinishedCells, measures: Measures, source: str | None) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    for axes, metric in zip(figure.subplots(1, 2), measures.drawn, strict=True):
        for place, method in enumerate(COMPARED):
            found = [
                results.difference(metric, {"method": method, "weight": weight}, BASELINE)
                for weight in WEIGHTS
            ]
            half = [interval.half for interval in found]
            x = [weight + 0.01 * (place - 0.5) for weight in WEIGHTS]
            axes.errorbar(x, [i.mean for i in found], half, marker="o", capsize=3, label=method)
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set_xticks(WEIGHTS)
        axes.set_xlabel("λ")
        axes.set_ylabel(f"student's {measures.students[metric]} minus the baseline's")
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle(f"{source}; 95 % intervals over seeds and users", fontsize=10)
    return figure
