"""What labels and sample weights must be, in a column, in arrays and in batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfpfd.schema.columns import column

LABELS = "values in [0, 1], or NaN on rows without a label"
WEIGHTS = "finite values of at least 0"


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
    outside = (labels < 0) | (labels > 1)
    if outside.any():
        raise ValueError(
            f"label column '{label}': expected {LABELS}, received {outside.sum()} outside, such as "
            f"{labels[outside][0]}"
        )
    if sample_weight is None:
        return labels, None
    weights = column(sample_weight, raw[sample_weight], "float", several=False, optional=False)
    if (weights < 0).any():
        raise ValueError(
            f"weight column '{sample_weight}': expected {WEIGHTS}, received {(weights < 0).sum()} "
            f"negative, such as {weights[weights < 0][0]}"
        )
    return labels, weights


def checked(expected: str, values: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """The values, where reading a batch that holds others fails and names the first of them."""
    # Without quotes around a name, since TensorFlow would escape them.
    received = [f"{expected}, received", tf.boolean_mask(values, ~valid)]
    # A control dependency, so that no rewriting of the pipeline takes the check away.
    with tf.control_dependencies(
        [tf.debugging.Assert(tf.reduce_all(valid), received, summarize=1)]
    ):
        return tf.identity(values)
