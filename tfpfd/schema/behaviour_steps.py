"""The features of a behaviour's steps: what they must be, and a step after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

from tfpfd.schema.feature import Feature
from tfpfd.schema.id_feature import IdFeature
from tfpfd.schema.kind_arguments import check_unique
from tfpfd.schema.table_requests import Embedded


def checked_steps(name: str, steps: Any) -> tuple[Feature, ...]:
    """The features in a tuple.

    Args:
      name: of the behaviour.
      steps: what was given.

    Raises:
      ValueError: they are no features, one isn't of one value in one column, or the first isn't
        the ids.
    """
    several = isinstance(steps, Iterable) and not isinstance(steps, str)
    found = tuple(steps) if several else ()
    if not found or not all(isinstance(step, Feature) for step in found):
        raise ValueError(
            f"`steps` of behaviour '{name}' must be features in a list, received {steps!r}"
        )
    first = found[0]
    ids = isinstance(first, IdFeature) and first.length is None and first.borrowed
    if not ids or first.name != name or getattr(first, "optional", False):
        raise ValueError(
            f"`steps` of behaviour '{name}' must begin with Categorical('{name}', of=…), whose ids "
            f"say where a step is, received {first!r}"
        )
    for step in found:
        if getattr(step, "length", None) is not None or step.columns != (step.name,):
            raise ValueError(
                f"`steps` of behaviour '{name}' must be of one value in one column each, "
                f"received {step!r}"
            )
    check_unique(f"`steps` of behaviour '{name}'", tuple(step.name for step in found))
    return found


def by_step(values: tf.Tensor) -> tf.Tensor:
    """`[batch, length, ...]` as `[batch · length, ...]`."""
    return tf.reshape(values, [-1, *values.shape[2:]])


def embedded_by_step(embedded: Embedded, length: int) -> Embedded:
    """`[batch, length · values]` as `[batch · length, values]`."""
    values = embedded.vectors.shape[1] // length
    vectors = tf.reshape(embedded.vectors, [-1, values, embedded.vectors.shape[2]])
    return Embedded(vectors, tf.reshape(embedded.valid, [-1, values]))


def dims_of(step: Feature, dims: Mapping[str, int]) -> dict[str, int]:
    """Widths of the tables that a step's feature reads."""
    return {name: dims[name] for name in step.tables}
