"""Networks on top of the encoded features: what makes a logit out of the vectors of the sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfpfd._keras import keras, register

Encoded = Mapping[str, tf.Tensor]
"""`[batch, width]` by side: `"user"`, `"item"`, `"privileged"`, as far as they are seen."""


def dense_stack(
    units: Sequence[int],
    width: int,
    name: str,
    *,
    l2: float,
    batch_norm: bool,
    last_linear: bool = False,
) -> keras.Sequential:
    """Dense layers, each followed by batch normalisation and a leaky ReLU.

    Args:
      units: width of each layer.
      width: of the input.
      name: of the stack.
      l2: strength of the L2 penalty on the kernels.
      batch_norm: whether there is batch normalisation.
      last_linear: whether the last layer goes without normalisation and activation.
    """
    stack = keras.Sequential(name=name)
    for i, size in enumerate(units):
        regularizer = keras.regularizers.L2(l2) if l2 else None
        stack.add(keras.layers.Dense(size, kernel_regularizer=regularizer))
        if i < len(units) - 1 or not last_linear:
            if batch_norm:
                stack.add(keras.layers.BatchNormalization())
            stack.add(keras.layers.LeakyReLU())
    stack.build((None, width))
    return stack


def joined(encoded: Encoded) -> tf.Tensor:
    """All sides beside each other, `[batch, width]`."""
    return tf.concat([encoded[side] for side in sorted(encoded)], axis=1)


def check_units(units: Sequence[int], argument: str = "units") -> tuple[int, ...]:
    """The widths as a tuple; refuses none, and those that are no positive integers."""
    several = isinstance(units, Sequence) and len(units) > 0
    if not several or any(not isinstance(size, int) or size < 1 for size in units):
        raise ValueError(
            f"`{argument}` must be one or more positive integers in a list, the width of each "
            f"layer, received {units!r}"
        )
    return tuple(units)


@register
class TwoTower(keras.layers.Layer):
    """`scale · ⟨u, v⟩` with u, v the L2-normalised outputs of a user tower and an item tower.

    The student of coarse ranking in "Privileged Features Distillation at Taobao Recommendations":
    the item tower can be run ahead of the requests. Privileged features, where a teacher sees
    them, go in on the user side. The last layer of a tower is linear.

    Args:
      units: width of each layer of a tower; the last is the width of the embeddings.
      scale: factor of the inner product; logits lie in [-scale, scale].
      l2: strength of the L2 penalty on the kernels.
      batch_norm: whether hidden layers are batch normalised. Its statistics are those of all rows
        of a batch, so leave it out where most are unexposed candidates and requests rank others.

    Raises:
      ValueError: when built without a user or an item side.
    """

    def __init__(
        self,
        units: Sequence[int] = (512, 256, 128),
        scale: float = 5.0,
        l2: float = 0.0,
        batch_norm: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = check_units(units)
        self.scale = scale
        self.l2 = l2
        self.batch_norm = batch_norm

    def build(self, input_shape: Mapping[str, tuple]) -> None:
        widths = {side: shape[-1] for side, shape in input_shape.items()}
        missing = [side for side in ("user", "item") if not widths.get(side)]
        if missing:
            raise ValueError(
                f"TwoTower needs a user and an item side, received {sorted(widths)}: use MLP "
                "for a ranker that sees privileged features alone"
            )
        user = widths["user"] + widths.get("privileged", 0)
        self.user_tower = self._tower("user_tower", user)
        self.item_tower = self._tower("item_tower", widths["item"])
        self.built = True

    def _tower(self, name: str, width: int) -> keras.Sequential:
        return dense_stack(
            self.units, width, name, l2=self.l2, batch_norm=self.batch_norm, last_linear=True
        )

    def user_embedding(self, encoded: Encoded, training: bool | None = None) -> tf.Tensor:
        """The scaled user side of the inner product, `[batch, units[-1]]`."""
        sides = [encoded[side] for side in ("user", "privileged") if side in encoded]
        output = self.user_tower(tf.concat(sides, axis=1), training=training)
        return self.scale * tf.math.l2_normalize(output, axis=1)

    def item_embedding(self, encoded: Encoded, training: bool | None = None) -> tf.Tensor:
        """The item side of the inner product, `[batch, units[-1]]`."""
        return tf.math.l2_normalize(self.item_tower(encoded["item"], training=training), axis=1)

    def represent(self, encoded: Encoded, training: bool | None = None) -> tf.Tensor:
        """The products that add up to the logit, `[batch, units[-1]]`."""
        user = self.user_embedding(encoded, training=training)
        return user * self.item_embedding(encoded, training=training)

    def score(self, representation: tf.Tensor) -> tf.Tensor:
        """Logits `[batch]` of what `represent` returned."""
        return tf.reduce_sum(representation, axis=1)

    def call(self, inputs: Encoded, training: bool | None = None) -> tf.Tensor:
        """Logits `[batch]` of the encoded features."""
        return self.score(self.represent(inputs, training=training))

    def get_config(self) -> dict[str, Any]:
        config = {
            "units": list(self.units),
            "scale": self.scale,
            "l2": self.l2,
            "batch_norm": self.batch_norm,
        }
        return {**super().get_config(), **config}


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
        self.l2 = l2
        self.batch_norm = batch_norm

    def build(self, input_shape: Mapping[str, tuple]) -> None:
        width = sum(shape[-1] for shape in input_shape.values())
        self.hidden = dense_stack(
            self.units, width, "hidden", l2=self.l2, batch_norm=self.batch_norm
        )
        self.logit = keras.layers.Dense(1, name="logit")
        self.logit.build((None, self.units[-1]))
        self.built = True

    def represent(self, encoded: Encoded, training: bool | None = None) -> tf.Tensor:
        """The last hidden layer, `[batch, units[-1]]`."""
        return self.hidden(joined(encoded), training=training)

    def score(self, representation: tf.Tensor) -> tf.Tensor:
        """Logits `[batch]` of what `represent` returned."""
        return self.logit(representation)[:, 0]

    def call(self, inputs: Encoded, training: bool | None = None) -> tf.Tensor:
        """Logits `[batch]` of the encoded features."""
        return self.score(self.represent(inputs, training=training))

    def get_config(self) -> dict[str, Any]:
        config = {"units": list(self.units), "l2": self.l2, "batch_norm": self.batch_norm}
        return {**super().get_config(), **config}
