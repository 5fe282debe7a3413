"""Rivals beside students of rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tfpfd.data.catalogue import PARTS
from tfpfd.data.splits import SplitRows, item_key_of, user_key_of
from tfpfd.evaluation.differences import Metrics
from tfpfd.evaluation.intervals import FloatArray
from tfpfd.evaluation.measured_rivals import MeasuredRivals
from tfpfd.evaluation.rivals.shown_rows import RivalRows
from tfpfd.evaluation.rivals.tuning import pointwise_rivals
from tfpfd.schema import Schema


def row_rivals(
    data: SplitRows,
    schema: Schema,
    metric: str,
    measured: Callable[[FloatArray], Metrics],
    kept: np.ndarray | None = None,
) -> MeasuredRivals:
    """Fits `pointwise_rivals` to rows.

    Args:
      data: the rows.
      schema: names their features.
      metric: chooses settings, on validation rows.
      measured: metrics `[1 + resamples]` of rates `[rows]` of the test rows.
      kept: places of the training rows to learn from; None for all.

    Raises:
      ValueError: as of `pointwise_rivals`.
      ImportError: without scikit-learn.
    """
    user, item = user_key_of(data), item_key_of(data)
    assert user is not None  # Intervals are over users.
    frames = {part: getattr(data, part) for part in PARTS}
    if kept is not None:
        frames["train"] = frames["train"].iloc[kept]
    train, validation, test = (
        RivalRows.of(part, frame, schema, user, item) for part, frame in frames.items()
    )
    tuned = pointwise_rivals(train, validation, test, schema, metric)
    return MeasuredRivals(
        {name: measured(rival.scores) for name, rival in tuned.items()},
        {name: rival.setting for name, rival in tuned.items()},
    )
