"""What is served: a plain `tf.Module` that refers to parts of the student and to nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfpfd._keras import tf_variable
from tfpfd.distillation import Ranker
from tfpfd.schema import Schema

UNKNOWN_SCORE = float(np.finfo(np.float32).min)
"""Score of a candidate that isn't in the table: the lowest finite one, which JSON can hold."""
CANDIDATES, K = "candidate_ids", "k"


class TwoTowerModule(tf.Module):
    """The user tower, the item tower and the table of item embeddings, with the lookups inside.

    Args:
      student: a ranker with a `TwoTower` that sees served features.
      ids: `[items]` strings or int64.
      embeddings: float32 `[items, width]`.
    """

    def __init__(self, student: Ranker, ids: np.ndarray, embeddings: np.ndarray) -> None:
        super().__init__(name="tfpfd")
        schema = student.schema
        self.lookup = schema.lookup_of((*schema.user, *schema.item))
        # Variables whose first dimension is open: a table may be replaced by a longer one.
        key_type = tf.string if ids.dtype == object else tf.int64
        self.item_ids = tf.Variable(
            tf.constant(ids, key_type), shape=[None], trainable=False, name="item_ids"
        )
        self.item_embeddings = tf.Variable(
            embeddings, shape=[None, embeddings.shape[1]], trainable=False, name="item_embeddings"
        )
        self.item_rows = tf.lookup.experimental.MutableHashTable(key_type, tf.int64, -1)
        self.item_rows.insert(self.item_ids, tf.range(len(ids), dtype=tf.int64))
        # The variables, not the layers: those would bring functions and metadata of Keras along.
        network = student.network
        self.weights = {
            "encoder": [tf_variable(v) for encoder in student.encoders for v in encoder.weights],
            "user_tower": [tf_variable(v) for v in network.user_tower.weights],
            "item_tower": [tf_variable(v) for v in network.item_tower.weights],
        }

    def functions(self, student: Ranker, default_k: int) -> dict[str, Callable]:
        """The signatures.

        Args:
          student: the ranker that this module was made of.
          default_k: how many items `serving_default` returns.
        """
        network = student.network

        def user_embedding(features: dict[str, tf.Tensor]) -> tf.Tensor:
            encoded = student.encode(self.lookup(features), training=False, sides=["user"])
            return network.user_embedding(encoded, training=False)

        def item_embedding(**features: tf.Tensor) -> dict[str, tf.Tensor]:
            encoded = student.encode(self.lookup(features), training=False, sides=["item"])
            return {"embedding": network.item_embedding(encoded, training=False)}

        def top_k(k: tf.Tensor, **features: tf.Tensor) -> dict[str, tf.Tensor]:
            table = self.item_embeddings
            scores = tf.matmul(user_embedding(features), table, transpose_b=True)
            found = tf.math.top_k(scores, tf.clip_by_value(k, 0, tf.shape(table)[0]))
            return {"item_ids": tf.gather(self.item_ids, found.indices), "scores": found.values}

        def score_candidates(
            candidate_ids: tf.Tensor, **features: tf.Tensor
        ) -> dict[str, tf.Tensor]:
            rows = self.item_rows.lookup(candidate_ids)
            vectors = tf.gather(self.item_embeddings, tf.maximum(rows, 0))
            scores = tf.einsum("bd,bnd->bn", user_embedding(features), vectors)
            return {"scores": tf.where(rows >= 0, scores, UNKNOWN_SCORE)}

        specs, schema = self.lookup.signature(), student.schema
        user = {feature.name: specs[feature.name] for feature in schema.user}
        item = {feature.name: specs[feature.name] for feature in schema.item}
        candidates = tf.TensorSpec([None, None], self.item_ids.dtype, name=CANDIDATES)
        k = tf.TensorSpec([], tf.int32, name=K)

        def concrete(function: Callable, specs: dict[str, tf.TensorSpec]) -> Callable:
            return tf.function(function, autograph=False).get_concrete_function(**specs)

        return {
            "serving_default": concrete(lambda **features: top_k(default_k, **features), user),
            "top_k": concrete(top_k, {K: k, **user}),
            "user_embedding": concrete(
                lambda **features: {"embedding": user_embedding(features)}, user
            ),
            "item_embedding": concrete(item_embedding, item),
            "score_candidates": concrete(score_candidates, {CANDIDATES: candidates, **user}),
        }


def reserved(schema: Schema) -> list[str]:
    """Names of served features that a signature can't have as names of inputs."""
    user = [feature.name for feature in schema.user if feature.name in (CANDIDATES, K)]
    # TensorFlow's functions have a `self` of their own.
    return user + [name for name in schema.features("served") if name == "self"]


def variable_shapes(directory: Any) -> dict[str, list[int]]:
    """Shape of every variable that a SavedModel holds, by its key in the checkpoint."""
    reader = tf.train.load_checkpoint(f"{directory}/variables/variables")
    return {
        key: list(shape)
        for key, shape in sorted(reader.get_variable_to_shape_map().items())
        if not key.startswith("_CHECKPOINTABLE")
    }
