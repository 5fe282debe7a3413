"""How the ids of a row are held: one id, or a list of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfpfd.schema.columns import Kind, column
from tfpfd.schema.feature import Columns, Tensors
from tfpfd.schema.table_feature import masked_mean
from tfpfd.schema.table_requests import Embedded
from tfpfd.schema.vocabulary import drawn, drawn_rows, last


class Cells:
    """A column of one id a row, or of a list of ids a row.

    What every method gets: the name of the feature, the type of its ids, and how many of a row are
    used (`length`; None: there is exactly one).
    """

    beside: tuple[str, ...] = ()
    """Names of columns besides that of the feature."""

    def check(
        self, name: str, raw: Mapping[str, Any], kind: Kind, length: int | None, optional: bool
    ) -> dict[str, np.ndarray]:
        """Checked columns: see `Feature.check`."""
        several = length is not None
        return {name: column(name, raw[name], kind, several=several, optional=optional)}

    def signature(self, name: str, kind: Kind, length: int | None) -> dict[str, tf.TensorSpec]:
        """What a request holds: see `Feature.signature`."""
        dtype = tf.string if kind == "string" else tf.int64
        shape = [None] if length is None else [None, None]
        return {name: tf.TensorSpec(shape, dtype, name=name)}

    def sample(
        self, name: str, values: Any, kind: Kind, length: int | None, rows: int, random: Any
    ) -> dict[str, np.ndarray]:
        """Some of the values, as a request may hold them: see `Feature.sample`."""
        if length is None:
            return {name: drawn(values, kind, (rows,), random)}
        return {name: drawn_rows(values, kind, rows, length, random)}

    def ids_of(self, name: str, columns: Columns, kind: Kind) -> np.ndarray:
        """The ids of checked columns, `[rows]` or `[rows, width]`, padded if missing."""
        return columns[name]

    def raw_ids(self, name: str, raw: Tensors, kind: Kind) -> tf.Tensor:
        """The ids of a request, `[batch]` or `[batch, width]`, padded if missing."""
        return raw[name]

    def used(
        self, name: str, rows: tf.Tensor, raw: Tensors, length: int | None
    ) -> dict[str, tf.Tensor]:
        """Inputs of a batch: the last rows of the table, moved to the front, and what is beside."""
        return {name: rows if length is None else last(rows, length)}

    def inputs(self, length: int | None) -> dict[str, tf.TensorSpec]:
        """Of the columns besides: see `Feature.inputs`."""
        return {}

    def probe(self, rows: int, length: int | None) -> dict[str, np.ndarray]:
        """Of the columns besides: see `Feature.probe`."""
        return {}

    def mean(self, inputs: Tensors, one: Embedded) -> tf.Tensor:
        """One vector `[batch, width]` of those of several ids."""
        return masked_mean(*one)
