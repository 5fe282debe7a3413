"""The tasks that methods for several objectives are compared on."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.objectives.list_rows import ListRows
from experiments.rows_task import RowsRecipe
from tfpfd._keras import keras
from tfpfd.data.scoring import SLICE
from tfpfd.data.splits import user_key_of
from tfpfd.datasets.protocol import WithTrueRates
from tfpfd.distillation import Distillation, Ranker
from tfpfd.distillation.early_stopping import fit_early_stopped
from tfpfd.distillation.labelled_model import LabelledModel
from tfpfd.distillation.losses import ListwiseSoftmax, SoftListwiseSoftmax
from tfpfd.evaluation import list_attention, list_ndcg, mean_over_lists, multiplicities
from tfpfd.layers import MLP, FeatureEncoder
from tfpfd.schema import Schema

TOP = 3
PICKED = "picked"
"""The column of the rule of an ad-hoc goal: 1 on the rows that it picks, else 0."""


@dataclass(frozen=True)
class ObjectiveSource:
    """Where a task's rows come from, what is wanted of their ranking, and how models are trained.

    Args:
      load: gives the dataset, from the path of a copy on this machine or None.
      omega: by secondary objective its weight ω at the trade-off 1, where the primary objective
        has 1; below 0 for what is to be avoided.
      rule: from the rows of a part and the training rows to what an ad-hoc goal picks, bool
        `[rows]`.
      goal: the rule in words.
      recipe: how everything is trained; a batch is of whole lists.
      units: of the networks' hidden layers.
      avoided: for each objective that is to be avoided the label that stands for it where labels
        are added with weights of at least 0: that the primary event happened without it.
    """

    load: Callable[[Path | None], Any]
    omega: Mapping[str, float]
    rule: Callable[[pd.DataFrame, pd.DataFrame], np.ndarray]
    goal: str
    recipe: RowsRecipe
    units: tuple[int, ...] = (32, 16)
    avoided: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Training:
    """What a training took.

    Args:
      epochs: how many.
      seconds: of all of it, with building its graphs and validation.
    """

    epochs: int
    seconds: float


@dataclass(frozen=True, eq=False)
class ObjectiveTask:
    """Rows that were looked up, with the labels of all objectives, and how rankings are measured.

    Args:
      source: what it was made of.
      data: the dataset, whose frames hold the raw rows.
      schema: an adapted schema of served features.
      train, validation, test: the rows, with labels of the secondary objectives and of what stands
        for those to be avoided, and with `PICKED`.
      rates: true rates of the test rows by label, where they are known.
      users: `[lists]` the number of the user of each list of the test rows.
    """

    source: ObjectiveSource
    data: Any
    schema: Schema
    train: ListRows
    validation: ListRows
    test: ListRows
    rates: dict[str, np.ndarray]
    users: np.ndarray

    @classmethod
    def of(cls, data: Any, source: ObjectiveSource) -> ObjectiveTask:
        """Learns the vocabularies of a dataset from its training rows and looks all rows up."""
        schema = data.schema.served().adapt(data.train, verbose=0)
        primary = schema.label

        def look_up(frame: pd.DataFrame) -> ListRows:
            picked = source.rule(frame, data.train).astype(np.float32)
            stand_ins = {
                name: frame[primary] * (1 - frame[objective])
                for objective, name in source.avoided.items()
            }
            further = [*source.omega, *stand_ins]
            rows = frame.assign(**stand_ins, **{PICKED: picked})
            return ListRows.look_up(rows, schema, labels=further, extra_columns=[PICKED])

        test = look_up(data.test)
        owners = pd.factorize(data.test[user_key_of(data)], sort=True)[0]
        first = np.unique(test.lists, return_index=True)[1]
        pairs = (data.test[name].to_numpy() for name in ("user_id", "item_id"))
        return cls(
            source=source,
            data=data,
            schema=schema,
            train=look_up(data.train),
            validation=look_up(data.validation),
            test=test,
            rates=data.rates(*pairs) if isinstance(data, WithTrueRates) else {},
            users=owners[first],
        )

    @property
    def recipe(self) -> RowsRecipe:
        """How everything is trained."""
        return self.source.recipe

    @property
    def primary(self) -> str:
        """The primary objective, whose label is the schema's."""
        return self.schema.label

    @property
    def secondary(self) -> tuple[str, ...]:
        """The other objectives."""
        return tuple(self.source.omega)

    @property
    def objectives(self) -> tuple[str, ...]:
        """All of them, the primary one first."""
        return (self.primary, *self.secondary)

    def omega(self, trade_off: float) -> dict[str, float]:
        """ω by objective: 1 for the primary one, for others the source's times the trade-off."""
        others = {name: trade_off * weight for name, weight in self.source.omega.items()}
        return {self.primary: 1.0, **others}

    def shares(self, trade_off: float) -> dict[str, float]:
        """`omega` with weights of at least 0, what is to be avoided under its stand-in's name."""
        avoided = self.source.avoided
        return {avoided.get(k, k): abs(weight) for k, weight in self.omega(trade_off).items()}

    def labels(self, rows: ListRows, objective: str) -> np.ndarray:
        """`[rows]` labels of an objective."""
        return rows.labels if objective == self.primary else rows.inputs[objective]

    def only(self, objective: str, train: ListRows | None = None) -> tuple[ListRows, ListRows]:
        """Training rows, by default the task's, and validation rows, labelled by one objective."""
        train, held = (
            dataclasses.replace(rows, labels=self.labels(rows, objective))
            for rows in (self.train if train is None else train, self.validation)
        )
        return train, held

    def encoder(
        self, features: Collection[str] | None = None, schema: Schema | None = None
    ) -> FeatureEncoder:
        """A new encoder of some features, by default all, of the task's schema or another."""
        recipe, schema = self.recipe, schema or self.schema
        features = schema.features("served") if features is None else features
        return FeatureEncoder(schema, features, recipe.dim, l2=recipe.embedding_l2)

    def ranker(self, schema: Schema | None = None) -> Ranker:
        """A new ranker that sees the served features of the task's schema or of another."""
        schema = schema or self.schema
        network = MLP(self.source.units, batch_norm=False)
        return Ranker(schema, network, encoder=self.encoder(schema=schema))

    def distillation(self, teacher: keras.layers.Layer) -> Distillation:
        """A new student that learns from labels and from the soft labels of a teacher."""
        weight, loss = self.recipe.distillation_weight, SoftListwiseSoftmax()
        return Distillation(
            student=self.ranker(),
            teacher=teacher,
            distillation_weight=weight,
            distillation_loss=loss,
        )

    def fit(
        self,
        model: LabelledModel,
        seed: int,
        train: ListRows | Any = None,
        validation: ListRows | Any = None,
    ) -> Training:
        """Trains with early stopping by the loss that is trained, on validation rows.

        Args:
          model: a ranker, or what trains one or several.
          seed: of the order of lists.
          train: rows, or batches of them; the task's own by default.
          validation: rows, or batches of them; the task's own by default.
        """
        rows = self.train if train is None else train
        held = self.validation if validation is None else validation
        start = time.perf_counter()
        losses = fit_early_stopped(
            model,
            rows.batches(self.recipe.batch_size, seed) if isinstance(rows, ListRows) else rows,
            held.batches(SLICE) if isinstance(held, ListRows) else held,
            learning_rate=self.recipe.learning_rate,
            epochs=self.recipe.epochs,
            patience=self.recipe.patience,
            loss=ListwiseSoftmax(),
        )
        return Training(len(losses), time.perf_counter() - start)

    @cached_property
    def resamples(self) -> np.ndarray:
        """Multiplicities of the test users, the same for every ranking."""
        return multiplicities(int(self.users.max()) + 1)

    def evaluate(self, scores: np.ndarray) -> dict[str, np.ndarray]:
        """Metrics of a ranking of the test rows, over resampled users.

        - `ndcg`: NDCG of the primary label, over lists that have one.
        - `purchase_rate`: where true rates are known, that of the primary event, as somebody meets
          it who reads the first three of each list (`list_exposure`).
        - by secondary objective, where true rates are known, how many of those purchases come to
          that event, and else the NDCG of its label, over lists that have one.
        - `exposure`: the share of attention to the first three that goes to picked rows.

        Args:
          scores: `[rows]` of the test rows.

        Returns:
          Arrays `[1 + resamples]`.
        """
        test = self.test
        attention = list_attention(scores, test.lists, TOP)

        def met(values: np.ndarray) -> np.ndarray:
            return self._mean(np.bincount(test.lists, values * attention))

        found = {"ndcg": self._mean(list_ndcg(test.labels, scores, test.lists))}
        found["exposure"] = met(test.inputs[PICKED])
        if self.rates:
            found["purchase_rate"] = met(self.rates[self.primary])
            for name in self.secondary:
                found[name] = met(self.rates[name]) / found["purchase_rate"]
        else:
            for name in self.secondary:
                found[name] = self._mean(list_ndcg(test.inputs[name], scores, test.lists))
        return found

    def _mean(self, values: np.ndarray) -> np.ndarray:
        return mean_over_lists(values, self.users, self.resamples)

    def utility(self, scores: np.ndarray, trade_off: float) -> float:
        """What fusion weights are searched for: what a ranking of the validation rows is worth.

            Σ_k ω_k · lift_k

        The lift of an objective is the rate of its label under the attention to the first three of
        each list, over that without a ranking. ω are those of the trade-off. No truth is needed.

        Args:
          scores: `[rows]` of the validation rows.
          trade_off: t.
        """
        rows, total = self.validation, 0.0
        attention = list_attention(scores, rows.lists, TOP)
        attention /= attention.sum()  # A list's is 1: the mean over lists is one sum.
        for name, weight in self.omega(trade_off).items():
            labels = self.labels(rows, name)
            total += weight * float(labels @ attention) / max(float(labels.mean()), 1e-9)
        return total
