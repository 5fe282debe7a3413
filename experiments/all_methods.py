"""All methods and controls on a task of coarse ranking, and on one of fine ranking."""

from __future__ import annotations

from typing import ClassVar

from experiments.coarse_and_fine import COARSE, FINE
from experiments.experiment import Section
from experiments.finished_cells import FinishedCells
from experiments.grid import Cell, Metrics
from experiments.method_comparison import (
    MethodExperiment,
    difference_table,
    draw_differences,
    metric_table,
)
from experiments.methods import CONTROLS, METHODS, SHUFFLED_TASKS, TRAINED, treatment_of

BASELINE, MULTI_TASK = "baseline", "MTL"


class AllMethods(MethodExperiment):
    """Base of both; a subclass may leave methods out."""

    methods: ClassVar[tuple[str, ...]] = tuple(METHODS)

    def cells(self, seeds: int) -> list[Cell]:
        """Every method and control, seed by seed."""
        names = (*self.methods, *CONTROLS, SHUFFLED_TASKS)
        return [{"method": name, "seed": seed} for seed in range(seeds) for name in names]

    def bases(self) -> dict[str, Cell]:
        """The baseline."""
        return {BASELINE: {"method": BASELINE}}

    def run(self, cell: Cell) -> Metrics:
        """Trains a method."""
        name = str(cell["method"])
        return self.train(TRAINED[name], int(cell["seed"]), treatment_of(name))

    def report(self, results: FinishedCells) -> list[Section]:
        """Metrics, and differences from the baseline and from each control."""
        measures = self.measures
        rows: dict[str, Cell] = {
            str(cell["method"]): {"method": cell["method"]} for cell in results.cells
        }
        others = {name: cell for name, cell in rows.items() if name != BASELINE}
        title = f"Student minus baseline, {self.source}; 95 % intervals over seeds and users"
        sections = [
            Section(
                "Test metrics",
                "The student's; 95 % intervals.",
                metric_table(results, measures, rows),
            ),
            Section(
                "Minus the baseline",
                "Paired by seed and resampled user; bold where the interval excludes zero.",
                difference_table(results, measures, others, rows[BASELINE]),
                draw_differences(results, measures, others, rows[BASELINE], title),
            ),
        ]
        of_teachers = [name for name in self.methods if name not in (BASELINE, MULTI_TASK)]
        controlled = {**dict.fromkeys(CONTROLS, of_teachers), SHUFFLED_TASKS: [MULTI_TASK]}
        for control, names in controlled.items():
            methods = {name: rows[name] for name in names if name in rows}
            text = f"What a method gains over *{control}* is more than regularisation."
            table = difference_table(results, measures, methods, rows[control])
            sections.append(Section(f"Minus {control}", text, table))
        return sections


class CoarseCTR(AllMethods):
    """RQ1 and RQ2 on coarse ranking."""

    name = "coarse-ctr"
    question = "Which method gives the best two-tower student, with cross features privileged?"
    claim = (
        'Xu et al., "Privileged Features Distillation at Taobao Recommendations", KDD 2020: test '
        "AUC of the student (teacher) on CTR, 1 day: baseline .6625, LUPI .6637 (.6687), MD .6704 "
        "(.6892), PFD .6712 (.6921), PFD+MD .6745 (.7110)."
    )
    # That a teacher learns from its student, too, is of no concern here.
    methods = tuple(name for name in METHODS if name != "mutual learning")
    tasks = COARSE
    sources = tuple(COARSE)


class FineCVR(AllMethods):
    """RQ1 and RQ2 on fine ranking."""

    name = "fine-cvr"
    question = "Which method gives the best student, with post-event features privileged?"
    claim = (
        'Xu et al., "Privileged Features Distillation at Taobao Recommendations", KDD 2020: test '
        "AUC of the student (teacher) on CVR, 30 days: baseline .9040, MTL .9045, LUPI .8965 "
        "(.9651), MD .9052 (.9058), PFD .9084 (.9901), PFD+MD .9082 (.9911)."
    )
    tasks = FINE
    sources = tuple(FINE)
