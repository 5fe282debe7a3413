"""Several ids in one string, parted by a separator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfpfd.schema.cells import Cells
from tfpfd.schema.columns import MISSING, Kind, column, is_missing
from tfpfd.schema.feature import Columns, Tensors
from tfpfd.schema.vocabulary import drawn_rows


class Separated(Cells):
    """A string a row that ids are cut out of; between two separators may be nothing.

    Args:
      separator: what parts them.
    """

    def __init__(self, separator: str) -> None:
        self._separator = separator

    def check(
        self, name: str, raw: Mapping[str, Any], kind: Kind, length: int | None, optional: bool
    ) -> dict[str, np.ndarray]:
        """Strings `[rows]`, "" where there is none; see `Feature.check`.

        Raises:
          ValueError: they are no strings, or, where ids are integers, a part is none.
        """
        found = {name: column(name, raw[name], "string", several=False, optional=True)}
        if kind == "int":
            self.ids_of(name, found, kind)
        return found

    def signature(self, name: str, kind: Kind, length: int | None) -> dict[str, tf.TensorSpec]:
        """A string a row."""
        return {name: tf.TensorSpec([None], tf.string, name=name)}

    def sample(
        self, name: str, values: Any, kind: Kind, length: int | None, rows: int, random: Any
    ) -> dict[str, np.ndarray]:
        """Some of the values in one string."""
        lists = drawn_rows(values, kind, rows, length or 1, random)
        parts = (map(str, row[~is_missing(row)]) for row in lists)
        return {name: np.array([self._separator.join(row) for row in parts], object)}

    def ids_of(self, name: str, columns: Columns, kind: Kind) -> np.ndarray:
        """The parts `[rows, width]`."""
        rows = [[part for part in text.split(self._separator) if part] for text in columns[name]]
        if kind == "int":
            rows = [[_integer(name, part) for part in row] for row in rows]
        width = max(map(len, rows), default=0) or 1
        out = np.full((len(rows), width), MISSING[kind], object if kind == "string" else np.int64)
        for row, parts in zip(out, rows, strict=True):
            row[: len(parts)] = parts
        return out

    def raw_ids(self, name: str, raw: Tensors, kind: Kind) -> tf.Tensor:
        """The parts `[batch, width]`."""
        parts = tf.strings.split(raw[name], self._separator).to_tensor("")
        if kind == "string":
            return parts
        return tf.strings.to_number(tf.where(parts == "", "-1", parts), tf.int64)


def _integer(name: str, part: str) -> int:
    if not (part.isascii() and part.isdigit()) or int(part) >= 2**63:
        raise ValueError(
            f"column '{name}': expected non-negative integers between separators, received "
            f"{part!r:.100}"
        )
    return int(part)
