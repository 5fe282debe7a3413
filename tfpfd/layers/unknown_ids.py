"""Ids taken for unknown ones in training, so that the row of unknown ids is learned."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from tfpfd._keras import keras
from tfpfd.schema import Feature


class UnknownIds:
    """Takes ids of features for unknown ones, at the rates that they say.

    Args:
      features: by name.
      known: the features of the schema.

    Attributes:
      layers: what draws, by column: layers of Keras, so that a seed, replicas and saved models are
        treated as they treat dropout.
    """

    def __init__(self, features: Mapping[str, Feature], known: Mapping[str, Feature]) -> None:
        self._features, self._known = features, known
        self.layers = {
            column: keras.layers.Dropout(rate, name=f"unknown_{column}", dtype="float32")
            for feature in features.values()
            for column, rate in feature.oov_rates.items()
        }

    def __call__(self, name: str, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The inputs of a feature for a step of training."""
        found = dict(inputs)
        if name not in self._features:  # Another encoder's, which draws for itself.
            return found
        feature = self._features[name]
        for column in feature.oov_rates:
            rows = inputs[column]
            kept = self.layers[column](tf.ones_like(rows, tf.float32), training=True) > 0
            found[column] = tf.where(kept, rows, feature.unknown(column, rows, self._known))
        return found
