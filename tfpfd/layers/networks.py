"""Networks on top of the encoded features: what makes a logit out of the vectors of the sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfpfd._arguments import check_above_0, check_flag, check_number, plain
from tfpfd._keras import KERAS_3, keras, register, tf_variable
from tfpfd.layers.dense import dense_stack, sum_of_sides
from tfpfd.layers.repeated import Repeated, Vectors, once

Encoded = Mapping[str, tf.Tensor]
"""`[batch, width]` by side: `"user"`, `"item"`, `"privileged"`, as far as they are seen."""


def joined(encoded: Encoded) -> tf.Tensor:
    """All sides beside each other, `[batch, width]`."""
    return tf.concat([encoded[side] for side in sorted(encoded)], axis=1)


def check_units(units: Sequence[int], argument: str = "units") -> tuple[int, ...]:
    """The widths as a tuple; refuses none, and those that are no positive integers."""
    several = isinstance(units, Sequence) and len(units) > 0
    sizes = tuple(map(plain, units)) if several else ()
    if not several or any(type(size) is not int or size < 1 for size in sizes):
        raise ValueError(
            f"`{argument}` must be one or more positive integers in a list, the width of each "
            f"layer, received {units!r}"
        )
    return sizes


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
        """The scaled user side of the inner product, float32 `[batch, units[-1]]`."""
        sides = [encoded[side] for side in ("user", "privileged") if side in encoded]
        output = self.user_tower(tf.concat(sides, axis=1), training=training)
        return self.scale * self._normalized(output)

    def item_embedding(self, encoded: Encoded, training: bool | None = None) -> tf.Tensor:
        """The item side of the inner product, float32 `[batch, units[-1]]`."""
        return self._normalized(self.item_tower(encoded["item"], training=training))

    @property
    def takes_repeated(self) -> bool:
        """Whether sides may come as `Repeated`: a tower is then run once for rows of a group.

        Not with batch normalisation, whose statistics count every row, nor in a subclass that has
        a way of its own from sides to logits.
        """
        return not self.batch_norm and not _own_way(self, TwoTower)

    def represent(self, encoded: Mapping[str, Vectors], training: bool | None = None) -> tf.Tensor:
        """The products that add up to the logit without b, `[batch, units[-1]]`."""
        item = {"item": encoded["item"]}
        user = {side: vectors for side, vectors in encoded.items() if side not in item}
        return once(lambda sides: self.user_embedding(sides, training=training), user) * once(
            lambda sides: self.item_embedding(sides, training=training), item
        )

    def score(self, representation: tf.Tensor) -> tf.Tensor:
        """Logits `[batch]` of what `represent` returned."""
        inner = tf.reduce_sum(representation, axis=1)
        # A subclass may give embeddings of a half type.
        return inner if self.bias is None else tf.cast(inner, tf.float32) + self.bias

    def call(self, inputs: Encoded, training: bool | None = None) -> tf.Tensor:
        """Logits `[batch]` of the encoded features."""
        return self.score(self.represent(inputs, training=training))

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


# A network built another way may have other layers than those whose work is split up.
_WAY = ("build", "call", "represent")


def _own_way(network: keras.layers.Layer, kind: type[keras.layers.Layer]) -> bool:
    """Whether a network of this kind, or of a subclass, has its own way from sides to logits."""
    return any(getattr(type(network), n) is not getattr(kind, n) for n in _WAY)


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

    def build(self, input_shape: Mapping[str, tuple]) -> None:
        width = sum(shape[-1] for shape in input_shape.values())
        self.hidden = dense_stack(
            self.units,
            width,
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
        """Whether sides may come as `Repeated`; not in a subclass with a way of its own."""
        return not _own_way(self, MLP)

    def represent(self, encoded: Mapping[str, Vectors], training: bool | None = None) -> tf.Tensor:
        """The last hidden layer, `[batch, units[-1]]`."""
        if not any(isinstance(vectors, Repeated) for vectors in encoded.values()):
            return self.hidden(joined(encoded), training=training)
        first, *others = self.hidden.layers
        x = sum_of_sides(first, encoded)
        for layer in others:
            normalizes = isinstance(layer, keras.layers.BatchNormalization)
            x = layer(x, training=training) if normalizes else layer(x)
        return x

    def score(self, representation: tf.Tensor) -> tf.Tensor:
        """Logits `[batch]` of what `represent` returned."""
        return self.logit(representation)[:, 0]

    def call(self, inputs: Encoded, training: bool | None = None) -> tf.Tensor:
        """Logits `[batch]` of the encoded features."""
        return self.score(self.represent(inputs, training=training))

    def get_config(self) -> dict[str, Any]:
        config = {"units": list(self.units), "l2": self.l2, "batch_norm": self.batch_norm}
        return {**super().get_config(), **config}
