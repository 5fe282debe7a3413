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
from tfpfd.data.dataset import looked_up, prefetched
from tfpfd.data.list_ids import LIST
from tfpfd.data.scoring import scores_of
from tfpfd.data.whole_lists import batches_of_lists
from tfpfd.schema import Schema


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
        extra_columns: Sequence[str] = (),
    ) -> ListRows:
        """Checks and looks up all rows of a frame; the arguments are those of `from_rows`."""
        (inputs, found), lists = looked_up(
            frame, schema, extra_columns=extra_columns, labels=labels
        )
        assert lists is not None  # These schemas have a list key.
        return cls({**inputs, LIST: lists}, found)

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
        return prefetched(batches_of_lists(columns, self.lists, size, seed is not None, seed))

    def scores(self, scorer: keras.layers.Layer) -> Any:
        """What a scorer says of the rows: float32 `[rows]`, or a dict of such by objective."""
        return scores_of(scorer, self.inputs, len(self.labels))
