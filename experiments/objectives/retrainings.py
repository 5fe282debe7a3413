"""Teachers, and students that learn from stored scores, trained again and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from experiments.objectives.list_rows import ListRows
from experiments.objectives.objective_task import ObjectiveTask
from tfpfd._keras import keras
from tfpfd.distillation import PrecomputedTeacher, Ranker
from tfpfd.objectives import FusedTeachers

PREVIOUS = "previous"

Scored: TypeAlias = tuple[ListRows, ListRows]
"""Training rows and the task's validation rows, with scores of frozen models as columns."""


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


def scored_by_teachers(
    task: ObjectiveTask, rows: ListRows, teachers: Mapping[str, Ranker]
) -> Scored:
    """Rows with the scores of a teacher an objective: once for all students that learn of them.

    Args:
      task: whose validation rows are scored too.
      rows: training rows.
      teachers: by objective.
    """
    columns = _columns(task)
    return _scored(task, rows, {columns[name]: teacher for name, teacher in teachers.items()})


def scored_by_previous(task: ObjectiveTask, rows: ListRows, previous: Ranker) -> Scored:
    """Rows with the scores of the previous version; arguments as above."""
    return _scored(task, rows, {PREVIOUS: previous})


def train_from_teachers(task: ObjectiveTask, scored: Scored, seed: int, trade_off: float) -> Ranker:
    """A student that learns from labels and from the fused scores of a teacher an objective.

    Args:
      task: says how.
      scored: by `scored_by_teachers`.
      seed: of initial weights and of the order of lists.
      trade_off: of the fusion.
    """
    return _distilled(task, scored, seed, FusedTeachers(_columns(task), task.omega(trade_off)))


def train_from_previous(task: ObjectiveTask, scored: Scored, seed: int) -> Ranker:
    """A student that learns from labels and from the scores of the previous version."""
    return _distilled(task, scored, seed, PrecomputedTeacher(PREVIOUS))


def _columns(task: ObjectiveTask) -> dict[str, str]:
    # Not under the names of the objectives, which their labels have.
    return {objective: f"{objective}_score" for objective in task.objectives}


def _scored(task: ObjectiveTask, rows: ListRows, scorers: Mapping[str, Ranker]) -> Scored:
    """As `tfpfd.retrain` does it: rows are scored once, into columns that a teacher reads."""
    train, validation = (
        part.having({name: part.scores(ranker) for name, ranker in scorers.items()})
        for part in (rows, task.validation)
    )
    return train, validation


def _distilled(
    task: ObjectiveTask, scored: Scored, seed: int, teacher: keras.layers.Layer
) -> Ranker:
    return _trained(task, lambda: task.distillation(teacher), seed, *scored).student


def _trained(task: ObjectiveTask, make: Callable[[], Any], seed: int, *rows: ListRows) -> Any:
    keras.utils.set_random_seed(seed)
    model = make()
    task.fit(model, seed, *rows)
    return model
