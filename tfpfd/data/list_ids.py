"""Lists of rows: their numbers in a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tfpfd.schema.columns import series_of

# No feature can have this name: those begin with a letter.
LIST = "__list__"
"""Where the inputs of a batch say which rows share a list: int64 `[batch]`.

Numbers are equal where rows share a list, and different elsewhere: in the epoch, and in other
datasets, so that those of several may be put together.
"""


def numbered(name: str, keys: Sequence[Any]) -> np.ndarray:
    """Numbers the lists from 0, in the order in which they appear.

    Args:
      name: of the column, for messages.
      keys: the list key of each row, any hashable values, in one column or in several parts.

    Returns:
      int64 `[rows]`.

    Raises:
      ValueError: a row has no key, or one that is not hashable.
    """
    # A Series may hold tuples, which are keys of more than one part.
    parts = [part if isinstance(part, pd.Series) else series_of(name, part) for part in keys]
    if len({part.dtype for part in parts}) > 1:
        # One type for all would be floats for integers of two kinds, and lose digits.
        parts = [part.astype(object) for part in parts]
        kinds = {pd.api.types.infer_dtype(part, skipna=True) for part in parts} - {"empty"}
        if kinds & {"string", "bytes"} and len(kinds) > 1:
            raise ValueError(
                f"column '{name}': expected list keys of one kind, received {sorted(kinds)} in "
                "different parts of the rows"
            )
    column = pd.concat(parts, ignore_index=True)
    try:
        numbers, _ = pd.factorize(column)
    except TypeError as error:
        raise ValueError(
            f"column '{name}': expected hashable list keys, received {error}"
        ) from error
    missing = int((numbers < 0).sum())
    if missing:
        raise ValueError(
            f"column '{name}': expected a list key in every row, received {missing} of "
            f"{len(numbers)} missing"
        )
    return numbers.astype(np.int64)


def hashed(name: str, keys: tf.Tensor) -> tf.Tensor:
    """Numbers that are equal where list keys are equal: int64 `[batch]`.

    Args:
      name: of the column, for messages.
      keys: `[batch]` strings, or integers, which stay what they are.

    Raises:
      ValueError: keys of another shape or type.
    """
    if keys.shape.rank not in (None, 1) or not (keys.dtype == tf.string or keys.dtype.is_integer):
        raise ValueError(
            f"column '{name}': expected strings or integers of shape [batch] as list keys, "
            f"received {keys.dtype.name} of shape {keys.shape}"
        )
    if keys.dtype == tf.string:
        # So many buckets that two keys hardly ever share one.
        return tf.strings.to_hash_bucket_fast(keys, 2**62)
    return tf.cast(keys, tf.int64)
