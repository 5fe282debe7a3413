"""Parts of a split that hold the same rows: what is measured on them was learned from them."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tfpfd.data.catalogue import PARTS, CatalogueSplits
from tfpfd.data.splits import SplitRows

# Where more rows than this stand in another part too, they were hardly seen anew.
_MOST = 0.5
# Rows with few different values repeat within a part as well, and then say nothing.
_DIFFERENT = 0.9


def refuse_same_rows(data: SplitRows | CatalogueSplits) -> None:
    """Refuses two parts that hold the same rows, in whatever order; warns where most are the same.

    Single rows may repeat: the same user may meet the same item twice. Two whole parts don't.

    Args:
      data: its `train`, `validation` and `test`.

    Raises:
      ValueError: naming the two parts.
    """
    hashes = _hashes({part: getattr(data, part) for part in PARTS})
    for (first, rows), (second, others) in itertools.combinations(hashes.items(), 2):
        names = f"`data.{first}` and `data.{second}`"
        if np.array_equal(np.sort(rows), np.sort(others)):
            raise ValueError(
                f"{names} must hold different rows, received the same {len(others)} rows in both: "
                "split by time, the test last"
            )
        again = np.isin(others, rows).mean()
        if again > _MOST and len(np.unique(others)) > _DIFFERENT * len(others):
            warnings.warn(
                f"{names} should hold different rows: {again:.0%} of the rows of the second are "
                "in the first too, so what is measured on them was learned from them",
                stacklevel=2,
            )


def _hashes(frames: Mapping[str, pd.DataFrame]) -> dict[str, NDArray[np.uint64]]:
    """A number for each row of some frames, of the columns that all have once, without lists."""
    once = [[name for name in one if list(one).count(name) == 1] for one in frames.values()]
    shared = [name for name in once[0] if all(name in names for names in once)]
    columns = [name for name in shared if all(_is_plain(one[name]) for one in frames.values())]
    return {
        part: pd.util.hash_pandas_object(one[columns], index=False).to_numpy()
        for part, one in frames.items()
    }


def _is_plain(column: pd.Series) -> bool:
    """Whether the column has one value a row, not a list, which has no hash."""
    if pd.api.types.is_numeric_dtype(column):
        return True
    return not column.map(pd.api.types.is_list_like).any()
