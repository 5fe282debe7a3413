"""A task of rows: labels given what was shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from experiments.method_task import Measures, MethodTask, exchanged
from tfpfd._keras import keras
from tfpfd.data.catalogue import PARTS
from tfpfd.data.scoring import SLICE
from tfpfd.data.splits import SplitRows, user_key_of
from tfpfd.data.table_rows import TableRows, Treatment
from tfpfd.demo.methods import MakeNetwork, Parts
from tfpfd.distillation import Ranker
from tfpfd.distillation.early_stopping import fit_early_stopped
from tfpfd.distillation.labelled_model import LabelledModel
from tfpfd.evaluation import evaluate_rows, multiplicities
from tfpfd.evaluation.measured_rivals import MeasuredRivals
from tfpfd.evaluation.row_rivals import row_rivals
from tfpfd.evaluation.titles import METRICS
from tfpfd.layers import FeatureEncoder
from tfpfd.schema import Schema


@dataclass(frozen=True)
class RowsRecipe:
    """Sizes and steps of a task, the same for every method.

    Those of `COARSE` and `FINE` were chosen for the baseline, by its log loss on validation rows.

    Args:
      dim: width of the embeddings.
      embedding_l2: strength of the penalty on embeddings; see `FeatureEncoder`.
      learning_rate: of Adam.
      batch_size: rows a batch.
      epochs: at most.
      patience: epochs without a better validation log loss before training stops.
      distillation_weight: λ, where an experiment doesn't vary it.
      task_weight: of auxiliary tasks.
    """

    dim: int = 4
    embedding_l2: float = 0.01
    learning_rate: float = 4e-3
    batch_size: int = 256
    epochs: int = 16
    patience: int = 2
    distillation_weight: float = 0.5
    task_weight: float = 0.1


@dataclass(frozen=True, eq=False)
class RowsTask(MethodTask):
    """Rows that were looked up, and what is trained on them; see `MethodTask`.

    Args:
      data: the raw rows, which rivals are fitted on.
      schema: an adapted schema.
      network: see `Parts`.
      recipe: how everything is trained.
      train, validation, test: the rows.
      users: numbers of the users of the test rows, from 0.
    """

    data: SplitRows
    schema: Schema
    network: MakeNetwork
    recipe: RowsRecipe
    train: TableRows
    validation: TableRows
    test: TableRows
    users: np.ndarray

    measures = Measures(
        {name: METRICS[name] for name in ("auc", "group_auc", "log_loss", "ece")},
        {"teacher_auc": "teacher's AUC"},
        drawn=("auc", "log_loss"),
        rivals="Rivals see served features alone.",
    )

    @classmethod
    def of(cls, data: SplitRows, network: MakeNetwork, recipe: RowsRecipe) -> RowsTask:
        """Learns the vocabularies of a dataset from its training rows and looks all rows up."""
        schema = data.schema.adapt(data.train, verbose=0)
        return cls(
            data=data,
            schema=schema,
            network=network,
            recipe=recipe,
            **{part: TableRows.look_up(getattr(data, part), schema) for part in PARTS},
            users=pd.factorize(data.test[user_key_of(data)])[0],
        )

    @cached_property
    def resamples(self) -> np.ndarray:
        """Multiplicities of the test users, the same for every ranker."""
        return multiplicities(len(np.unique(self.users)))

    @property
    def privileged(self) -> list[str]:
        """Names of the privileged features."""
        return [feature.name for feature in self.schema.sides["privileged"]]

    @property
    def steps(self) -> int:
        """As of `MethodTask`; the last batch may be smaller."""
        return -(-len(self.train.labels) // self.recipe.batch_size)

    def parts(
        self, distillation_weight: Any = None, unshared: Collection[str] | None = ()
    ) -> Parts:
        """As of `MethodTask`."""

        def encoder(schema: Schema, features: Collection[str]) -> FeatureEncoder:
            return FeatureEncoder(schema, features, self.recipe.dim, l2=self.recipe.embedding_l2)

        recipe = self.recipe
        if distillation_weight is None:
            distillation_weight = recipe.distillation_weight
        return Parts(
            self.schema,
            self.network,
            encoder,
            distillation_weight,
            unshared,
            task_weight=recipe.task_weight,
        )

    def fit(
        self,
        model: LabelledModel,
        seed: int,
        treatment: Treatment = "kept",
        callbacks: Collection[keras.callbacks.Callback] = (),
    ) -> None:
        """As of `MethodTask`: stopped early by the student's log loss on validation rows."""
        recipe = self.recipe
        fit_early_stopped(
            model,
            self.train.treated(treatment, self.schema.sides["privileged"], seed).batches(
                recipe.batch_size, seed
            ),
            self.validation.batches(SLICE),
            learning_rate=recipe.learning_rate,
            epochs=recipe.epochs,
            patience=recipe.patience,
            callbacks=[*callbacks],
        )

    def evaluate(self, student: Ranker) -> dict[str, np.ndarray]:
        """As of `MethodTask`."""
        return self._measured(self.test.logits(student), from_logits=True)

    def evaluate_teacher(self, teacher: Ranker) -> dict[str, np.ndarray]:
        """As of `MethodTask`: on the test rows, as students are."""
        return {"teacher_auc": self.evaluate(teacher)["auc"]}

    def rivals(self) -> MeasuredRivals:
        """As of `MethodTask`: biases, logistic regression and boosted trees, chosen by AUC."""
        return row_rivals(
            self.data,
            self.schema,
            self.measures.primary,
            lambda rates: self._measured(rates, from_logits=False),
        )

    def weakened(self, strength: float, seed: int) -> RowsTask:
        """As of `MethodTask`."""
        random = np.random.default_rng(seed)

        def of(rows: TableRows) -> TableRows:
            inputs = exchanged(rows.inputs, self.privileged, strength, random)
            return dataclasses.replace(rows, inputs=inputs)

        train, validation, test = map(of, (self.train, self.validation, self.test))
        return dataclasses.replace(self, train=train, validation=validation, test=test)

    def _measured(self, scores: np.ndarray, from_logits: bool) -> dict[str, np.ndarray]:
        names = list(self.measures.students)
        labels, users = self.test.labels, self.users
        return evaluate_rows(labels, scores, users, self.resamples, from_logits, names)


@dataclass(frozen=True)
class RowsSource:
    """Where a task's rows come from, and what is trained on them; see `MethodSource`.

    Args:
      load: gives the dataset, from the path of a copy on this machine or None.
      network: see `Parts`.
      recipe: how everything is trained.
    """

    load: Callable[[Path | None], Any]
    network: MakeNetwork
    recipe: RowsRecipe

    kind: ClassVar[type[RowsTask]] = RowsTask

    def task(self, data: SplitRows) -> RowsTask:
        """As of `MethodSource`."""
        return RowsTask.of(data, self.network, self.recipe)
