"""A network of dense layers over all that is seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfpfd._arguments import check_flag, check_number
from tfpfd._keras import keras, register
from tfpfd.layers.dense import check_units, dense_stack, sum_of_sides
from tfpfd.layers.encoded import Encoded, Shapes, joined, joined_width
from tfpfd.layers.encoded_once import EncodedOnce, has_own_way, is_repeated


@register
class MLP(keras.layers.Layer):
    """Dense layers over all sides that are seen, then one logit.

    Args:
      units: width of each hidden layer.
      l2: strength of the L2 penalty on the kernels.
      batch_norm: whether hidden layers are batch normalised.
    """

    def __init__(
        self,
        units: Sequence[int] = (512, 256, 128),
        l2: float = 0.0,
        batch_norm: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = check_units(units)
        check_number("l2", l2)
        check_flag("batch_norm", batch_norm)
        self.l2 = float(l2)
        self.batch_norm = bool(batch_norm)

    @property
    def representation_width(self) -> int:
        """Width of the last hidden layer."""
        return self.units[-1]

    def build(self, input_shape: Shapes) -> None:
        self.hidden = dense_stack(
            self.units,
            joined_width(input_shape),
            "hidden",
            l2=self.l2,
            batch_norm=self.batch_norm,
            dtype=self.dtype_policy.name,
        )
        self.logit = keras.layers.Dense(1, name="logit", dtype="float32")
        self.logit.build((None, self.units[-1]))
        self.built = True

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

    def score(self, representation: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Logits `[batch]` of what `represent` returned."""
        return self.logit(representation)[:, 0]

    def call(self, inputs: Encoded, training: bool | None = None) -> tf.Tensor:
        """Logits `[batch]` of the encoded features."""
        return self.score(self.represent(inputs, training=training), training=training)

    def get_config(self) -> dict[str, Any]:
        config = {"units": list(self.units), "l2": self.l2, "batch_norm": self.batch_norm}
        return {**super().get_config(), **config}
