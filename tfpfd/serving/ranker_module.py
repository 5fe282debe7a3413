"""What is served of rankers without items: a plain `tf.Module`, and what signatures make of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

from tfpfd._keras import tf_variable
from tfpfd.distillation import Ranker
from tfpfd.serving.student_checks import encoder_weights


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


class ServedRankers:
    """What signatures compute with; no part of what is saved.

    Args:
      rankers: by name.
      lookup: of the raw features.
      price: the feature that the product of several is multiplied by.
    """

    def __init__(self, rankers: Mapping[str, Ranker], lookup: Callable, price: str | None) -> None:
        self.rankers = rankers
        self.lookup = lookup
        self.price = price

    def logits(self, features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The logits `[batch]` of each ranker, by its name.

        Args:
          features: raw values of users and items.
        """
        inputs = self.lookup(features)
        return {name: ranker(inputs, training=False) for name, ranker in self.rankers.items()}
