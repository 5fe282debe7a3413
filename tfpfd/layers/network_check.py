"""Whether something is a network: tried out when a ranker gets it, not when it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfpfd._keras import KERAS_3, declared_names, freeze, keras
from tfpfd.layers.encoded import Shapes

_ROWS = 2
_METHODS = ("represent", "score")


def build_network(network: Any, shapes: Shapes, crossing: Sequence[str] = ()) -> None:
    """Makes the weights of a network, and refuses one that a ranker couldn't use.

    Args:
      network: see `tfpfd.layers.Network`.
      shapes: of the vectors that it will read.
      crossing: names of served features off the item side whose vectors depend on the item.

    Raises:
      TypeError: it is no layer, a `Sequential` or functional model, or lacks a method.
      ValueError: it is built already, or makes other shapes than logits `[batch]` of a
        representation `[batch, representation_width]`; it keeps the sides apart, and some are
        `crossing`.
    """
    expected = (
        "`network` must be a layer that makes logits [batch] of the vectors of the sides "
        f"{list(shapes)}, [batch, width] by feature, such as TwoTower or MLP (see "
        "`tfpfd.layers.Network`), received "
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
    missing = [method for method in _METHODS if not callable(getattr(network, method, None))]
    if missing:
        raise TypeError(f"{expected}{name} without {missing}")
    if network.built:
        raise ValueError(
            "`network` is in use by another ranker: expected a network of this ranker's own"
        )
    if crossing and getattr(network, "sides_apart", False):
        raise ValueError(
            f"`network` {name} runs the item side ahead of the requests, so no feature of the user "
            f"can attend with the candidate, received {list(crossing)} that do: expected an "
            "`encoder` with another `behaviour`, such as SelfAttention() or Transformer(), or a "
            "fine ranker or a teacher with a network such as MLP or DCN"
        )
    # Other rows could be summed up in logits, or broadcast against labels, without a word.
    encoded = {
        side: {feature: tf.zeros([_ROWS, shape[-1]]) for feature, shape in features.items()}
        for side, features in shapes.items()
    }
    try:
        # What Keras 2 does for a model without `build` can't read shapes by side and feature.
        if KERAS_3 or type(network).build is not keras.Model.build:
            network.build(shapes)
        logits = network(encoded, training=False)
        representation = network.represent(encoded, training=False)
        scores = network.score(representation, training=False)
    except Exception as error:
        # Keras wraps what a layer says.
        said = [line for line in str(error).splitlines() if line and "encountered" not in line]
        raise ValueError(f"{expected}{name}, which fails on them: {' '.join(said[:1])}") from error
    _check_shapes(f"{expected}{name}, which makes", logits, (_ROWS,))
    width = getattr(network, "representation_width", None)
    if not isinstance(width, int) or width < 1:
        raise TypeError(f"{expected}{name} whose `representation_width` is {width!r}")
    what = f"{expected}{name} of `representation_width` {width}, whose `represent` makes"
    _check_shapes(what, representation, (_ROWS, width))
    _check_shapes(f"{expected}{name}, whose `score` makes", scores, (_ROWS,))
    if not network.trainable:
        freeze(network)  # What it made in `build`, too.


def _check_shapes(what: str, made: Any, shape: tuple[int, ...]) -> None:
    found = [tuple(getattr(part, "shape", ("no tensor",))) for part in tf.nest.flatten(made)]
    if any(one != shape for one in found) or not found:
        raise ValueError(f"{what} {found} of {_ROWS} rows")
