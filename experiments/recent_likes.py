"""How much of a log students may learn from, while teachers know of all of it."""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments import base_rivals
from experiments.catalogue import CatalogueSource, CatalogueTask
from experiments.experiment import Section
from experiments.finished_cells import FinishedCells
from experiments.grid import Cell, Metrics
from experiments.method_comparison import MethodExperiment, difference_table, metric_table
from experiments.method_task import Measures
from experiments.methods import CONTROLS, TRAINED, treatment_of
from tfpfd.datasets import movielens_100k
from tfpfd.demo.catalogue import RECENT, WHOLE, CatalogueRecipe
from tfpfd.evaluation import confidence_interval
from tfpfd.evaluation.rivals import title_of_rival

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tfpfd.evaluation.measured_rivals import MeasuredRivals

BASELINE, TAUGHT = "baseline", ("PFD", "LUPI")
COMPARED = (BASELINE, *CONTROLS, *TAUGHT)
EASE = "ease"
OF_SIZE = ("popularity", "item_knn", EASE)
"""Rivals that learn from the likes that students learn from."""
COLORS = {
    "baseline": "black",
    "self": "tab:gray",
    "shuffled": "tab:olive",
    "PFD": "tab:blue",
    "LUPI": "tab:orange",
    EASE: "tab:red",
}
SIZES: dict[str, CatalogueRecipe] = {
    "the last tenth": RECENT,
    "the last fifth": CatalogueRecipe(
        last=0.2, drawn=100, scale=4.0, epochs=3, distillation_weight=0.5
    ),
    "all": WHOLE,
}
"""What students learn from; sizes and epochs were chosen for each as for `CatalogueRecipe`."""


GRID = [
    (size, method)
    for size in SIZES
    for method in (*OF_SIZE, *COMPARED)
    # Where the teacher adds nothing to the baseline there is nothing that controls could explain.
    if size != "all" or method in (*OF_SIZE, "baseline", "PFD")
]


class RecentLikes(MethodExperiment):
    """Methods on a few, on some and on all of the likes before the test."""

    name = "recent-likes"
    question = "Do privileged features help where students may learn from a part of the log alone?"
    claim = (
        "None is published. Rankers in service learn from a window of the log, or from one pass, "
        "while tables of item to item scores are made of all of it by a job of its own."
    )
    tasks = {"movielens": CatalogueSource(movielens_100k, RECENT)}
    sources = tuple(tasks)
    seeds = 5

    @property
    def metrics(self) -> tuple[str, ...]:
        """As of `Experiment`, and how many likes were learned from."""
        return (*super().metrics, "likes")

    def settings(self) -> dict[str, Any]:
        """The data, and the recipe of each size."""
        recipes = {size: asdict(recipe) for size, recipe in SIZES.items()}
        return {**super().settings(), "recipe": recipes}

    def prepare(self) -> None:
        """Reads the data; likes are looked up, and rivals fitted, when a cell of a size comes."""
        data = self.of_source.load(self.path)

        def of(size: str) -> CatalogueTask:
            return CatalogueTask.of(data, SIZES[size])

        self._of = lru_cache(len(SIZES))(of)
        self._rivals = lru_cache(len(SIZES))(lambda size: self._of(size).rivals())

    def bases(self) -> dict[str, Cell]:
        """The baseline that learns from the likes that these rivals learn from."""
        return {"baseline, all": {"size": "all", "method": "baseline"}}

    @property
    def about_rivals(self) -> str:
        """As of `Experiment`."""
        return "These learn from all likes before the test; those of fewer likes are below."

    def rivals(self) -> MeasuredRivals:
        """Those that learn from all likes before the test, whatever students learn from."""
        return self._rivals("all")

    def cells(self, seeds: int) -> list[Cell]:
        """The methods of each size."""
        return [
            {"size": size, "method": method, "seed": seed}
            for seed in range(seeds)
            for size, method in GRID
        ]

    def run(self, cell: Cell) -> Metrics:
        """Trains a method on the likes of a size, or measures a rival there."""
        seed, name, size = int(cell["seed"]), str(cell["method"]), str(cell["size"])
        self.task = task = self._of(size)
        if name in OF_SIZE:
            return {**self._rivals(size).metrics[name], "likes": float(task.likes)}
        found = self.train(TRAINED[name], seed, treatment_of(name))
        return {**found, "likes": float(task.likes)}

    def report(self, results: FinishedCells) -> list[Section]:
        """Metrics by size, and what each method gains over the baseline and both controls."""
        measures = self.measures
        figure = _draw(results, measures, base_rivals.read(results.directory))
        rows: dict[str, Cell] = {
            f"{size}: {title_of_rival(method)}": {"size": size, "method": method}
            for size, method in GRID
        }
        sections = [
            Section("Likes to learn from", "", metric_table(results, measures, rows), figure)
        ]
        note = "Paired by seed and resampled user; bold where the interval excludes zero."
        for size, control in GRID:
            if control in (BASELINE, *CONTROLS, EASE):
                taught: dict[str, Cell] = {
                    m: {"size": size, "method": m} for m in TAUGHT if (size, m) in GRID
                }
                table = difference_table(
                    results, measures, taught, {"size": size, "method": control}
                )
                title = f"Minus {title_of_rival(control)}, {size}"
                sections.append(Section(title, note, table))
        return sections


def _draw(results: FinishedCells, measures: Measures, known: MeasuredRivals) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    sizes = sorted(set(results.frame["likes"].dropna()))
    for axes, metric in zip(figure.subplots(1, 2), measures.drawn, strict=True):
        for place, (method, color) in enumerate(COLORS.items()):
            cells: list[Cell] = [{"size": size, "method": method} for size in SIZES]
            found = [results.interval(metric, **cell) for cell in cells]
            likes = np.array([results.interval("likes", **cell).mean for cell in cells])
            axes.errorbar(
                likes * 1.04 ** (place - 2),
                [interval.mean for interval in found],
                [interval.half for interval in found],
                marker="o",
                markersize=4,
                capsize=3,
                color=color,
                label=title_of_rival(method),
            )
        for line, (rival, values) in zip((":", "-.", "--"), known.metrics.items(), strict=False):
            mean = confidence_interval(values[metric]).mean
            label = f"{title_of_rival(rival)} of all likes"
            axes.axhline(mean, color="tab:red", linestyle=line, linewidth=1, label=label)
        axes.set_xscale("log")
        axes.set_xticks(sizes, [f"{size:,.0f}" for size in sizes])
        axes.minorticks_off()
        axes.set_xlabel("likes to learn from")
        axes.set_ylabel(measures.students[metric])
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=8)
    figure.suptitle(
        "MovieLens-100K, test likes among all films; 95 % intervals over seeds and users",
        fontsize=10,
    )
    return figure
