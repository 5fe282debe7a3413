"""Students that rank a catalogue: trained on lists, measured by what they find of all items."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import tensorflow as tf

from tfpfd.auditing.arms import OF_LISTS, Recipe
from tfpfd.auditing.bench import Bench
from tfpfd.auditing.checks import check_catalogue
from tfpfd.auditing.comparison import Metrics
from tfpfd.auditing.lists import ListRows
from tfpfd.auditing.positives import CatalogueRows
from tfpfd.auditing.rivals import Rivals
from tfpfd.auditing.rows import Treatment, share_of
from tfpfd.auditing.task import LIST_METRICS, Task, of_catalogue
from tfpfd.data.catalogue import CatalogueSplits
from tfpfd.distillation import Ranker
from tfpfd.evaluation import evaluate_catalogue, multiplicities
from tfpfd.evaluation.catalogue import names_and_lengths
from tfpfd.evaluation.lists import list_ndcg, mean_over_lists
from tfpfd.evaluation.retrieval import retrieval_rivals
from tfpfd.evaluation.rivals import CatalogueRival, history_of
from tfpfd.layers import TwoTower
from tfpfd.schema import Schema

PRIMARY = "recall@50"


@dataclass(frozen=True, eq=False)
class CatalogueBench(Bench):
    """Lists that were looked up; see `Bench`.

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
        """As of `Bench`."""
        return data.adapt()

    @staticmethod
    def primary(metric: str | None) -> str:
        """As of `Bench`; by default recall@50."""
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
        """As of `Bench`: only two towers can rank a catalogue."""
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
    ) -> CatalogueBench:
        """As of `Bench`."""
        catalogue = CatalogueRows.look_up(data, schema)
        drawn = {
            part: multiplicities(len(asked.users), resamples)
            for part, asked in catalogue.asked.items()
        }
        return cls(schema, recipe, batch_size, metric, drawn, data, catalogue)

    @property
    def task(self) -> Task:
        """As of `Bench`."""
        return of_catalogue(self.metric)

    @property
    def tested(self) -> tuple[int, int]:
        """As of `Bench`: users count who chose something that they weren't shown before."""
        asked = self.catalogue.asked["test"]
        found = (asked.relevant > asked.excluded).getnnz(axis=1)
        return int(found.sum()), int((found > 0).sum())

    def counts(self, share: float) -> tuple[int, int]:
        """As of `Bench`."""
        train = self.catalogue.share(share).train
        return len(train.users), len(train.labels) - len(train.users)

    def batches(self, share: float, treatment: Treatment, seed: int) -> tf.data.Dataset:
        """As of `Bench`."""
        return self.catalogue.share(share).batches(treatment, self.batch_size, seed)

    def held_out(self) -> tf.data.Dataset:
        """As of `Bench`."""
        return self.catalogue.validation.in_order

    def validation_loss(self, student: Ranker) -> Metrics:
        """As of `Bench`."""
        return self._on_lists(student, self.catalogue.validation, "validation", [self.task.loss])

    def of_student(self, student: Ranker) -> Metrics:
        """As of `Bench`: on the catalogue, and on the lists, as teachers are."""
        catalogue = [name for name in self.task.metrics if name not in LIST_METRICS]
        drawn = self.resamples["test"]
        return {
            **self.catalogue.evaluate(student, "test", catalogue, drawn),
            **self._on_lists(student, self.catalogue.test, "test", LIST_METRICS),
        }

    def of_teacher(
        self,
        teacher: Ranker,
        treatment: Treatment = "kept",
        names: Collection[str] | None = None,
        seed: int = 0,
        metrics: Collection[str] | None = None,
    ) -> Metrics:
        """As of `Bench`: on the lists of the test."""
        names = self.privileged if names is None else names
        lists = self.catalogue.test.treated(treatment, names, seed)
        return self._on_lists(teacher, lists, "test", metrics or LIST_METRICS)

    def _on_lists(
        self, ranker: Ranker, lists: ListRows, part: str, metrics: Collection[str]
    ) -> Metrics:
        logits = lists.logits(ranker)
        number = np.repeat(np.arange(len(logits)), lists.size)
        of_lists = {
            "list_ndcg": lambda: list_ndcg(lists.labels, logits.ravel(), number),
            "list_loss": lambda: np.logaddexp.reduce(logits, axis=1) - logits[:, 0],
        }
        users = np.searchsorted(self.catalogue.asked[part].users, lists.users)
        drawn = self.resamples[part]
        return {name: mean_over_lists(of_lists[name](), users, drawn) for name in metrics}

    def probabilities(self, student: Ranker) -> np.ndarray:
        """As of `Bench`: scores of lists are made into none."""
        return np.zeros(0)

    def reliability(self, probabilities: Mapping[str, np.ndarray]) -> dict[str, pd.DataFrame]:
        """As of `Bench`."""
        return {}

    @property
    def raw_ids(self) -> Collection[str]:
        """As of `Bench`: those of the user side, as every item is drawn often."""
        return [feature.name for feature in self.schema.user]

    def rivals(self, share: float) -> Rivals:
        """Popularity, item-kNN and EASE; see `retrieval_rivals`."""
        data, task = self.data, self.task
        known = data.pairs("history", "train", "validation", "test")
        users = np.unique(known[data.user].to_numpy())
        items = pd.Index(data.items[data.item])

        def pairs(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
            item = items.get_indexer(frame[data.item])
            user = np.searchsorted(users, frame[data.user].to_numpy())
            return user[item >= 0], item[item >= 0]

        kept = share_of(np.zeros(len(data.train)), share)
        train = data.train[[data.user, data.item]].iloc[kept]
        before = pd.concat([data.pairs("history"), train], ignore_index=True)
        both = pd.concat([before, data.pairs("validation")], ignore_index=True)
        shape = (len(users), len(items))
        places = {
            part: np.searchsorted(users, asked.users)
            for part, asked in self.catalogue.asked.items()
        }

        def found(rival: CatalogueRival, part: str, metrics: Collection[str]) -> Metrics:
            names, ks = names_and_lengths(list(metrics))
            asked, drawn = self.catalogue.asked[part], self.resamples[part]
            scores = rival.of(places[part])
            return evaluate_catalogue(scores, asked.relevant, asked.excluded, ks, drawn, names)

        tuned = retrieval_rivals(
            history_of(*pairs(before), shape),
            history_of(*pairs(both), shape),
            lambda rival: float(found(rival, "validation", [self.metric])[self.metric][0]),
        )
        wanted = [name for name in task.metrics if name not in LIST_METRICS]
        measured = {name: found(rival, "test", wanted) for name, (_, rival) in tuned.items()}
        return Rivals(
            {name: {m: values[m] for m in wanted} for name, values in measured.items()},
            {name: setting for name, (setting, _) in tuned.items()},
        )

    def looked_up(self) -> Iterator[tuple[str, np.ndarray]]:
        """As of `Bench`: lists, what is asked of the catalogue, and what rivals see."""
        for name in ("train", "validation", "test"):
            lists = getattr(self.catalogue, name)
            columns = lists.columns
            inputs, *targets = columns.of_rows
            for part in (inputs, columns.of_lists, columns.of_items):
                yield from part.items()
            yield "labels", np.stack(targets)
            yield "items", columns.item
            yield "users", lists.users
        for name in ("exposed", "seen", "history"):
            pairs = self.data.pairs(name)
            for column in pairs:
                yield f"{name} {column}", pairs[column].to_numpy()
