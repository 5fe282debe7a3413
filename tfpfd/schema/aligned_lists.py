"""List columns that are aligned: the n-th entries of a row's lists belong together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tfpfd.schema.columns import MISSING, flatten


def flat_columns(
    raw: Mapping[str, Any], names: Iterable[str]
) -> tuple[dict[str, pd.Series], np.ndarray]:
    """All entries of each column, and how many entries each row has.

    Args:
      raw: columns by name, as `raw_batches` yields them.
      names: of the columns.

    Returns:
      `[entries]` by name, and `[rows]`.

    Raises:
      ValueError: a column holds no lists, or the lists of a row differ in their lengths.
    """
    first, *others = names
    entries, lengths = _entries(first, raw[first])
    found = {first: entries}
    for name in others:
        found[name], counts = _entries(name, raw[name])
        if (counts != lengths).any():
            row = int((counts != lengths).argmax())
            raise ValueError(
                f"columns '{first}' and '{name}': expected lists of one length in each row, "
                f"received {lengths[row]} and {counts[row]} entries in row {row} of a batch of "
                f"{len(lengths)}"
            )
    return found, lengths


def _entries(name: str, values: Any) -> tuple[pd.Series, np.ndarray]:
    """As `flatten`, of entries that may be vectors too."""
    rank = len(getattr(values, "shape", ()))
    if isinstance(values, tf.RaggedTensor) and rank == 3 and values.ragged_rank == 1:
        return pd.Series(list(values.values.numpy())), values.row_lengths().numpy()
    if rank == 3 and not isinstance(values, tf.RaggedTensor):
        vectors = np.asarray(values)
        flat = vectors.reshape(-1, vectors.shape[2])
        return pd.Series(list(flat)), np.full(len(vectors), vectors.shape[1])
    return flatten(name, values)


def places(lengths: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The row of each entry that is held, and its place among those of its row.

    Args:
      lengths: `[rows]` entries of each row.
      held: bool `[entries]`.
    """
    row = np.repeat(np.arange(len(lengths)), lengths)[held]
    counts = np.bincount(row, minlength=len(lengths))
    return row, np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)


def rectangle(values: np.ndarray, row: np.ndarray, place: np.ndarray, rows: int) -> np.ndarray:
    """Entries `[entries, ...]` as `[rows, width, ...]`, padded with what is written if missing.

    Args:
      values: what a column's check returned.
      row: of each entry.
      place: of each entry in its row.
      rows: number of rows.
    """
    width = int(place.max(initial=0)) + 1
    out = np.full((rows, width, *values.shape[1:]), missing_of(values.dtype), values.dtype)
    out[row, place] = values
    return out


def missing_of(dtype: np.dtype) -> Any:
    """How a missing value is written in a checked column."""
    return MISSING["string" if dtype.kind == "O" else "int" if dtype.kind == "i" else "float"]


def last_held(values: tf.Tensor, held: tf.Tensor, length: int) -> tf.Tensor:
    """The last entries of each row that are held, moved to the front.

    Args:
      values: `[batch, width]` or `[batch, width, dim]`: strings, integers or numbers.
      held: bool `[batch, width]`.
      length: how many.

    Returns:
      `[batch, length, ...]`, padded with what is written if missing.
    """
    missing = "" if values.dtype == tf.string else math.nan if values.dtype.is_floating else -1
    kept = tf.ragged.boolean_mask(values, tf.ensure_shape(held, [None, None]))[:, -length:]
    shape = [None, length, *values.shape[2:]]
    return kept.to_tensor(tf.constant(missing, values.dtype), shape=shape)
