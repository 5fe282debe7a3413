"""Mean and standard deviation: learned batch by batch, and numbers measured by them."""

from __future__ import annotations

import warnings

import numpy as np
import tensorflow as tf

from tfpfd.schema.columns import is_missing

FARTHEST = 100.0
"""How many standard deviations from the mean a value counts at most, so that it stays finite."""


def standardised(values: tf.Tensor, mean: float, deviation: float, log: bool) -> tf.Tensor:
    """`(x - mean) / deviation`, at most 100 from 0; 0 for NaN.

    Args:
      values: float32, of any shape.
      mean: of the values; with `log`, of logarithms.
      deviation: their standard deviation, above 0.
      log: whether x is `sign(v) · log(1 + |v|)` of a value v, not itself.
    """
    # In float64: a deviation may be too small for float32, or the mean too large.
    exact = tf.cast(values, tf.float64)
    if log:
        exact = tf.sign(exact) * tf.math.log1p(tf.abs(exact))
    exact = tf.clip_by_value((exact - mean) / deviation, -FARTHEST, FARTHEST)
    return tf.cast(tf.where(tf.math.is_nan(values), tf.zeros_like(exact), exact), tf.float32)


class MomentsLearner:
    """The mean and the standard deviation of a column's values; memory doesn't grow with the rows.

    Args:
      name: of the column, for messages.
      log: whether they are those of `sign(x) · log(1 + |x|)`.
    """

    def __init__(self, name: str, log: bool) -> None:
        self._name, self._log = name, log
        self._count, self._mean, self._squares = 0, 0.0, 0.0
        self._lowest, self._highest = np.inf, -np.inf

    def update(self, values: np.ndarray) -> None:
        """Takes in the values of a column that `columns.column` returned."""
        held = values[~is_missing(values)].astype(np.float64)
        if not len(held):
            return
        self._lowest = min(self._lowest, held.min())
        self._highest = max(self._highest, held.max())
        if self._log:
            held = np.sign(held) * np.log1p(np.abs(held))
        # Sums of squares around the mean of each part, as those around 0 lose all digits.
        mean, count = held.mean(), self._count + len(held)
        away = mean - self._mean
        self._squares += np.square(held - mean).sum()
        self._squares += away**2 * self._count * len(held) / count
        self._mean += away * len(held) / count
        self._count = count

    def learned(self) -> tuple[float, float]:
        """The mean and the deviation, which is 1 where all values are the same: it is warned of."""
        if self._lowest == self._highest:
            warnings.warn(
                f"column '{self._name}': all values are {self._lowest}, so that the feature "
                "tells a model nothing; leave it out, or give its `mean` and `deviation`",
                stacklevel=3,
            )
            return float(self._mean), 1.0
        return float(self._mean), float(np.sqrt(self._squares / self._count))
