"""Reading raw rows from whatever holds them, in batches, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import tensorflow as tf

Raw = Mapping[str, Any]
Source = Any  # One of the types that `raw_batches` names; they share no base class.


def raw_batches(source: Source, columns: Collection[str], size: int = 65_536) -> Iterator[Raw]:
    """Yields the rows of `source` as dicts of columns.

    Args:
      source: a pandas DataFrame, a dict of arrays, a pyarrow Table, Dataset or RecordBatchReader,
        the path of a Parquet file or folder, a `tf.data.Dataset` of batches (dicts, or tuples that
        start with one), or any iterable of such dicts.
      columns: the columns wanted.
      size: rows a batch, where the source leaves the choice.

    Yields:
      Dicts of columns, each with an entry a row.

    Raises:
      ValueError: a column is missing.
      TypeError: `source` is of another type.
    """
    for batch in _batches(source, list(columns), size):
        check_columns(batch, columns)
        yield {name: batch[name] for name in columns}


def check_columns(batch: Any, columns: Collection[str]) -> None:
    """Refuses a batch that is no dict, or that lacks some of `columns`."""
    if not isinstance(batch, Mapping):
        raise TypeError(f"expected batches as dicts of columns, received {batch!r}")
    missing = [name for name in columns if name not in batch]
    if missing:
        raise ValueError(
            f"missing column{'s' if len(missing) > 1 else ''} {', '.join(map(repr, missing))}: "
            f"the schema names them, received the columns {sorted(batch)}"
        )


def count_rows(source: Source) -> int | None:
    """Number of rows of `source` where it is known without reading it, else None."""
    if isinstance(source, pd.DataFrame | pa.Table):
        return len(source)
    if isinstance(source, Mapping):
        return len(next(iter(source.values()), ()))
    return None


def _batches(source: Source, columns: list[str], size: int) -> Iterator[Raw]:
    if isinstance(source, str) or hasattr(source, "__fspath__"):
        source = pa.dataset.dataset(source)
    if isinstance(source, pd.DataFrame):
        known = source[[name for name in columns if name in source]]
        for start in range(0, len(known), size):
            yield dict(known.iloc[start : start + size].items())
    elif isinstance(source, Mapping):
        yield source
    elif isinstance(source, pa.dataset.Dataset):
        known = [name for name in columns if name in source.schema.names]
        yield from map(_arrow_columns, source.to_batches(columns=known, batch_size=size))
    elif isinstance(source, pa.Table):
        yield from map(_arrow_columns, source.to_batches(max_chunksize=size))
    elif isinstance(source, pa.RecordBatchReader):
        yield from map(_arrow_columns, source)
    elif isinstance(source, tf.data.Dataset):
        # `as_numpy_iterator` would turn ragged tensors into objects that lose their row lengths.
        yield from map(_first, source)
    elif isinstance(source, Iterable):
        yield from map(_first, source)
    else:
        raise TypeError(
            "`source` must be a DataFrame, a dict of arrays, a pyarrow Table, Dataset or "
            "RecordBatchReader, the path of a Parquet file, a tf.data.Dataset or an iterable of "
            f"dicts, received {type(source).__name__}"
        )


def _arrow_columns(batch: pa.RecordBatch) -> Raw:
    return dict(zip(batch.schema.names, batch.columns, strict=True))


def _first(element: Any) -> Raw:
    return element[0] if isinstance(element, tuple) else element


def rows_of(batch: Raw) -> int:
    """Number of rows of a batch."""
    column = next(iter(batch.values()), np.zeros(0))
    return int(column.shape[0]) if isinstance(column, tf.Tensor) else len(column)
