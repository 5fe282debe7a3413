"""Versions that learn from each other: does what the teachers taught fade?"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from experiments.experiment import Section
from experiments.finished_cells import FinishedCells
from experiments.grid import Cell, Metrics
from experiments.method_comparison import differences, levels
from experiments.objectives.experiment import ObjectiveExperiment
from experiments.objectives.list_rows import ListRows
from experiments.objectives.retrainings import (
    scored_by_previous,
    scored_by_teachers,
    train_alone,
    train_from_previous,
    train_from_teachers,
    train_teachers,
)
from experiments.objectives.sources import RANKING, SOURCES
from tfpfd.data.list_ids import LIST
from tfpfd.datasets import marketplace
from tfpfd.distillation import Ranker

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GENERATIONS = 6
SELF, LABELS = "self-distillation", "labels alone"
FROZEN, RENEWED = "teachers of version 0", "teachers renewed"
METHODS = (SELF, LABELS, FROZEN, RENEWED)
COLORS = dict(zip(METHODS, ("tab:blue", "tab:gray", "tab:orange", "tab:green"), strict=True))
TITLES = {metric: title for metric, title in RANKING.items() if metric != "exposure"}


class SelfDistillation(ObjectiveExperiment):
    """Six versions, each trained from scratch on days of its own, one after the other."""

    name = "self-distillation"
    question = (
        "Does a line of students, each taught by the one before it on new data, keep what the "
        "teachers of the first one taught?"
    )
    claim = (
        "NDCG stays almost the same where version n learns from the scores of version n − 1 in "
        'place of teachers ("Multi-objective Learning to Rank by Model Distillation", KDD 2024, '
        "arXiv 2407.07181). No number of versions is given."
    )
    metrics = tuple(TITLES)
    # Days enough for a window a version, and batches small enough for a window.
    tasks = {
        **SOURCES,
        "marketplace": dataclasses.replace(
            SOURCES["marketplace"],
            load=lambda path: marketplace("objectives", users=2000, days=30),
            recipe=dataclasses.replace(SOURCES["marketplace"].recipe, batch_size=1024),
        ),
    }

    def __init__(self, data: str | None = None) -> None:
        super().__init__(data)
        # Of the seed that is run: cells of a seed follow each other.
        self._seed: int | None = None
        self._versions: dict[tuple[str, int], Ranker] = {}
        self._teachers: dict[int, dict[str, Ranker]] = {}

    def settings(self) -> dict[str, Any]:
        """The number of versions beside what all experiments of the kind depend on."""
        return {**super().settings(), "generations": GENERATIONS}

    def prepare(self) -> None:
        """Loads the data, looks them up and cuts the training days into windows."""
        super().prepare()
        self.windows = windows(self.task.train, days_of(self.task.data.train), GENERATIONS)

    def cells(self, seeds: int) -> list[Cell]:
        """Every version of each method's line."""
        return [
            {"method": method, "generation": generation, "seed": seed}
            for seed in range(seeds)
            for method in METHODS
            for generation in range(GENERATIONS)
        ]

    def run(self, cell: Cell) -> Metrics:
        """Trains a version, and those before it unless this process did."""
        seed = int(cell["seed"])
        if self._seed != seed:
            self._seed, self._versions, self._teachers = seed, {}, {}
        student = self._version(str(cell["method"]), int(cell["generation"]))
        found = self.task.evaluate(self.task.test.scores(student))
        return {name: value for name, value in found.items() if name in self.metrics}

    def _version(self, method: str, generation: int) -> Ranker:
        if method != LABELS and generation == 0:
            method = SELF  # The same student: it learns from the first teachers.
        key = (method, generation)
        if key not in self._versions:
            self._versions[key] = self._trained(method, generation)
        return self._versions[key]

    def _trained(self, method: str, generation: int) -> Ranker:
        assert self._seed is not None
        # Versions start from different weights, and those of all methods from the same.
        seed = self._seed * GENERATIONS + generation
        task, rows = self.task, self.windows[generation]
        if method == LABELS:
            return train_alone(task, rows, seed)
        if method == SELF and generation:
            previous = self._version(SELF, generation - 1)
            return train_from_previous(task, scored_by_previous(task, rows, previous), seed)
        taught_on = generation if method == RENEWED else 0
        if taught_on not in self._teachers:
            first = self._seed * GENERATIONS + taught_on
            self._teachers[taught_on] = train_teachers(task, self.windows[taught_on], first)
        scored = scored_by_teachers(task, rows, self._teachers[taught_on])
        return train_from_teachers(task, scored, seed, self.trade_off)

    def report(self, results: FinishedCells) -> list[Section]:
        """Metrics by version, what became of version 0, and differences from other ways."""
        titles = results.present(TITLES)
        everywhere = (
            f"Version 0 learns from a teacher for each objective, on the first of {GENERATIONS} "
            "windows of days; each further version is a new student on the next window. All are "
            "stopped by the same validation days and measured on the same test days, later than "
            f"every window. *{FROZEN}*: they score each new window; *{RENEWED}*: trained again on "
            "each. 95 % intervals over seeds and test users."
        )
        bold = "Paired by seed and test user; bold where the interval excludes zero."
        faded = _differences(
            results, titles, lambda g: (_cell(SELF, g), _cell(SELF, 0)), range(1, GENERATIONS)
        )
        sections = [
            Section(
                "By version",
                everywhere,
                _levels(results, titles),
                _draw(results, titles, self.source),
            ),
            Section("Self-distillation minus its version 0", bold, faded),
        ]
        for other in (LABELS, FROZEN, RENEWED):
            table = _differences(
                results,
                titles,
                lambda g, other=other: (_cell(SELF, g), _cell(other, g)),
                range(0 if other == LABELS else 1, GENERATIONS),
            )
            sections.append(Section(f"Self-distillation minus {other}", bold, table))
        return sections


