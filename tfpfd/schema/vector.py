"""A vector of numbers: a pretrained embedding, or other dense input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Sequence as Several
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfpfd._keras import keras
from tfpfd.schema.columns import column, flatten
from tfpfd.schema.feature import Columns, Feature, Known, Tensors
from tfpfd.schema.kind_arguments import check_optional, check_positive
from tfpfd.schema.kinds import register_kind
from tfpfd.schema.table_requests import Embedded


@register_kind
@dataclass(frozen=True)
class Vector(Feature):
    """Numbers `[dim]` a row, such as the embedding of an image or of a text.

    An item's goes into the item tower, so an item that is new on `tfpfd.refresh` has its vector
    from the first day. A missing one (None, or NaN throughout) is zeros, and with `optional` one
    more number says whether there is a vector (1) or not (0).

    >>> import pandas as pd
    >>> from tfpfd import Categorical, FeatureEncoder, Schema
    >>> rows = pd.DataFrame({"film": ["a", "b"], "poster": [[0.0, 4.0], None], "label": 1.0})
    >>> poster = Vector("poster", dim=2, normalized=True, optional=True)
    >>> schema = Schema(user=[], item=[Categorical("film"), poster]).adapt(rows, verbose=0)
    >>> inputs = schema.lookup({"poster": tf.constant([[0.0, 4.0], [float("nan")] * 2])})
    >>> FeatureEncoder(schema, ["poster"])(inputs)["poster"].numpy().tolist()
    [[0.0, 1.0, 1.0], [0.0, 0.0, 0.0]]

    Args:
      name: the column: `[rows, dim]`, or a list or array a row.
      dim: how many numbers a row has.
      projection: width of a linear layer that is trained on the vector; None: it stays as it is.
      normalized: whether vectors are divided by their length; one of zeros stays. Without, numbers
        are taken as they are, and in `mixed_float16` one beyond 65,504 would be infinite.
      optional: whether a vector may be missing.
    """

    name: str
    dim: int
    projection: int | None = None
    normalized: bool = False
    optional: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self.name, "dim", self.dim)
        if self.projection is not None:
            check_positive(self.name, "projection", self.projection)
        if not isinstance(self.normalized, bool):
            raise ValueError(
                f"`normalized` of feature '{self.name}' must be True or False, "
                f"received {self.normalized!r}"
            )
        check_optional(self.name, self.optional)

    @property
    def _width(self) -> int:
        """Numbers of an input."""
        return self.dim + self.optional

    def check(self, raw: Mapping[str, Any], known: Known) -> dict[str, np.ndarray]:
        """float32 `[rows, dim]`, NaN throughout where missing."""
        values = raw[self.name]
        if isinstance(values, tf.Tensor) and values.dtype.is_floating:
            values = tf.cast(values, tf.float32)  # NumPy has no bfloat16.
        flat, lengths = flatten(self.name, values)
        self._refuse((lengths != self.dim) & (lengths != 0), lengths, "numbers")
        found = np.full((len(lengths), self.dim), np.nan, np.float32)
        numbers = column(self.name, flat, "float", several=False, optional=True)
        found[lengths > 0] = numbers.reshape(-1, self.dim)
        finite = (~np.isnan(found)).sum(axis=1)
        self._refuse((finite < self.dim) & (finite > 0), finite, "finite numbers")
        missing = int((finite == 0).sum())
        if missing and not self.optional:
            raise ValueError(
                f"column '{self.name}': expected {self.dim} finite numbers a row, received "
                f"{missing} of {len(found)} rows without; fill them or leave them out, or declare "
                "the feature with optional=True"
            )
        return {self.name: found}

    def _refuse(self, wrong: np.ndarray, counts: np.ndarray, what: str) -> None:
        if wrong.any():
            row = int(wrong.argmax())
            raise ValueError(
                f"column '{self.name}': expected {self.dim} {what} a row, received {counts[row]} "
                f"in row {row} of a batch of {len(wrong)}"
            )

    def signature(self, known: Known) -> dict[str, tf.TensorSpec]:
        """float32 `[batch, dim]`."""
        return {self.name: tf.TensorSpec([None, self.dim], tf.float32, name=self.name)}

    def sample(self, rows: int, known: Known, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Any numbers."""
        return {self.name: random.normal(size=(rows, self.dim))}

    def look_up(
        self, raw: Tensors, known: Known, resources: Mapping[str, Any]
    ) -> dict[str, tf.Tensor]:
        """The numbers; zeros where one isn't finite, and with `optional` whether they all are."""
        numbers = tf.ensure_shape(raw[self.name], [None, self.dim])
        held = tf.reduce_all(tf.math.is_finite(numbers), axis=1, keepdims=True)
        numbers = tf.where(held, numbers, tf.zeros_like(numbers))
        if self.normalized:
            # In float64: a square may be too large or too small for float32.
            exact = tf.cast(numbers, tf.float64)
            lengths = tf.sqrt(tf.reduce_sum(tf.square(exact), axis=1, keepdims=True))
            numbers = tf.cast(tf.math.divide_no_nan(exact, lengths), tf.float32)
        if self.optional:
            numbers = tf.concat([numbers, tf.cast(held, tf.float32)], axis=1)
        return {self.name: numbers}

    def inputs(self) -> dict[str, tf.TensorSpec]:
        """float32 `[batch, dim]`, with `optional` one wider."""
        return {self.name: tf.TensorSpec([None, self._width], tf.float32, name=self.name)}

    def layer(
        self,
        behaviour: Callable[[str, int], keras.layers.Layer],
        dims: Mapping[str, int],
        policy: str,
    ) -> keras.layers.Layer | None:
        """The projection."""
        if self.projection is None:
            return None
        layer = keras.layers.Dense(self.projection, name=self.name, dtype=policy)
        layer.build((None, self._width))
        return layer

    def width(self, dims: Mapping[str, int], layer: Any) -> int:
        """That of the projection, or of the vector."""
        return self.projection or self._width

    def combine(self, inputs: Tensors, embedded: Several[Embedded], layer: Any) -> tf.Tensor:
        """The vector, or its projection."""
        vectors = inputs[self.name]
        return vectors if layer is None else layer(vectors)

    def target_width(self, known: Known) -> int:
        """As many numbers."""
        return self.dim

    def target_loss(self, inputs: Tensors, output: tf.Tensor, known: Known) -> tf.Tensor:
        """The mean squared error of its numbers."""
        vectors = inputs[self.name]
        error = tf.reduce_mean(tf.square(vectors[:, : self.dim] - output), axis=1)
        return error * vectors[:, self.dim] if self.optional else error

    def numbers(self, columns: Columns) -> list[np.ndarray]:
        """Each of its numbers."""
        return list(columns[self.name].T)
