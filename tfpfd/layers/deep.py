"""What networks that end in dense layers have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfpfd._arguments import check_flag, check_number
from tfpfd._keras import keras
from tfpfd.layers.dense import check_units, dense_stack
from tfpfd.layers.encoded import Encoded, Shapes


class Deep(keras.layers.Layer):
    """Base of networks whose logit is linear in the last of dense layers.

    A `tfpfd.layers.Network`. A subclass makes in `build_body` what `represent` reads, dense layers
    of `dense` last.

    Args:
      units: width of each dense layer.
      l2: strength of the L2 penalty on the kernels.
      batch_norm: whether dense layers are batch normalised.

    Raises:
      ValueError: `units` are no positive integers, or `l2` is negative.
      TypeError: `batch_norm` is neither True nor False.
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
        """Width of the last dense layer."""
        return self.units[-1]

    def build_body(self, input_shape: Shapes) -> None:
        """Makes the weights that `represent` reads: all that a tower of this kind has."""
        raise NotImplementedError

    def build(self, input_shape: Shapes) -> None:
        self.build_body(input_shape)
        self.logit = keras.layers.Dense(1, name="logit", dtype="float32")
        self.logit.build((None, self.units[-1]))
        self.built = True

    def dense(self, width: int) -> keras.Sequential:
        """The dense layers, of an input of this width."""
        return dense_stack(
            self.units,
            width,
            "hidden",
            l2=self.l2,
            batch_norm=self.batch_norm,
            dtype=self.dtype_policy.name,
        )

    def represent(self, encoded: Encoded, training: bool | None = None) -> tf.Tensor:
        """What the logit is made of, `[batch, representation_width]`."""
        raise NotImplementedError

    def score(self, representation: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Logits `[batch]` of what `represent` returned."""
        return self.logit(representation)[:, 0]

    def call(self, inputs: Encoded, training: bool | None = None) -> tf.Tensor:
        """Logits `[batch]` of the encoded features."""
        return self.score(self.represent(inputs, training=training), training=training)

    def get_config(self) -> dict[str, Any]:
        config = {"units": list(self.units), "l2": self.l2, "batch_norm": self.batch_norm}
        return {**super().get_config(), **config}
