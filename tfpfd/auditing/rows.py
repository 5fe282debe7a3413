"""Rows as the arms of an audit take them: split, looked up once, treated, in batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
import tensorflow as tf

from tfpfd.data.dataset import batched, from_rows
from tfpfd.distillation import Ranker
from tfpfd.schema import Feature, Schema
from tfpfd.schema.feature import raw_columns

Treatment = Literal["kept", "shuffled", "zeroed"]
_SLICE = 16_384


class SplitRows(Protocol):
    """What an audit reads: `Splits`, or a built-in dataset; it may have a `user_key` too."""

    @property
    def train(self) -> pd.DataFrame:
        """Training rows; NaN as the label of those without one."""

    @property
    def validation(self) -> pd.DataFrame:
        """Rows by which training stops early."""

    @property
    def test(self) -> pd.DataFrame:
        """Rows by which arms are compared."""

    @property
    def schema(self) -> Schema:
        """Names the columns; its list key is the user id where there is no `user_key`."""


@dataclass(frozen=True, eq=False)
class Splits:
    """Labelled rows, split.

    Args:
      train: training rows; NaN as the label of those without one.
      validation: rows by which training stops early.
      test: rows by which arms are compared.
      schema: names the columns.
      user_key: the column of the user id: rows of a user are resampled together. By default the
        schema's `list_key`; they differ where a list is a page, of which a user sees many.
      item_key: the column of the item id, for the rival that knows user and item alone. By default
        the first categorical of one value on the item side.
    """

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame
    schema: Schema
    user_key: str | None = None
    item_key: str | None = None


def user_key_of(data: SplitRows) -> str | None:
    """The column of the user id: that of the data, or else the list key of their schema."""
    return getattr(data, "user_key", None) or data.schema.list_key


def item_key_of(data: SplitRows) -> str | None:
    """The column of the item id: that of the data, or else by the schema; None without items."""
    given = getattr(data, "item_key", None)
    single = (f for f in data.schema.item if f.is_id)
    return given or next((feature.name for feature in single), None)


@dataclass(frozen=True, eq=False)
class TableRows:
    """Rows that were looked up.

    Args:
      inputs: `[rows, ...]` by name, as of `from_rows`.
      labels: float32 `[rows]`, NaN on rows without one.
      weights: float32 `[rows]`, or None.
    """

    inputs: dict[str, np.ndarray]
    labels: np.ndarray
    weights: np.ndarray | None = None

    @classmethod
    def look_up(cls, frame: pd.DataFrame, schema: Schema) -> TableRows:
        """Checks and looks up all rows of a frame.

        Raises:
          ValueError: naming the column, what was expected and what came.
        """
        (columns,) = from_rows(frame, schema, batch_size=max(len(frame), 1))
        return cls(*tf.nest.map_structure(lambda column: column.numpy(), columns))

    def treated(
        self, treatment: Treatment, features: Collection[Feature], seed: int = 0
    ) -> TableRows:
        """The rows with some features changed; see `treated`.

        Args:
          treatment: `"kept"`, `"shuffled"` or `"zeroed"`.
          features: those to change.
          seed: of the permutation.
        """
        if treatment == "kept":
            return self
        return dataclasses.replace(self, inputs=treated(self.inputs, treatment, features, seed))

    def share(self, size: float) -> TableRows:
        """A share of the rows with and of those without a label; smaller ones are part of larger.

        Args:
          size: in (0, 1].
        """
        chosen = share_of(self.labels, size)
        columns = (self.inputs, self.labels, self.weights)
        return TableRows(
            *tf.nest.map_structure(lambda c: None if c is None else c[chosen], columns)
        )

    def batches(self, size: int, seed: int | None = None) -> tf.data.Dataset:
        """Batches for `fit`; in another order every epoch if there is a seed."""
        columns: tuple[Any, ...] = (self.inputs, self.labels)
        if self.weights is not None:
            columns += (self.weights,)
        return batched(columns, len(self.labels), size, shuffle=seed is not None, seed=seed)

    def logits(self, ranker: Ranker) -> np.ndarray:
        """Logits of a ranker, float32 `[rows]`."""
        return scores_of(ranker, self.inputs, len(self.labels))


def share_of(labels: np.ndarray, size: float) -> np.ndarray:
    """Places of a share of the rows with and of those without a label, ascending.

    Args:
      labels: `[rows]`, NaN on rows without one.
      size: in (0, 1].
    """
    order = np.random.default_rng(0).permutation(len(labels))
    missing = np.isnan(labels[order])
    groups = (order[~missing], order[missing])
    return np.sort(np.concatenate([group[: round(size * len(group))] for group in groups]))


def treated(
    inputs: Mapping[str, np.ndarray],
    treatment: Treatment,
    features: Collection[Feature],
    seed: int,
) -> dict[str, np.ndarray]:
    """Looked-up columns, some of them changed.

    `"shuffled"` permutes the rows of all of them together: the same values, no information.
    `"zeroed"` says of every row that the value is missing (row 0 of a table: see
    `Feature.zeroed`): the same network, and a constant as its input.

    Args:
      inputs: `[rows, ...]` by feature.
      treatment: `"kept"`, `"shuffled"` or `"zeroed"`.
      features: those to change.
      seed: of the permutation.
    """
    names = raw_columns(features)
    if treatment == "kept" or not names:
        return {**inputs}
    if treatment == "zeroed":
        zeroed = (feature.zeroed(inputs) for feature in features)
        return {**inputs, **{name: values for group in zeroed for name, values in group.items()}}
    rows = len(next(iter(inputs[name] for name in names)))
    order = np.random.default_rng(seed).permutation(rows)
    return {**inputs, **{name: inputs[name][order] for name in names}}


def scores_of(scorer: Callable[..., Any], inputs: Mapping[str, np.ndarray], rows: int) -> Any:
    """What a scorer that looks at each row by itself says of rows in memory.

    Args:
      scorer: a ranker, or what else takes looked-up inputs and `training`.
      inputs: arrays of `rows` entries.
      rows: how many.

    Returns:
      float32 `[rows]` or what else the scorer returns of a row, or a dict of such.
    """
    # Not `predict`: tracing a graph takes longer than running these few batches.
    parts = [
        scorer(
            {name: tf.constant(v[start : start + _SLICE]) for name, v in inputs.items()},
            training=False,
        )
        for start in range(0, rows, _SLICE)
    ]
    return tf.nest.map_structure(lambda *columns: np.concatenate(columns), *parts)
