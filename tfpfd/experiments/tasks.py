"""The tasks that methods are compared on: rows, and networks and a recipe of a fitting size."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tfpfd._keras import keras
from tfpfd.auditing.rows import TableRows, user_key_of
from tfpfd.datasets import kuairand_pure, marketplace, movielens_100k
from tfpfd.distillation import Ranker
from tfpfd.evaluation import evaluate_rows, multiplicities
from tfpfd.experiments.methods import MakeNetwork, Parts
from tfpfd.layers import MLP, FeatureEncoder, TwoTower
from tfpfd.schema import Schema, Sees

RESAMPLES = 200
HOLDOUT = 16_384
"""Rows a batch where nothing is trained."""


@dataclass(frozen=True)
class Recipe:
    """Sizes and steps of a task, the same for every method.

    Those of `COARSE` and `FINE` were chosen for the baseline, by its log loss on validation rows.

    Args:
      dim: width of the embeddings.
      embedding_l2: strength of the penalty on embeddings; see `FeatureEncoder`.
      learning_rate: of Adam.
      batch_size: rows a batch.
      epochs: at most.
      patience: epochs without a better validation log loss before training stops.
      weight: λ, where an experiment doesn't vary it.
    """

    dim: int = 4
    embedding_l2: float = 0.01
    learning_rate: float = 4e-3
    batch_size: int = 256
    epochs: int = 16
    patience: int = 2
    weight: float = 0.5


@dataclass(frozen=True)
class Source:
    """Where a task's rows come from, and what is trained on them.

    Args:
      load: gives the dataset, from the path of a copy on this machine or None.
      network: see `Parts`.
      recipe: how everything is trained.
    """

    load: Callable[[Path | None], Any]
    network: MakeNetwork
    recipe: Recipe


@dataclass(frozen=True, eq=False)
class Task:
    """Rows that were looked up, and what is trained on them.

    Args:
      schema: an adapted schema.
      network: see `Parts`.
      recipe: how everything is trained.
      train, validation, test: the rows.
      users: ids of the users of the test rows.
    """

    schema: Schema
    network: MakeNetwork
    recipe: Recipe
    train: TableRows
    validation: TableRows
    test: TableRows
    users: np.ndarray

    @classmethod
    def of(cls, data: Any, network: MakeNetwork, recipe: Recipe) -> Task:
        """Learns the vocabularies of a dataset from its training rows and looks all rows up."""
        schema = data.schema.adapt(data.train, verbose=0)
        return cls(
            schema=schema,
            network=network,
            recipe=recipe,
            train=TableRows.look_up(data.train, schema),
            validation=TableRows.look_up(data.validation, schema),
            test=TableRows.look_up(data.test, schema),
            users=pd.factorize(data.test[user_key_of(data)])[0],
        )

    @cached_property
    def resamples(self) -> np.ndarray:
        """Multiplicities of the test users, the same for every ranker."""
        return multiplicities(len(np.unique(self.users)), RESAMPLES)

    @property
    def privileged(self) -> list[str]:
        """Names of the privileged features."""
        return [feature.name for feature in self.schema.sides["privileged"]]

    def parts(self, weight: Any = None, own: Collection[str] | None = ()) -> Parts:
        """A new student, and teachers for it; the arguments are those of `Parts`."""

        def encoder(schema: Schema, features: Collection[str]) -> FeatureEncoder:
            return FeatureEncoder(schema, features, self.recipe.dim, l2=self.recipe.embedding_l2)

        weight = self.recipe.weight if weight is None else weight
        return Parts(self.schema, self.network, encoder, weight, own)

    def evaluate(self, ranker: Ranker) -> dict[str, np.ndarray]:
        """Test metrics `[1 + resamples]` of a ranker, over resampled users."""
        logits = self.test.logits(ranker)
        return evaluate_rows(self.test.labels, logits, self.users, self.resamples, from_logits=True)


def coarse_network(sees: Sees, strong: bool) -> keras.layers.Layer:
    """Of coarse ranking: an inner product, with X* on the user side; an MLP if it is stronger."""
    if strong or sees == "privileged":
        return MLP([32, 16], batch_norm=False)
    # Without a bias, as the towers were that the published figures are of.
    return TwoTower([32, 16], batch_norm=False, use_bias=False)


def fine_network(sees: Sees, strong: bool) -> keras.layers.Layer:
    """Of fine ranking: an MLP, with 7 layers if it is stronger."""
    units = [256, 128, 64, 64, 32, 32, 16] if strong else [32, 16]
    return MLP(units, batch_norm=False)


def load_kuairand(task: str) -> Callable[[Path | None], Any]:
    """Loads KuaiRand for a task from its path, without which it raises ValueError."""

    def load(path: Path | None) -> Any:
        if path is None:
            raise ValueError("`--data kuairand` needs the folder of its files: `kuairand:PATH`")
        return kuairand_pure(path, task)

    return load


COARSE: dict[str, Source] = {
    "marketplace": Source(
        lambda path: marketplace("click", users=1000),
        coarse_network,
        Recipe(dim=8, batch_size=1024),
    ),
    "movielens": Source(movielens_100k, coarse_network, Recipe()),
    "kuairand": Source(load_kuairand("click"), coarse_network, Recipe(batch_size=512)),
}
"""Coarse ranking: a label on impressions, cross features privileged."""

FINE: dict[str, Source] = {
    "marketplace": Source(lambda path: marketplace("purchase", users=4000), fine_network, Recipe()),
    "kuairand": Source(
        load_kuairand("like"), fine_network, Recipe(embedding_l2=0.0, batch_size=512)
    ),
}
"""Fine ranking: a label on clicks, post-event features privileged."""
