"""The student's gain over the strength of the privileged features."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from experiments.coarse_and_fine import COARSE, FINE
from experiments.experiment import Section
from experiments.finished_cells import FinishedCells
from experiments.grid import Cell, Metrics
from experiments.method_comparison import (
    MethodExperiment,
    difference_table,
    metric_table,
)
from experiments.method_task import Measures, MethodSource, MethodTask
from experiments.methods import TRAINED, treatment_of
from experiments.rows_task import RowsRecipe, RowsSource
from tfpfd._keras import keras
from tfpfd.data.splits import SplitRows
from tfpfd.datasets import marketplace, mediator
from tfpfd.datasets.registry import can
from tfpfd.layers import MLP
from tfpfd.schema import Sees

if TYPE_CHECKING:
    from matplotlib.figure import Figure


Rows = Callable[[float, int], SplitRows]


def _mediator(strength: float, seed: int) -> SplitRows:
    return mediator(strength=strength, seed=seed)


def _marketplace(strength: float, seed: int) -> SplitRows:
    return marketplace("purchase", users=4000, strength=strength, seed=seed, verbose=0)


DRAWS: dict[str, Rows] = {"mediator": _mediator, "marketplace": _marketplace}
"""What is simulated: rows of a strength and a seed."""

STRENGTHS = {
    "mediator": (0.0, 0.1, 0.2, 0.5, 1.0, 2.0),
    "marketplace": (0.0, 0.1, 0.2, 0.5, 1.0),
    "movielens": (0.0, 0.5, 1.0),
    "kuairand": (0.0, 0.25, 0.5, 1.0),
}
COMPARED = ("baseline", "self", "shuffled", "PFD", "LUPI")


RECIPE = RowsRecipe(
    dim=2,
    embedding_l2=0.01,
    learning_rate=0.01,
    batch_size=500,
    epochs=40,
    patience=6,
    distillation_weight=0.9,
)


def _network(sees: Sees, strong: bool) -> keras.layers.Layer:
    """Small: 500 labels feed no larger one."""
    return MLP([8], l2=0.01, batch_norm=False)


class TeacherStrength(MethodExperiment):
    """Rows whose X* grows stronger.

    Those of the mediator are 500 with a label and 4,500 without; those of the marketplace are its
    clicks, with post-event features. Real data have cross features, of which a share of rows keep
    their own.
    """

    name = "teacher-strength"
    question = "Does a stronger teacher make a better student?"
    claim = (
        'Yang et al., "Toward Understanding Privileged Features Distillation in Learning-to-Rank", '
        "NeurIPS 2022 (arXiv 2209.08754): not beyond a point; a too predictive X* gives a teacher "
        "of high variance and a worse student."
    )
    tasks: ClassVar[dict[str, MethodSource]] = {
        "mediator": RowsSource(lambda path: None, _network, RECIPE),
        "marketplace": FINE["marketplace"],
        "movielens": COARSE["movielens"],
        "kuairand": COARSE["kuairand"],
    }
    sources = tuple(tasks)
    _task_of: Callable[[float, int], MethodTask]

    @property
    def _strengths(self) -> tuple[float, ...]:
        assert self.source is not None
        return STRENGTHS[self.source]

    def prepare(self) -> None:
        """Reads the data, of which the task of each cell is made."""
        source, draw = self.of_source, DRAWS.get(str(self.source))
        if draw is None:
            super().prepare()
            make = self.task.weakened
        else:

            def make(strength: float, seed: int) -> MethodTask:
                return source.task(draw(strength, seed))

        # Cells of the same rows follow each other.
        self._task_of = lru_cache(1)(make)

    @property
    def _methods(self) -> tuple[str, ...]:
        """Of real data PFD at strength 0 is the control *shuffled*."""
        return tuple(m for m in COMPARED if can(self.source, "simulated") or m != "shuffled")

    def _cell(self, method: str, strength: float) -> Cell:
        """What sees no privileged features is the same at all strengths of real data."""
        once = method in ("baseline", "self") and not can(self.source, "simulated")
        return {"strength": self._strengths[-1] if once else strength, "method": method}

    def cells(self, seeds: int) -> list[Cell]:
        """Every method at every strength."""
        kinds = [self._cell(m, strength) for strength in self._strengths for m in self._methods]
        differing = {tuple(cell.items()): cell for cell in kinds}.values()
        return [{**cell, "seed": seed} for seed in range(seeds) for cell in differing]

    def bases(self) -> dict[str, Cell]:
        """The baseline of real data; simulated rows are others for each seed and strength."""
        cell = self._cell("baseline", self._strengths[-1])
        return {} if can(self.source, "simulated") else {"baseline": cell}

    def run(self, cell: Cell) -> Metrics:
        """Trains a method on the rows of a strength and a seed."""
        seed, name = int(cell["seed"]), str(cell["method"])
        self.task = self._task_of(float(cell["strength"]), seed)
        return self.train(TRAINED[name], seed, treatment_of(name))

    def report(self, results: FinishedCells) -> list[Section]:
        """Gains over the baseline by strength, and how good the teacher is."""
        measures = self.measures
        at = {s: {m: self._cell(m, s) for m in self._methods} for s in self._strengths}
        rows = {
            f"{method}, strength {cell['strength']:g}": cell
            for cells in at.values()
            for method, cell in cells.items()
        }
        figure = _draw(results, measures, at, str(self.source))
        sections = [
            Section("Gain and strength", figure=figure),
            Section("Test metrics", "", metric_table(results, measures, rows)),
        ]
        for strength, cells in at.items():
            others = {m: cell for m, cell in cells.items() if m != "baseline"}
            table = difference_table(results, measures, others, cells["baseline"])
            sections.append(Section(f"Minus the baseline, strength {strength:g}", "", table))
        return sections


def _draw(
    results: FinishedCells, measures: Measures, at: Mapping[float, Mapping[str, Cell]], source: str
) -> Figure:
    from matplotlib.figure import Figure

    strengths, ((teachers_metric, teachers_title),) = [*at], measures.teachers.items()
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    gains, teachers = figure.subplots(1, 2)
    apart = 0.015 * (strengths[-1] - strengths[0])
    methods = [method for method in at[strengths[0]] if method != "baseline"]
    for shift, method in enumerate(methods):
        found = [
            results.difference(measures.primary, cells[method], cells["baseline"])
            for cells in at.values()
        ]
        scores = [results.interval(teachers_metric, **cells[method]).mean for cells in at.values()]
        half = [interval.half for interval in found]
        # Of what isn't finished there is no point, but a place on the axis and in the legend.
        places = [strength + apart * (shift - len(methods) / 2 + 0.5) for strength in strengths]
        gains.errorbar(places, [i.mean for i in found], half, marker="o", capsize=3)
        teachers.plot(strengths, scores, marker="o", label=method)
    gains.axhline(0, color="black", linewidth=0.8)
    gains.set_ylabel(f"student's {measures.students[measures.primary]} minus the baseline's")
    teachers.set_ylabel(teachers_title)
    for axes in (gains, teachers):
        axes.set_xlabel("strength of the privileged features")
        axes.set_xlim(strengths[0] - 0.1, strengths[-1] + 0.1)
        axes.grid(alpha=0.3)
    teachers.legend()  # Of both: its lines leave more room.
    figure.suptitle(f"{source}; 95 % intervals over seeds and users", fontsize=10)
    return figure
