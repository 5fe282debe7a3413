"""What experiments on methods have in common: training a composed model, tables, a figure."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from tfpfd._keras import keras
from tfpfd.auditing.comparison import METRICS, level
from tfpfd.auditing.fitting import fit_early_stopped
from tfpfd.auditing.rows import TableRows, Treatment
from tfpfd.distillation import Ranker
from tfpfd.distillation.labelled import LabelledModel
from tfpfd.evaluation import Interval
from tfpfd.experiments.experiment import Cell, Experiment
from tfpfd.experiments.methods import Compose
from tfpfd.experiments.results import Results
from tfpfd.experiments.tasks import HOLDOUT, Source, Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OF_STUDENTS = ("auc", "group_auc", "log_loss", "ece")
TITLES = {**{name: METRICS[name] for name in OF_STUDENTS}, "teacher_auc": "teacher's AUC"}


class _Clock(keras.callbacks.Callback):
    """Seconds of each epoch's training steps."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._start = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._last = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.seconds.append(self._last - self._start)


def fit(model: LabelledModel, task: Task, train: TableRows, seed: int) -> dict[str, float]:
    """Trains with early stopping by the validation log loss.

    Args:
      model: a ranker, or what trains one.
      task: says how.
      train: training rows.
      seed: of their order.

    Returns:
      The number of epochs, and the least seconds of an epoch's steps (the first one is slower).
    """
    recipe = task.recipe
    clock = _Clock()
    losses = fit_early_stopped(
        model,
        train.batches(recipe.batch_size, seed),
        task.validation.batches(HOLDOUT),
        learning_rate=recipe.learning_rate,
        epochs=recipe.epochs,
        patience=recipe.patience,
        callbacks=[clock],
    )
    return {"epochs": float(len(losses)), "epoch_seconds": min(clock.seconds)}


class MethodExperiment(Experiment):
    """Methods on a task; a subclass says in which settings, and how it reports.

    Beside the attributes of `Experiment`, a subclass sets `tasks`, by the source of the data.
    """

    tasks: ClassVar[Mapping[str, Source]]
    metrics = (*TITLES, "epochs", "epoch_seconds")
    task: Task

    def settings(self) -> dict[str, Any]:
        """The data and the recipe."""
        assert self.source is not None
        return {**super().settings(), "recipe": asdict(self.tasks[self.source].recipe)}

    def prepare(self) -> None:
        """Loads the data and looks them up."""
        assert self.source is not None
        source = self.tasks[self.source]
        self.task = Task.of(source.load(self.path), source.network, source.recipe)

    def train(
        self, compose: Compose, seed: int, treatment: Treatment = "kept", **parts: Any
    ) -> dict[str, float | np.ndarray]:
        """Metrics of a method that is trained with a seed.

        Args:
          compose: the method.
          seed: of initial weights, of the order of rows and of their treatment.
          treatment: what is done to the privileged features of the training rows.
          **parts: as in `Task.parts`.
        """
        keras.utils.set_random_seed(seed)
        model = compose(self.task.parts(**parts))
        rows = self.task.train.treated(treatment, self.task.privileged, seed)
        return self.measured(model, fit(model, self.task, rows, seed))

    def measured(
        self, model: LabelledModel, training: Mapping[str, float]
    ) -> dict[str, float | np.ndarray]:
        """What `fit` gave, metrics of the student, and the AUC of a teacher that is a ranker."""
        found: dict[str, float | np.ndarray] = dict(training)
        student: Any = getattr(model, "student", model)
        found.update(self.task.evaluate(student))
        teacher = getattr(model, "teacher", None)
        if isinstance(teacher, Ranker):
            found["teacher_auc"] = self.task.evaluate(teacher)["auc"]
        return {name: value for name, value in found.items() if name in self.metrics}


def metric_table(results: Results, rows: Mapping[str, Cell]) -> pd.DataFrame:
    """Each metric with its interval, a row by name of the settings `rows`."""
    return pd.DataFrame({"": name, **levels(results, TITLES, cell)} for name, cell in rows.items())


def difference_table(results: Results, rows: Mapping[str, Cell], against: Cell) -> pd.DataFrame:
    """Each student's metrics minus those at the settings `against`, paired by seed and user.

    A difference whose interval excludes zero is bold.
    """
    titles = {metric: TITLES[metric] for metric in OF_STUDENTS}
    return pd.DataFrame(
        {"": name, **differences(results, titles, cell, against)} for name, cell in rows.items()
    )


def levels(results: Results, titles: Mapping[str, str], cell: Cell) -> dict[str, str]:
    """Metrics with their intervals at the settings `cell`, by title.

    Args:
      results: of the experiment.
      titles: by metric.
      cell: settings as for `Results.values`.
    """
    return {title: level(results.interval(m, **cell)) for m, title in titles.items()}


def differences(
    results: Results, titles: Mapping[str, str], cell: Cell, against: Cell
) -> dict[str, str]:
    """Paired differences of metrics between two settings, by title; bold beyond doubt."""
    return {title: marked(results.difference(m, cell, against)) for m, title in titles.items()}


def marked(interval: Interval) -> str:
    """An interval, bold where it excludes zero; a dash for nothing."""
    if math.isnan(interval.mean):
        return "–"
    return f"**{interval}**" if interval.excludes_zero else str(interval)


def draw_differences(
    results: Results, rows: Mapping[str, Cell], against: Cell, title: str
) -> Figure:
    """Differences of AUC and log loss with their intervals, a line a row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1.2 + 0.4 * len(rows)), layout="constrained")
    for axes, metric in zip(figure.subplots(1, 2, sharey=True), ("auc", "log_loss"), strict=True):
        for place, cell in enumerate(rows.values()):
            found = results.difference(metric, cell, against)
            better = (found.mean > 0) == (metric == "auc")
            color = "tab:gray"
            if found.excludes_zero:
                color = "tab:green" if better else "tab:red"
            axes.plot([found.low, found.high], [place, place], color=color, linewidth=2)
            axes.plot(found.mean, place, "o", color=color)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_yticks(range(len(rows)), list(rows))
        axes.set_ylim(len(rows) - 0.5, -0.5)
        arrow = "larger" if metric == "auc" else "smaller"
        axes.set_title(f"{TITLES[metric]} ({arrow} is better)", fontsize=10)
        axes.locator_params(axis="x", nbins=5)
        axes.grid(axis="x", alpha=0.3)
    figure.suptitle(title, fontsize=11)
    return figure
