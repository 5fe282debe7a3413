"""The vectors of all features, of one width: what networks of pairs of features read."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfpfd._keras import keras
from tfpfd.layers.encoded import Encoded, Shapes


class Fields(keras.layers.Layer):
    """The vectors of the features below each other, `[batch, features, width]`.

    Vectors of another width than most features have are brought to it by a linear layer each.

    Attributes:
      count: how many features, once built.
      width: that of most of them.
    """

    def build(self, input_shape: Shapes) -> None:
        widths = [shape[-1] for side in sorted(input_shape) for shape in input_shape[side].values()]
        self.count = len(widths)
        self.width = max(widths, key=widths.count)
        self.projections = {
            str(place): keras.layers.Dense(
                self.width, use_bias=False, name=f"field_{place}", dtype=self.dtype_policy.name
            )
            for place, width in enumerate(widths)
            if width != self.width
        }
        for place, projection in self.projections.items():
            projection.build((None, widths[int(place)]))
        self.built = True

    def call(self, inputs: Encoded) -> tf.Tensor:
        """The vectors, the sides in the order of their names."""
        vectors = [x for side in sorted(inputs) for x in inputs[side].values()]
        aligned = [
            self.projections[str(place)](x) if str(place) in self.projections else x
            for place, x in enumerate(vectors)
        ]
        return tf.stack([tf.cast(x, self.compute_dtype) for x in aligned], axis=1)


def check_pairs(network: Any, shapes: Shapes) -> None:
    """Refuses to build a network of pairs for a single feature.

    Raises:
      ValueError: there are no two features.
    """
    names = [name for features in shapes.values() for name in features]
    if len(names) < 2:
        raise ValueError(
            f"{type(network).__name__} needs two features or more to pair, received {names}"
        )
