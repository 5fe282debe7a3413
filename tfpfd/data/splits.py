"""Labelled rows, split in three, and whose they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import pandas as pd

from tfpfd.data.frames import check_column_name, check_frame
from tfpfd.schema import Schema
from tfpfd.schema.schema import check_schema


class SplitRows(Protocol):
    """What an audit reads: `Splits`, or a built-in dataset; it may have a `user_key` too."""

    @property
    def train(self) -> pd.DataFrame:
        """Training rows; NaN as the label of those without one."""

    @property
    def validation(self) -> pd.DataFrame:
        """Rows by which training stops early."""

    @property
    def test(self) -> pd.DataFrame:
        """Rows by which arms are compared."""

    @property
    def schema(self) -> Schema:
        """Names the columns; its list key is the user id where there is no `user_key`."""


@dataclass(frozen=True, eq=False)
class Splits:
    """Labelled rows, split.

    Args:
      train: training rows; NaN as the label of those without one.
      validation: rows by which training stops early.
      test: rows by which arms are compared.
      schema: names the columns.
      user_key: the column of the user id: rows of a user are resampled together. By default the
        schema's `list_key`; they differ where a list is a page, of which a user sees many.
      item_key: the column of the item id, for the rival that knows user and item alone. By default
        the first categorical of one value on the item side.

    Raises:
      TypeError: a part is no frame, `schema` no schema, or a key no name.
    """

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame
    schema: Schema
    user_key: str | None = None
    item_key: str | None = None

    def __post_init__(self) -> None:
        for name in ("train", "validation", "test"):
            check_frame(name, getattr(self, name))
        check_schema(self.schema)
        for name in ("user_key", "item_key"):
            if getattr(self, name) is not None:
                check_column_name(name, getattr(self, name))


def user_key_of(data: SplitRows) -> str | None:
    """The column of the user id: that of the data, or else the list key of their schema."""
    return getattr(data, "user_key", None) or data.schema.list_key


def item_key_of(data: SplitRows) -> str | None:
    """The column of the item id: that of the data, or else by the schema; None without items."""
    given = getattr(data, "item_key", None)
    single = (f for f in data.schema.item if f.is_id)
    return given or next((feature.name for feature in single), None)
