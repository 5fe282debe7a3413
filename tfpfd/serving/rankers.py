"""Exports without items: a ranker of any network, several by expected value, a tower alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tfpfd._keras import tf_variable
from tfpfd.distillation import Ranker
from tfpfd.schema import Side
from tfpfd.serving.served import Served, checked_student, concrete, encoder_weights


class RankerModule(tf.Module):
    """The lookups and the weights of rankers.

    Args:
      rankers: by name; of one schema.
    """

    def __init__(self, rankers: Mapping[str, Ranker]) -> None:
        super().__init__(name="tfpfd")
        schema = next(iter(rankers.values())).schema
        self.lookup = schema.lookup_of((*schema.user, *schema.item))
        self.weights = {
            name: {
                "encoder": encoder_weights(ranker),
                "network": [tf_variable(v) for v in ranker.network.weights],
            }
            for name, ranker in rankers.items()
        }


def ranker(student: Any) -> Served:
    """One ranker: features → `logit` and `probability`.

    Raises:
      TypeError: it is no ranker.
      ValueError: it sees privileged features.
    """
    student = checked_student(student)
    module = RankerModule({"student": student})

    def score(**features: tf.Tensor) -> dict[str, tf.Tensor]:
        logit = student(module.lookup(features), training=False)
        return {"logit": logit, "probability": tf.sigmoid(logit)}

    def functions() -> dict[str, Callable]:
        function = concrete(score, module.lookup.signature())
        return {"serving_default": function, "score": function}

    return Served(module, functions, student.schema, {})


def expected_value(rankers: Mapping[str, Ranker], price: str | None) -> Served:
    """Several rankers: features → their probabilities, the product, and the order by it.

    Raises:
      TypeError: one is no ranker.
      ValueError: there is none, their schemas differ, one sees privileged features, or has the name
        of another output, or `price` is no number of the schema.
    """
    if not rankers:
        raise ValueError("`student` is an empty mapping: expected rankers by name")
    for one in rankers.values():
        checked_student(one)
    schema = next(iter(rankers.values())).schema
    for name, one in rankers.items():
        if one.schema.served() != schema.served():
            raise ValueError(
                f"`student` must hold rankers of the same served schema, received for '{name}' "
                "another: adapt one schema and give it to all of them"
            )
    taken = sorted({"expected_value", "order"} & set(rankers))
    if taken:
        raise ValueError(f"`student` has rankers named {taken}, as other outputs are: rename them")
    numbers = [name for name, f in schema.features("served").items() if f.is_number]
    if price is not None and price not in numbers:
        raise ValueError(f"`price` must be a served Numeric, of {numbers}, received {price!r}")
    module = RankerModule(rankers)

    def rank(**features: tf.Tensor) -> dict[str, tf.Tensor]:
        inputs = module.lookup(features)
        found = {name: tf.sigmoid(one(inputs, training=False)) for name, one in rankers.items()}
        value = tf.reduce_prod(tf.stack(list(found.values())), axis=0)
        if price is not None:
            known = tf.math.is_finite(features[price])
            value *= tf.where(known, features[price], 0.0)
        order = tf.argsort(value, direction="DESCENDING", stable=True)
        return {**found, "expected_value": value, "order": order}

    def functions() -> dict[str, Callable]:
        function = concrete(rank, module.lookup.signature())
        return {"serving_default": function, "rank": function}

    return Served(module, functions, schema, {"rankers": list(rankers), "price": price})


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

    def hold(self, function: Any) -> None:
        """Takes the variables that a traced function reads: tables of the other side stay away."""
        self.weights = {"tower": list(function.graph.variables)}


def tower(student: Any, side: Side) -> Served:
    """One tower: features of its side → `embedding`.

    A logit is the inner product of the two towers' embeddings plus the bias, which the manifest of
    either holds as `bias`: 0 if the network has none.

    Raises:
      TypeError: `student` is no ranker with a two-tower network.
      ValueError: it sees privileged features, or `side` is no side.
    """
    student = checked_student(student, two_tower=True)
    if side not in ("user", "item"):
        raise ValueError(f"`side` must be 'user' or 'item', received {side!r}")
    module = TowerModule(student, side)
    embed = getattr(student.network, f"{side}_embedding")

    def embedding(**features: tf.Tensor) -> dict[str, tf.Tensor]:
        encoded = student.encode(module.lookup(features), training=False, sides=[side])
        return {"embedding": tf.cast(embed(encoded, training=False), tf.float32)}

    def functions() -> dict[str, Callable]:
        function = concrete(embedding, module.lookup.signature())
        module.hold(function)
        return {"serving_default": function, f"{side}_embedding": function}

    bias = student.network.bias
    facts = {"side": side, "bias": 0.0 if bias is None else float(bias)}
    return Served(module, functions, student.schema, facts)
