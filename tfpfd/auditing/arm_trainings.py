"""What all trainings of an audit share, and how each of them is measured."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import tensorflow as tf

from tfpfd._keras import keras
from tfpfd.auditing.arms import BASE, Arm, Losses, Recipe, Trained, train
from tfpfd.auditing.cells import Arrays, Cells
from tfpfd.auditing.measured_training import MeasuredTraining
from tfpfd.auditing.measures import AuditMeasures
from tfpfd.auditing.progress import TrainingProgress
from tfpfd.auditing.results import TOGETHER, Size
from tfpfd.auditing.tuning import Setting
from tfpfd.data.table_rows import Treatment
from tfpfd.distillation import Ranker
from tfpfd.evaluation.differences import Metrics, stacked
from tfpfd.evaluation.measured_rivals import MeasuredRivals
from tfpfd.schema import Schema


@dataclass(frozen=True, eq=False)
class ArmTrainings(abc.ABC):
    """What was looked up, how arms are trained, and the resamples they are measured on.

    A subclass is a task: it says what `data` it takes, what students are trained on, and by what
    they and their teachers are measured.

    Args:
      schema: an adapted schema.
      recipe: how arms are trained.
      batch_size: rows a batch.
      metric: the primary metric.
      resamples: multiplicities of the users, by part.
    """

    schema: Schema
    recipe: Recipe
    batch_size: int
    metric: str
    resamples: Mapping[str, np.ndarray]

    losses: ClassVar[Losses]

    @staticmethod
    @abc.abstractmethod
    def check_data(data: Any) -> None:
        """Refuses data on which arms can't be trained or compared."""

    @staticmethod
    @abc.abstractmethod
    def primary(metric: str | None) -> str:
        """The primary metric: the one given, if it is one of this task, or the task's own."""

    @staticmethod
    @abc.abstractmethod
    def check_student(student: Ranker) -> None:
        """Refuses a student that can't be measured."""

    @staticmethod
    @abc.abstractmethod
    def adapted(data: Any) -> Schema:
        """The schema of the data, adapted to what is trained on."""

    @classmethod
    @abc.abstractmethod
    def prepare(
        cls,
        data: Any,
        schema: Schema,
        recipe: Recipe,
        batch_size: int,
        resamples: int,
        metric: str,
    ) -> ArmTrainings:
        """Looks everything up and draws the resamples.

        Raises:
          ValueError: naming the column, what was expected and what came.
        """

    @property
    @abc.abstractmethod
    def measures(self) -> AuditMeasures:
        """What is measured, and what a reader calls it."""

    @property
    @abc.abstractmethod
    def tested(self) -> tuple[int, int]:
        """How many rows, or choices, are tested, and of how many users."""

    @abc.abstractmethod
    def counts(self, share: float) -> tuple[int, int]:
        """How many rows say something of themselves in a share, and how many stand beside them."""

    @abc.abstractmethod
    def batches(self, share: float, treatment: Treatment, seed: int) -> tf.data.Dataset:
        """Batches of a share of the training rows, in an order that goes by the seed."""

    @abc.abstractmethod
    def held_out(self) -> tf.data.Dataset:
        """Batches of the validation rows."""

    @abc.abstractmethod
    def validation_loss(self, student: Ranker) -> Metrics:
        """The task's `loss` `[1 + resamples]` of validation."""

    @abc.abstractmethod
    def of_student(self, student: Ranker) -> Metrics:
        """Test metrics `[1 + resamples]`."""

    @abc.abstractmethod
    def of_teacher(
        self,
        teacher: Ranker,
        treatment: Treatment = "kept",
        names: Collection[str] | None = None,
        seed: int = 0,
        metrics: Collection[str] | None = None,
    ) -> Metrics:
        """Metrics `[1 + resamples]` of a teacher on test rows that were treated.

        Args:
          teacher: whose.
          treatment: of the test rows.
          names: features to treat; by default all that are privileged.
          seed: of the permutation.
          metrics: those wanted; by default all that a teacher has.
        """

    @abc.abstractmethod
    def probabilities(self, student: Ranker) -> np.ndarray:
        """Of the test rows; none where scores aren't made into any."""

    @abc.abstractmethod
    def reliability(self, probabilities: Mapping[str, np.ndarray]) -> dict[str, pd.DataFrame]:
        """Points of reliability diagrams, of probabilities over all seeds, if there are any."""

    @property
    @abc.abstractmethod
    def raw_ids(self) -> Collection[str]:
        """Served features whose values a row without label says nothing of."""

    @abc.abstractmethod
    def rivals(self, share: float) -> MeasuredRivals:
        """Fits what an expert would have tried first on a share of the training rows."""

    @abc.abstractmethod
    def looked_up(self) -> Iterator[tuple[str, np.ndarray]]:
        """All that trainings, rivals and their measures depend on, by names."""

    @property
    def privileged(self) -> list[str]:
        """Names of the privileged features."""
        return [feature.name for feature in self.schema.sides["privileged"]]

    @property
    def teacher_metric(self) -> str:
        """The metric of teachers and of what they rest on."""
        return self.measures.of_teachers or self.metric

    def run(
        self, arm: Arm, share: float, seed: int, progress: TrainingProgress, name: str
    ) -> Trained:
        """Trains an arm; every arm with this seed meets the same rows in the same order."""
        # The order of tf.data goes by the global seed too, which the last training has moved.
        keras.utils.set_random_seed(seed)
        return train(
            arm,
            self.recipe,
            self.schema,
            self.batches(share, arm.treatment, seed),
            self.held_out(),
            seed,
            [progress.training(name)],
        )

    def try_base(self, setting: Setting, progress: TrainingProgress) -> Metrics:
        """Validation loss `[1 + resamples]` of a base trained with this setting."""
        trainings = dataclasses.replace(self, recipe=setting.applied(self.recipe))
        student = trainings.run(BASE, 1.0, 0, progress, f"search for base: {setting}").student
        return self.validation_loss(student)

    def measure(
        self,
        arms: Sequence[Arm],
        share: float,
        seeds: int,
        progress: TrainingProgress,
        cells: Cells,
    ) -> Size:
        """Trains all arms with all seeds on a share of the training rows, and measures them.

        Args:
          arms: which.
          share: of the training rows.
          seeds: how many.
          progress: of the trainings.
          cells: those that are finished aren't trained.
        """
        runs: dict[str, list[MeasuredTraining]] = {arm.name: [] for arm in arms}
        for seed in range(seeds):
            for arm in arms:
                name = f"{share:.0%} of the rows, seed {seed + 1}, {arm.name}"

                def make(arm: Arm = arm, seed: int = seed, name: str = name) -> Arrays:
                    trained = self.run(arm, share, seed, progress, name)
                    return self._measured(arm, trained, seed).arrays()

                cell = cells.of(cell_name(arm, share, seed), make)
                runs[arm.name].append(MeasuredTraining.of(cell))
        labelled, unlabelled = self.counts(share)
        return Size(
            labelled=labelled,
            unlabelled=unlabelled,
            students={name: stacked([run.student for run in ran]) for name, ran in runs.items()},
            teachers={
                name: stacked([run.teacher for run in ran])
                for name, ran in runs.items()
                if ran[0].teacher
            },
            epochs={name: np.array([len(run.losses) for run in ran]) for name, ran in runs.items()},
            steps={name: np.array([run.steps for run in ran]) for name, ran in runs.items()},
            best_epochs={
                name: np.array([1 + np.argmin(run.losses) for run in ran])
                for name, ran in runs.items()
            },
            permuted=stacked([run.permuted for run in runs["distilled"]]),
            reliability=self.reliability(
                {
                    name: np.stack([run.probabilities for run in runs[name]])
                    for name in ("base", "distilled")
                }
            ),
        )

    def _measured(self, arm: Arm, trained: Trained, seed: int) -> MeasuredTraining:
        teacher = trained.teacher
        permuted: Metrics = {}
        if teacher is not None and arm.name == "distilled":
            permuted = self.permuted(teacher, seed)
        return MeasuredTraining(
            student=self.of_student(trained.student),
            teacher={} if teacher is None else self.of_teacher(teacher, arm.treatment, seed=seed),
            permuted=permuted,
            probabilities=self.probabilities(trained.student),
            losses=np.array(trained.losses),
            steps=trained.steps,
        )

    def permuted(self, teacher: Ranker, seed: int) -> Metrics:
        """The metric of teachers `[1 + resamples]` where privileged features are permuted.

        Permutation importance (Breiman, "Random Forests", 2001): what is lost by permuting a
        feature is what the teacher owes to it alone, so of two that say the same neither is
        strong; that is what `"all together"` is for.

        Args:
          teacher: whose.
          seed: of the permutations.
        """
        groups = {name: [name] for name in self.privileged}
        if len(groups) > 1:
            groups[TOGETHER] = self.privileged
        metric = self.teacher_metric
        return {
            name: self.of_teacher(teacher, "shuffled", group, seed, [metric])[metric]
            for name, group in groups.items()
        }


def cell_name(arm: Arm, share: float, seed: int) -> str:
    """What the training of an arm is called on disk."""
    return f"size={float(share)!r},seed={seed},arm={arm.name}"
