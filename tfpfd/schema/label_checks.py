"""What labels and sample weights must be, in a column, in arrays and in batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfpfd.schema.columns import column

_LABELS = "values in [0, 1], or NaN on rows without a label"
_WEIGHTS = "finite values of at least 0"


def check_target(
    raw: Mapping[str, Any], label: str, sample_weight: str | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Checks the columns `label` and `sample_weight` of a batch.

    Returns:
      Labels `[rows]`, NaN on rows without one, and weights `[rows]` or None; float32.

    Raises:
      ValueError: a label outside [0, 1], a weight that is negative or missing.
    """
    labels = column(label, raw[label], "float", several=False, optional=True)
    refuse_labels(f"label column '{label}': expected", labels)
    if sample_weight is None:
        return labels, None
    weights = column(sample_weight, raw[sample_weight], "float", several=False, optional=False)
    refuse_weights(f"weight column '{sample_weight}': expected", weights)
    return labels, weights


def refuse_labels(expected: str, labels: np.ndarray) -> None:
    """Refuses labels outside [0, 1]; NaN is none.

    Args:
      expected: how the message begins, to which is added what they must be and what came.
      labels: of any shape.
    """
    _refuse(f"{expected} {_LABELS}", labels, (labels < 0) | (labels > 1))


def refuse_weights(expected: str, weights: np.ndarray) -> None:
    """Refuses weights that are negative or not finite; see `refuse_labels`."""
    _refuse(f"{expected} {_WEIGHTS}", weights, ~(np.isfinite(weights) & (weights >= 0)))


def _refuse(expected: str, values: np.ndarray, wrong: np.ndarray) -> None:
    if wrong.any():
        raise ValueError(f"{expected}, received {wrong.sum()} outside, such as {values[wrong][0]}")


def checked_labels(what: str, labels: tf.Tensor) -> tf.Tensor:
    """The labels, where reading a batch fails that holds others than `refuse_labels` lets pass."""
    return checked(f"{what}: expected {_LABELS}", labels, ~((labels < 0) | (labels > 1)))


def checked_weights(what: str, weights: tf.Tensor) -> tf.Tensor:
    """The weights, where reading a batch fails that holds others; see `checked_labels`."""
    valid = tf.math.is_finite(weights) & (weights >= 0)
    return checked(f"{what}: expected {_WEIGHTS}", weights, valid)


def checked(expected: str, values: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """The values, where reading a batch that holds others fails and names the first of them."""
    # Without quotes around a name, since TensorFlow would escape them.
    received = [f"{expected}, received", tf.boolean_mask(values, ~valid)]
    # A control dependency, so that no rewriting of the pipeline takes the check away.
    with tf.control_dependencies(
        [tf.debugging.Assert(tf.reduce_all(valid), received, summarize=1)]
    ):
        return tf.identity(values)
