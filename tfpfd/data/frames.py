"""Checks of frames of rows: their columns, ids and times."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tfpfd._arguments import shown

INTEGERS = "integers"


def check_frame(name: str, frame: Any) -> None:
    """Refuses anything but a data frame.

    Raises:
      TypeError: naming the argument.
    """
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"`{name}` must be a pandas.DataFrame, received {shown(frame)}")


def check_column_name(name: str, column: Any) -> None:
    """Refuses what names no column.

    Raises:
      TypeError: naming the argument.
    """
    if not isinstance(column, str) or not column:
        raise TypeError(f"`{name}` must be the name of a column, received {shown(column)}")


def require_columns(name: str, frame: pd.DataFrame, columns: Collection[str]) -> None:
    """Refuses what is no frame, and one that misses one of the columns."""
    check_frame(name, frame)
    missing = sorted(set(columns) - set(frame.columns))
    if missing:
        raise ValueError(
            f"`{name}` misses the columns {missing}, received {sorted(map(str, frame.columns))}"
        )


def require_every_id(name: str, frame: pd.DataFrame, column: str) -> None:
    """Refuses rows without a value in the column."""
    missing = int(frame[column].isna().sum())
    if missing:
        raise ValueError(f"`{name}` must hold a {column} in every row, received {missing} missing")


def check_same_type(first: str, ids: pd.Series, second: str, others: pd.Series) -> None:
    """Refuses ids that can't be equal, such as 7 and "7": they would silently be unknown."""
    numeric = [
        pd.api.types.infer_dtype(part.astype(object)) in ("integer", "floating", "integer-na")
        for part in (ids, others)
    ]
    if len(ids) and len(others) and numeric[0] != numeric[1]:
        raise ValueError(
            f"`{first}` and `{second}` must hold the same type of {ids.name}, received "
            f"{ids.dtype} and {others.dtype}"
        )


def moments(name: str, times: pd.Series) -> tuple[str, NDArray]:
    """Times as integers, and what they were.

    Args:
      name: of the argument, for messages.
      times: [num_rows] integers, or datetimes with or without a time zone.

    Returns:
      "integers", "datetimes" or "datetimes with a time zone", and int64 [num_rows]: the integers
      themselves, of datetimes nanoseconds.

    Raises:
      ValueError: a missing time, or one of another type.
    """
    if times.isna().any():
        raise ValueError(
            f"`{name}` must hold a {times.name} in every row, received {times.isna().sum()} missing"
        )
    if pd.api.types.is_integer_dtype(times.dtype):
        return INTEGERS, times.to_numpy(np.int64)
    if pd.api.types.is_datetime64_any_dtype(times.dtype):
        index = pd.DatetimeIndex(times)
        kind = "datetimes" if index.tz is None else "datetimes with a time zone"
        return kind, index.as_unit("ns").asi8
    raise ValueError(
        f"`{name}` must hold integers or datetimes as {times.name}, received {times.dtype}"
    )
