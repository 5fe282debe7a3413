"""What all rows of a list have in common, such as their user: encoded once for the list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfpfd.data.lists import LIST
from tfpfd.schema.validation import checked

# No feature can have this name: those begin with a letter.
ONCE = "__once__"
"""How the key begins under which a batch says which features rows of a list have in common.

Their names stand behind this, with commas between. The value, int8 `[batch]`, is 0.
"""


def key_of(names: list[str]) -> str:
    """The key of a batch in which rows of a list have these features in common."""
    return ONCE + ",".join(names)


def in_common(columns: Mapping[str, np.ndarray], counts: np.ndarray) -> list[str]:
    """The features of table rows that are the same in all rows of each list.

    Args:
      columns: `[rows, ...]` by name, the rows list by list; table rows are int32.
      counts: `[lists]` the rows of each.

    Returns:
      Their names, sorted; none where lists are too short for it to matter.
    """
    if counts.sum() < 2 * len(counts):
        return []
    first = np.repeat(np.cumsum(counts) - counts, counts)
    return sorted(
        name
        for name, column in columns.items()
        if column.dtype == np.int32 and np.array_equal(column, column[first])
    )


class Once(NamedTuple):
    """Features that rows of a list have in common.

    Attributes:
      names: of the features.
      first: int64 `[lists]`, a row of each list.
      place: int32 `[batch]`, the list of each row.
    """

    names: frozenset[str]
    first: tf.Tensor
    place: tf.Tensor

    def of_lists(self, name: str, rows: tf.Tensor) -> tf.Tensor:
        """Table rows `[lists, values]` of a feature, of the batch's `[batch, values]`.

        A batch whose features were changed since fails, where the rows of a list aren't the same.

        Args:
          name: of the feature, one of `names`.
          rows: of the batch.
        """
        of_first = tf.gather(tf.gather(rows, self.first), self.place)
        expected = (
            f"feature {name}: expected the same in all rows of a list, as the batch says under "
            f"{ONCE}; leave that key out where features are changed"
        )
        same = tf.reduce_all(rows == of_first, axis=1)
        return tf.gather(checked(expected, rows, same), self.first)


def once_of(inputs: Mapping[str, Any]) -> Once | None:
    """What a batch says of such features; None if it says nothing."""
    keys = [name for name in inputs if name.startswith(ONCE)]
    if len(keys) != 1 or LIST not in inputs:
        return None
    numbers, place = tf.unique(tf.reshape(inputs[LIST], [-1]))
    rows = tf.range(tf.size(place, tf.int64))
    first = tf.math.unsorted_segment_min(rows, place, tf.size(numbers))
    return Once(frozenset(keys[0][len(ONCE) :].split(",")), first, place)
