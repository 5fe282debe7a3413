"""What methods are compared on: a task, how it is measured, and where its data come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from tfpfd._keras import keras
from tfpfd.data.table_rows import Treatment
from tfpfd.demo.methods import Parts
from tfpfd.distillation import Ranker
from tfpfd.distillation.labelled_model import LabelledModel
from tfpfd.evaluation.measured_rivals import MeasuredRivals


@dataclass(frozen=True)
class Measures:
    """What is measured on a task, by the name of the metric what a reader calls it.

    Args:
      students: metrics of students; the first decides.
      teachers: metrics of teachers.
      drawn: the two metrics of students that figures show.
      rivals: what rivals know, in a sentence.
    """

    students: Mapping[str, str]
    teachers: Mapping[str, str]
    drawn: tuple[str, str]
    rivals: str

    @property
    def all(self) -> dict[str, str]:
        """Those of students, then those of teachers."""
        return {**self.students, **self.teachers}

    @property
    def primary(self) -> str:
        """The metric that decides."""
        return next(iter(self.students))


class MethodTask(ABC):
    """Data that were looked up, and what is trained on them; a subclass sets `measures`."""

    measures: ClassVar[Measures]

    @property
    @abstractmethod
    def steps(self) -> int:
        """Gradient steps of an epoch."""

    @abstractmethod
    def parts(
        self, distillation_weight: Any = None, unshared: Collection[str] | None = ()
    ) -> Parts:
        """A new student, and teachers for it.

        Args:
          distillation_weight: λ, as `Distillation` takes it; None for the task's own.
          unshared: what a teacher doesn't share, see `Parts`.
        """

    @abstractmethod
    def fit(
        self,
        model: LabelledModel,
        seed: int,
        treatment: Treatment = "kept",
        callbacks: Collection[keras.callbacks.Callback] = (),
    ) -> None:
        """Trains a ranker, or what trains one.

        Args:
          model: to be trained.
          seed: of the order of the data, and of their treatment.
          treatment: what is done to the privileged features that are trained on.
          callbacks: more Keras callbacks.
        """

    @abstractmethod
    def evaluate(self, student: Ranker) -> dict[str, np.ndarray]:
        """Test metrics `[1 + resamples]` of a student, over resampled users."""

    @abstractmethod
    def evaluate_teacher(self, teacher: Ranker) -> dict[str, np.ndarray]:
        """Test metrics `[1 + resamples]` of a teacher, which needs privileged features."""

    @abstractmethod
    def rivals(self) -> MeasuredRivals:
        """What an expert would have tried first, tuned on the validation, on the same users."""

    @abstractmethod
    def weakened(self, strength: float, seed: int) -> MethodTask:
        """The task with a share of rows that keep their privileged features.

        The others exchange theirs within training, validation and test.

        Args:
          strength: the share, 0 to 1.
          seed: of which rows they are, and of the exchange.
        """


class MethodSource(Protocol):
    """Where the data of a task come from, and how everything is trained on them."""

    @property
    def kind(self) -> type[MethodTask]:
        """Of the task."""

    @property
    def recipe(self) -> Any:
        """A dataclass of sizes and steps, with λ as its `distillation_weight`."""

    def load(self, path: Path | None) -> Any:
        """Gives the data, from the path of a copy on this machine or None."""

    def task(self, data: Any) -> MethodTask:
        """Looks data up."""


def exchanged(
    inputs: Mapping[str, np.ndarray],
    names: Collection[str],
    strength: float,
    random: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Looked-up columns of which a share of rows keep some features; the others exchange theirs.

    Features of a row stay together, and none is lost.

    Args:
      inputs: `[rows, ...]` by feature.
      names: the features.
      strength: the share, 0 to 1.
      random: draws which rows they are, and the exchange.
    """
    rows = len(next(iter(inputs.values())))
    others = np.flatnonzero(random.random(rows) >= strength)
    order = np.arange(rows)
    order[others] = random.permutation(others)
    return {**inputs, **{name: inputs[name][order] for name in names}}
