"""Teachers, and students that learn from stored scores, trained again and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tfpfd._keras import keras
from tfpfd.distillation import Ranker, ScoreColumn
from tfpfd.experiments.objectives.rows import ListRows
from tfpfd.experiments.objectives.task import ObjectiveTask
from tfpfd.objectives import FusedTeachers

PREVIOUS = "previous"
TRADE_OFF = 1.0


def train_teachers(task: ObjectiveTask, rows: ListRows, seed: int) -> dict[str, Ranker]:
    """A ranker for each objective, trained on its labels alone.

    Args:
      task: says how.
      rows: training rows.
      seed: of initial weights and of the order of lists.
    """
    return {
        objective: _trained(task, task.ranker, seed, *task.only(objective, rows))
        for objective in task.objectives
    }


def train_alone(task: ObjectiveTask, rows: ListRows, seed: int) -> Ranker:
    """A student that learns from the labels of the primary objective; arguments as above."""
    return _trained(task, task.ranker, seed, rows)


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
    return _trained(task, lambda: task.distillation(teacher), seed, train, validation).student


def _trained(task: ObjectiveTask, make: Callable[[], Any], seed: int, *rows: ListRows) -> Any:
    keras.utils.set_random_seed(seed)
    model = make()
    task.fit(model, seed, *rows)
    return model
