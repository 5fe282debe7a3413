"""One raw column in, a checked array out: the form in which `Lookup` takes it.

A missing value is written "" in a string column, -1 in an integer one and NaN in a numeric one;
rows of several values are padded with it to a rectangle. A served request writes it the same way.
"""

from __future__ import annotations

import itertools
import warnings
from typing import Any, Literal, NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
import tensorflow as tf

Kind = Literal["string", "int", "float"]
MISSING: dict[Kind, Any] = {"string": "", "int": -1, "float": np.nan}
_ROW_TYPES = {list, tuple, np.ndarray}
_EXPECTED: dict[Kind, str] = {
    "string": "strings",
    "int": "non-negative integers",
    "float": "finite numbers",
}


def column(name: str, values: Any, kind: Kind, *, several: bool, optional: bool) -> np.ndarray:
    """Checks one column and brings it into the form that `Lookup` takes.

    Args:
      name: of the column, for messages.
      values: `[rows]`, or with `several` a list, array or None a row, or `[rows, width]`; a pandas
        Series, a NumPy or pyarrow array, a (ragged) tensor or a list.
      kind: `"string"`, `"int"` or `"float"`.
      several: whether a row holds several values.
      optional: whether a value may be missing.

    Returns:
      `[rows]`, or with `several` `[rows, width]`: strings, int64 or float32.

    Raises:
      ValueError: naming the column, what was expected and what came.
    """
    try:
        if several:
            return _rectangle(name, values, kind)
        return _single(name, series_of(name, values), kind, optional)
    except UnicodeError as error:
        _refuse(name, "UTF-8 strings", f"others ({error})")


def _rectangle(name: str, values: Any, kind: Kind) -> np.ndarray:
    flat, lengths = flatten(name, values)
    checked = _single(name, flat, kind, optional=come_padded(lengths))
    width = max(int(lengths.max(initial=0)), 1)
    out = np.full((len(lengths), width), MISSING[kind], dtype=object if kind == "string" else None)
    out[np.arange(width) < lengths[:, None]] = checked
    if kind == "int":
        warn_of_padding(name, out)
    return out.astype(checked.dtype) if kind != "string" else out


def come_padded(lengths: np.ndarray) -> bool:
    """Whether rows have one length, padded already.

    Else, in a list of values, a missing one is an error.
    """
    return bool(len(lengths)) and lengths[0] > 1 and bool((lengths == lengths[0]).all())


def warn_of_padding(name: str, rows: np.ndarray) -> None:
    """Warns of 0 as padding, as Keras writes it: here it is an id like any other."""
    zero = rows == 0
    if rows.shape[1] < 3 or len(rows) < 8:
        return
    inside = np.logical_or.accumulate(rows > 0, axis=1)
    inside &= np.logical_or.accumulate(rows[:, ::-1] > 0, axis=1)[:, ::-1]
    at_ends = int((zero & ~inside).sum())
    # An id that is a share q of what stands inside begins or ends a row q / (1 - q) times.
    share = ((zero & inside).sum() + 2) / (inside.sum() + 2)  # Of few values no more is known.
    expected = len(rows) * 2 * share / (1 - min(share, 0.9))
    if at_ends >= 0.1 * (rows >= 0).sum() and at_ends > 3 * expected:
        warnings.warn(
            f"column '{name}': expected -1 where a row has no value, received {at_ends} times 0, "
            "an id like any other, at the ends of rows and seldom inside: if it is padding, pad "
            "with -1 (`pad_sequences(…, value=-1)`) or give lists of their own lengths",
            stacklevel=3,
        )


def is_missing(values: np.ndarray) -> np.ndarray:
    """Which entries of an array that `column` returned are missing."""
    if values.dtype == object:
        return values == ""
    return values < 0 if values.dtype.kind == "i" else np.isnan(values)


def series_of(name: str, values: Any) -> pd.Series:
    """A column with one value a row as a pandas Series; refuses several values a row."""
    if isinstance(values, tf.Tensor):
        values = values.numpy()
    elif isinstance(values, pa.Array | pa.ChunkedArray):
        # As objects: beside a null, integers would become floats, which lose digits.
        values = values.to_pandas(integer_object_nulls=True)
    elif isinstance(values, tf.RaggedTensor):
        _refuse(name, "one value a row", "a ragged tensor")
    if isinstance(values, np.ndarray) and values.ndim != 1:
        _refuse(name, "one value a row", f"an array of shape {values.shape}")
    series = values if isinstance(values, pd.Series) else pd.Series(values)
    if len(series) and isinstance(series.iloc[0], list | tuple | np.ndarray):
        _refuse(name, "one value a row", f"a row with {type(series.iloc[0]).__name__}")
    return series


