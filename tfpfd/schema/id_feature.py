"""Features of ids out of a vocabulary, their own or a borrowed one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfpfd.schema.columns import Kind, column
from tfpfd.schema.feature import Columns, Known, Tensors
from tfpfd.schema.table_feature import TableFeature, mean_of_held
from tfpfd.schema.vocabulary import cross_entropy, drawn, drawn_rows, last, look_up, members


class IdFeature(TableFeature):
    """One id a row, or several (`length`), of the vocabulary of `table`."""

    optional: bool

    def check(self, raw: Mapping[str, Any], known: Known) -> dict[str, np.ndarray]:
        """Strings or int64, `[rows]` or `[rows, width]`."""
        several, kind = self.length is not None, self._kind(known)
        values = column(self.name, raw[self.name], kind, several=several, optional=self.optional)
        return {self.name: values}

    def _owner(self, known: Known) -> Any:
        return known[self.table]

    def _kind(self, known: Known) -> Kind:
        return self._owner(known).dtype

    def signature(self, known: Known) -> dict[str, tf.TensorSpec]:
        """Strings or int64, `[batch]` or `[batch, width]`."""
        shape = [None] if self.length is None else [None, None]
        dtype = tf.string if self._kind(known) == "string" else tf.int64
        return {self.name: tf.TensorSpec(shape, dtype, name=self.name)}

    def sample(self, rows: int, known: Known, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Ids of the vocabulary; of several a row any number that is used."""
        owner, kind = self._owner(known), self._kind(known)
        values = range(owner.hash_buckets) if owner.hash_buckets else owner.vocabulary
        if self.length is None:
            return {self.name: drawn(values, kind, (rows,), random)}
        return {self.name: drawn_rows(values, kind, rows, self.length, random)}

    def look_up(
        self, raw: Tensors, known: Known, resources: Mapping[str, Any]
    ) -> dict[str, tf.Tensor]:
        """Rows of the table; of several ids the last ones, moved to the front."""
        ids = look_up(raw[self.name], self._owner(known), resources.get(self.table))
        return {self.name: ids if self.length is None else last(ids, self.length)}

    def target_width(self, known: Known) -> int:
        """A logit for each row of the table."""
        return known[self.table].rows

    def target_loss(self, inputs: Tensors, output: tf.Tensor, known: Known) -> tf.Tensor:
        """The cross entropy; of several values a row their mean."""
        (asked,) = self.asks(inputs)
        return mean_of_held(cross_entropy(asked.rows, output), asked.rows)

    def ids(self, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
        """The ids; of several a row those that are used."""
        return members(columns[self.name], self.length)

    def numbers(self, columns: Columns) -> list[np.ndarray]:
        """How many ids a row has, where that differs."""
        if self.length is None:
            return []
        values = columns[self.name]
        return [np.bincount(self.ids(columns)[0], minlength=len(values))]
