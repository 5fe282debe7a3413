"""A student in TensorFlow Recommenders: its retrieval layers, for comparison and experiments."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfpfd._keras import keras
from tfpfd.distillation import Ranker
from tfpfd.integrations.packages import require
from tfpfd.schema.batches import Source
from tfpfd.serving import embed_items


class UserModel(keras.Model):
    """The user side of a two-tower student as the `query_model` of a TFRS layer.

    Args:
      student: a ranker with a `TwoTower`.
    """

    def __init__(self, student: Ranker) -> None:
        super().__init__()
        self.student = student

    def call(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Embeddings `[batch, width]` of users, from table rows (see `Schema.lookup`)."""
        encoded = self.student.encode(inputs, training=False, sides=["user"])
        return self.student.network.user_embedding(encoded, training=False)


def brute_force(student: Ranker, items: Source, k: int = 10) -> Any:
    """A `tfrs.layers.factorized_top_k.BruteForce` over a student's item table.

    Args:
      student: a ranker with a `TwoTower`.
      items: the catalogue: see `tfpfd.export`.
      k: how many items it returns.

    Returns:
      The layer: table rows of users → scores and item ids, each `[batch, k]`. The scores are inner
      products: the logits without the network's bias, which changes no order.

    Raises:
      ImportError: TensorFlow Recommenders can't be used here.
    """
    tfrs = require("tensorflow_recommenders")
    ids, table = embed_items(student, items, verbose=0)
    layer = tfrs.layers.factorized_top_k.BruteForce(query_model=UserModel(student), k=k)
    return layer.index(tf.constant(table), tf.constant(ids))
