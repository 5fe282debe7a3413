"""MovieLens-100K as coarse ranking sees it: students that find, among all films, what is liked."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tfpfd._keras import keras
from tfpfd.auditing.arms import OF_LISTS
from tfpfd.auditing.positives import CatalogueRows, matrix_of
from tfpfd.auditing.rows import Treatment
from tfpfd.data.catalogue import CatalogueSplits
from tfpfd.distillation import Ranker
from tfpfd.distillation.labelled import LabelledModel
from tfpfd.evaluation import compare_retrieval, multiplicities
from tfpfd.evaluation.comparison import Comparison
from tfpfd.evaluation.lists import list_ndcg, mean_over_lists
from tfpfd.evaluation.sources import Embeddings
from tfpfd.experiments.methods import Parts
from tfpfd.layers import MLP, FeatureEncoder, TwoTower
from tfpfd.schema import Schema, Sees

METRICS = ("recall@50", "ndcg@10")
RESAMPLES = 200


@dataclass(frozen=True)
class CatalogueRecipe:
    """Sizes and steps, the same for every method.

    They were chosen for the base alone, λ for the distilled student, on the likes of the
    validation, which then are trained on too, as the rivals are.

    Args:
      recent: whether students learn from the last likes before the test alone, of a tenth of each
        user's ratings; else from all before the test.
      drawn: films beside each like.
      dim: width of the embeddings.
      units: of the towers.
      scale: of their inner product.
      learning_rate: of Adam.
      lists: a batch.
      epochs: of every training: no likes are left to stop by.
      weight: λ, where an experiment doesn't vary it.
    """

    recent: bool = False
    drawn: int = 50
    dim: int = 64
    units: tuple[int, ...] = (64,)
    scale: float = 6.0
    learning_rate: float = 2e-3
    lists: int = 64
    epochs: int = 4
    weight: float = 0.5


WHOLE = CatalogueRecipe(weight=0.3)
RECENT = CatalogueRecipe(recent=True, drawn=100, scale=5.0, epochs=5, weight=0.7)


@dataclass(frozen=True, eq=False)
class CatalogueTask:
    """Likes that were looked up, and what is trained on them.

    Args:
      data: the likes.
      rows: the same, looked up.
      recipe: how everything is trained.
    """

    data: CatalogueSplits
    rows: CatalogueRows
    recipe: CatalogueRecipe

    @classmethod
    def of(cls, data: Any, recipe: CatalogueRecipe) -> CatalogueTask:
        """Draws films beside each like and looks everything up.

        Args:
          data: a dataset with `catalogue`, such as MovieLens.
          recipe: how everything is trained.
        """
        # Settings were chosen by the validation, for students of as many likes before it.
        splits = data.catalogue(since=0.6 if recipe.recent else 0.0, drawn=recipe.drawn)
        rows = CatalogueRows.look_up(splits)
        last = rows.validation
        train = last if recipe.recent else rows.train.and_later(last)
        return cls(splits, dataclasses.replace(rows, train=train), recipe)

    @property
    def schema(self) -> Schema:
        """That of the rows."""
        return self.rows.schema

    @cached_property
    def resamples(self) -> np.ndarray:
        """Multiplicities of the test users, the same for every ranker."""
        return multiplicities(len(self.rows.asked["test"].users), RESAMPLES)

    def parts(self, weight: Any = None, own: Collection[str] | None = ()) -> Parts:
        """A new student, and teachers for it; the arguments are those of `Parts`."""
        recipe = self.recipe

        def network(sees: Sees, strong: bool) -> keras.layers.Layer:
            if sees == "served" and not strong:
                return TwoTower(recipe.units, recipe.scale, batch_norm=False, use_bias=False)
            return MLP([128, 64, 32] if strong else [64, 32], batch_norm=False)

        def encoder(schema: Schema, features: Collection[str]) -> FeatureEncoder:
            return FeatureEncoder(schema, features, recipe.dim)

        weight = recipe.weight if weight is None else weight
        return Parts(self.schema, network, encoder, weight, own, OF_LISTS.soft_labels)

    def fit(
        self,
        model: LabelledModel,
        seed: int,
        treatment: Treatment = "kept",
        callbacks: Collection[keras.callbacks.Callback] = (),
    ) -> None:
        """Trains a ranker, or what trains one, for as many epochs as the recipe says.

        Args:
          model: to be trained.
          seed: of the order of lists.
          treatment: what is done to the privileged features.
          callbacks: more Keras callbacks.
        """
        recipe = self.recipe
        size = recipe.lists * (1 + recipe.drawn)
        assert OF_LISTS.labels is not None
        model.compile(keras.optimizers.Adam(recipe.learning_rate), loss=OF_LISTS.labels())
        batches = self.rows.batches(treatment, size, seed)
        model.fit(batches, epochs=recipe.epochs, callbacks=list(callbacks), verbose=0)

    def embeddings(self, student: Ranker) -> Embeddings:
        """What a student says of all films, for each user as the test begins."""
        return self.rows.embeddings(student, "test")

    def evaluate(self, student: Ranker) -> dict[str, np.ndarray]:
        """Test metrics `[1 + resamples]` of a student."""
        return self.rows.evaluate(student, "test", METRICS, self.resamples)

    def evaluate_teacher(self, teacher: Ranker) -> np.ndarray:
        """NDCG `[1 + resamples]` of a teacher within the lists of the test.

        It needs privileged features of each film, so it can't rank the catalogue.
        """
        lists = self.rows.test
        logits = lists.logits(teacher)
        found = list_ndcg(
            lists.labels, logits.ravel(), np.repeat(np.arange(len(logits)), lists.size)
        )
        users = np.searchsorted(self.rows.asked["test"].users, lists.users)
        return mean_over_lists(found, users, self.resamples)

    def beside_rivals(self, models: Mapping[str, Embeddings | Sequence[Embeddings]]) -> Comparison:
        """Students beside popularity, item-kNN and EASE; see `compare_retrieval`.

        These learn from all likes before the test, whatever students learn from.

        Args:
          models: what `embeddings` gave, a seed each, by the name of the method; "base" is one.
        """
        data, asked = self.data, self.rows.asked["test"]
        known, validation = (
            matrix_of(data, asked.users, data.pairs(*names))
            for names in (["history", "train"], ["validation"])
        )
        return compare_retrieval(
            known,
            validation,
            asked.relevant,
            models,
            seen=asked.excluded,
            metrics=METRICS,
        )
