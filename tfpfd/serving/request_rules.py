"""Business rules of a request: which items may be among its answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tfpfd.schema import Feature, Schema
from tfpfd.schema.columns import is_missing
from tfpfd.serving.checkpoint import table_entries, variable_key
from tfpfd.serving.item_embeddings import item_id_of

ALLOWED, BLOCKED, NO_HISTORY = "allowed_ids", "blocked_ids", "exclude_history"


def attributes_of(schema: Schema, names: Iterable[str]) -> list[Feature]:
    """The item features that requests filter by.

    Raises:
      ValueError: one is no categorical or numeric feature of the item.
    """
    features = {f.name: f for f in schema.item if f.filtered_by}
    names = list(names)
    unknown = [name for name in names if name not in features]
    if unknown or len(set(names)) < len(names):
        raise ValueError(
            "`attributes` must name Categorical or Numeric item features, each once, "
            f"{list(features)}, received {names}"
        )
    return [features[name] for name in names]


def history_of(schema: Schema) -> list[str]:
    """The features that tell which items the user has met: sequences of the item's id."""
    item_id = item_id_of(schema)
    return [f.name for f in schema.user if f.history_of in item_id.tables]


def rule_inputs(schema: Schema, attributes: Iterable[str]) -> dict[str, tf.TensorSpec]:
    """What a request says of its rules, besides the user's features.

    Args:
      schema: the served schema.
      attributes: names of item features to filter by.

    Returns:
      `allowed_ids` and `blocked_ids` `[batch, n]`; `exclude_history` `[batch]` where the user has a
      sequence of item ids; of a categorical attribute `<name>_in` `[batch, n]`, of a number
      `<name>_min` and `<name>_max` `[batch]`.
    """
    chosen = attributes_of(schema, attributes)
    item_id = item_id_of(schema)
    types = {f.name: schema.raw_spec(f).dtype for f in (item_id, *chosen)}
    shapes: dict[str, tuple[list, tf.DType]] = {
        ALLOWED: ([None, None], types[item_id.name]),
        BLOCKED: ([None, None], types[item_id.name]),
    }
    if history_of(schema):
        shapes[NO_HISTORY] = ([None], tf.bool)
    for feature in chosen:
        if feature.filtered_by == "bounds":
            shapes[f"{feature.name}_min"] = shapes[f"{feature.name}_max"] = ([None], tf.float32)
        else:
            shapes[f"{feature.name}_in"] = ([None, None], types[feature.name])
    return {name: tf.TensorSpec(*shape, name=name) for name, shape in shapes.items()}


class CategoricalAttribute(tf.Module):
    """The values of a categorical attribute, as codes of the items and a table of all values.

    Args:
      column: of the raw values: strings or int64, `[items]` or `[items, values]`.
    """

    def __init__(self, column: tf.TensorSpec) -> None:
        super().__init__(name="attribute")
        shape = column.shape
        empty = tf.zeros([0] * shape.rank, tf.int32)
        self.codes = tf.Variable(empty, shape=shape, trainable=False, name="codes")
        # Code 0 is of missing and unknown values, which no request wants.
        self.values = tf.lookup.experimental.MutableHashTable(column.dtype, tf.int32, 0)

    def passing(self, wanted: tf.Tensor) -> tf.Tensor:
        """Which items have one of the values wanted, `[batch, items]`; padding alone: all."""
        present = wanted != "" if wanted.dtype == tf.string else wanted >= 0
        found = tf.ensure_shape(tf.where(present, self.values.lookup(wanted), 0), [None, None])
        places = tf.stack([_rows_like(found), found], axis=-1)
        size = tf.cast(self.values.size(), tf.int32) + 1
        passes = tf.scatter_nd(
            tf.reshape(places, [-1, 2]),
            tf.ones([tf.size(found)], tf.int32),
            [tf.shape(wanted)[0], size],
        )
        passes = (passes > 0) & (tf.range(size) > 0)
        items = tf.gather(passes, self.codes, axis=1)
        if self.codes.shape.rank == 2:
            items = tf.reduce_any(items, axis=2)
        return items | ~tf.reduce_any(present, axis=1, keepdims=True)

    @staticmethod
    def stored(name: str, values: np.ndarray) -> dict[str, Any]:
        """What the checkpoint holds for the raw values of all items."""
        codes = np.zeros(values.shape, np.int32)
        held = ~is_missing(values)
        found, known = pd.factorize(values[held])
        codes[held] = found + 1
        known = known.tolist() if values.dtype == object else known
        return {
            variable_key(f"attributes/{name}/codes"): codes,
            **table_entries(f"attributes/{name}/values", known, np.arange(len(known)) + 1),
        }


