"""Vectors that many rows of a batch have in common, held and computed once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import tensorflow as tf

from tfpfd.layers.encoded import Encoded


class Repeated(NamedTuple):
    """Vectors of rows that fall into groups, such as the rows of a list.

    Attributes:
      values: `[groups, width]`.
      place: int32 `[batch]`, the group of each row. Vectors of the same grouping hold one tensor.
    """

    values: tf.Tensor
    place: tf.Tensor


Vectors: TypeAlias = "tf.Tensor | Repeated"
"""`[batch, width]`, or what rows of a group have in common."""

EncodedOnce: TypeAlias = "Mapping[str, Mapping[str, Vectors]]"
"""As `Encoded`, with what groups of rows have in common once a group."""


def every_row(vectors: Vectors) -> tf.Tensor:
    """The vectors as `[batch, width]`."""
    if isinstance(vectors, Repeated):
        return tf.gather(vectors.values, vectors.place)
    return vectors


def of_groups(parts: Sequence[Vectors]) -> tuple[list[tf.Tensor], tf.Tensor | None]:
    """Several parts with as few rows as they have in common.

    Returns:
      `[groups, width]` of each and the group of each row; or, where the parts aren't all of one
      grouping, `[batch, width]` of each and None.
    """
    repeated = [part for part in parts if isinstance(part, Repeated)]
    if len(repeated) == len(parts) and all(p.place is repeated[0].place for p in repeated):
        return [part.values for part in repeated], repeated[0].place
    return [every_row(part) for part in parts], None


def once(function: Callable[[Encoded], tf.Tensor], encoded: EncodedOnce) -> tf.Tensor:
    """A function of each row by itself, computed once a group where all is of one grouping.

    Args:
      function: from `[rows, width]` by side and feature to `[rows, …]`.
      encoded: of a batch.

    Returns:
      `[batch, …]`.
    """
    parts = [vectors for features in encoded.values() for vectors in features.values()]
    values, place = of_groups(parts)
    given = iter(values)
    found = function(
        {side: {name: next(given) for name in features} for side, features in encoded.items()}
    )
    return found if place is None else tf.gather(found, place)


def is_repeated(encoded: EncodedOnce) -> bool:
    """Whether some vectors are there once a group."""
    parts = (vectors for features in encoded.values() for vectors in features.values())
    return any(isinstance(vectors, Repeated) for vectors in parts)


# A network built another way may have other layers than those whose work is split up.
_WAY = ("build", "build_body", "call", "represent")


def has_own_way(network: Any, kind: type) -> bool:
    """Whether a network of this kind, or of a subclass, has its own way from vectors to logits."""
    return any(getattr(type(network), n, None) is not getattr(kind, n, None) for n in _WAY)
