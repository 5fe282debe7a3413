"""The two-tower network, whose item side can be run ahead of the requests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import tensorflow as tf

from tfpfd._arguments import check_above_0, check_flag, check_number
from tfpfd._keras import KERAS_3, keras, register, tf_variable
from tfpfd.layers.dense import check_units, dense_stack
from tfpfd.layers.encoded import Encoded, Shapes, joined, joined_width
from tfpfd.layers.encoded_once import EncodedOnce, has_own_way, once
from tfpfd.layers.network import Network
from tfpfd.layers.network_tower import NetworkTower, network_like, network_settings

USER_SIDES = ("user", "privileged")
"""What the user tower reads."""


@register
class TwoTower(keras.layers.Layer):
    """`scale · ⟨u, v⟩ + b` with u, v the L2-normalised outputs of a user tower and an item tower.

    b is one trained number. Without it no logit leaves [-scale, scale], and with the default scale
    no probability is below .0067, so what is rarer can't be told. It changes no order of items.
    1 / scale is the temperature, which may be learned too.

    The student of coarse ranking in "Privileged Features Distillation at Taobao Recommendations":
    the item tower can be run ahead of the requests. Privileged features, where a teacher sees
    them, go in on the user side. The last layer of a tower is linear. A tower's dense layers read
    its features, or what another network makes of them:

    >>> import tfpfd
    >>> schema = tfpfd.Schema(
    ...     user=[tfpfd.Categorical("user", vocabulary=["ann", "bob"])],
    ...     item=[tfpfd.Categorical("film", vocabulary=["alien", "brazil"])],
    ... )
    >>> towers = tfpfd.TwoTower([4], learned_scale=True, user_network=tfpfd.DCN(1, [8]))
    >>> rows = {"user": ["ann", "bob"], "film": ["brazil", "alien"], "label": [1.0, 0.0]}
    >>> tfpfd.score_rows(tfpfd.Ranker(schema, towers), rows).shape
    (2,)

    Args:
      units: width of each layer of a tower; the last is the width of the embeddings.
      scale: factor of the inner product; logits lie in [b - scale, b + scale].
      l2: strength of the L2 penalty on the kernels.
      batch_norm: whether hidden layers are batch normalised. Its statistics are those of all rows
        of a batch, so leave it out where most are unexposed candidates and requests rank others.
      use_bias: whether there is a b; it starts at 0. Configurations that don't say so have none:
        what was saved before there was one loads and scores as it did.
      learned_scale: whether the scale is trained, as the exponential of a weight; `scale` is then
        its start.
      normalize: whether embeddings are L2-normalised, so that their product is a cosine. Without
        it, logits have no bounds.
      user_network: whose representation of the user's features and the privileged ones the dense
        layers of that tower read, such as `DCN()` or `DeepFM()`: the tower gets a network like it.
        None: they read the features.
      item_network: as `user_network`, of the item's features.

    Raises:
      TypeError: a flag is neither True nor False, or a network can't be a tower's.
      ValueError: when built without a user or an item side, or a network can't be built of a side.

    Reference:
      A learned temperature: Radford et al., "Learning Transferable Visual Models From Natural
      Language Supervision", ICML 2021 (arXiv 2103.00020), section 2.3.
    """

    sides_apart = True
    """No vector of the user's side may depend on the item."""
    _bias: Any = None
    _log_scale: Any = None

    def __init__(
        self,
        units: Sequence[int] = (512, 256, 128),
        scale: float = 5.0,
        l2: float = 0.0,
        batch_norm: bool = True,
        use_bias: bool = True,
        learned_scale: bool = False,
        normalize: bool = True,
        user_network: Network | None = None,
        item_network: Network | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = check_units(units)
        check_above_0("scale", scale)
        check_number("l2", l2)
        check_flag("batch_norm", batch_norm)
        check_flag("use_bias", use_bias)
        check_flag("learned_scale", learned_scale)
        check_flag("normalize", normalize)
        # Hidden from Keras, which would wrap it: plain data.
        self._networks = SimpleNamespace(
            user=network_settings("user_network", user_network),
            item=network_settings("item_network", item_network),
        )
        self.scale = float(scale)
        self.l2 = float(l2)
        self.batch_norm = bool(batch_norm)
        self.use_bias = bool(use_bias)
        self.learned_scale = bool(learned_scale)
        self.normalize = bool(normalize)

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
        self.user_tower = self._tower("user", USER_SIDES, input_shape)
        self.item_tower = self._tower("item", ("item",), input_shape)
        # Of float32 whatever the policy, as the sum that they go into.
        exact = {"autocast" if KERAS_3 else "experimental_autocast": False, "dtype": "float32"}
        if self.use_bias:
            self._bias = self.add_weight(name="bias", shape=(), initializer="zeros", **exact)
        if self.learned_scale:
            start = keras.initializers.Constant(math.log(self.scale))
            self._log_scale = self.add_weight(
                name="log_scale", shape=(), initializer=start, **exact
            )
        self.built = True

    @property
    def bias(self) -> tf.Tensor | tf.Variable | None:
        """What is added to the inner product, a float32 scalar; None without it, or unbuilt."""
        return tf_variable(self._bias)

    @property
    def factor(self) -> tf.Tensor | float:
        """What the inner product is multiplied with: the scale, as learned by now."""
        return self.scale if self._log_scale is None else tf.exp(tf_variable(self._log_scale))

    @property
    def scale_weights(self) -> list[Any]:
        """The weights of a learned scale; none where it is fixed."""
        return [] if self._log_scale is None else [self._log_scale]

    def _tower(self, side: str, sides: Sequence[str], shapes: Shapes) -> keras.layers.Layer:
        name = f"{side}_tower"
        settings = dict(l2=self.l2, batch_norm=self.batch_norm, dtype=self.dtype_policy.name)
        of_tower = {one: shapes[one] for one in sides if one in shapes}
        network = getattr(self._networks, side)
        if network is None:
            width = joined_width(of_tower)
            return dense_stack(self.units, width, name, **settings, last_linear=True)
        body = network_like(network, f"{side}_network", of_tower)
        width = body.representation_width
        dense = dense_stack(self.units, width, "dense", **settings, last_linear=True)
        return NetworkTower(body, dense, name=name, dtype=self.dtype_policy.name)

    def _embedding(
        self, tower: keras.layers.Layer, encoded: Encoded, training: bool | None
    ) -> tf.Tensor:
        of_network = isinstance(tower, NetworkTower)
        output = tower(encoded if of_network else joined(encoded, encoded), training=training)
        output = tf.cast(output, tf.float32)
        if not self.normalize:
            return output
        # The slope at a zero vector is epsilon ** -.5, which float16 must be able to hold.
        epsilon = 1e-6 if self.compute_dtype == "float16" else 1e-12
        return tf.math.l2_normalize(output, axis=1, epsilon=epsilon)

    def user_embedding(self, encoded: Encoded, training: bool | None = None) -> tf.Tensor:
        """The scaled user side of the inner product, float32 `[batch, representation_width]`."""
        of_user = {side: encoded[side] for side in USER_SIDES if side in encoded}
        return self.factor * self._embedding(self.user_tower, of_user, training)

    def item_embedding(self, encoded: Encoded, training: bool | None = None) -> tf.Tensor:
        """The item side of the inner product, float32 `[batch, representation_width]`."""
        return self._embedding(self.item_tower, {"item": encoded["item"]}, training)

    @property
    def takes_repeated(self) -> bool:
        """Whether vectors may come as `Repeated`: a tower is then run once for rows of a group.

        Not with batch normalisation, whose statistics count every row, nor with networks in the
        towers, which may have it, nor in a subclass that has a way of its own from vectors to
        logits.
        """
        plain = not self.batch_norm and not any(vars(self._networks).values())
        return plain and not has_own_way(self, TwoTower)

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
            "learned_scale": self.learned_scale,
            "normalize": self.normalize,
            "user_network": self._networks.user,
            "item_network": self._networks.item,
        }
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TwoTower:
        # A file from before there was a bias has no weight for it.
        config = {"use_bias": False, **config}
        for name in ("user_network", "item_network"):
            if config.get(name) is not None:
                config[name] = keras.utils.deserialize_keras_object(config[name])
        return super().from_config(config)