def days_of(rows: pd.DataFrame) -> np.ndarray:
    """`[rows]` the number of each row's day."""
    if "day" in rows:
        return rows["day"].to_numpy()
    return (rows["time_ms"].to_numpy() // 3_600_000 + 8) // 24  # Of China, as KuaiRand's.


def windows(rows: ListRows, days: np.ndarray, number: int) -> list[ListRows]:
    """The rows of consecutive days, as evenly as whole days allow.

    Args:
      rows: of all windows; a list of several days has a part in each.
      days: `[rows]` the day of each row.
      number: of windows.

    Raises:
      ValueError: there are fewer days than windows.
    """
    held = np.unique(days)
    if len(held) < number:
        raise ValueError(
            f"the training rows must be of {number} days at least, one for each version, received "
            f"{len(held)}"
        )
    found = []
    for part in np.array_split(held, number):
        chosen = (days >= part[0]) & (days <= part[-1])
        inputs = {name: column[chosen] for name, column in rows.inputs.items()}
        inputs[LIST] = np.unique(inputs[LIST], return_inverse=True)[1].astype(np.int64)
        found.append(ListRows(inputs, rows.labels[chosen]))
    return found


def _cell(method: str, generation: int) -> Cell:
    return {"method": method, "generation": generation}


def _levels(results: FinishedCells, titles: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "version": generation,
            "method": method,
            **levels(results, titles, _cell(method, generation)),
        }
        for generation in range(GENERATIONS)
        for method in METHODS
    )


def _differences(
    results: FinishedCells, titles: Mapping[str, str], pair: Any, generations: Sequence[int]
) -> pd.DataFrame:
    return pd.DataFrame(
        {"version": generation, **differences(results, titles, *pair(generation))}
        for generation in generations
    )


def _draw(results: FinishedCells, titles: Mapping[str, str], source: str | None) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.5 + 3.6 * len(titles), 3.8), layout="constrained")
    grid = figure.subplots(1, len(titles), squeeze=False)[0]
    for axes, (metric, title) in zip(grid, titles.items(), strict=True):
        for shift, (method, color) in enumerate(COLORS.items()):
            found = [
                results.interval(metric, **_cell(method, generation))
                for generation in range(GENERATIONS)
            ]
            places = [generation + 0.1 * (shift - 1.5) for generation in range(GENERATIONS)]
            half = [interval.half for interval in found]
            means = [interval.mean for interval in found]
            axes.errorbar(places, means, half, fmt="o-", color=color, label=method, markersize=4)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("version")
        axes.set_xticks(range(GENERATIONS))
        axes.grid(axis="y", alpha=0.3)
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside right center", fontsize=8)
    figure.suptitle(
        f"{source}: the same test days for all versions\n"
        "95 % intervals of each point; those of differences within seeds and users are narrower",
        fontsize=10,
    )
    return figure
