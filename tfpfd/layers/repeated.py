"""Vectors that many rows of a batch have in common, held and computed once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import tensorflow as tf


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


def beside_each_other(parts: Sequence[Vectors]) -> Vectors:
    """Parts joined to vectors as wide as all together."""
    values, place = of_groups(parts)
    joined = tf.concat(values, axis=1)
    return joined if place is None else Repeated(joined, place)


def once(
    function: Callable[[dict[str, tf.Tensor]], tf.Tensor], sides: Mapping[str, Vectors]
) -> tf.Tensor:
    """A function of each row by itself, computed once a group where all sides are of one grouping.

    Args:
      function: from `[rows, width]` by side to `[rows, …]`.
      sides: of a batch.

    Returns:
      `[batch, …]`.
    """
    values, place = of_groups(list(sides.values()))
    found = function(dict(zip(sides, values, strict=True)))
    return found if place is None else tf.gather(found, place)
