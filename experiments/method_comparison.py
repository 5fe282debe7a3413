"""What experiments on methods have in common: training a composed model, tables, a figure."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from experiments.experiment import Experiment
from experiments.finished_cells import FinishedCells
from experiments.grid import Cell
from experiments.method_task import Measures, MethodSource, MethodTask
from tfpfd._keras import keras
from tfpfd.data.table_rows import Treatment
from tfpfd.demo.methods import Compose
from tfpfd.distillation import Ranker
from tfpfd.distillation.labelled_model import LabelledModel
from tfpfd.evaluation import Interval
from tfpfd.evaluation.differences import is_better
from tfpfd.evaluation.intervals import level
from tfpfd.evaluation.measured_rivals import MeasuredRivals
from tfpfd.evaluation.metrics import SMALLER_IS_BETTER

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class _Clock(keras.callbacks.Callback):
    """Processor seconds of each epoch's training steps, which other processes hardly change."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._start = time.process_time()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._last = time.process_time()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.seconds.append(self._last - self._start)


class MethodExperiment(Experiment):
    """Methods on a task; a subclass says in which settings, and how it reports.

    Beside the attributes of `Experiment`, a subclass sets `tasks`, by the source of the data.
    """

    tasks: ClassVar[Mapping[str, MethodSource]]
    task: MethodTask

    @property
    def of_source(self) -> MethodSource:
        """Where the data come from."""
        assert self.source is not None
        return self.tasks[self.source]

    @property
    def measures(self) -> Measures:
        """What is measured on the task."""
        return self.of_source.kind.measures

    @property
    def metrics(self) -> tuple[str, ...]:
        """As of `Experiment`: those of the task, and what training took."""
        return (*self.measures.all, "epochs", "epoch_seconds")

    def settings(self) -> dict[str, Any]:
        """The data and the recipe."""
        return {**super().settings(), "recipe": asdict(self.of_source.recipe)}

    def prepare(self) -> None:
        """Loads the data and looks them up."""
        self.task = self.of_source.task(self.of_source.load(self.path))

    @property
    def about_rivals(self) -> str:
        """As of `Experiment`."""
        return self.measures.rivals

    def rivals(self) -> MeasuredRivals:
        """As of `Experiment`: those of the task."""
        return self.task.rivals()

    def train(
        self, compose: Compose, seed: int, treatment: Treatment = "kept", **parts: Any
    ) -> dict[str, float | np.ndarray]:
        """Metrics of a method that is trained with a seed.

        Args:
          compose: the method.
          seed: of initial weights, and as in `MethodTask.fit`.
          treatment: what is done to the privileged features that are trained on.
          **parts: as in `MethodTask.parts`.
        """
        keras.utils.set_random_seed(seed)
        model = compose(self.task.parts(**parts))
        return self.measured(model, self.fit(model, seed, treatment))

    def fit(
        self, model: LabelledModel, seed: int, treatment: Treatment = "kept"
    ) -> dict[str, float]:
        """Trains as the task says; the arguments are those of `MethodTask.fit`.

        Returns:
          The number of epochs, and the least processor seconds of an epoch's steps (the first one
          is slower).
        """
        clock = _Clock()
        self.task.fit(model, seed, treatment, [clock])
        return {"epochs": float(len(clock.seconds)), "epoch_seconds": min(clock.seconds)}

    def measured(
        self, model: LabelledModel, training: Mapping[str, float]
    ) -> dict[str, float | np.ndarray]:
        """What `fit` gave, metrics of the student, and those of a teacher that is a ranker."""
        student: Any = getattr(model, "student", model)
        found: dict[str, float | np.ndarray] = {**training, **self.task.evaluate(student)}
        teacher = getattr(model, "teacher", None)
        if isinstance(teacher, Ranker):
            found.update(self.task.evaluate_teacher(teacher))
        return found


def metric_table(
    results: FinishedCells, measures: Measures, rows: Mapping[str, Cell]
) -> pd.DataFrame:
    """Each metric with its interval, a row by name of the settings `rows`."""
    return pd.DataFrame(
        {"": name, **levels(results, measures.all, cell)} for name, cell in rows.items()
    )


def difference_table(
    results: FinishedCells, measures: Measures, rows: Mapping[str, Cell], against: Cell
) -> pd.DataFrame:
    """Each student's metrics minus those at the settings `against`, paired by seed and user.

    A difference whose interval excludes zero is bold.
    """
    return pd.DataFrame(
        {"": name, **differences(results, measures.students, cell, against)}
        for name, cell in rows.items()
    )


def levels(results: FinishedCells, titles: Mapping[str, str], cell: Cell) -> dict[str, str]:
    """Metrics with their intervals at the settings `cell`, by title.

    Args:
      results: of the experiment.
      titles: by metric.
      cell: settings as for `FinishedCells.values`.
    """
    return {title: level(results.interval(m, **cell)) for m, title in titles.items()}


def differences(
    results: FinishedCells, titles: Mapping[str, str], cell: Cell, against: Cell
) -> dict[str, str]:
    """Paired differences of metrics between two settings, by title; bold beyond doubt."""
    return {title: marked(results.difference(m, cell, against)) for m, title in titles.items()}


def marked(interval: Interval) -> str:
    """An interval, bold where it excludes zero; a dash for nothing."""
    if math.isnan(interval.mean):
        return "–"
    return f"**{interval}**" if interval.excludes_zero else str(interval)


def draw_differences(
    results: FinishedCells, measures: Measures, rows: Mapping[str, Cell], against: Cell, title: str
) -> Figure:
    """Differences of two metrics with their intervals, a line a row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1.2 + 0.4 * len(rows)), layout="constrained")
    for axes, metric in zip(figure.subplots(1, 2, sharey=True), measures.drawn, strict=True):
        for place, cell in enumerate(rows.values()):
            found = results.difference(metric, cell, against)
            color = "tab:gray"
            if found.excludes_zero:
                color = "tab:green" if is_better(found, metric) else "tab:red"
            axes.plot([found.low, found.high], [place, place], color=color, linewidth=2)
            axes.plot(found.mean, place, "o", color=color)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_yticks(range(len(rows)), list(rows))
        axes.set_ylim(len(rows) - 0.5, -0.5)
        better = "smaller" if metric in SMALLER_IS_BETTER else "larger"
        axes.set_title(f"{measures.students[metric]} ({better} is better)", fontsize=10)
        axes.locator_params(axis="x", nbins=5)
        axes.grid(axis="x", alpha=0.3)
    figure.suptitle(title, fontsize=11)
    return figure
