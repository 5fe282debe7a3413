"""What all trainings of an audit share, and how each of them is measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import tensorflow as tf

from tfpfd._keras import keras
from tfpfd.auditing.arms import BASE, Arm, Recipe, Trained, train
from tfpfd.auditing.cells import Arrays, Cells
from tfpfd.auditing.comparison import Metrics
from tfpfd.auditing.progress import TrainingProgress
from tfpfd.auditing.results import ROW_METRICS, TOGETHER, Size
from tfpfd.auditing.rows import SplitRows, TableRows, user_key_of
from tfpfd.auditing.tuning import Setting
from tfpfd.distillation import Ranker
from tfpfd.evaluation import evaluate_rows, multiplicities, reliability
from tfpfd.evaluation.intervals import FloatArray
from tfpfd.schema import Schema


@dataclass(frozen=True, eq=False)
class Bench:
    """Rows that were looked up, how arms are trained, and the resamples they are measured on.

    Args:
      schema: an adapted schema.
      recipe: how arms are trained.
      batch_size: rows a batch.
      metric: the primary metric.
      train, validation, test: the rows.
      users: user ids of the validation and of the test rows, by part.
      resamples: multiplicities of the users, by part.
    """

    schema: Schema
    recipe: Recipe
    batch_size: int
    metric: str
    train: TableRows
    validation: TableRows
    test: TableRows
    users: dict[str, np.ndarray]
    resamples: dict[str, np.ndarray]

    @classmethod
    def prepare(
        cls,
        data: SplitRows,
        schema: Schema,
        recipe: Recipe,
        batch_size: int,
        resamples: int,
        metric: str,
    ) -> Bench:
        """Looks all rows up and draws the resamples.

        Raises:
          ValueError: naming the column, what was expected and what came.
        """
        key = user_key_of(data)
        users = {"validation": data.validation[key].array, "test": data.test[key].array}
        return cls(
            schema=schema,
            recipe=recipe,
            batch_size=batch_size,
            metric=metric,
            train=TableRows.look_up(data.train, schema),
            validation=TableRows.look_up(data.validation, schema),
            test=TableRows.look_up(data.test, schema),
            users={part: np.asarray(ids) for part, ids in users.items()},
            resamples={
                part: multiplicities(pd.unique(ids).size, resamples) for part, ids in users.items()
            },
        )

    @property
    def privileged(self) -> list[str]:
        """Names of the privileged features."""
        return [feature.name for feature in self.schema.sides["privileged"]]

    def run(
        self, arm: Arm, rows: TableRows, seed: int, progress: TrainingProgress, name: str
    ) -> Trained:
        """Trains an arm; every arm with this seed meets the same rows in the same order."""
        treated = rows.treated(arm.treatment, self.privileged, seed)
        # The order of tf.data goes by the global seed too, which the last training has moved.
        keras.utils.set_random_seed(seed)
        return train(
            arm,
            self.recipe,
            self.schema,
            treated.batches(self.batch_size, seed),
            self.validation.batches(16_384),
            seed,
            [progress.training(name)],
        )

    def try_base(self, setting: Setting, progress: TrainingProgress) -> Metrics:
        """Validation log loss `[1 + resamples]` of a base trained with this setting."""
        bench = dataclasses.replace(self, recipe=setting.applied(self.recipe))
        student = bench.run(BASE, self.train, 0, progress, f"search for base: {setting}").student
        return self.evaluate(student, self.validation, "validation", ["log_loss"])

    def evaluate(
        self,
        ranker: Ranker,
        rows: TableRows,
        part: str = "test",
        metrics: Collection[str] = ROW_METRICS,
    ) -> Metrics:
        """Metrics `[1 + resamples]` of a ranker.

        Args:
          ranker: whose.
          rows: the rows of this part, treated or not.
          part: `"validation"` or `"test"`.
          metrics: names of those wanted.
        """
        logits, users = rows.logits(ranker), self.users[part]
        multiples = self.resamples[part]
        return evaluate_rows(
            rows.labels, logits, users, multiples, from_logits=True, metrics=metrics
        )

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
        rows = self.train.share(share)
        runs: dict[str, list[Run]] = {arm.name: [] for arm in arms}
        for seed in range(seeds):
            for arm in arms:
                name = f"{share:.0%} of the rows, seed {seed + 1}, {arm.name}"

                def make(arm: Arm = arm, seed: int = seed, name: str = name) -> Arrays:
                    trained = self.run(arm, rows, seed, progress, name)
                    return self._measured(arm, trained, seed).arrays()

                cell = cells.of(cell_name(arm, share, seed), make)
                runs[arm.name].append(Run.of(cell))
        unlabelled = int(np.isnan(rows.labels).sum())
        return Size(
            labelled=len(rows.labels) - unlabelled,
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
            reliability={
                name: reliability(
                    np.tile(self.test.labels, seeds),
                    np.concatenate([run.probabilities for run in runs[name]]),
                )
                for name in ("base", "distilled")
            },
        )

    def _measured(self, arm: Arm, trained: Trained, seed: int) -> Run:
        teacher, permuted = trained.teacher, {}
        if teacher is not None and arm.name == "distilled":
            permuted = self.permuted(teacher, seed)
        treated = self.test.treated(arm.treatment, self.privileged, seed)
        return Run(
            student=self.evaluate(trained.student, self.test),
            teacher={} if teacher is None else self.evaluate(teacher, treated),
            permuted=permuted,
            probabilities=tf.sigmoid(self.test.logits(trained.student)).numpy(),
            losses=np.array(trained.losses),
            steps=trained.steps,
        )

    def permuted(self, teacher: Ranker, seed: int) -> dict[str, FloatArray]:
        """The primary metric `[1 + resamples]` of a teacher with permuted privileged features.

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
        return {
            name: self.evaluate(
                teacher, self.test.treated("shuffled", group, seed), metrics=[self.metric]
            )[self.metric]
            for name, group in groups.items()
        }


@dataclass(frozen=True, eq=False)
class Run:
    """What one training was measured by; the fields are those of `Size`, for one seed."""

    student: Metrics
    teacher: Metrics
    permuted: Metrics
    probabilities: np.ndarray
    losses: np.ndarray
    steps: int

    def arrays(self) -> Arrays:
        """The run as arrays by name, from which `of` makes it again."""
        groups = {name: getattr(self, name) for name in _GROUPS}
        return {
            **{f"{name}/{key}": v for name, group in groups.items() for key, v in group.items()},
            "probabilities": self.probabilities,
            "losses": self.losses,
            "steps": np.array(self.steps),
        }

    @classmethod
    def of(cls, arrays: Arrays) -> Run:
        """The run that `arrays` gave."""
        groups: dict[str, dict[str, np.ndarray]] = {name: {} for name in _GROUPS}
        for name, values in arrays.items():
            group, _, key = name.partition("/")
            if key:
                groups[group][key] = values
        return cls(
            student=groups["student"],
            teacher=groups["teacher"],
            permuted=groups["permuted"],
            probabilities=arrays["probabilities"],
            losses=arrays["losses"],
            steps=int(arrays["steps"]),
        )


_GROUPS = ("student", "teacher", "permuted")


def cell_name(arm: Arm, share: float, seed: int) -> str:
    """What the training of an arm is called on disk."""
    return f"size={float(share)!r},seed={seed},arm={arm.name}"


def stacked(runs: Sequence[Metrics]) -> dict[str, FloatArray]:
    """Metrics `[seeds, 1 + resamples]` of the metrics `[1 + resamples]` of each seed."""
    return {metric: np.stack([run[metric] for run in runs]) for metric in runs[0]}
