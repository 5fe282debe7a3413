"""The two-tower network, whose item side can be run ahead of the requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfpfd._arguments import check_above_0, check_flag, check_number
from tfpfd._keras import KERAS_3, keras, register, tf_variable
from tfpfd.layers.dense import check_units, dense_stack
from tfpfd.layers.encoded import Encoded, Shapes, joined, joined_width
from tfpfd.layers.encoded_once import EncodedOnce, has_own_way, once

USER_SIDES = ("user", "privileged")
"""What the user tower reads."""


@register
class TwoTower(keras.layers.Layer):
    """`scale · ⟨u, v⟩ + b` with u, v the L2-normalised outputs of a user tower and an item tower.

    b is one trained number. Without it no logit leaves [-scale, scale], and with the default scale
    no probability is below .0067, so what is rarer can't be told. It changes no order of items.

    The student of coarse ranking in "Privileged Features Distillation at Taobao Recommendations":
    the item tower can be run ahead of the requests. Privileged features, where a teacher sees
    them, go in on the user side. The last layer of a tower is linear.

    Args:
      units: width of each layer of a tower; the last is the width of the embeddings.
      scale: factor of the inner product; logits lie in [b - scale, b + scale].
      l2: strength of the L2 penalty on the kernels.
      batch_norm: whether hidden layers are batch normalised. Its statistics are those of all rows
        of a batch, so leave it out where most are unexposed candidates and requests rank others.
      use_bias: whether there is a b; it starts at 0. Configurations that don't say so have none:
        what was saved before there was one loads and scores as it did.

    Raises:
      ValueError: when built without a user or an item side.
    """

    _bias: Any = None

    def __init__(
        self,
        units: Sequence[int] = (512, 256, 128),
        scale: float = 5.0,
        l2: float = 0.0,
        batch_norm: bool = True,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = check_units(units)
        check_above_0("scale", scale)
        check_number("l2", l2)
        check_flag("batch_norm", batch_norm)
        check_flag("use_bias", use_bias)
        self.scale = float(scale)
        self.l2 = float(l2)
        self.batch_norm = bool(batch_norm)
        self.use_bias = bool(use_bias)

    @property
    def representation_width(self) -> int:
        """Width of an embedding."""
        return self.units[-1]

    def build(self, input_shape: Shapes) -> None:
        if not all(input_shape.get(side) for side in ("user", "item")):
            raise ValueError(
                f"TwoTower needs a user and an item side, received {sorted(input_shape)}: use MLP "
                "for a ranker that sees privileged features alone"
            )
        self.user_tower = self._tower("user_tower", joined_width(input_shape, USER_SIDES))
        self.item_tower = self._tower("item_tower", joined_width(input_shape, ["item"]))
        if self.use_bias:
            # Of float32 whatever the policy, as the sum that it is added to.
            exact = {"autocast" if KERAS_3 else "experimental_autocast": False}
            self._bias = self.add_weight(
                name="bias", shape=(), initializer="zeros", dtype="float32", **exact
            )
        self.built = True

    @property
    def bias(self) -> tf.Tensor | tf.Variable | None:
        """What is added to the inner product, a float32 scalar; None without it, or unbuilt."""
        return tf_variable(self._bias)

    def _tower(self, name: str, width: int) -> keras.Sequential:
        return dense_stack(
            self.units,
            width,
            name,
            l2=self.l2,
            batch_norm=self.batch_norm,
            dtype=self.dtype_policy.name,
            last_linear=True,
        )

    def _normalized(self, output: tf.Tensor) -> tf.Tensor:
        # The slope at a zero vector is epsilon ** -.5, which float16 must be able to hold.
        epsilon = 1e-6 if self.compute_dtype == "float16" else 1e-12
        return tf.math.l2_normalize(tf.cast(output, tf.float32), axis=1, epsilon=epsilon)

    def user_embedding(self, encoded: Encoded, training: bool | None = None) -> tf.Tensor:
        """The scaled user side of the inner product, float32 `[batch, representation_width]`."""
        sides = [side for side in USER_SIDES if side in encoded]
        output = self.user_tower(joined(encoded, sides), training=training)
        return self.scale * self._normalized(output)

    def item_embedding(self, encoded: Encoded, training: bool | None = None) -> tf.Tensor:
        """The item side of the inner product, float32 `[batch, representation_width]`."""
        return self._normalized(self.item_tower(joined(encoded, ["item"]), training=training))

    @property
    def takes_repeated(self) -> bool:
        """Whether vectors may come as `Repeated`: a tower is then run once for rows of a group.

        Not with batch normalisation, whose statistics count every row, nor in a subclass that has
        a way of its own from vectors to logits.
        """
        return not self.batch_norm and not has_own_way(self, TwoTower)

    def represent(self, encoded: EncodedOnce, training: bool | None = None) -> tf.Tensor:
        """The products that add up to the logit without b, `[batch, representation_width]`."""
        item = {"item": encoded["item"]}
        user = {side: features for side, features in encoded.items() if side not in item}
        return once(lambda part: self.user_embedding(part, training=training), user) * once(
            lambda part: self.item_embedding(part, training=training), item
        )

    def score(self, representation: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Logits `[batch]` of what `represent` returned."""
        inner = tf.reduce_sum(representation, axis=1)
        # A subclass may give embeddings of a half type.
        return inner if self.bias is None else tf.cast(inner, tf.float32) + self.bias

    def call(self, inputs: Encoded, training: bool | None = None) -> tf.Tensor:
        """Logits `[batch]` of the encoded features."""
        return self.score(self.represent(inputs, training=training), training=training)

    def get_config(self) -> dict[str, Any]:
        config = {
            "units": list(self.units),
            "scale": self.scale,
            "l2": self.l2,
            "batch_norm": self.batch_norm,
            "use_bias": self.use_bias,
        }
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TwoTower:
        # A file from before there was a bias has no weight for it.
        return super().from_config({"use_bias": False, **config})
