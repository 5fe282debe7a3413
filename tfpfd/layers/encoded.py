"""What a network reads: the vector of each feature, by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import tensorflow as tf

Encoded: TypeAlias = Mapping[str, Mapping[str, tf.Tensor]]
"""`[batch, width]` by side and feature; sides are `"user"`, `"item"` and `"privileged"`, as far as
they are seen, each with its features in the order of the schema."""

Shapes: TypeAlias = Mapping[str, Mapping[str, tuple[None, int]]]
"""Shapes of `Encoded`, `(None, width)` by side and feature."""


def joined(encoded: Encoded, sides: Iterable[str] | None = None) -> tf.Tensor:
    """Vectors beside each other.

    Args:
      encoded: `[batch, width]` by side and feature.
      sides: which sides, in this order; by default all, sorted by name.

    Returns:
      `[batch, width]`, as wide as all of them together.

    Example:

    >>> from tfpfd.layers import joined
    >>> user = {"age": tf.constant([[1.0]]), "clicks": tf.constant([[2.0, 3.0]])}
    >>> encoded = {"user": user, "item": {"genre": tf.constant([[4.0]])}}
    >>> joined(encoded).numpy().tolist()
    [[4.0, 1.0, 2.0, 3.0]]
    >>> joined(encoded, ["user"]).numpy().tolist()
    [[1.0, 2.0, 3.0]]
    """
    wanted = sorted(encoded) if sides is None else sides
    return tf.concat([x for side in wanted for x in encoded[side].values()], axis=1)


def joined_width(shapes: Shapes, sides: Iterable[str] | None = None) -> int:
    """Width of what `joined` returns for vectors of these shapes; a side may be missing."""
    wanted = shapes if sides is None else [side for side in sides if side in shapes]
    return sum(shape[-1] for side in wanted for shape in shapes[side].values())
