"""Rows of what was shown, as rivals take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tfpfd.evaluation.intervals import FloatArray
from tfpfd.evaluation.target_encoding import ServedFeatures
from tfpfd.schema import Schema, raw_batches
from tfpfd.schema.feature import raw_columns


@dataclass(frozen=True)
class RivalRows:
    """Rows of one part.

    Args:
      columns: the served columns, checked.
      users: `[rows]` user ids.
      items: `[rows]` item ids.
      labels: `[rows]`, 0 or 1.
      weights: `[rows]` of a mean of 1, or None.
    """

    columns: dict[str, NDArray]
    users: NDArray
    items: NDArray
    labels: FloatArray
    weights: FloatArray | None

    @classmethod
    def of(
        cls, name: str, frame: pd.DataFrame, schema: Schema, user_key: str, item_key: str | None
    ) -> RivalRows:
        """Checks the rows of a frame.

        Args:
          name: of the argument.
          frame: the rows; those without a label are left out of `train`, and refused elsewhere.
          schema: names the columns.
          user_key: the column of the user id.
          item_key: the column of the item id; None where there are no items.

        Raises:
          ValueError: naming the column, what was expected and what came.
        """
        features = schema.features("served").values()
        others = (schema.label, schema.sample_weight, user_key, item_key)
        names = dict.fromkeys([*raw_columns(features), *filter(None, others)])
        if frame.empty:
            raise ValueError(f"`{name}` must have rows, received none")
        (raw,) = raw_batches(frame, list(names), size=len(frame))
        labels, weights = schema.target(raw)
        kept = ~np.isnan(labels) if name == "train" else np.ones(len(labels), bool)
        found = np.unique(labels[kept])
        if found.tolist() != [0, 1]:
            raise ValueError(
                f"label column '{schema.label}' of `{name}`: expected 0 and 1, "
                f"received {found[:3].tolist()}"
            )
        if weights is not None:
            if not weights[kept].any():
                raise ValueError(
                    f"weight column '{schema.sample_weight}' of `{name}`: expected one above 0, "
                    "received zeros"
                )
            weights = weights[kept].astype(np.float64) / weights[kept].mean()
        return cls(
            {key: values[kept] for key, values in schema.columns(raw, features).items()},
            np.asarray(frame[user_key])[kept],
            np.asarray(frame[item_key])[kept] if item_key else np.zeros(int(kept.sum()), int),
            labels[kept].astype(np.float64),
            weights,
        )


class ShownRows(NamedTuple):
    """Rows of all parts.

    Args:
      train: to fit on.
      validation: to choose settings on.
      test: to score; a rival doesn't look at their labels.
      numbers: `[rows, columns]` of each part, `ServedFeatures` made of the training rows.
    """

    train: RivalRows
    validation: RivalRows
    test: RivalRows
    numbers: tuple[FloatArray, FloatArray, FloatArray]

    @classmethod
    def of(
        cls, train: RivalRows, validation: RivalRows, test: RivalRows, schema: Schema
    ) -> ShownRows:
        """Rows with the numbers that their served features make."""
        features = ServedFeatures(schema, train.columns, train.labels, train.weights)
        held, asked = (features.numbers(part.columns) for part in (validation, test))
        return cls(train, validation, test, (features.train, held, asked))
