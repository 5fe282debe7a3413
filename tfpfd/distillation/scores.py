"""Soft labels from a column of the data: a label store."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import tensorflow as tf

from tfpfd._keras import keras, register


@register
class ScoreColumn(keras.layers.Layer):
    """A frozen teacher whose logits were computed before and stand in a column.

    The asynchronous form of distillation: train a teacher, write its logits beside the rows, give
    `tfpfd.data.from_rows` the column in `keep`, and the teacher is not even loaded.

    Args:
      column: name of the column of logits.
    """

    def __init__(self, column: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.column = column
        self.trainable = False
        self.built = True

    def check_inputs(self, names: Collection[str]) -> None:
        """Raises a `ValueError` unless the column is among the names of a batch's inputs."""
        if self.column not in names:
            raise ValueError(
                f"missing input '{self.column}': expected the column of soft labels, which "
                f"tfpfd.data.from_rows(…, keep=['{self.column}']) passes on, received "
                f"{sorted(names)}"
            )

    def call(self, inputs: Mapping[str, tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """Logits `[batch]` of a batch that holds the column.

        Raises:
          ValueError: the column is missing.
        """
        self.check_inputs(inputs)
        return tf.cast(inputs[self.column], tf.float32)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "column": self.column}
