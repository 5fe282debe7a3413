"""Students that rank a catalogue: trained on lists, measured by what they find of all items."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import tensorflow as tf

from tfpfd.auditing.arm_trainings import ArmTrainings
from tfpfd.auditing.arms import OF_LISTS, Recipe
from tfpfd.auditing.checks import check_catalogue
from tfpfd.auditing.measures import LIST_METRICS, AuditMeasures, of_catalogue
from tfpfd.data.catalogue import CatalogueSplits
from tfpfd.data.table_rows import Treatment, share_of
from tfpfd.distillation import Ranker
from tfpfd.evaluation import multiplicities
from tfpfd.evaluation.catalogue import names_and_lengths
from tfpfd.evaluation.catalogue_rivals import catalogue_rivals
from tfpfd.evaluation.catalogue_rows import CatalogueRows
from tfpfd.evaluation.differences import Metrics
from tfpfd.evaluation.measured_rivals import MeasuredRivals
from tfpfd.layers import TwoTower
from tfpfd.schema import Schema

PRIMARY = "recall@50"


@dataclass(frozen=True, eq=False)
class CatalogueTrainings(ArmTrainings):
    """Lists that were looked up; see `ArmTrainings`.

    Args:
      data: the raw choices, which rivals are fitted on.
      catalogue: the same, looked up.
    """

    data: CatalogueSplits
    catalogue: CatalogueRows

    losses = OF_LISTS

    check_data = staticmethod(check_catalogue)

    @staticmethod
    def adapted(data: CatalogueSplits) -> Schema:
        """As of `ArmTrainings`."""
        return data.adapt()

    @staticmethod
    def primary(metric: str | None) -> str:
        """As of `ArmTrainings`; by default recall@50."""
        try:
            names_and_lengths([metric or PRIMARY])
        except ValueError:
            raise ValueError(
                "`metric` of a catalogue must be 'recall@k', 'hit_rate@k' or 'ndcg@k' of any k, "
                f"such as '{PRIMARY}', received {metric!r}"
            ) from None
        return metric or PRIMARY

    @staticmethod
    def check_student(student: Ranker) -> None:
        """As of `ArmTrainings`: only two towers can rank a catalogue."""
        if not isinstance(student.network, TwoTower):
            raise ValueError(
                "`make_student(schema)` must return a ranker with a TwoTower, as it is to rank a "
                f"catalogue, received one with a {type(student.network).__name__}"
            )

    @classmethod
    def prepare(
        cls,
        data: CatalogueSplits,
        schema: Schema,
        recipe: Recipe,
        batch_size: int,
        resamples: int,
        metric: str,
    ) -> CatalogueTrainings:
        """As of `ArmTrainings`."""
        catalogue = CatalogueRows.look_up(data, schema)
        drawn = {
            part: multiplicities(len(asked.users), resamples)
            for part, asked in catalogue.asked.items()
        }
        return cls(schema, recipe, batch_size, metric, drawn, data, catalogue)

    @property
    def measures(self) -> AuditMeasures:
        """As of `ArmTrainings`."""
        return of_catalogue(self.metric)

    @property
    def tested(self) -> tuple[int, int]:
        """As of `ArmTrainings`: users count who chose something that they weren't shown before."""
        asked = self.catalogue.asked["test"]
        found = (asked.relevant > asked.excluded).getnnz(axis=1)
        return int(found.sum()), int((found > 0).sum())

    def counts(self, share: float) -> tuple[int, int]:
        """As of `ArmTrainings`."""
        train = self.catalogue.share(share).lists["train"]
        return len(train.users), len(train.labels) - len(train.users)

    def batches(self, share: float, treatment: Treatment, seed: int) -> tf.data.Dataset:
        """As of `ArmTrainings`."""
        return self.catalogue.share(share).batches(treatment, self.batch_size, seed)

    def held_out(self) -> tf.data.Dataset:
        """As of `ArmTrainings`."""
        return self.catalogue.lists["validation"].in_order

    def validation_loss(self, student: Ranker) -> Metrics:
        """As of `ArmTrainings`."""
        drawn = self.resamples["validation"]
        return self.catalogue.evaluate_lists(student, "validation", [self.measures.loss], drawn)

    def of_student(self, student: Ranker) -> Metrics:
        """As of `ArmTrainings`: on the catalogue, and on the lists, as teachers are."""
        catalogue = [name for name in self.measures.metrics if name not in LIST_METRICS]
        drawn = self.resamples["test"]
        return {
            **self.catalogue.evaluate(student, "test", catalogue, drawn),
            **self.catalogue.evaluate_lists(student, "test", LIST_METRICS, drawn),
        }

    def of_teacher(
        self,
        teacher: Ranker,
        treatment: Treatment = "kept",
        names: Collection[str] | None = None,
        seed: int = 0,
        metrics: Collection[str] | None = None,
    ) -> Metrics:
        """As of `ArmTrainings`: on the lists of the test."""
        names = self.privileged if names is None else names
        metrics, drawn = metrics or LIST_METRICS, self.resamples["test"]
        return self.catalogue.evaluate_lists(
            teacher, "test", metrics, drawn, treatment, names, seed
        )

    def probabilities(self, student: Ranker) -> np.ndarray:
        """As of `ArmTrainings`: scores of lists are made into none."""
        return np.zeros(0)

    def reliability(self, probabilities: Mapping[str, np.ndarray]) -> dict[str, pd.DataFrame]:
        """As of `ArmTrainings`."""
        return {}

    @property
    def raw_ids(self) -> Collection[str]:
        """As of `ArmTrainings`: those of the user side, as every item is drawn often."""
        return [feature.name for feature in self.schema.user]

    def rivals(self, share: float) -> MeasuredRivals:
        """Popularity, item-kNN and EASE; see `catalogue_rivals`."""
        kept = share_of(np.zeros(len(self.data.train)), share)
        wanted = [name for name in self.measures.metrics if name not in LIST_METRICS]
        return catalogue_rivals(self.data, self.catalogue.asked, self.resamples, wanted, kept)

    def looked_up(self) -> Iterator[tuple[str, np.ndarray]]:
        """As of `ArmTrainings`: lists, what is asked of the catalogue, and what rivals see."""
        for lists in self.catalogue.lists.values():
            columns = lists.columns
            inputs, *targets = columns.of_rows
            for part in (inputs, columns.of_lists, columns.of_items):
                yield from part.items()
            yield "labels", np.stack(targets)
            assert columns.item is not None  # Lists of a catalogue have items.
            yield "items", columns.item
            yield "users", lists.users
        for name in ("exposed", "seen", "history"):
            pairs = self.data.pairs(name)
            for column in pairs:
                yield f"{name} {column}", pairs[column].to_numpy()
