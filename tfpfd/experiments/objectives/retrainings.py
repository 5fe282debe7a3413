"""What experiments on retraining have in common: teachers, and students that learn from scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

from tfpfd._keras import keras
from tfpfd.distillation import Distillation, Ranker, ScoreColumn
from tfpfd.distillation.losses import SoftListwiseSoftmax
from tfpfd.experiments.experiment import Experiment
from tfpfd.experiments.objectives.rows import ListRows
from tfpfd.experiments.objectives.task import ObjectiveTask, Source
from tfpfd.objectives import FusedTeachers

PREVIOUS = "previous"
TRADE_OFF = 1.0


class RetrainingExperiment(Experiment):
    """Students of several objectives, trained again and again.

    Beside the attributes of `Experiment`, a subclass sets `tasks`, by the source of the data.
    """

    tasks: ClassVar[Mapping[str, Source]]
    task: ObjectiveTask

    def settings(self) -> dict[str, Any]:
        """The data, the recipe and the weights of the objectives."""
        assert self.source is not None
        source = self.tasks[self.source]
        return {
            **super().settings(),
            "recipe": asdict(source.recipe),
            "omega": {name: TRADE_OFF * weight for name, weight in source.omega.items()},
        }

    def prepare(self) -> None:
        """Loads the data and looks them up."""
        assert self.source is not None
        source = self.tasks[self.source]
        self.task = ObjectiveTask.of(source.load(self.path), source)


def train_teachers(task: ObjectiveTask, rows: ListRows, seed: int) -> dict[str, Ranker]:
    """A ranker for each objective, trained on its labels alone.

    Args:
      task: says how.
      rows: training rows.
      seed: of initial weights and of the order of lists.
    """
    teachers = {}
    for objective in (task.primary, *task.secondary):
        keras.utils.set_random_seed(seed)
        teachers[objective] = task.ranker()
        train, validation = (
            dataclasses.replace(part, labels=task.labels(part, objective))
            for part in (rows, task.validation)
        )
        task.fit(teachers[objective], seed, train, validation)
    return teachers


def train_alone(task: ObjectiveTask, rows: ListRows, seed: int) -> Ranker:
    """A student that learns from the labels of the primary objective; arguments as above."""
    keras.utils.set_random_seed(seed)
    student = task.ranker()
    task.fit(student, seed, rows)
    return student


def train_from_teachers(
    task: ObjectiveTask, rows: ListRows, seed: int, teachers: Mapping[str, Ranker]
) -> Ranker:
    """A student that learns from labels and from the fused scores of a teacher an objective."""
    # Not under the names of the objectives, which their labels have.
    columns = {objective: f"{objective}_score" for objective in teachers}
    scorer = FusedTeachers(columns, task.omega(TRADE_OFF))
    stored = {columns[objective]: teacher for objective, teacher in teachers.items()}
    return _distilled(task, rows, seed, stored, scorer)


def train_from_previous(task: ObjectiveTask, rows: ListRows, seed: int, previous: Ranker) -> Ranker:
    """A student that learns from labels and from the scores of the previous version."""
    return _distilled(task, rows, seed, {PREVIOUS: previous}, ScoreColumn(PREVIOUS))


def _distilled(
    task: ObjectiveTask,
    rows: ListRows,
    seed: int,
    scorers: Mapping[str, Ranker],
    teacher: keras.layers.Layer,
) -> Ranker:
    """As `tfpfd.retrain` does it: rows are scored once, into columns that the teacher reads."""
    train, validation = (
        part.having({name: part.scores(ranker) for name, ranker in scorers.items()})
        for part in (rows, task.validation)
    )
    keras.utils.set_random_seed(seed)
    student = task.ranker()
    model = Distillation(student, teacher, 1 - task.recipe.hard, SoftListwiseSoftmax())
    task.fit(model, seed, train, validation)
    return student
