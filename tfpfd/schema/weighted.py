"""Several ids a row, with a weight of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfpfd.schema.aligned_lists import flat_columns, last_held, places, rectangle
from tfpfd.schema.cells import Cells
from tfpfd.schema.columns import Kind, column, come_padded, is_missing, warn_of_padding
from tfpfd.schema.feature import Tensors
from tfpfd.schema.table_requests import Embedded
from tfpfd.schema.vocabulary import last


class Weighted(Cells):
    """Lists of ids, and aligned with them lists of weights, which are divided by their sum.

    Args:
      weights: the column of the weights.
    """

    def __init__(self, weights: str) -> None:
        self._weights = weights
        self.beside = (weights,)

    def check(
        self, name: str, raw: Mapping[str, Any], kind: Kind, length: int | None, optional: bool
    ) -> dict[str, np.ndarray]:
        """Ids and float32 weights `[rows, width]`, NaN where there is no id.

        Raises:
          ValueError: as of `Feature.check`; lists differ in length, or a weight is below 0.
        """
        flat, lengths = flat_columns(raw, (name, self._weights))
        ids = column(name, flat[name], kind, several=False, optional=come_padded(lengths))
        held = ~is_missing(ids)
        given = flat[self._weights][held]
        weights = column(self._weights, given, "float", several=False, optional=False)
        if (weights < 0).any():
            raise ValueError(
                f"column '{self._weights}': expected finite weights of at least 0, received "
                f"{(weights < 0).sum()} negative, such as {weights[weights < 0][0]}"
            )
        row, place = places(lengths, held)
        found = rectangle(ids[held], row, place, len(lengths))
        if kind == "int":
            warn_of_padding(name, found)
        return {name: found, self._weights: rectangle(weights, row, place, len(lengths))}

    def signature(self, name: str, kind: Kind, length: int | None) -> dict[str, tf.TensorSpec]:
        """Lists of ids and of float32 weights."""
        spec = tf.TensorSpec([None, None], tf.float32, name=self._weights)
        return {**super().signature(name, kind, length), self._weights: spec}

    def sample(
        self, name: str, values: Any, kind: Kind, length: int | None, rows: int, random: Any
    ) -> dict[str, np.ndarray]:
        """Some of the values, and weights from 0 to 1."""
        found = super().sample(name, values, kind, length, rows, random)
        return {**found, self._weights: random.random(found[name].shape)}

    def used(
        self, name: str, rows: tf.Tensor, raw: Tensors, length: int | None
    ) -> dict[str, tf.Tensor]:
        """The last rows, and their weights, which add up to 1, or to 0 where all are 0.

        In a request, a weight that is no number of at least 0 is 0.
        """
        assert length is not None  # Of one value a row there are no weights.
        # In float64: the sum may be too large for float32.
        weights = tf.cast(last_held(raw[self._weights], rows > 0, length), tf.float64)
        counts = tf.math.is_finite(weights) & (weights > 0)
        weights = tf.where(counts, weights, tf.zeros_like(weights))
        shares = tf.math.divide_no_nan(weights, tf.reduce_sum(weights, axis=1, keepdims=True))
        return {name: last(rows, length), self._weights: tf.cast(shares, tf.float32)}

    def inputs(self, length: int | None) -> dict[str, tf.TensorSpec]:
        """The weights."""
        return {self._weights: tf.TensorSpec([None, length], tf.float32, name=self._weights)}

    def probe(self, rows: int, length: int | None) -> dict[str, np.ndarray]:
        """All alike."""
        assert length is not None
        return {self._weights: np.full((rows, length), 1 / length, np.float32)}

    def mean(self, inputs: Tensors, one: Embedded) -> tf.Tensor:
        """The weighted mean."""
        weights = tf.cast(inputs[self._weights], one.vectors.dtype)
        kept = tf.where(one.valid[..., None], one.vectors, tf.zeros_like(one.vectors))
        return tf.reduce_sum(kept * weights[..., None], axis=1)
