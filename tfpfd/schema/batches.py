"""Reading raw rows from whatever holds them, in batches, so that memory stays bounded."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

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
      ValueError: a column is missing, stands twice, or differs from others in its rows.
      TypeError: `source` is of another type.
    """
    for batch in _batches(source, list(columns), size):
        check_columns(batch, columns)
        chosen = {name: batch[name] for name in columns}
        _check_rows(chosen)
        yield chosen


def check_columns(batch: Any, columns: Collection[str]) -> None:
    """Refuses a batch that is no dict, or that lacks some of `columns`."""
    if not isinstance(batch, Mapping):
        raise TypeError(
            f"expected batches as dicts of columns, received {type(batch).__name__} {batch!r:.80}"
        )
    _check_names(list(batch), columns)


def on_default(names: Collection[str]) -> str:
    """Of names with that of the label in them, which few have chosen themselves, whose it is."""
    label = "label"
    return "; the label is in 'label' unless the schema says `label=`" if label in names else ""


def _check_names(names: list[str], columns: Collection[str]) -> None:
    missing = [name for name in columns if name not in names]
    if missing:
        raise ValueError(
            f"missing column{'s' if len(missing) > 1 else ''} {', '.join(map(repr, missing))}: "
            "expected all that the schema or an argument names, received the columns "
            f"{sorted(map(str, names))}{on_default(missing)}"
        )
    twice = next((name for name in columns if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(
            f"column '{twice}': expected it once, received it {names.count(twice)} times"
        )


def _check_rows(batch: Raw) -> None:
    first, *others = ((name, _length(name, values)) for name, values in batch.items())
    for name, rows in others:
        if rows != first[1]:
            raise ValueError(
                f"column '{name}': expected {first[1]} rows as in column '{first[0]}', "
                f"received {rows}"
            )


def _length(name: str, values: Any) -> int:
    if isinstance(values, tf.RaggedTensor):
        return int(values.nrows())
    is_column = hasattr(values, "__len__") and not isinstance(values, str | bytes)
    if not is_column or getattr(values, "shape", None) == ():
        raise ValueError(
            f"column '{name}': expected an entry a row, received {type(values).__name__} "
            f"{values!r:.80}; the rows must come in batches"
        )
    return len(values)


def count_rows(source: Source) -> int | None:
    """Number of rows of `source` where it is known without reading it, else None."""
    source = _opened(source)
    if isinstance(source, pd.DataFrame | pa.Table):
        return len(source)
    files = isinstance(source, pa.dataset.FileSystemDataset)
    if files and source.format.default_extname == "parquet":
        return source.count_rows()
    return None


def _opened(source: Source) -> Source:
    """`source`, or the files that it is the path of."""
    if not (isinstance(source, str) or hasattr(source, "__fspath__")):
        return source
    expected = "expected the path of a Parquet file or of a folder of them, received"
    try:
        opened = pa.dataset.dataset(os.fspath(source))
    except FileNotFoundError:
        raise FileNotFoundError(f"{expected} '{source}', where there is none") from None
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        raise ValueError(
            f"{expected} '{source}', which is no Parquet; read other formats by pandas, such as "
            "`pandas.read_csv`, and give the frame"
        ) from None
    if not opened.files:
        raise FileNotFoundError(f"{expected} '{source}', which holds none")
    return opened


def _batches(source: Source, columns: list[str], size: int) -> Iterator[Raw]:
    source = _opened(source)
    if isinstance(source, pd.DataFrame):
        _check_names(list(source.columns), columns)
        source = source[columns]
        for start in range(0, len(source), size):
            yield dict(source.iloc[start : start + size].items())
    elif isinstance(source, Mapping):
        yield source
    elif isinstance(source, pa.dataset.Dataset):
        _check_names(source.schema.names, columns)
        yield from map(_arrow_columns, source.to_batches(columns=columns, batch_size=size))
    elif isinstance(source, pa.Table):
        _check_names(source.schema.names, columns)
        yield from map(_arrow_columns, source.select(columns).to_batches(max_chunksize=size))
    elif isinstance(source, pa.RecordBatchReader):
        _check_names(source.schema.names, columns)
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
    return next((_length(name, values) for name, values in batch.items()), 0)
