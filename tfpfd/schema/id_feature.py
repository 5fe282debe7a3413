"""Features of ids out of a vocabulary, their own or a borrowed one."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Several
from typing import Any

import numpy as np
import tensorflow as tf

from tfpfd.schema.cells import Cells
from tfpfd.schema.columns import Kind
from tfpfd.schema.feature import Columns, Known, Tensors
from tfpfd.schema.table_feature import PADDING_ROWS, TableFeature, mean_of_held
from tfpfd.schema.table_requests import Embedded
from tfpfd.schema.vocabulary import cross_entropy, look_up, members


class IdFeature(TableFeature):
    """One id a row, or several (`length`), of the vocabulary of `table`."""

    optional: bool
    oov_rate: float = 0.0

    @property
    def _cells(self) -> Cells:
        """How a row holds its ids."""
        return Cells()

    @property
    def columns(self) -> tuple[str, ...]:
        """That of the ids, and what is beside it."""
        return (self.name, *self._cells.beside)

    def check(self, raw: Mapping[str, Any], known: Known) -> dict[str, np.ndarray]:
        """Strings or int64, `[rows]` or `[rows, width]`, or as its cells are."""
        return self._cells.check(self.name, raw, self._kind(known), self.length, self.optional)

    def _owner(self, known: Known) -> Any:
        return known[self.table]

    def _kind(self, known: Known) -> Kind:
        return self._owner(known).dtype

    def signature(self, known: Known) -> dict[str, tf.TensorSpec]:
        """Strings or int64, `[batch]` or `[batch, width]`, or as its cells are."""
        return self._cells.signature(self.name, self._kind(known), self.length)

    def sample(self, rows: int, known: Known, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Ids of the vocabulary; of several a row any number that is used."""
        owner, kind = self._owner(known), self._kind(known)
        values = range(owner.hash_buckets) if owner.hash_buckets else owner.vocabulary
        return self._cells.sample(self.name, values, kind, self.length, rows, random)

    def teaches(self, columns: Columns, known: Known) -> dict[str, Any]:
        """The ids, to the owner of the vocabulary."""
        return {self.table: self._cells.ids_of(self.name, columns, self._kind(known))}

    def look_up(
        self, raw: Tensors, known: Known, resources: Mapping[str, Any]
    ) -> dict[str, tf.Tensor]:
        """Rows of the table; of several ids the last ones, moved to the front."""
        ids = self._cells.raw_ids(self.name, raw, self._kind(known))
        rows = look_up(ids, self._owner(known), resources.get(self.table))
        return self._cells.used(self.name, rows, raw, self.length)

    def inputs(self) -> dict[str, tf.TensorSpec]:
        """Rows of the table, and what is beside them."""
        return {**super().inputs(), **self._cells.inputs(self.length)}

    def probe(self, rows: int, known: Known) -> dict[str, np.ndarray]:
        """The first rows of the table, again and again where it has fewer."""
        return {**super().probe(rows, known), **self._cells.probe(rows, self.length)}

    def combine(self, inputs: Tensors, embedded: Several[Embedded], layer: Any) -> tf.Tensor:
        """The vector of the one id, or the mean of several."""
        if self.length is None:
            return super().combine(inputs, embedded, layer)
        (one,) = embedded
        return self._cells.mean(inputs, one)

    @property
    def oov_rates(self) -> dict[str, float]:
        """That of its ids, if it is above 0."""
        return {self.name: self.oov_rate} if self.oov_rate else {}

    def unknown(self, column: str, rows: tf.Tensor, known: Known) -> tf.Tensor:
        """Rows of ids outside the vocabulary, spread over those that there are for them."""
        owner = self._owner(known)
        if owner.hash_buckets is not None:
            raise ValueError(
                f"`oov_rate` of feature '{self.name}' needs a vocabulary that ids can be outside "
                f"of, received one of '{self.table}', whose ids are hashed"
            )
        # What is missing or unknown stays what it is.
        return tf.where(rows < PADDING_ROWS + owner.oov, rows, PADDING_ROWS + rows % owner.oov)

    def target_width(self, known: Known) -> int:
        """A logit for each row of the table."""
        return known[self.table].rows

    def target_loss(self, inputs: Tensors, output: tf.Tensor, known: Known) -> tf.Tensor:
        """The cross entropy; of several values a row their mean."""
        (asked,) = self.asks(inputs)
        return mean_of_held(cross_entropy(asked.rows, output), asked.rows)

    def ids(self, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
        """The ids; of several a row those that are used."""
        return members(self._cells.ids_of(self.name, columns, "string"), self.length)

    def numbers(self, columns: Columns) -> list[np.ndarray]:
        """How many ids a row has, where that differs."""
        if self.length is None:
            return []
        values = columns[self.name]
        return [np.bincount(self.ids(columns)[0], minlength=len(values))]
