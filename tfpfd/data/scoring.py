"""What a scorer says of rows: the loop over batches where nothing is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

SLICE = 16_384
"""Rows a batch where nothing is trained."""


def scores_of_batches(scorer: Callable[..., Any], batches: Iterable[Mapping[str, Any]]) -> Any:
    """What a scorer says of all batches, one behind the other.

    Args:
      scorer: a ranker, or what else takes looked-up inputs and `training`.
      batches: looked-up inputs, `[batch, ...]` by name.

    Returns:
      float32 `[rows]` or what else the scorer returns of a row, or a dict of such.

    Raises:
      ValueError: there is no batch.
    """
    # Not `predict`: tracing a graph takes longer than running these few batches.
    parts = [scorer(inputs, training=False) for inputs in batches]
    if not parts:
        raise ValueError("`rows` is empty: expected rows to score, received none")
    return tf.nest.map_structure(lambda *columns: np.concatenate(columns), *parts)


def scores_of(scorer: Callable[..., Any], inputs: Mapping[str, np.ndarray], rows: int) -> Any:
    """What a scorer that looks at each row by itself says of rows in memory.

    Args:
      scorer: a ranker, or what else takes looked-up inputs and `training`.
      inputs: arrays of `rows` entries.
      rows: how many.

    Returns:
      float32 `[rows]` or what else the scorer returns of a row, or a dict of such.
    """

    def batch(start: int) -> dict[str, tf.Tensor]:
        return {name: tf.constant(v[start : start + SLICE]) for name, v in inputs.items()}

    return scores_of_batches(scorer, map(batch, range(0, rows, SLICE)))
