"""What groups of rows have in common, such as the user of a list: encoded once a group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfpfd.schema.batch_fingerprints import looked_up_inputs
from tfpfd.schema.label_checks import checked

# No feature can have this name: those begin with a letter.
ONCE = "__once__"
"""How the key begins under which a batch says which features groups of rows have in common.

Their names stand behind this, with commas between. The value, int64 `[batch]`, is the number of
each row's group, such as its list; no group of another dataset has it.
"""


def key_of(names: list[str]) -> str:
    """The key of a batch in which rows of a group have these features in common."""
    return ONCE + ",".join(names)


def in_common(columns: Mapping[str, np.ndarray], counts: np.ndarray) -> list[str]:
    """The inputs of features that are the same in all rows of each list.

    Args:
      columns: `[rows, ...]` by name, the rows list by list, with the mark of their schema.
      counts: `[lists]` the rows of each.

    Returns:
      Their names, sorted; none where lists are too short for it to matter.
    """
    if counts.sum() < 2 * len(counts):
        return []
    first = np.repeat(np.cumsum(counts) - counts, counts)
    looked_up = {name: columns[name] for name in looked_up_inputs(columns) & set(columns)}
    return sorted(name for name, column in looked_up.items() if _equal(column, column[first]))


def _equal(column: np.ndarray, other: np.ndarray) -> bool:
    return np.array_equal(column, other, equal_nan=column.dtype.kind == "f")


class CommonFeatures(NamedTuple):
    """Features that rows of a group have in common.

    Attributes:
      names: of their inputs.
      first: int64 `[groups]`, a row of each group.
      place: int32 `[batch]`, the group of each row.
    """

    names: frozenset[str]
    first: tf.Tensor
    place: tf.Tensor

    def of_groups(self, name: str, rows: tf.Tensor) -> tf.Tensor:
        """Inputs `[groups, ...]` of a feature, of the batch's `[batch, ...]`.

        A batch whose features were changed since fails, where the rows of a group aren't the same.

        Args:
          name: of the input, one of `names`.
          rows: of the batch.
        """
        of_first = tf.gather(tf.gather(rows, self.first), self.place)
        expected = (
            f"feature {name}: expected the same in all rows of a group, as the batch says under "
            f"{ONCE}; leave that key out where features are changed"
        )
        same = rows == of_first
        if rows.dtype.is_floating:  # NaN differs from itself.
            same |= tf.math.is_nan(rows) & tf.math.is_nan(of_first)
        same = tf.reduce_all(tf.reshape(same, [tf.shape(rows)[0], -1]), axis=1)
        return tf.gather(checked(expected, rows, same), self.first)


def common_features_of(inputs: Mapping[str, Any]) -> list[CommonFeatures]:
    """What a batch says of such features, a feature at most once."""
    found: list[CommonFeatures] = []
    for key in sorted(name for name in inputs if name.startswith(ONCE)):
        numbers, place = tf.unique(tf.reshape(inputs[key], [-1]))
        rows = tf.range(tf.size(place, tf.int64))
        first = tf.math.unsorted_segment_min(rows, place, tf.size(numbers))
        taken = {name for one in found for name in one.names}
        found.append(CommonFeatures(frozenset(key[len(ONCE) :].split(",")) - taken, first, place))
    return found
