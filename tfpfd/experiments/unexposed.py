"""How many labels there are, and how many unexposed candidates beside them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from tfpfd.auditing.arms import BASE, SELF, SHUFFLED, Arm, train
from tfpfd.auditing.comparison import METRICS
from tfpfd.datasets import movielens_100k
from tfpfd.experiments import movielens
from tfpfd.experiments.comparison import differences, levels
from tfpfd.experiments.experiment import Cell, Experiment, Metrics, Section
from tfpfd.experiments.movielens import Task
from tfpfd.experiments.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The demo's, with less patience, as there are hundreds of trainings.
RECIPE = dataclasses.replace(movielens.RECIPE, patience=2)
SHARES = (0.1, 0.25, 0.5, 1.0)
PER_ROW = (0, 1, 4, 16)
ARMS = (BASE, SELF, SHUFFLED, Arm("PFD", teacher="all"), Arm("LUPI", teacher="privileged"))
COLORS = {"self": "tab:gray", "shuffled": "tab:olive", "PFD": "tab:blue", "LUPI": "tab:orange"}


class Unexposed(Experiment):
    """MovieLens-100K with some of the labels, and films beside them that nobody was shown."""

    name = "unexposed"
    question = "Does a privileged teacher help most on items that the user was not shown?"
    claim = (
        "Rows without a label, on which the teacher has an opinion, are where several later works "
        "see the gain of coarse ranking: DUET (arXiv 2510.24369), UKDSL (2502.06834), HCCP "
        "(2502.10284). No figures on public data are given."
    )
    metrics = tuple(METRICS)
    sources = ("movielens",)
    _prepared: tuple[tuple[float, int], Task] | None = None

    def settings(self) -> dict[str, Any]:
        """The data and the recipe."""
        recipe = {
            name: getattr(RECIPE, name)
            for name in ("learning_rate", "weight", "warm_up", "epochs", "patience")
        }
        return {**super().settings(), "recipe": recipe}

    def prepare(self) -> None:
        """Reads the ratings."""
        self._data = movielens_100k(self.path)

    def cells(self, seeds: int) -> list[Cell]:
        """Every arm for every share of the labels and number of unexposed films."""
        return [
            {"labels": share, "per_row": per_row, "method": arm.name, "seed": seed}
            for share in SHARES
            for per_row in PER_ROW
            for seed in range(seeds)
            for arm in ARMS
        ]

    def _task(self, share: float, per_row: int) -> Task:
        # Cells of the same rows follow each other.
        if self._prepared is None or self._prepared[0] != (share, per_row):
            task = Task.prepare(self._data, share, per_row)
            self._prepared = ((share, per_row), task)
        return self._prepared[1]

    def run(self, cell: Cell) -> Metrics:
        """Trains an arm."""
        task = self._task(float(cell["labels"]), int(cell["per_row"]))
        arm = next(arm for arm in ARMS if arm.name == cell["method"])
        rows = task.train[arm.treatment]
        trained = train(arm, RECIPE, task.schema, rows, task.validation, int(cell["seed"]), [])
        return task.evaluate(trained.student)

    def report(self, results: Results) -> list[Section]:
        """Metrics of every cell, and differences from base."""
        note = (
            "Minus base with the same rows, paired by seed and resampled user; bold where the "
            "interval excludes zero."
        )
        over = [_differences(results, arm, ARMS[3:]) for arm in (SELF, SHUFFLED)]
        text = "What is gained over *{}* is more than regularisation."
        return [
            Section("Gain over base", note, _differences(results, BASE, ARMS[1:]), _draw(results)),
            Section("Gain over self", text.format("self"), over[0]),
            Section("Gain over shuffled", text.format("shuffled"), over[1]),
            Section("Test metrics", "95 % intervals over seeds and users.", _metrics(results)),
        ]


def _grid() -> list[Cell]:
    return [{"labels": share, "per_row": per_row} for share in SHARES for per_row in PER_ROW]


def _head(cell: Cell, method: str) -> dict[str, Any]:
    share, per_row = float(cell["labels"]), cell["per_row"]
    return {"labels": f"{share:.0%}", "unexposed a row": per_row, "method": method}


def _metrics(results: Results) -> pd.DataFrame:
    return pd.DataFrame(
        {**_head(cell, arm.name), **levels(results, METRICS, {**cell, "method": arm.name})}
        for cell in _grid()
        for arm in ARMS
    )


def _differences(results: Results, against: Arm, arms: Sequence[Arm]) -> pd.DataFrame:
    rows = []
    for cell in _grid():
        for arm in arms:
            first, second = ({**cell, "method": one.name} for one in (arm, against))
            shown = differences(results, METRICS, first, second)
            rows.append({**_head(cell, arm.name), **shown})
    return pd.DataFrame(rows)


def _draw(results: Results) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5.5), layout="constrained")
    grid = figure.subplots(2, len(SHARES), sharey="row", sharex=True)
    for line, metric in zip(grid, ("auc", "recall@50"), strict=True):
        for axes, share in zip(line, SHARES, strict=True):
            for shift, (method, color) in enumerate(COLORS.items()):
                found = [
                    results.difference(
                        metric,
                        {"labels": share, "per_row": per_row, "method": method},
                        {"labels": share, "per_row": per_row, "method": BASE.name},
                    )
                    for per_row in PER_ROW
                ]
                half = [interval.half for interval in found]
                places = [place + 0.12 * (shift - 1.5) for place in range(len(PER_ROW))]
                means = [interval.mean for interval in found]
                axes.errorbar(places, means, half, fmt="o", color=color, label=method)
            axes.axhline(0, color="black", linewidth=0.8)
            axes.set_xticks(range(len(PER_ROW)), PER_ROW)
            axes.grid(axis="y", alpha=0.3)
            axes.set_title(f"{share:.0%} of the labels", fontsize=10)
        line[0].set_ylabel(f"{METRICS[metric]} minus base")
    for axes in grid[-1]:
        axes.set_xlabel("unexposed films a labelled row")
    grid[0][-1].legend(fontsize=8)  # Where the differences are smallest.
    figure.suptitle("MovieLens-100K: students minus base; 95 % intervals over seeds and users")
    return figure
