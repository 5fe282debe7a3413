"""What a network must be: tried out when a ranker gets it, not when it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfpfd._keras import declared_names, keras

_ROWS = 2


def build_network(network: Any, shapes: Mapping[str, tuple[None, int]]) -> None:
    """Makes the weights of a network, and refuses one that a ranker couldn't use.

    Args:
      network: a layer from encoded sides, float32 `[batch, width]` by side, to logits `[batch]`,
        or to a dict of those.
      shapes: of the sides.

    Raises:
      TypeError: it is no layer, or a `Sequential` or functional model.
      ValueError: it is built already, or gives something else than logits `[batch]`.
    """
    expected = (
        f"`network` must be a layer that makes logits [batch] of the encoded sides {list(shapes)}, "
        "a dict of [batch, width], such as TwoTower or MLP, received "
    )
    name = type(network).__name__
    if not isinstance(network, keras.layers.Layer):
        raise TypeError(f"{expected}{network!r}")
    if isinstance(network, keras.Sequential):
        raise TypeError(f"{expected}a Sequential, which takes one tensor")
    if declared_names(network) or getattr(network, "inputs", None):
        raise TypeError(
            f"{expected}a functional model, which has its weights already: put it into a layer "
            "that makes it in `build`"
        )
    if network.built:
        raise ValueError(
            "`network` is in use by another ranker: expected a network of this ranker's own"
        )
    # Other rows could be summed up in logits, or broadcast against labels, without a word.
    sides = {side: tf.zeros([_ROWS, shape[1]]) for side, shape in shapes.items()}
    try:
        network.build(shapes)
        logits = tf.nest.flatten(network(sides, training=False))
    except Exception as error:
        # Keras wraps what a layer says.
        said = [line for line in str(error).splitlines() if line and "encountered" not in line]
        raise ValueError(f"{expected}{name}, which fails on them: {' '.join(said[:1])}") from error
    found = [tuple(getattr(part, "shape", ("no tensor",))) for part in logits]
    if any(shape != (_ROWS,) for shape in found) or not found:
        raise ValueError(f"{expected}{name}, which makes {found} of {_ROWS} rows")


def representation_width(network: Any) -> int:
    """Width of what `network.represent` returns, which auxiliary heads read.

    Raises:
      TypeError: the network isn't of such a kind.
    """
    missing = [name for name in ("represent", "score", "units") if not hasattr(network, name)]
    if missing:
        raise TypeError(
            "auxiliary heads need a network with `represent`, `score` and `units`, as TwoTower and "
            f"MLP have, received a {type(network).__name__} without {missing}"
        )
    return int(network.units[-1])
