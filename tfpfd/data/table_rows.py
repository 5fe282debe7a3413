"""Rows in memory as trainings that are compared take them: looked up once, treated, in batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import tensorflow as tf

from tfpfd.data.dataset import batched, from_rows
from tfpfd.data.scoring import scores_of
from tfpfd.schema import Schema

Treatment = Literal["kept", "shuffled", "zeroed"]


@dataclass(frozen=True, eq=False)
class TableRows:
    """Rows that were looked up.

    Args:
      inputs: int32 `[rows]` or `[rows, length]` by feature.
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

    def treated(self, treatment: Treatment, names: Collection[str], seed: int = 0) -> TableRows:
        """The rows with some features changed; see `treated`.

        Args:
          treatment: `"kept"`, `"shuffled"` or `"zeroed"`.
          names: the features to change.
          seed: of the permutation.
        """
        if treatment == "kept":
            return self
        return dataclasses.replace(self, inputs=treated(self.inputs, treatment, names, seed))

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

    def logits(self, ranker: Callable[..., Any]) -> np.ndarray:
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
    inputs: Mapping[str, np.ndarray], treatment: Treatment, names: Collection[str], seed: int
) -> dict[str, np.ndarray]:
    """Looked-up columns, some of them changed.

    `"shuffled"` permutes the rows of all of them together: the same values, no information.
    `"zeroed"` puts row 0 of the table in every place, which is how a missing value is written:
    the same network, and a constant as its input.

    Args:
      inputs: `[rows, ...]` by feature.
      treatment: `"kept"`, `"shuffled"` or `"zeroed"`.
      names: the features to change.
      seed: of the permutation.
    """
    if treatment == "kept" or not names:
        return {**inputs}
    if treatment == "zeroed":
        return {**inputs, **{name: np.zeros_like(inputs[name]) for name in names}}
    rows = len(next(iter(inputs[name] for name in names)))
    order = np.random.default_rng(seed).permutation(rows)
    return {**inputs, **{name: inputs[name][order] for name in names}}