def flatten(name: str, values: Any) -> tuple[pd.Series, np.ndarray]:
    """All values in one series, and the number of values of each row."""
    shape = getattr(values, "shape", None)
    if shape is not None and len(shape) > 2:
        _refuse(name, "a list of values a row", f"values of shape {tuple(shape)}")
    if isinstance(values, tf.RaggedTensor):
        return pd.Series(values.flat_values.numpy()), values.row_lengths().numpy()
    if isinstance(values, tf.Tensor):
        values = values.numpy()
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values, pa.Array):
        if not isinstance(values.type, pa.ListType | pa.LargeListType | pa.FixedSizeListType):
            _refuse(name, "a list of values a row", f"pyarrow {values.type}")
        lengths = pa.compute.fill_null(pa.compute.list_value_length(values), 0)
        return values.flatten().to_pandas(), np.asarray(lengths)
    if isinstance(values, np.ndarray) and values.ndim == 2:
        return pd.Series(values.ravel()), np.full(len(values), values.shape[1])
    rows = list(values)
    # Of the types, not of the rows: a look at every row takes longer than all the rest.
    if set(map(type, rows)) - _ROW_TYPES:
        rows = [[] if _is_null(row) else row for row in rows]
        bad = next((row for row in rows if not isinstance(row, tuple(_ROW_TYPES))), None)
        if bad is not None:
            _refuse(name, "a list of values a row", f"{type(bad).__name__} {bad!r}")
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    held = rows if lengths.all() else [row for row, n in zip(rows, lengths, strict=True) if n]
    return _concatenate(held), lengths


def _concatenate(rows: list[Any]) -> pd.Series:
    if not rows:
        return pd.Series([], dtype=object)
    if set(map(type, rows)) == {np.ndarray}:
        joined = np.concatenate(rows)
        return pd.Series(joined if joined.ndim == 1 else list(joined))
    return pd.Series(list(itertools.chain.from_iterable(rows)))


def _is_null(row: Any) -> bool:
    return row is None or row is pd.NA or (isinstance(row, float) and np.isnan(row))


def _single(name: str, series: pd.Series, kind: Kind, optional: bool) -> np.ndarray:
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(object)
    missing = series.isna().to_numpy(dtype=bool)
    found = "empty" if missing.all() else pd.api.types.infer_dtype(series, skipna=True)
    if kind == "string":
        values = _strings(name, series, missing, found)
    elif kind == "int":
        values = _integers(name, series, missing, found, optional)
    else:
        values = _floats(name, series, missing, found)
    _check_missing(name, is_missing(values), kind, optional)
    return values


def _strings(name: str, series: pd.Series, missing: np.ndarray, found: str) -> np.ndarray:
    if found not in ("string", "bytes", "empty"):
        hint = "; declare the feature with dtype='int'" if found == "integer" else ""
        _refuse(name, _EXPECTED["string"], f"{found} values of dtype {series.dtype}{hint}")
    values = series.to_numpy(dtype=object, copy=True)
    values[missing] = ""
    if found == "bytes":
        values = np.array([v if v == "" else v.decode() for v in values], dtype=object)
    "".join(values).encode()  # What TensorFlow will do; raises UnicodeError.
    return values


def _integers(
    name: str, series: pd.Series, missing: np.ndarray, found: str, optional: bool
) -> np.ndarray:
    if found not in ("integer", "floating", "integer-na", "mixed-integer-float", "empty"):
        hint = "; declare the feature with dtype='string'" if found in ("string", "bytes") else ""
        _refuse(name, _EXPECTED["int"], f"{found} values of dtype {series.dtype}{hint}")
    # Only the values held: a missing one would turn 64-bit ids into floats, which lose digits.
    held = pd.to_numeric(series[~missing]).to_numpy()
    if held.dtype.kind == "f":
        odd = held[~np.isfinite(held) | (held != np.floor(held))]
        if len(odd):
            _refuse(name, _EXPECTED["int"], f"the number {odd[0]!s}")
        exact = 2 ** (np.finfo(held.dtype).nmant + 1)
        if len(held) and np.abs(held).max() >= exact:
            _refuse(
                name,
                f"integers of an integer type, since {held.dtype} holds them up to {exact} only",
                f"the number {held[np.abs(held) >= exact][0]!s}",
            )
    if held.dtype.kind in "uO" and len(held) and held.max() > np.iinfo(np.int64).max:
        _refuse(name, "integers below 2**63", str(held.max()))
    values = np.full(len(series), -1, np.int64)
    values[~missing] = (held.clip(-1) if held.dtype.kind == "O" else held).astype(np.int64)
    negative = (values < 0) & ~missing
    if negative.any() and not optional:
        _refuse(
            name,
            _EXPECTED["int"],
            f"{negative.sum()} negative of {len(values)}, such as {held[held < 0][0]}",
        )
    return np.maximum(values, -1)


def _floats(name: str, series: pd.Series, missing: np.ndarray, found: str) -> np.ndarray:
    numbers = ("integer", "floating", "mixed-integer-float", "integer-na", "boolean", "decimal")
    if found not in (*numbers, "empty"):
        _refuse(name, "numbers", f"{found} values of dtype {series.dtype}")
    values = np.full(len(series), np.nan, np.float32)
    with np.errstate(over="ignore"):
        values[~missing] = series[~missing].to_numpy(dtype=np.float32)
    infinite = np.isinf(values)
    if infinite.any():
        received = f"{infinite.sum()} infinite as float32, such as {series[infinite].iloc[0]}"
        _refuse(name, _EXPECTED["float"], received)
    return values


def _check_missing(name: str, missing: np.ndarray, kind: Kind, optional: bool) -> None:
    if optional or not missing.any():
        return
    count = "all" if missing.all() else f"{missing.sum()} of"
    what = "NaN" if kind == "float" else "missing"
    _refuse(
        name,
        _EXPECTED[kind],
        f"{count} {len(missing)} values {what}; fill them or leave them out, or, if it is a "
        "feature of one value a row, declare it with optional=True",
    )


def _refuse(name: str, expected: str, received: str) -> NoReturn:
    raise ValueError(f"column '{name}': expected {expected}, received {received}")
