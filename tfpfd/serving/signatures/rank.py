"""`rank`: several rankers' probabilities, and the order by their product, times a price."""

from __future__ import annotations

import tensorflow as tf

from tfpfd.serving.ranker_module import ServedRankers
from tfpfd.serving.signatures.signature import Signature

VALUE, ORDER = "expected_value", "order"


class Rank(Signature[ServedRankers]):
    """User and item features → each probability, `expected_value`, and `order` by it."""

    name = "rank"
    sides = ("user", "item")

    def answer(
        self, model: ServedRankers, features: dict[str, tf.Tensor], request: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """As of `Signature`."""
        found = {name: tf.sigmoid(logit) for name, logit in model.logits(features).items()}
        value = tf.reduce_prod(tf.stack(list(found.values())), axis=0)
        if model.price is not None:
            price = features[model.price]
            value *= tf.where(tf.math.is_finite(price), price, 0.0)
        order = tf.argsort(value, direction="DESCENDING", stable=True)
        return {**found, VALUE: value, ORDER: order}
