"""What is served: a plain `tf.Module` that refers to parts of the student and to nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from tfpfd._arguments import check_integer
from tfpfd._keras import tf_variable
from tfpfd.distillation import Ranker
from tfpfd.schema.feature import raw_columns
from tfpfd.serving.items import item_id_of
from tfpfd.serving.rules import attribute_modules, history_of, passing, rule_inputs
from tfpfd.serving.served import Served, check_names, checked_student, concrete, encoder_weights
from tfpfd.serving.table import ItemTable, TableType, check_table_type
from tfpfd.serving.top_k import best_of

UNKNOWN_SCORE = float(np.finfo(np.float32).min)
"""Score of a candidate that isn't in the table: the lowest finite one, which JSON can hold."""
CANDIDATES, K = "candidate_ids", "k"


class TwoTowerModule(tf.Module):
    """The user tower, the item tower and the item table, with the lookups inside.

    The item table is empty: `tfpfd.serving.fill` writes the items into the files.

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
            "user_tower": [tf_variable(v) for v in network.user_tower.weights],
            "item_tower": [tf_variable(v) for v in network.item_tower.weights],
        }

    def functions(self, student: Ranker, default_k: int) -> dict[str, Callable]:
        """The signatures.

        Args:
          student: the ranker that this module was made of.
          default_k: how many items `serving_default` returns.
        """
        network, schema = student.network, student.schema
        table = ItemTable(self.item_embeddings, getattr(self, "item_scales", None))
        bias = getattr(self, "bias", 0.0)
        user_names = raw_columns(schema.user)
        histories = history_of(schema)
        nothing = "" if self.item_ids.dtype == tf.string else -1

        def user_embedding(features: dict[str, tf.Tensor]) -> tf.Tensor:
            encoded = student.encode(self.lookup(features), training=False, sides=["user"])
            return tf.cast(network.user_embedding(encoded, training=False), tf.float32)

        def at_most(k: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
            # A request may hold one number, or one a row, which TF Serving's rows and batches need.
            return tf.clip_by_value(tf.reduce_max(k), 0, rows)

        def item_embedding(**features: tf.Tensor) -> dict[str, tf.Tensor]:
            encoded = student.encode(self.lookup(features), training=False, sides=["item"])
            embedding = network.item_embedding(encoded, training=False)
            return {"embedding": tf.cast(embedding, tf.float32)}

        def top_k(k: tf.Tensor, **features: tf.Tensor) -> dict[str, tf.Tensor]:
            user, rows = user_embedding(features), table.rows
            scores, found = best_of(
                partial(table.scores, user), rows, tf.shape(user)[0], at_most(k, rows)
            )
            # Added to k scores an item, as it changes no order.
            return {"item_ids": tf.gather(self.item_ids, found), "scores": scores + bias}

        def top_k_where(k: tf.Tensor, **request: tf.Tensor) -> dict[str, tf.Tensor]:
            user = user_embedding({name: request[name] for name in user_names})
            rows = table.rows
            passes = passing(
                self.attributes,
                self.item_rows,
                rows,
                request,
                [request[name] for name in histories],
            )

            def scores_of(start: tf.Tensor, stop: tf.Tensor) -> tf.Tensor:
                let_through = tf.transpose(passes[:, start:stop])
                return tf.where(let_through, table.scores(user, start, stop), UNKNOWN_SCORE)

            scores, found = best_of(scores_of, rows, tf.shape(user)[0], at_most(k, rows))
            ids = tf.gather(self.item_ids, found)
            passed = scores > UNKNOWN_SCORE
            return {
                "item_ids": tf.where(passed, ids, nothing),
                "scores": tf.where(passed, scores + bias, UNKNOWN_SCORE),
            }

        def score_candidates(
            candidate_ids: tf.Tensor, **features: tf.Tensor
        ) -> dict[str, tf.Tensor]:
            rows = self.item_rows.lookup(candidate_ids)
            vectors = table.vectors(tf.maximum(rows, 0))
            scores = tf.einsum("bd,bnd->bn", user_embedding(features), vectors)
            return {"scores": tf.where(rows >= 0, scores + bias, UNKNOWN_SCORE)}

        specs = self.lookup.signature()
        user = {name: specs[name] for name in user_names}
        item = {name: specs[name] for name in raw_columns(schema.item)}
        candidates = tf.TensorSpec([None, None], self.item_ids.dtype, name=CANDIDATES)
        k = tf.TensorSpec(None, tf.int32, name=K)
        rules = rule_inputs(schema, self.attributes)

        return {
            "serving_default": concrete(lambda **features: top_k(default_k, **features), user),
            "top_k": concrete(top_k, {K: k, **user}),
            "top_k_where": concrete(top_k_where, {K: k, **user, **rules}),
            "user_embedding": concrete(
                lambda **features: {"embedding": user_embedding(features)}, user
            ),
            "item_embedding": concrete(item_embedding, item),
            "score_candidates": concrete(score_candidates, {CANDIDATES: candidates, **user}),
        }


def two_tower(student: Any, k: int, table: TableType, attributes: list[str]) -> Served:
    """A two-tower student with a table of items.

    Args:
      student: a ranker with a `TwoTower` that sees served features.
      k: how many items `serving_default` returns.
      table: type of the item table.
      attributes: names of item features that requests filter by.

    Raises:
      TypeError: `student` is no ranker with a two-tower network.
      ValueError: it sees privileged features, a user feature has the name of another input, or one
        of the other arguments is wrong.
    """
    student = checked_student(student, two_tower=True)
    check_integer("k", k, least=1)
    check_table_type(table)
    taken = {CANDIDATES, K, *rule_inputs(student.schema, attributes)}
    check_names([name for name in raw_columns(student.schema.user) if name in taken])
    module = TwoTowerModule(student, table, attributes)
    facts = {"k": int(k), "table": table, "attributes": attributes}
    return Served(module, lambda: module.functions(student, int(k)), student.schema, facts)


def variable_shapes(directory: Any) -> dict[str, list[int]]:
    """Shape of every variable that a SavedModel holds, by its key in the checkpoint."""
    reader = tf.train.load_checkpoint(f"{directory}/variables/variables")
    return {
        key: list(shape)
        for key, shape in sorted(reader.get_variable_to_shape_map().items())
        if not key.startswith("_CHECKPOINTABLE")
    }
