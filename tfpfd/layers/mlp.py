"""A network of dense layers over all that is seen."""

from __future__ import annotations

import tensorflow as tf

from tfpfd._keras import keras, register
from tfpfd.layers.deep import Deep
from tfpfd.layers.dense import sum_of_sides
from tfpfd.layers.encoded import Shapes, joined, joined_width
from tfpfd.layers.encoded_once import EncodedOnce, has_own_way, is_repeated


@register
class MLP(Deep):
    """Dense layers over all sides that are seen, then one logit.

    Args:
      units: width of each hidden layer.
      l2: strength of the L2 penalty on the kernels.
      batch_norm: whether hidden layers are batch normalised.
    """

    def build_body(self, input_shape: Shapes) -> None:
        """Makes the hidden layers."""
        self.hidden = self.dense(joined_width(input_shape))

    @property
    def takes_repeated(self) -> bool:
        """Whether vectors may come as `Repeated`; not in a subclass with a way of its own."""
        return not has_own_way(self, MLP)

    def represent(self, encoded: EncodedOnce, training: bool | None = None) -> tf.Tensor:
        """The last hidden layer, `[batch, representation_width]`."""
        if not is_repeated(encoded):
            return self.hidden(joined(encoded), training=training)
        first, *others = self.hidden.layers
        x = sum_of_sides(first, encoded)
        for layer in others:
            normalizes = isinstance(layer, keras.layers.BatchNormalization)
            x = layer(x, training=training) if normalizes else layer(x)
        return x
