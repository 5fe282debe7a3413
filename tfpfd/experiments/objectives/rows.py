"""Rows of lists with the labels of several objectives, looked up once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tfpfd._keras import keras
from tfpfd.data.dataset import from_rows
from tfpfd.data.lists import LIST, batches_of_lists
from tfpfd.schema import Schema

_CHUNK = 16_384


@dataclass(frozen=True, eq=False)
class ListRows:
    """Rows of lists that were looked up.

    Args:
      inputs: `[rows]` or `[rows, length]` by feature, and `[rows]` by further label, by column that
        was kept, and under `tfpfd.data.LIST` the number of each row's list.
      labels: float32 `[rows]`, of the primary objective.
    """

    inputs: dict[str, np.ndarray]
    labels: np.ndarray

    @classmethod
    def look_up(
        cls,
        frame: pd.DataFrame,
        schema: Schema,
        labels: Sequence[str] = (),
        keep: Sequence[str] = (),
    ) -> ListRows:
        """Checks and looks up all rows of a frame; the arguments are those of `from_rows`."""
        (columns,) = from_rows(frame, schema, max(len(frame), 1), keep=keep, labels=labels)
        return cls(*tf.nest.map_structure(lambda column: column.numpy(), columns))

    @property
    def lists(self) -> np.ndarray:
        """`[rows]` the number of each row's list, from 0 in the order in which they appear."""
        return self.inputs[LIST]

    def having(self, columns: Mapping[str, np.ndarray]) -> ListRows:
        """The rows with further columns, such as scores."""
        return dataclasses.replace(self, inputs={**self.inputs, **columns})

    def batches(self, size: int, seed: int | None = None) -> tf.data.Dataset:
        """Batches of whole lists for `fit`; in another order every epoch if there is a seed."""
        columns = (self.inputs, self.labels)
        batches = batches_of_lists(columns, self.lists, size, seed is not None, seed)
        options = tf.data.Options()
        options.autotune.enabled = False  # As in `from_rows`.
        return batches.prefetch(2).with_options(options)

    def scores(self, scorer: keras.layers.Layer) -> Any:
        """What a scorer says of the rows: float32 `[rows]`, or a dict of such by objective."""
        # Not `predict`: tracing a graph takes longer than running these few batches.
        parts = [scorer(inputs, training=False) for inputs, _ in self.batches(_CHUNK)]
        order = np.argsort(self.lists, kind="stable")  # That of the batches.

        def joined(*columns: tf.Tensor) -> np.ndarray:
            found = np.empty(len(order), np.float32)
            found[order] = np.concatenate([np.reshape(column, -1) for column in columns])
            return found

        return tf.nest.map_structure(joined, *parts)
