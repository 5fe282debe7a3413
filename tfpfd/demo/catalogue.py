"""MovieLens-100K as coarse ranking sees it: students that find, among all films, what is liked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, TypeVar

import numpy as np

from tfpfd._keras import keras
from tfpfd.auditing.arms import OF_LISTS
from tfpfd.data.catalogue import CatalogueSplits
from tfpfd.data.table_rows import Treatment
from tfpfd.datasets.movielens.catalogue import TEST
from tfpfd.demo.methods import Parts
from tfpfd.distillation import Ranker
from tfpfd.distillation.labelled_model import LabelledModel
from tfpfd.evaluation import multiplicities
from tfpfd.evaluation.catalogue_rivals import catalogue_rivals
from tfpfd.evaluation.catalogue_rows import CatalogueRows, asked_of
from tfpfd.evaluation.measured_rivals import MeasuredRivals
from tfpfd.layers import MLP, FeatureEncoder, TwoTower
from tfpfd.schema import Schema, Sees
from tfpfd.schema.feature import tables_of

METRICS = ("recall@50", "ndcg@10")

T = TypeVar("T", bound="LikesTask")


@dataclass(frozen=True)
class CatalogueRecipe:
    """Sizes and steps, the same for every method.

    They were chosen for the base alone, λ for the distilled student, on the likes of the
    validation, which then are trained on too, as the rivals are: no likes are left to stop by.

    Args:
      last: the share of each user's ratings, the last before the test, whose likes students learn
        from; from .1, which is what the validation holds, to all .8.
      drawn: films beside each like.
      dim: width of the embeddings of served features.
      privileged_dim: of privileged ones, which are a number each: a teacher's first layer is much
        cheaper, and on the validation its student as good, within what seeds differ by.
      units: of the towers.
      scale: of their inner product.
      learning_rate: of Adam.
      lists: a batch.
      epochs: of every training.
      distillation_weight: λ, where an experiment doesn't vary it.
      task_weight: of auxiliary tasks.
    """

    last: float = 0.8
    drawn: int = 50
    dim: int = 64
    privileged_dim: int = 16
    units: tuple[int, ...] = (64,)
    scale: float = 6.0
    learning_rate: float = 2e-3
    lists: int = 64
    epochs: int = 4
    distillation_weight: float = 0.5
    task_weight: float = 0.1

    def __post_init__(self) -> None:
        if not 0.1 <= self.last <= 0.8:
            raise ValueError(
                "`last` must be from .1, what the validation holds, to .8, all before the test, "
                f"received {self.last}"
            )


WHOLE = CatalogueRecipe(distillation_weight=0.3)
RECENT = CatalogueRecipe(
    last=0.1, drawn=100, scale=4.0, epochs=4, distillation_weight=0.7, task_weight=10.0
)


@dataclass(frozen=True, eq=False)
class LikesTask:
    """Likes that were looked up, and what is trained on them.

    Args:
      chosen: the likes, parted as settings are chosen by them; see `splits_of`.
      data: the likes, parted as students learn from them.
      rows: those that students learn from and are tested by, looked up.
      recipe: how everything is trained.
    """

    chosen: CatalogueSplits
    data: CatalogueSplits
    rows: CatalogueRows
    recipe: CatalogueRecipe

    # A catalogue is ranked without privileged features, which take long to compute.
    privileged_in: ClassVar[tuple[str, ...]] = ("train",)

    @classmethod
    def of(cls: type[T], data: Any, recipe: CatalogueRecipe) -> T:
        """Draws films beside each like and looks everything up.

        Args:
          data: a dataset with `catalogue`, such as MovieLens.
          recipe: how everything is trained.
        """
        chosen, data = splits_of(data, recipe.last, recipe.drawn)
        rows = CatalogueRows.look_up(data, parts=("train", "test"), privileged_in=cls.privileged_in)
        return cls(chosen, data, rows, recipe)

    @property
    def schema(self) -> Schema:
        """That of the rows."""
        return self.rows.schema

    @cached_property
    def resamples(self) -> np.ndarray:
        """Multiplicities of the test users, the same for every ranker."""
        return multiplicities(len(self.rows.asked["test"].users))

    @property
    def likes(self) -> int:
        """How many likes students learn from."""
        return len(self.rows.lists["train"].users)

    def parts(
        self, distillation_weight: Any = None, unshared: Collection[str] | None = ()
    ) -> Parts:
        """A new student, and teachers for it.

        Args:
          distillation_weight: λ, as `Distillation` takes it; None for the recipe's own.
          unshared: what a teacher doesn't share, see `Parts`.
        """
        recipe = self.recipe

        def network(sees: Sees, strong: bool) -> keras.layers.Layer:
            if sees == "served" and not strong:
                return TwoTower(recipe.units, recipe.scale, batch_norm=False, use_bias=False)
            return MLP([128, 64, 32] if strong else [64, 32], batch_norm=False)

        def encoder(schema: Schema, features: Collection[str]) -> FeatureEncoder:
            served = tables_of(schema.features("served").values())
            tables = tables_of(schema.features("privileged").values()) - served
            dims = dict.fromkeys(sorted(tables), recipe.privileged_dim)
            return FeatureEncoder(schema, features, recipe.dim, dims)

        if distillation_weight is None:
            distillation_weight = recipe.distillation_weight
        return Parts(
            self.schema,
            network,
            encoder,
            distillation_weight,
            unshared,
            OF_LISTS.soft_labels,
            recipe.task_weight,
        )

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
          seed: of the order of the data, and of their treatment.
          treatment: what is done to the privileged features that are trained on.
          callbacks: more Keras callbacks.
        """
        recipe = self.recipe
        size = recipe.lists * (1 + recipe.drawn)
        assert OF_LISTS.labels is not None
        model.compile(keras.optimizers.Adam(recipe.learning_rate), loss=OF_LISTS.labels())
        batches = self.rows.batches(treatment, size, seed)
        model.fit(batches, epochs=recipe.epochs, callbacks=list(callbacks), verbose=0)

    def evaluate(self, student: Ranker) -> dict[str, np.ndarray]:
        """Test metrics `[1 + resamples]` of what a student finds among all films."""
        return self.rows.evaluate(student, "test", METRICS, self.resamples)

    def rivals(self) -> MeasuredRivals:
        """Tuned on the validation; they learn from the likes that students learn from."""
        return rivals_of(self.chosen, self.data)


def splits_of(data: Any, last: float, drawn: int) -> tuple[CatalogueSplits, CatalogueSplits]:
    """The likes as settings are chosen by them, and as students then learn from them.

    Settings are chosen by the validation, for students of what lies before it from the same place
    on, of a tenth at least; these then learn from the validation too.

    Args:
      data: a dataset with `catalogue`, such as MovieLens.
      last: as of `CatalogueRecipe`.
      drawn: films drawn beside each like.
    """
    since = round(TEST - last, 6)
    return (
        data.catalogue(since=min(since, 0.6), drawn=drawn),
        data.catalogue(since=since, until=TEST, drawn=drawn),
    )


def rivals_of(chosen: CatalogueSplits, data: CatalogueSplits) -> MeasuredRivals:
    """Rivals that are tuned on the validation of `chosen`, and then learn from what `data` trains.

    Args:
      chosen: see `splits_of`.
      data: see `splits_of`.
    """
    asked = {"validation": asked_of(chosen, "validation"), "test": asked_of(data, "test")}
    resamples = {part: multiplicities(len(one.users)) for part, one in asked.items()}
    return catalogue_rivals(chosen, asked, resamples, METRICS, learned=data.pairs("train"))
