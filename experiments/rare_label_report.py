"""What `rare-label` found: the baseline beside its rivals, gains over it and over controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from experiments.experiment import Section
from experiments.finished_cells import FinishedCells
from experiments.grid import Cell
from experiments.method_comparison import marked
from experiments.methods import SHUFFLED_TASKS
from tfpfd.evaluation import Comparison, Interval
from tfpfd.evaluation.intervals import level
from tfpfd.evaluation.rivals import POINTWISE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RIVALS = tuple(POINTWISE)
BASELINE = "baseline"
TAUGHT = ("PFD", "LUPI", "MTL")
"""Methods that privileged features have a part in."""
COLORS = {
    BASELINE: "tab:blue",
    "self": "tab:orange",
    "shuffled": "tab:green",
    SHUFFLED_TASKS: "tab:purple",
}
OF_TEACHERS = (BASELINE, "self", "shuffled")
AGAINST = {"PFD": OF_TEACHERS, "LUPI": OF_TEACHERS, "MTL": (BASELINE, SHUFFLED_TASKS)}
"""What a gain of a method has to be over, all of them."""
UNSEEING = (*RIVALS, "truth", BASELINE, "self")
NO_STRENGTH = 0.0


def of_method(task: Cell, method: str) -> Cell:
    """The settings of a method on a task.

    Args:
      task: its settings. To a method that sees no privileged features their strength is 0.
      method: its name.
    """
    if method in UNSEEING and "strength" in task:
        task = {**task, "strength": NO_STRENGTH}
    return {**task, "method": method}


@dataclass(frozen=True)
class Panel:
    """A part of the figure: a method's gains.

    Args:
      title: above it.
      method: whose gains.
      tasks: settings by what the axis calls them.
      axis: what the tasks differ in.
    """

    title: str
    method: str
    tasks: Mapping[str, Cell]
    axis: str


@dataclass(frozen=True, eq=False)
class RareLabelReport:
    """The report of some results.

    Args:
      results: of the experiment.
      tasks: settings by name.
      rivals: names of what stands beside the baseline, the truth among them where it is known.
      panels: of the figure.
    """

    results: FinishedCells
    tasks: Mapping[str, Cell]
    rivals: Sequence[str]
    panels: Sequence[Panel]

    @property
    def measures(self) -> dict[str, str]:
        """Titles by metric to judge by, the first the one that counts: by the truth if known."""
        if "truth" in self.rivals:
            return {"true_auc": "AUC by true rates", "true_log_loss": "log loss by true rates"}
        return {"auc": "AUC", "log_loss": "log loss"}

    @cached_property
    def sections(self) -> list[Section]:
        """All parts of the report."""
        metric, title = next(iter(self.measures.items()))
        text = "Over the baseline and all controls beyond doubt: "
        gains = {m: [t for t, c in self.tasks.items() if self.gains(c, m)] for m in TAUGHT}
        found = [f"**{m}** {'; '.join(names) or 'nowhere'}." for m, names in gains.items()]
        figure = draw(self.results, metric, title, self.panels)
        parts = [
            Section("The baseline beside its rivals", self._rivals_text, self._rivals_table),
            Section("Where a gain begins", text + " ".join(found), figure=figure),
        ]
        for method in TAUGHT:
            for measure, name in self.measures.items():
                table = self._gain_table(method, measure)
                parts.append(Section(f"{method}: {name}", "", table))
        return parts

    def gains(self, task: Cell, method: str) -> bool:
        """Whether a method's AUC is above that of the baseline and its controls beyond doubt."""
        metric = next(iter(self.measures))
        return all(self._over(task, method, other, metric).low > 0 for other in AGAINST[method])

    def _over(self, task: Cell, method: str, other: str, metric: str) -> Interval:
        cells = of_method(task, method), of_method(task, other)
        return self.results.difference(metric, *cells)

    def _level(self, task: Cell, method: str, metric: str) -> str:
        return level(self.results.interval(metric, **of_method(task, method)))

    def _mean(self, task: Cell, method: str, metric: str) -> float:
        return self.results.interval(metric, **of_method(task, method)).mean

    def _gain_table(self, method: str, metric: str) -> pd.DataFrame:
        """Of each task what there is to learn from, the teacher, and differences; bold: real."""
        rows = []
        for name, task in self.tasks.items():
            row = {
                "": name,
                "positives to train on": f"{self._mean(task, method, 'positives'):.0f}",
                "best privileged feature alone, AUC": f"{self._mean(task, method, 'tell'):.3f}",
                "teacher's AUC": self._level(task, method, "teacher_auc"),
                BASELINE: self._level(task, BASELINE, metric),
                method: self._level(task, method, metric),
            }
            for other in AGAINST[method]:
                row[f"minus {other}"] = marked(self._over(task, method, other, metric))
            rows.append(row)
        return pd.DataFrame(rows)

    @property
    def _rivals_text(self) -> str:
        text = (
            "Biases, logistic regression and boosted trees on the served features, tuned on "
            "validation rows (see docs/protocol.md): a gain over a baseline that is below one of "
            "them is a gain over something that is too weak."
        )
        if "truth" in self.rivals:
            text += (
                " *truth* is what the true rates themselves get, more than which nobody can. None "
                "of these sees privileged features: tasks that differ by their strength are one."
            )
        return text

    @property
    def _rivals_table(self) -> pd.DataFrame:
        metric = next(iter(self.measures))
        rows = {}
        for name, task in self.tasks.items():
            # Those that differ by the strength of features that none of these sees are one.
            seen = tuple(of_method(task, BASELINE).items())
            if seen not in rows:
                levels = {m: self._level(task, m, metric) for m in (*self.rivals, BASELINE)}
                rows[seen] = {"": name, **levels, "verdict": self._verdict(task, metric)}
        return pd.DataFrame(list(rows.values()))

    def _verdict(self, task: Cell, metric: str) -> str:
        """`Comparison.first_line` of the seeds that the baseline and all rivals have."""
        values = {
            name: self.results.values(metric, **of_method(task, name))
            for name in (*RIVALS, BASELINE)
        }
        seeds = set.intersection(*(set(found) for found in values.values()))
        if not seeds:
            return "–"
        stacked = {
            name: {metric: np.stack([found[seed] for seed in sorted(seeds)])}
            for name, found in values.items()
        }
        models = {BASELINE: stacked.pop(BASELINE)}
        return Comparison(BASELINE, stacked, models, {}).first_line


