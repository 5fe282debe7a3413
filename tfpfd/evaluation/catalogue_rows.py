"""What users chose of a catalogue, in memory: looked up, in lists, with what was seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import tensorflow as tf

from tfpfd.data.catalogue import PARTS, CatalogueSplits
from tfpfd.data.chosen_lists import ChosenLists
from tfpfd.data.positives import check_privileged, look_up_lists
from tfpfd.data.scoring import scores_of
from tfpfd.data.table_rows import Treatment
from tfpfd.distillation import Ranker
from tfpfd.evaluation.catalogue import evaluate_catalogue, names_and_lengths
from tfpfd.evaluation.compared_models import Catalogue
from tfpfd.evaluation.intervals import FloatArray
from tfpfd.evaluation.list_metrics import list_ndcg, mean_over_lists
from tfpfd.evaluation.rivals.catalogue_rival import history_of
from tfpfd.evaluation.score_sources import Embeddings
from tfpfd.schema import Schema

if TYPE_CHECKING:
    from scipy import sparse


@dataclass(frozen=True, eq=False)
class Asked:
    """What is asked of a ranker of the catalogue in a part: once for each of its users.

    Args:
      users: `[users]`, their ids in sorted order.
      first: `[users]`, the first list of each in the part.
      relevant: `[users, items]`, not 0 where a user chose an item in the part.
      excluded: `[users, items]`, not 0 where a user was shown an item before.
    """

    users: np.ndarray
    first: np.ndarray
    relevant: sparse.csr_matrix
    excluded: sparse.csr_matrix

    def measure(
        self,
        scores: Catalogue,
        metrics: Collection[str],
        multiplicities: np.ndarray | None = None,
    ) -> dict[str, FloatArray]:
        """Metrics `[1 + resamples]` of scores; what a user was shown before isn't recommended.

        Args:
          scores: `[users, items]`, as `evaluate_catalogue` takes them.
          metrics: "recall@k", "hit_rate@k" and "ndcg@k" of any k.
          multiplicities: `[1 + resamples, users]`; the users as they are if None.

        Raises:
          ValueError: another name of a metric, or scores that aren't finite.
        """
        names, ks = names_and_lengths(list(metrics))
        found = evaluate_catalogue(scores, self.relevant, self.excluded, ks, multiplicities, names)
        return {name: found[name] for name in metrics}


@dataclass(frozen=True, eq=False)
class CatalogueRows:
    """What users chose, and what was drawn beside it, looked up once for all trainings.

    Args:
      schema: an adapted schema.
      lists: those of each part.
      asked: what is asked of the catalogue, by part.
    """

    schema: Schema
    lists: Mapping[str, ChosenLists]
    asked: Mapping[str, Asked]

    @classmethod
    def look_up(
        cls,
        data: CatalogueSplits,
        schema: Schema | None = None,
        parts: Collection[str] = PARTS,
        privileged_in: Collection[str] = PARTS,
    ) -> CatalogueRows:
        """Draws the candidates, learns what the schema doesn't know, and looks everything up.

        Candidates are drawn once: students of all seeds and arms meet the same.

        Args:
          data: what users chose.
          schema: as `data.adapt` returns it, where it is known.
          parts: those wanted.
          privileged_in: the parts whose lists get privileged features, which may take long: a
            catalogue is ranked without.

        Raises:
          ValueError: naming the argument or column, what was expected and what came.
          ImportError: without SciPy.
        """
        check_privileged(data.schema, data.privileged)
        schema = data.adapt() if schema is None else schema
        lists = {
            part: ChosenLists(
                look_up_lists(
                    getattr(data, part),
                    data.items,
                    schema,
                    data.user,
                    data.item,
                    data.draw(part),
                    data.privileged if part in privileged_in else None,
                    data.extra_columns,
                ),
                getattr(data, part)[data.user].to_numpy(),
            )
            for part in parts
        }
        return cls(schema, lists, {p: asked_of(data, p) for p in parts if p != "train"})

    @property
    def privileged(self) -> list[str]:
        """Names of the privileged features."""
        return list(self.schema.features("privileged"))

    def share(self, size: float) -> CatalogueRows:
        """With a share of what students learn from; smaller ones are part of larger.

        Args:
          size: in (0, 1].
        """
        return dataclasses.replace(
            self, lists={**self.lists, "train": self.lists["train"].share(size)}
        )

    def batches(self, treatment: Treatment, batch_size: int, seed: int) -> tf.data.Dataset:
        """Batches of whole lists to train on: for a seed the same items in the same order.

        Args:
          treatment: what is done to the privileged features: `"kept"`, `"shuffled"` or `"zeroed"`.
          batch_size: rows that a batch holds at most.
          seed: of the order, and of the permutation.
        """
        treated = self.lists["train"].treated(treatment, self.schema.sides["privileged"], seed)
        return treated.batches(batch_size, seed)

    def embeddings(self, student: Ranker, part: str) -> Embeddings:
        """A two-tower student's scores of the catalogue for the users of a part.

        Users are as they were at their first choice of the part.

        Args:
          student: with a `TwoTower`.
          part: `"validation"` or `"test"`.

        Raises:
          ValueError: embeddings that aren't finite.
        """
        columns, network = self.lists[part].columns, student.network
        first = self.asked[part].first

        def of_user(inputs: Mapping[str, tf.Tensor], training: bool) -> tf.Tensor:
            encoded = student.encode(inputs, training=training, sides=["user"])
            return network.user_embedding(encoded, training=training)

        def of_item(inputs: Mapping[str, tf.Tensor], training: bool) -> tf.Tensor:
            encoded = student.encode(inputs, training=training, sides=["item"])
            return network.item_embedding(encoded, training=training)

        users = {name: column[first] for name, column in columns.of_lists.items()}
        items = len(next(iter(columns.of_items.values())))
        return Embeddings(
            scores_of(of_user, users, len(first)), scores_of(of_item, columns.of_items, items)
        )

    def evaluate(
        self,
        ranker: Ranker,
        part: str,
        metrics: Collection[str] = ("recall@50", "ndcg@10"),
        multiplicities: np.ndarray | None = None,
    ) -> dict[str, FloatArray]:
        """Metrics `[1 + resamples]` of a student that ranks the catalogue; see `embeddings`.

        What a user was shown before the part isn't recommended.

        Args:
          ranker: with a `TwoTower`.
          part: `"validation"` or `"test"`.
          metrics: "recall@k", "hit_rate@k" and "ndcg@k" of any k.
          multiplicities: `[1 + resamples, users]` of the users of the part, in the order of their
            ids; the users as they are if None.

        Raises:
          ValueError: another name of a metric, or as of `embeddings`.
        """
        return self.asked[part].measure(self.embeddings(ranker, part), metrics, multiplicities)

    def evaluate_lists(
        self,
        ranker: Ranker,
        part: str,
        metrics: Collection[str],
        multiplicities: np.ndarray,
        treatment: Treatment = "kept",
        names: Collection[str] = (),
        seed: int = 0,
    ) -> dict[str, FloatArray]:
        """Metrics `[1 + resamples]` within the lists of a part, which need no whole catalogue.

        Args:
          ranker: any, such as a teacher that needs privileged features of each item.
          part: `"validation"` or `"test"`.
          metrics: "list_ndcg", and "list_loss", the log loss of the softmax over a list.
          multiplicities: as of `evaluate`.
          treatment: what is done to features of the lists.
          names: the features to treat.
          seed: of the permutation.
        """
        features = self.schema.features()
        lists = self.lists[part].treated(treatment, [features[name] for name in names], seed)
        logits = lists.logits(ranker)
        number = np.repeat(np.arange(len(logits)), lists.size)
        of_lists = {
            "list_ndcg": lambda: list_ndcg(lists.labels, logits.ravel(), number),
            "list_loss": lambda: np.logaddexp.reduce(logits, axis=1) - logits[:, 0],
        }
        users = np.searchsorted(self.asked[part].users, lists.users)
        return {name: mean_over_lists(of_lists[name](), users, multiplicities) for name in metrics}


def matrix_of(data: CatalogueSplits, users: np.ndarray, pairs: pd.DataFrame) -> sparse.csr_matrix:
    """Which of the pairs there are, `[users, items]`; those of other users are left out.

    Args:
      data: whose.
      users: `[users]`, ids.
      pairs: columns `user` and `item` of the data.
    """
    user = pd.Index(users).get_indexer(pairs[data.user])
    item = pd.Index(data.items[data.item]).get_indexer(pairs[data.item])
    known = (user >= 0) & (item >= 0)
    return history_of(user[known], item[known], (len(users), len(data.items)))


def asked_of(data: CatalogueSplits, part: str) -> Asked:
    """What is asked in a part of the data.

    Args:
      data: whose.
      part: `"validation"` or `"test"`.

    Raises:
      ValueError: nobody chose an item there that wasn't shown before.
    """
    rows = data.pairs(part)
    users, first = np.unique(getattr(data, part)[data.user].to_numpy(), return_index=True)

    relevant, excluded = (
        matrix_of(data, users, pairs) for pairs in (rows, data.shown_before(part))
    )
    if not (relevant > excluded).nnz:
        raise ValueError(
            f"`data.{part}` must hold, for some user, an item that wasn't shown before, "
            "received none"
        )
    return Asked(users, first, relevant, excluded)
