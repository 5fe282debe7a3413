"""Students of labels given what was shown: trained on rows, measured on each user's rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import tensorflow as tf

from tfpfd.auditing.arm_trainings import ArmTrainings
from tfpfd.auditing.arms import OF_ROWS, Recipe
from tfpfd.auditing.checks import check_rows
from tfpfd.auditing.measures import ROW_METRICS, ROWS, AuditMeasures
from tfpfd.data.catalogue import PARTS
from tfpfd.data.scoring import SLICE
from tfpfd.data.splits import SplitRows, item_key_of, user_key_of
from tfpfd.data.table_rows import TableRows, Treatment, share_of
from tfpfd.distillation import Ranker
from tfpfd.evaluation import evaluate_rows, multiplicities, reliability
from tfpfd.evaluation.differences import Metrics
from tfpfd.evaluation.measured_rivals import MeasuredRivals
from tfpfd.evaluation.row_rivals import row_rivals
from tfpfd.schema import Schema, raw_batches
from tfpfd.schema.feature import raw_columns

PRIMARY = ("auc", "group_auc", "log_loss")


@dataclass(frozen=True, eq=False)
class RowTrainings(ArmTrainings):
    """Rows that were looked up; see `ArmTrainings`.

    Args:
      data: the raw rows, which rivals are fitted on.
      train, validation, test: the same, looked up.
      users: user ids of the validation and of the test rows, by part.
    """

    data: SplitRows
    train: TableRows
    validation: TableRows
    test: TableRows
    users: Mapping[str, np.ndarray]

    losses = OF_ROWS

    check_data = staticmethod(check_rows)

    @staticmethod
    def primary(metric: str | None) -> str:
        """As of `ArmTrainings`; by default AUC."""
        if metric is not None and metric not in PRIMARY:
            raise ValueError(f"`metric` must be one of {list(PRIMARY)}, received {metric!r}")
        return metric or "auc"

    @staticmethod
    def check_student(student: Ranker) -> None:
        """As of `ArmTrainings`: every student can score rows."""

    @staticmethod
    def adapted(data: SplitRows) -> Schema:
        """As of `ArmTrainings`."""
        known = data.schema.adapted
        return data.schema if known else data.schema.adapt(data.train, verbose=0)

    @classmethod
    def prepare(
        cls,
        data: SplitRows,
        schema: Schema,
        recipe: Recipe,
        batch_size: int,
        resamples: int,
        metric: str,
    ) -> RowTrainings:
        """As of `ArmTrainings`."""
        key = user_key_of(data)
        users = {part: np.asarray(getattr(data, part)[key].array) for part in PARTS[1:]}
        drawn = {part: multiplicities(pd.unique(u).size, resamples) for part, u in users.items()}
        looked_up = {part: TableRows.look_up(getattr(data, part), schema) for part in PARTS}
        return cls(schema, recipe, batch_size, metric, drawn, data, **looked_up, users=users)

    @property
    def measures(self) -> AuditMeasures:
        """As of `ArmTrainings`."""
        return ROWS

    @property
    def tested(self) -> tuple[int, int]:
        """As of `ArmTrainings`."""
        return len(self.test.labels), self.resamples["test"].shape[1]

    def counts(self, share: float) -> tuple[int, int]:
        """As of `ArmTrainings`."""
        labels = self.train.labels[share_of(self.train.labels, share)]
        unlabelled = int(np.isnan(labels).sum())
        return len(labels) - unlabelled, unlabelled

    def batches(self, share: float, treatment: Treatment, seed: int) -> tf.data.Dataset:
        """As of `ArmTrainings`."""
        rows = self.train.share(share).treated(treatment, self.schema.sides["privileged"], seed)
        return rows.batches(self.batch_size, seed)

    def held_out(self) -> tf.data.Dataset:
        """As of `ArmTrainings`."""
        return self.validation.batches(SLICE)

    def validation_loss(self, student: Ranker) -> Metrics:
        """As of `ArmTrainings`."""
        return self._evaluate(student, self.validation, "validation", [self.measures.loss])

    def of_student(self, student: Ranker) -> Metrics:
        """As of `ArmTrainings`."""
        return self._evaluate(student, self.test, "test", ROW_METRICS)

    def of_teacher(
        self,
        teacher: Ranker,
        treatment: Treatment = "kept",
        names: Collection[str] | None = None,
        seed: int = 0,
        metrics: Collection[str] | None = None,
    ) -> Metrics:
        """As of `ArmTrainings`."""
        known = self.schema.features()
        features = [known[name] for name in (self.privileged if names is None else names)]
        rows = self.test.treated(treatment, features, seed)
        return self._evaluate(teacher, rows, "test", metrics or ROW_METRICS)

    def _evaluate(
        self, ranker: Ranker, rows: TableRows, part: str, metrics: Collection[str]
    ) -> Metrics:
        return evaluate_rows(
            rows.labels,
            rows.logits(ranker),
            self.users[part],
            self.resamples[part],
            from_logits=True,
            metrics=metrics,
        )

    def probabilities(self, student: Ranker) -> np.ndarray:
        """As of `ArmTrainings`."""
        return tf.sigmoid(self.test.logits(student)).numpy()

    def reliability(self, probabilities: Mapping[str, np.ndarray]) -> dict[str, pd.DataFrame]:
        """As of `ArmTrainings`."""
        return {
            name: reliability(np.tile(self.test.labels, len(seeds)), seeds.ravel())
            for name, seeds in probabilities.items()
        }

    @property
    def raw_ids(self) -> Collection[str]:
        """As of `ArmTrainings`."""
        return list(self.schema.features("served"))

    def rivals(self, share: float) -> MeasuredRivals:
        """Biases, logistic regression and boosted trees; see `row_rivals`."""
        kept = share_of(self.train.labels, share)
        labels = self.train.labels[kept]
        found = np.unique(labels[~np.isnan(labels)]).tolist()
        if found != [0, 1]:
            return MeasuredRivals(
                lacking=f"they need training labels of 0 and 1, received {found[:5]}"
            )

        def measured(rates: np.ndarray) -> Metrics:
            users, drawn = self.users["test"], self.resamples["test"]
            return evaluate_rows(self.test.labels, rates, users, drawn, metrics=ROW_METRICS)

        try:
            return row_rivals(self.data, self.schema, self._chosen_by(), measured, kept)
        except ImportError as error:
            return MeasuredRivals(lacking=str(error))

    def _chosen_by(self) -> str:
        """The primary metric, or AUC where that has no value on the validation rows."""
        labels = pd.Series(self.validation.labels).groupby(self.users["validation"])
        return self.metric if (labels.nunique() > 1).any() else "auc"

    def looked_up(self) -> Iterator[tuple[str, np.ndarray]]:
        """As of `ArmTrainings`: rows as they are looked up, whose they are, and what rivals see."""
        features = self.schema.features("served").values()
        keys = [key for key in (user_key_of(self.data), item_key_of(self.data)) if key]
        for part in PARTS:
            rows, frame = getattr(self, part), getattr(self.data, part)
            yield from rows.inputs.items()
            yield "labels", rows.labels
            if rows.weights is not None:
                yield "weights", rows.weights
            (raw,) = raw_batches(frame, raw_columns(features), size=len(frame))
            yield from self.schema.columns(raw, features).items()
            for key in keys:
                yield key, frame[key].to_numpy()