def draw(results: FinishedCells, metric: str, title: str, panels: Sequence[Panel]) -> Figure:
    """Gains over the baseline and controls with their intervals, a column a method."""
    from matplotlib.figure import Figure

    columns = len({panel.method for panel in panels})
    height = 0.6 + 0.4 * max(len(panel.tasks) for panel in panels)
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(11, 1.0 + height * lines), layout="constrained")
    # A method whose seeds lie far apart would leave the others no room on a common axis.
    grid = figure.subplots(lines, columns, squeeze=False, sharex="col", sharey=True)
    for axes, panel in zip(grid.flat, panels, strict=True):
        for shift, other in enumerate(AGAINST[panel.method]):
            found = [
                results.difference(metric, of_method(t, panel.method), of_method(t, other))
                for t in panel.tasks.values()
            ]
            places = np.arange(len(found)) + 0.22 * (shift - 1)
            axes.errorbar(
                [interval.mean for interval in found],
                places,
                xerr=[interval.half for interval in found],
                fmt="o",
                color=COLORS[other],
                markersize=4,
                capsize=2,
                label=f"minus {other}",
            )
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_yticks(range(len(panel.tasks)), list(panel.tasks))
        axes.set_ylim(len(panel.tasks) - 0.5, -0.5)
        axes.set_title(panel.title, fontsize=10)
        axes.grid(axis="x", alpha=0.3)
    known: dict[str, Any] = {}
    for axes in grid.flat:
        handles, labels = axes.get_legend_handles_labels()
        known.update(zip(labels, handles, strict=True))
    figure.legend(
        known.values(), known.keys(), loc="outside lower center", ncols=len(known), fontsize=9
    )
    figure.supxlabel(f"gain in {title}", fontsize=10)
    figure.supylabel(panels[0].axis, fontsize=10)
    figure.suptitle("Larger is better; 95 % intervals over seeds and users", fontsize=11)
    return figure
