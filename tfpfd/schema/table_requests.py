"""What features ask embedding tables for, and what comes back."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf


class Asked(NamedTuple):
    """Rows of an embedding table that a batch asks for.

    Attributes:
      table: its name, that of the feature that owns it.
      rows: int32 `[batch, values]`; 0 where there is no value.
    """

    table: str
    rows: tf.Tensor


class Embedded(NamedTuple):
    """What came back for one `Asked`.

    Attributes:
      vectors: `[batch, values, width]`.
      valid: bool `[batch, values]`, where there is a value.
    """

    vectors: tf.Tensor
    valid: tf.Tensor
