"""MovieLens-100K as coarse ranking sees it: students that find, among all films, what is liked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tfpfd._keras import keras
from tfpfd.auditing.arms import OF_LISTS
from tfpfd.auditing.comparison import METRICS as TITLES
from tfpfd.auditing.lists import ListRows
from tfpfd.auditing.positives import CatalogueRows, matrix_of
from tfpfd.auditing.rivals import Rivals
from tfpfd.auditing.rows import Treatment
from tfpfd.data.catalogue import CatalogueSplits
from tfpfd.distillation import Ranker
from tfpfd.distillation.labelled import LabelledModel
from tfpfd.evaluation import compare_retrieval, multiplicities
from tfpfd.evaluation.comparison import Comparison
from tfpfd.evaluation.lists import list_ndcg, mean_over_lists
from tfpfd.evaluation.sources import Embeddings
from tfpfd.experiments.methods import Parts
from tfpfd.experiments.task import RESAMPLES, Measures, Task, exchanged
from tfpfd.layers import MLP, FeatureEncoder, TwoTower
from tfpfd.schema import Schema, Sees

METRICS = ("recall@50", "ndcg@10")


@dataclass(frozen=True)
class CatalogueRecipe:
    """Sizes and steps, the same for every method.

    They were chosen for the base alone, λ for the distilled student, on the likes of the
    validation, which then are trained on too, as the rivals are.

    Args:
      last: the share of each user's ratings, the last before the test, whose likes students learn
        from; from .1, which is what the validation holds, to all .8.
      drawn: films beside each like.
      dim: width of the embeddings.
      units: of the towers.
      scale: of their inner product.
      learning_rate: of Adam.
      lists: a batch.
      epochs: of every training: no likes are left to stop by.
      weight: λ, where an experiment doesn't vary it.
    """

    last: float = 0.8
    drawn: int = 50
    dim: int = 64
    units: tuple[int, ...] = (64,)
    scale: float = 6.0
    learning_rate: float = 2e-3
    lists: int = 64
    epochs: int = 4
    weight: float = 0.5


WHOLE = CatalogueRecipe(weight=0.3)
RECENT = CatalogueRecipe(last=0.1, drawn=100, scale=5.0, epochs=5, weight=0.7)


@dataclass(frozen=True, eq=False)
class CatalogueTask(Task):
    """Likes that were looked up, and what is trained on them; see `Task`.

    Args:
      data: the likes.
      rows: the same, looked up.
      recipe: how everything is trained.
    """

    data: CatalogueSplits
    rows: CatalogueRows
    recipe: CatalogueRecipe

    measures = Measures(
        {name: TITLES[name] for name in METRICS},
        {"teacher_ndcg": "teacher's NDCG in lists"},
        drawn=METRICS,
        rivals="Rivals learn from all likes before the test, whatever students learn from.",
    )

    @classmethod
    def of(cls, data: Any, recipe: CatalogueRecipe) -> CatalogueTask:
        """Draws films beside each like and looks everything up.

        Args:
          data: a dataset with `catalogue`, such as MovieLens.
          recipe: how everything is trained.
        """
        # Settings were chosen by the validation, for students of as many likes before it. The test
        # begins at .8 of the ratings, the validation at .7.
        since = round(0.8 - recipe.last, 6)
        alone = since >= 0.7
        splits = data.catalogue(since=0.6 if alone else since, drawn=recipe.drawn)
        rows = CatalogueRows.look_up(splits)
        train = rows.validation if alone else rows.train.and_later(rows.validation)
        return cls(splits, dataclasses.replace(rows, train=train), recipe)

    @property
    def schema(self) -> Schema:
        """That of the rows."""
        return self.rows.schema

    @cached_property
    def resamples(self) -> np.ndarray:
        """Multiplicities of the test users, the same for every ranker."""
        return multiplicities(len(self.rows.asked["test"].users), RESAMPLES)

    @property
    def likes(self) -> int:
        """How many likes students learn from."""
        return len(self.rows.train.users)

    @property
    def steps(self) -> int:
        """As of `Task`; the last batch may be smaller."""
        return -(-self.likes // self.recipe.lists)

    def parts(self, weight: Any = None, own: Collection[str] | None = ()) -> Parts:
        """As of `Task`."""
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
        """As of `Task`: for as many epochs as the recipe says."""
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
        """As of `Task`: what a student finds among all films."""
        return self.rows.evaluate(student, "test", METRICS, self.resamples)

    def evaluate_teacher(self, teacher: Ranker) -> dict[str, np.ndarray]:
        """As of `Task`: NDCG within the lists of the test.

        It needs privileged features of each film, so it can't rank the catalogue.
        """
        lists = self.rows.test
        logits = lists.logits(teacher)
        found = list_ndcg(
            lists.labels, logits.ravel(), np.repeat(np.arange(len(logits)), lists.size)
        )
        users = np.searchsorted(self.rows.asked["test"].users, lists.users)
        return {"teacher_ndcg": mean_over_lists(found, users, self.resamples)}

    def rivals(self) -> Rivals:
        """As of `Task`: those of `beside_rivals`."""
        # A comparison has a base; one that nobody has trained yet says nothing of the rivals.
        found = self.beside_rivals({"base": self.embeddings(self.parts().student)})
        metrics = {
            rival: {name: values[0] for name, values in one.items()}
            for rival, one in found.rivals.items()
        }
        return Rivals(metrics, found.settings)

    def weakened(self, strength: float, seed: int) -> CatalogueTask:
        """As of `Task`: films of all lists of training, and of the test, exchange theirs."""
        random = np.random.default_rng(seed)

        def of(lists: ListRows) -> ListRows:
            inputs, *targets = lists.columns.of_rows
            inputs = exchanged(inputs, self.rows.privileged, strength, random)
            columns = lists.columns._replace(of_rows=(inputs, *targets))
            return dataclasses.replace(lists, columns=columns)

        # Students are never asked about the validation.
        train, test = of(self.rows.train), of(self.rows.test)
        return dataclasses.replace(
            self, rows=dataclasses.replace(self.rows, train=train, test=test)
        )

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


@dataclass(frozen=True)
class CatalogueSource:
    """Where likes come from, and how everything is trained on them; see `Source`.

    Args:
      load: gives a dataset with `catalogue`, from the path of a copy on this machine or None.
      recipe: how everything is trained.
    """

    load: Callable[[Path | None], Any]
    recipe: CatalogueRecipe

    kind: ClassVar[type[CatalogueTask]] = CatalogueTask

    def task(self, data: Any) -> CatalogueTask:
        """As of `Source`."""
        return CatalogueTask.of(data, self.recipe)
