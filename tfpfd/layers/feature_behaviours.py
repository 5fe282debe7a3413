"""The behaviour encoder of each sequence: made like one that is given, and given its candidate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import tensorflow as tf

from tfpfd._keras import keras
from tfpfd.layers.encoded_once import Repeated, Vectors, every_row, of_groups
from tfpfd.schema import Feature, Schema


def check_behaviour(behaviour: Any) -> None:
    """Refuses what can't encode sequences.

    Raises:
      TypeError: it is no layer, or doesn't say how wide its vectors are.
    """
    if not isinstance(behaviour, keras.layers.Layer) or not callable(
        getattr(behaviour, "width", None)
    ):
        raise TypeError(
            "`behaviour` must be a layer such as MeanPooling() or SelfAttention(), called with "
            "`valid` and with a method `width(dim)` that says how wide its vectors are, received "
            f"{behaviour!r}"
        )


def attends(behaviour: Any) -> bool:
    """Whether a behaviour encoder asks for the candidate's vector."""
    return bool(getattr(behaviour, "attends", False))


def candidates_of(schema: Schema, feature: Feature) -> list[str]:
    """Names of the item's features whose vectors, beside each other, are a candidate's.

    They are those that steps of the feature are of: of a sequence of films the film.
    """
    of_item = {one.name for one in schema.sides["item"]}
    return [name for name in feature.tables if name in of_item and name != feature.name]


def make_behaviour(
    behaviour: keras.layers.Layer, candidate: int, name: str, width: int
) -> keras.layers.Layer:
    """A new and built layer like `behaviour`.

    Args:
      behaviour: of the encoder.
      candidate: width of the candidate's vector; 0: there is none.
      name: of the feature whose steps it encodes.
      width: of the vector of a step.

    Raises:
      TypeError: `behaviour` can't be made again from its configuration.
      ValueError: it asks for a candidate, and there is none.
    """
    asks = attends(behaviour)
    if asks and not candidate:
        raise ValueError(
            f"`behaviour` {type(behaviour).__name__} attends with the candidate's vector: expected "
            f"steps of the item's features, received feature '{name}', whose are of others"
        )
    try:
        layer = type(behaviour).from_config({**behaviour.get_config(), "name": name})
    except (TypeError, ValueError, NotImplementedError) as error:
        raise TypeError(
            "`behaviour` must be a layer that `from_config` makes again of its `get_config`, "
            f"as each sequence gets its own, received {type(behaviour).__name__}: {error}"
        ) from error
    beside = {"candidate": tf.zeros([1, candidate])} if asks else {}
    # Building by a call works alike on all Keras generations, whatever the layer holds.
    layer(tf.zeros([1, 1, width]), valid=tf.ones([1, 1], tf.bool), **beside)
    return layer


def with_candidate(
    layer: keras.layers.Layer, candidates: Sequence[Vectors], place: tf.Tensor | None
) -> tuple[Callable, tf.Tensor | None]:
    """A layer that attends, given its candidate.

    Args:
      layer: whose steps are of the batch's rows, or of groups of them.
      candidates: vectors of the candidate's features.
      place: int32 `[batch]`, the group of each row; None: steps are of rows.

    Returns:
      What is called as other layers are, with steps and `valid`; and the group of each row of what
      that returns, None where it is of the batch's rows.
    """
    if place is not None and all(isinstance(x, Repeated) and x.place is place for x in candidates):
        values, _ = of_groups(candidates)
        return partial(layer, candidate=tf.concat(values, axis=1)), place
    candidate = tf.concat([every_row(x) for x in candidates], axis=1)
    if place is None:
        return partial(layer, candidate=candidate), None
    if getattr(layer, "takes_repeated", False):
        return partial(layer, candidate=candidate, place=place), None

    def of_rows(steps: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
        return layer(tf.gather(steps, place), valid=tf.gather(valid, place), candidate=candidate)

    return of_rows, None
