"""Labelled rows and, beside them, candidates that nobody was shown: what is trained and tested."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tfpfd.auditing.rows import TableRows, Treatment
from tfpfd.data import sample_unexposed
from tfpfd.distillation import Ranker
from tfpfd.evaluation import Embeddings, evaluate_catalogue, evaluate_rows, multiplicities
from tfpfd.layers import TwoTower
from tfpfd.schema import Schema
from tfpfd.serving import embed_items

RESAMPLES = 200
KS = {"recall@50": 50, "ndcg@10": 10}


@dataclass(frozen=True)
class Keys:
    """The columns from which a dataset's `features` computes all others.

    Args:
      user: of the user's id.
      item: of the item's id.
      moment: when, and what else is true of a request.
    """

    user: str
    item: str
    moment: tuple[str, ...]


def with_unexposed(data: Any, labelled: pd.DataFrame, per_row: int, keys: Keys) -> pd.DataFrame:
    """Training rows, and beside each of them items that the user was not shown, without a label.

    Args:
      data: a dataset with `items`, `exposed_until_training` and `features`.
      labelled: some of its training rows.
      per_row: how many items beside each row.
      keys: of the dataset.
    """
    if per_row == 0:
        return labelled
    unexposed = sample_unexposed(
        labelled,
        data.items,
        data.schema,
        user=keys.user,
        item=keys.item,
        exposed=data.exposed_until_training,
        keep=keys.moment,
        per_row=per_row,
    )
    unlabelled = data.features(unexposed[[keys.user, keys.item, *keys.moment]])
    return pd.concat(
        [labelled, unlabelled.assign(**{data.schema.label: np.nan})], ignore_index=True
    )


@dataclass(frozen=True)
class CandidateTask:
    """What all arms share: rows as batches, and what they are tested on."""

    data: Any
    keys: Keys
    schema: Schema
    train: dict[Treatment, tf.data.Dataset]
    validation: tf.data.Dataset
    test: TableRows
    resamples: np.ndarray

    @classmethod
    def prepare(
        cls, data: Any, keys: Keys, batch_size: int, share: float, per_row: int
    ) -> CandidateTask:
        """Samples unexposed candidates, learns the vocabularies and looks every row up.

        Args:
          data: a dataset with `train`, `validation` and `test`; see `with_unexposed`.
          keys: of the dataset.
          batch_size: labelled rows a batch, whatever stands beside them.
          share: of the training rows that are used.
          per_row: unexposed items beside each of them.
        """
        labelled = data.train.sample(frac=share, random_state=0)
        rows = with_unexposed(data, labelled, per_row, keys)
        schema = data.schema.adapt(rows, verbose=0)
        names = list(schema.features("privileged"))
        table_rows = TableRows.look_up(rows, schema)
        treatments: tuple[Treatment, ...] = ("kept", "shuffled")
        size = batch_size * (1 + per_row)
        return cls(
            data=data,
            keys=keys,
            schema=schema,
            train={
                treatment: table_rows.treated(treatment, names).batches(size, seed=0)
                for treatment in treatments
            },
            validation=TableRows.look_up(data.validation, schema).batches(16_384),
            test=TableRows.look_up(data.test, schema),
            resamples=multiplicities(data.test[keys.user].nunique(), RESAMPLES),
        )

    def evaluate(self, ranker: Ranker, whole_catalogue: bool) -> dict[str, np.ndarray]:
        """Test metrics `[1 + resamples]`.

        Args:
          ranker: that is tested.
          whole_catalogue: whether a two-tower ranker is tested on all items, too.
        """
        test = self.data.test
        metrics = evaluate_rows(
            test[self.schema.label].to_numpy(),
            self.test.logits(ranker),
            test[self.keys.user].to_numpy(),
            self.resamples,
            from_logits=True,
        )
        if whole_catalogue and isinstance(ranker.network, TwoTower):
            scores, relevant, shown = self._catalogue(ranker)
            ks = tuple(KS.values())
            found = evaluate_catalogue(
                scores, relevant, shown, ks=ks, multiplicities=self.resamples
            )
            metrics.update({name: found[name] for name in KS})
        return metrics

    def _catalogue(self, student: Ranker) -> tuple[Embeddings, np.ndarray, np.ndarray]:
        """Scores of all items at each user's first test row; what they liked; were shown."""
        test, items, keys = self.data.test, self.data.items, self.keys
        users = test.drop_duplicates(keys.user).sort_values(keys.user)
        columns = self.schema.columns(users, self.schema.user)
        inputs = self.schema.lookup({name: tf.constant(v) for name, v in columns.items()})
        embedded = student.network.user_embedding(student.encode(inputs, sides=["user"]))
        ids, table = embed_items(student, items, verbose=0)

        def matrix(rows: pd.DataFrame) -> np.ndarray:
            cells = np.zeros((len(users), len(ids)), bool)
            places = (
                pd.Index(users[keys.user]).get_indexer(rows[keys.user]),
                pd.Index(ids).get_indexer(rows[keys.item]),
            )
            cells[places] = True
            return cells

        shown = pd.concat([self.data.exposed_until_training, self.data.validation])
        liked = matrix(test[test[self.schema.label] == 1])
        return Embeddings(embedded.numpy(), table), liked, matrix(shown)
