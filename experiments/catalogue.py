"""MovieLens-100K as coarse ranking sees it, as methods are compared on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from experiments.method_task import Measures, MethodTask, exchanged
from tfpfd.data.chosen_lists import ChosenLists
from tfpfd.demo.catalogue import METRICS, CatalogueRecipe, LikesTask
from tfpfd.distillation import Ranker
from tfpfd.evaluation.titles import title_of


@dataclass(frozen=True, eq=False)
class CatalogueTask(LikesTask, MethodTask):
    """Likes that were looked up, and what is trained on them; see `LikesTask` and `MethodTask`."""

    privileged_in = ("train", "test")  # Teachers are measured on the lists of the test.
    measures = Measures(
        {name: title_of(name) for name in METRICS},
        {"teacher_ndcg": "teacher's NDCG in lists"},
        drawn=METRICS,
        rivals="Rivals learn from the likes that students learn from.",
    )

    @property
    def steps(self) -> int:
        """As of `MethodTask`; the last batch may be smaller."""
        return -(-self.likes // self.recipe.lists)

    def evaluate_teacher(self, teacher: Ranker) -> dict[str, np.ndarray]:
        """As of `MethodTask`: NDCG within the lists of the test.

        It needs privileged features of each film, so it can't rank the catalogue.
        """
        found = self.rows.evaluate_lists(teacher, "test", ["list_ndcg"], self.resamples)
        return {"teacher_ndcg": found["list_ndcg"]}

    def weakened(self, strength: float, seed: int) -> CatalogueTask:
        """As of `MethodTask`: films of all lists of training, and of the test, exchange theirs."""
        random = np.random.default_rng(seed)

        def of(lists: ChosenLists) -> ChosenLists:
            inputs, *targets = lists.columns.of_rows
            inputs = exchanged(inputs, self.rows.privileged, strength, random)
            columns = lists.columns._replace(of_rows=(inputs, *targets))
            return dataclasses.replace(lists, columns=columns)

        lists = {part: of(some) for part, some in self.rows.lists.items()}
        return dataclasses.replace(self, rows=dataclasses.replace(self.rows, lists=lists))


@dataclass(frozen=True)
class CatalogueSource:
    """Where likes come from, and how everything is trained on them; see `MethodSource`.

    Args:
      load: gives a dataset with `catalogue`, from the path of a copy on this machine or None.
      recipe: how everything is trained.
    """

    load: Callable[[Path | None], Any]
    recipe: CatalogueRecipe

    kind: ClassVar[type[CatalogueTask]] = CatalogueTask

    def task(self, data: Any) -> CatalogueTask:
        """As of `MethodSource`."""
        return CatalogueTask.of(data, self.recipe)
