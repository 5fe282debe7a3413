"""A number, in buckets."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from tfpfd.schema.columns import column
from tfpfd.schema.feature import Columns, Known, Tensors
from tfpfd.schema.kind_arguments import check_optional, check_positive
from tfpfd.schema.kinds import register_kind
from tfpfd.schema.learner import Learner
from tfpfd.schema.quantiles import QuantileLearner
from tfpfd.schema.table_feature import PADDING_ROWS, TableFeature, mean_of_held


@register_kind
@dataclass(frozen=True)
class Numeric(TableFeature):
    """A number, put into buckets by edges that are given or learned as quantiles.

    Args:
      name: the column.
      buckets: how many buckets of equal frequency `Schema.adapt` aims for.
      boundaries: ascending bucket edges, when they are given and not learned. A value equal to
        an edge belongs to the bucket above it.
      optional: whether a value may be missing (None or NaN).
    """

    name: str
    buckets: int = 10
    boundaries: tuple[float, ...] | None = None
    optional: bool = False

    # Among its settings, by which files with weights tell one schema from another.
    length: None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_optional(self.name, self.optional)
        check_positive(self.name, "buckets", self.buckets, least=2)
        if self.boundaries is None:
            return
        try:
            edges = tuple(float(edge) for edge in self.boundaries)
        except (TypeError, ValueError):
            edges = (math.nan,)  # No numbers: refused below.
        ascending = all(low < high for low, high in itertools.pairwise(edges))
        if not ascending or not all(math.isfinite(edge) for edge in edges):
            raise ValueError(
                f"`boundaries` of feature '{self.name}' must be finite and ascending numbers, "
                f"received {self.boundaries!r}"
            )
        object.__setattr__(self, "boundaries", edges)

    @property
    def table(self) -> str:
        """Name of the embedding table."""
        return self.name

    @property
    def is_number(self) -> bool:
        """It is one."""
        return True

    @property
    def filtered_by(self) -> Literal["bounds"]:
        """Requests name the lowest and the highest that they want."""
        return "bounds"

    @property
    def rows(self) -> int:
        """Rows of the table: missing, then one a bucket."""
        if self.boundaries is None:
            raise ValueError(
                f"feature '{self.name}' has no bucket boundaries yet: call "
                "`schema = schema.adapt(data)` first, or give them"
            )
        return PADDING_ROWS + len(self.boundaries) + 1

    def check(self, raw: Mapping[str, Any], known: Known) -> dict[str, np.ndarray]:
        """float32 `[rows]`, NaN where missing."""
        values = raw[self.name]
        found = column(self.name, values, "float", several=False, optional=self.optional)
        return {self.name: found}

    def signature(self, known: Known) -> dict[str, tf.TensorSpec]:
        """float32 `[batch]`."""
        return {self.name: tf.TensorSpec([None], tf.float32, name=self.name)}

    def sample(self, rows: int, known: Known, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Numbers from among the edges."""
        edges = self.boundaries or (0.0,)
        return {self.name: random.uniform(edges[0] - 1, edges[-1] + 1, rows)}

    @property
    def learned(self) -> bool:
        """Whether nothing is left for `Schema.adapt` to learn."""
        return self.boundaries is not None

    @property
    def holds_learned(self) -> bool:
        """Whether it has edges."""
        return bool(self.boundaries)

    def learner(self) -> Learner:
        """Samples values."""
        return QuantileLearner(self.name, self.buckets)

    def with_learned(self, learned: tuple[float, ...]) -> Numeric:
        """The feature with these edges."""
        return dataclasses.replace(self, boundaries=learned)

    def look_up(
        self, raw: Tensors, known: Known, resources: Mapping[str, Any]
    ) -> dict[str, tf.Tensor]:
        """Row 1 below the first edge, row 2 from the first edge on, and so on; row 0 for NaN."""
        assert self.boundaries is not None
        values = raw[self.name]
        if self.boundaries:
            edges = tf.constant(self.boundaries, tf.float32)
            below = tf.searchsorted(edges, tf.reshape(values, [-1]), side="right")
            ids = tf.reshape(below, tf.shape(values)) + PADDING_ROWS
        else:
            ids = tf.ones_like(values, tf.int32)
        return {self.name: tf.where(tf.math.is_nan(values), tf.zeros_like(ids), ids)}

    def target_width(self, known: Known) -> int:
        """One number."""
        return 1

    def target_loss(self, inputs: Tensors, output: tf.Tensor, known: Known) -> tf.Tensor:
        """The squared error of the bucket as a quantile in [0, 1]."""
        (asked,) = self.asks(inputs)
        # Row 1 holds the lowest bucket, the last row the highest.
        last = max(self.rows - 1, 2)
        values = tf.square(tf.cast(asked.rows - 1, tf.float32) / (last - 1) - output)
        return mean_of_held(values, asked.rows)

    def numbers(self, columns: Columns) -> list[np.ndarray]:
        """The number as it is."""
        return [columns[self.name]]
