"""`class_weight` of Keras' `fit`, for labels of which some are missing or between 0 and 1."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf


def with_class_weights(
    class_weight: Mapping[int, float], x: Any, y: Any, settings: Mapping[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """The arguments of `fit` with sample weights in place of weights by class.

        w · (y · class_weight[1] + (1-y) · class_weight[0])

    A row without a label (NaN) keeps the weight w: only the soft labels speak of it.

    Args:
      class_weight: by class, 0 and 1; finite, at least 0.
      x: a dataset of `(inputs, labels)` or `(inputs, labels, weights)`, or inputs.
      y: labels, where `x` are inputs.
      settings: the other arguments, with `sample_weight` if there is one.

    Returns:
      `x` and the other arguments.

    Raises:
      ValueError: other classes or weights, or batches from something else than a dataset or arrays.
    """
    usable = isinstance(class_weight, Mapping) and set(class_weight) == {0, 1}
    if not usable or not all(
        isinstance(w, numbers.Real) and 0 <= w < np.inf for w in class_weight.values()
    ):
        raise ValueError(
            "`class_weight` must be a dict with a weight of at least 0 for each of the classes 0 "
            f"and 1, received {class_weight!r}"
        )
    given = {label: float(class_weight[label]) for label in (0, 1)}

    def weights_of(labels: Any, weights: Any = None) -> tf.Tensor:
        labels = tf.reshape(tf.cast(labels, tf.float32), [-1])
        factors = labels * given[1] + (1 - labels) * given[0]
        factors = tf.where(tf.math.is_nan(labels), 1.0, factors)
        return factors if weights is None else factors * tf.reshape(weights, [-1])

    if isinstance(x, tf.data.Dataset):
        return x.map(lambda inputs, *rest: (inputs, rest[0], weights_of(*rest))), dict(settings)
    if y is None:
        raise ValueError(
            "`class_weight` needs a tf.data.Dataset or arrays, received "
            f"{type(x).__name__}: give weights in its batches instead"
        )
    found = weights_of(y, settings.get("sample_weight")).numpy()
    return x, {**settings, "sample_weight": found}
