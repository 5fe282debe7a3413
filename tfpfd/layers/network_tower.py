"""A tower whose dense layers read what another network makes of its features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfpfd._keras import keras
from tfpfd.layers.encoded import Encoded, Shapes


class NetworkTower(keras.layers.Layer):
    """`dense(network.represent(…))`, `[batch, width]`.

    Args:
      network: built for the features of the tower.
      dense: dense layers, built.
    """

    def __init__(self, network: Any, dense: keras.Sequential, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.network, self.dense = network, dense
        self.built = True

    def call(self, inputs: Encoded, training: bool | None = None) -> tf.Tensor:
        """What the dense layers make of encoded features."""
        return self.dense(self.network.represent(inputs, training=training), training=training)


def network_settings(argument: str, network: Any) -> dict[str, Any] | None:
    """What a network for a tower can be made of again, as plain data.

    Args:
      argument: what a message calls it.
      network: None: the tower has none.

    Raises:
      TypeError: it is no network, or one that can't do without a head.
    """
    if network is None:
        return None
    wanted = ("build_body", "represent", "get_config")
    missing = [name for name in wanted if not callable(getattr(network, name, None))]
    if not isinstance(network, keras.layers.Layer) or missing:
        raise TypeError(
            f"`{argument}` must be a network whose `build_body` makes the weights that "
            "`represent` reads, such as MLP, DCN, DeepFM or DotInteraction, received "
            f"{type(network).__name__} without {missing}"
        )
    return keras.utils.serialize_keras_object(network)


def network_like(settings: Mapping[str, Any], argument: str, shapes: Shapes) -> Any:
    """A new network of these settings, built without a head.

    Args:
      settings: what `network_settings` returned.
      argument: what a message calls it.
      shapes: of the vectors that it will read.

    Raises:
      ValueError: it can't be built of them.
    """
    network = keras.utils.deserialize_keras_object(dict(settings))
    try:
        network.build_body(shapes)
    except ValueError as error:
        raise ValueError(f"`{argument}` can't be built of {list(shapes)}: {error}") from error
    network.built = True
    return network
