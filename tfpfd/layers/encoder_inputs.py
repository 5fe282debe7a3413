"""What an encoder reads of a batch: checked, and as few rows of it as it needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

import tensorflow as tf

from tfpfd.data.common_features import common_features_of
from tfpfd.schema import Feature

Given: TypeAlias = "Mapping[str, Mapping[str, tf.Tensor]]"
"""Inputs `[rows, ...]` by feature and column."""


def checked_inputs(inputs: Mapping[str, tf.Tensor], features: Iterable[Feature]) -> Given:
    """The inputs of each feature, of the type and shape that it says.

    Raises:
      ValueError: an input is of another type, such as raw ids.
    """
    found: dict[str, dict[str, tf.Tensor]] = {}
    for feature in features:
        found[feature.name] = {}
        for name, spec in feature.inputs().items():
            dtype = tf.as_dtype(inputs[name].dtype)
            if dtype != spec.dtype:
                raise ValueError(
                    f"input '{name}': expected {feature.inputs_are}, as `schema.lookup` "
                    f"returns them, received {dtype.name}"
                )
            values = tf.convert_to_tensor(inputs[name])
            found[feature.name][name] = _of_known_width(values, spec.shape)
    return found


def _of_known_width(inputs: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
    """Of generators, Keras 2 doesn't know how wide what they make is."""
    known = inputs.shape[1:].is_fully_defined()
    return inputs if known else tf.ensure_shape(inputs, shape)


def parts_of(
    inputs: Mapping[str, tf.Tensor], given: Given
) -> Iterator[tuple[Given, tf.Tensor | None]]:
    """The inputs of features, split by how many rows say it all.

    Args:
      inputs: of a batch, with what it says of groups of its rows.
      given: what features read of it.

    Yields:
      Inputs of groups of rows that have them in common, and int32 `[batch]`, the group of each row;
      last those of all rows, and None.
    """
    left = dict(given)
    for group in common_features_of(inputs):
        common = {name: x for name, x in left.items() if group.names.issuperset(x)}
        if common:
            left = {name: x for name, x in left.items() if name not in common}
            of_groups = {
                name: {column: group.of_groups(column, values) for column, values in x.items()}
                for name, x in common.items()
            }
            yield of_groups, group.place
    if left:
        yield left, None