class NumericAttribute(tf.Module):
    """A number an item, NaN where it is missing."""

    def __init__(self) -> None:
        super().__init__(name="attribute")
        self.numbers = tf.Variable(tf.zeros([0]), shape=[None], trainable=False, name="numbers")

    def passing(self, lowest: tf.Tensor, highest: tf.Tensor) -> tf.Tensor:
        """Which items lie between the bounds, both included, `[batch, items]`; NaN: no bound."""
        lowest, highest = lowest[:, None], highest[:, None]
        above = tf.math.is_nan(lowest) | (self.numbers >= lowest)
        return above & (tf.math.is_nan(highest) | (self.numbers <= highest))

    @staticmethod
    def stored(name: str, values: np.ndarray) -> dict[str, Any]:
        """What the checkpoint holds for the raw values of all items."""
        return {variable_key(f"attributes/{name}/numbers"): values.astype(np.float32)}


def attribute_modules(
    schema: Schema, names: Iterable[str]
) -> dict[str, CategoricalAttribute | NumericAttribute]:
    """A module an attribute, empty."""
    return {
        feature.name: NumericAttribute()
        if feature.filtered_by == "bounds"
        else CategoricalAttribute(schema.raw_spec(feature))
        for feature in attributes_of(schema, names)
    }


def passing(
    attributes: Mapping[str, CategoricalAttribute | NumericAttribute],
    item_rows: tf.lookup.experimental.MutableHashTable,
    rows: tf.Tensor,
    request: Mapping[str, tf.Tensor],
    histories: Iterable[tf.Tensor],
) -> tf.Tensor:
    """Which items a request lets through.

    Args:
      attributes: of the items.
      item_rows: row of each id, -1 for others.
      rows: number of items, scalar.
      request: the inputs of `rule_inputs`.
      histories: ids that the user has met, `[batch, n]` each.

    Returns:
      bool `[batch, items]`.
    """
    allowed, blocked = request[ALLOWED], request[BLOCKED]
    present = allowed != "" if allowed.dtype == tf.string else allowed >= 0
    found = tf.where(present, item_rows.lookup(allowed), -1)
    passes = _named(found, rows) | ~tf.reduce_any(present, axis=1, keepdims=True)
    passes &= ~_named(item_rows.lookup(blocked), rows)
    for ids in histories:
        met = _named(item_rows.lookup(ids), rows)
        passes &= ~(met & request[NO_HISTORY][:, None])
    for name, attribute in attributes.items():
        if isinstance(attribute, NumericAttribute):
            passes &= attribute.passing(request[f"{name}_min"], request[f"{name}_max"])
        else:
            passes &= attribute.passing(request[f"{name}_in"])
    return passes


def _named(found: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """`[batch, rows]`: whether a row is among `found` `[batch, n]`, where -1 is none."""
    # The hash table forgets the rank.
    found = tf.ensure_shape(tf.cast(found, tf.int32), [None, None])
    places = tf.boolean_mask(tf.stack([_rows_like(found), found], axis=-1), found >= 0)
    counts = tf.scatter_nd(places, tf.ones_like(places[:, 0]), [tf.shape(found)[0], rows])
    return counts > 0


def _rows_like(values: tf.Tensor) -> tf.Tensor:
    """The number of its row in the place of each value."""
    return tf.repeat(tf.range(tf.shape(values)[0])[:, None], tf.shape(values)[1], axis=1)
