"""What is served of two towers: a plain `tf.Module`, and what signatures make of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import tensorflow as tf

from tfpfd._keras import tf_variable
from tfpfd.distillation import Ranker
from tfpfd.schema import Side
from tfpfd.serving.item_embeddings import item_id_of
from tfpfd.serving.item_table import ItemTable, TableType
from tfpfd.serving.request_rules import attribute_modules
from tfpfd.serving.student_checks import encoder_weights


class TwoTowerModule(tf.Module):
    """The user tower, the item tower and the item table, with the lookups inside.

    It refers to parts of the student and to nothing else. The item table is empty:
    `tfpfd.serving.item_writing` writes the items into the files.

    Args:
      student: a ranker with a `TwoTower` that sees served features.
      table: type of the item table.
      attributes: names of item features that requests filter by.
    """

    def __init__(self, student: Ranker, table: TableType, attributes: Iterable[str]) -> None:
        super().__init__(name="tfpfd")
        schema = student.schema
        self.lookup = schema.lookup_of((*schema.user, *schema.item))
        width = student.network.representation_width
        key_type = schema.raw_spec(item_id_of(schema)).dtype
        # Variables whose first dimension is open: a table may be replaced by a longer one.
        self.item_ids = tf.Variable(
            tf.zeros([0], key_type), shape=[None], trainable=False, name="item_ids"
        )
        self.item_embeddings = tf.Variable(
            tf.zeros([0, width], table),
            shape=[None, width],
            trainable=False,
            name="item_embeddings",
        )
        if table == "int8":
            self.item_scales = tf.Variable(
                tf.zeros([0]), shape=[None], trainable=False, name="item_scales"
            )
        self.item_rows = tf.lookup.experimental.MutableHashTable(key_type, tf.int64, -1)
        self.attributes = attribute_modules(schema, attributes)
        network = student.network
        bias = network.bias
        if bias is not None:
            # That of fused towers is a sum, and `saved_scores` reads one variable.
            is_sum = not isinstance(bias, tf.Variable)
            self.bias = tf.Variable(bias, trainable=False, name="bias") if is_sum else bias
        self.weights = {
            "encoder": encoder_weights(student),
            # What the user's embedding is made of, its scale too.
            "user_tower": [
                tf_variable(v) for v in (*network.user_tower.weights, *network.scale_weights)
            ],
            "item_tower": [tf_variable(v) for v in network.item_tower.weights],
        }


class TowerModule(tf.Module):
    """One tower of a two-tower student, with the lookups of its side.

    Args:
      student: a ranker with a `TwoTower`.
      side: `"user"` or `"item"`.
    """

    def __init__(self, student: Ranker, side: Side) -> None:
        super().__init__(name="tfpfd")
        self.lookup = student.schema.lookup_of(student.schema.sides[side])
        self.weights: dict[str, list[tf.Variable]] = {}

    def hold(self, functions: Iterable[Any]) -> None:
        """Takes the variables that traced functions read: tables of the other side stay away."""
        read = {variable.ref(): variable for one in functions for variable in one.graph.variables}
        self.weights = {"tower": list(read.values())}


class Towers:
    """What signatures compute with; no part of what is saved.

    Args:
      student: a ranker with a `TwoTower`.
      lookup: of the raw features.
    """

    def __init__(self, student: Ranker, lookup: Callable) -> None:
        self.schema = student.schema
        self._student, self._lookup = student, lookup

    def embedding(self, side: Side, features: dict[str, tf.Tensor]) -> tf.Tensor:
        """What a tower gives, float32 `[batch, width]`.

        Args:
          side: `"user"` or `"item"`.
          features: the raw values of that side.
        """
        tower = getattr(self._student.network, f"{side}_embedding")
        encoded = self._student.encode(self._lookup(features), training=False, sides=[side])
        return tf.cast(tower(encoded, training=False), tf.float32)


class ServedCatalogue(Towers):
    """Towers and a table of items.

    Args:
      student: the ranker that `module` was made of.
      module: what is saved.
      k: how many items `serving_default` returns.

    Attributes:
      table: the embeddings of the items: see `ItemTable`.
      item_ids: `[items]`, string or int64.
      item_rows: a lookup table from ids to rows of the table, -1 for others.
      attributes: by name, what requests filter by.
      bias: what is added to an inner product to make it a logit.
    """

    def __init__(self, student: Ranker, module: TwoTowerModule, k: int) -> None:
        super().__init__(student, module.lookup)
        self.table = ItemTable(module.item_embeddings, getattr(module, "item_scales", None))
        self.item_ids = module.item_ids
        self.item_rows = module.item_rows
        self.attributes = module.attributes
        self.bias: Any = getattr(module, "bias", 0.0)
        self.k = k

    @staticmethod
    def at_most(k: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """The largest `k` of a request, cut to what there is."""
        return tf.clip_by_value(tf.reduce_max(k), 0, rows)
