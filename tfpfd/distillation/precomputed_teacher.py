"""Soft labels that were computed before: a label store, and the scores to fill it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfpfd._keras import declared_names, keras, register_formerly
from tfpfd.data.scoring import SLICE, scores_of_batches
from tfpfd.distillation.ranker import Ranker
from tfpfd.schema import raw_batches
from tfpfd.schema.batch_fingerprints import columns_of
from tfpfd.schema.batches import Source, rows_of
from tfpfd.schema.feature import raw_columns


@register_formerly("ScoreColumn")
class PrecomputedTeacher(keras.layers.Layer):
    """A frozen teacher whose logits were computed before and stand in a column.

    The asynchronous form of distillation: train a teacher, write its logits beside the rows, give
    `tfpfd.data.from_rows` the column in `extra_columns`, and the teacher is not even loaded.
    `score_rows` gives the logits.

    Args:
      column: name of the column of logits.
    """

    def __init__(self, column: str, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)  # Scores stay float32 in mixed precision.
        self.column = column
        self.trainable = False
        self.built = True

    def check_inputs(self, names: Collection[str]) -> None:
        """Raises a `ValueError` unless the column is among the names of a batch's inputs."""
        check_column(self.column, names, "soft labels")

    def call(self, inputs: Mapping[str, tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """Logits `[batch]` of a batch that holds the column.

        Raises:
          ValueError: the column is missing.
        """
        self.check_inputs(inputs)
        return tf.cast(inputs[self.column], tf.float32)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "column": self.column}


def check_column(column: str, names: Collection[str], what: str) -> None:
    """Refuses batches without a column of numbers that was to be kept.

    Args:
      column: its name.
      names: of a batch's inputs.
      what: the column is of, for the message.

    Raises:
      ValueError: the column is missing.
    """
    if column not in names:
        raise ValueError(
            f"missing input '{column}': expected the column of {what}, which "
            f"tfpfd.data.from_rows(…, extra_columns=['{column}']) passes on, received "
            f"{columns_of(names)}"
        )


def check_inputs(scorer: keras.layers.Layer, names: Collection[str]) -> None:
    """Refuses batches without an input of a scorer that says what it reads.

    Args:
      scorer: any scorer; it says so by `check_inputs`, or as a functional model.
      names: of a batch's inputs.

    Raises:
      ValueError: an input is missing.
    """
    if hasattr(scorer, "check_inputs"):
        scorer.check_inputs(names)
        return
    missing = sorted(set(declared_names(scorer)) - set(names))
    if missing:
        raise ValueError(
            f"missing inputs {missing} of the model '{scorer.name}', received {columns_of(names)}"
        )


def score_rows(ranker: Ranker, rows: Source) -> np.ndarray:
    """A ranker's logits of raw rows, which are looked up with the ranker's own schema.

    So an earlier ranker scores rows for a later one whose vocabularies are others: an id that it
    doesn't know is in its out-of-vocabulary rows.

    Args:
      ranker: a trained ranker.
      rows: rows of the features that it sees: see `tfpfd.schema.raw_batches`.

    Returns:
      Logits float32 `[rows]`, in the order of `rows`.

    Raises:
      TypeError: `ranker` is none.
      ValueError: naming the column, what was expected and what came; no rows, or logits that
        aren't finite.
    """
    if not hasattr(ranker, "schema") or not hasattr(ranker, "sees"):
        raise TypeError(f"`ranker` must be a Ranker, received a {type(ranker).__name__}")
    features = ranker.schema.features(ranker.sees)
    look_up = ranker.schema.lookup_of(features.values())

    def batches() -> Iterator[Mapping[str, Any]]:
        for raw in raw_batches(rows, raw_columns(features.values()), size=SLICE):
            if rows_of(raw):
                columns = ranker.schema.columns(raw, features.values())
                yield look_up({name: tf.constant(values) for name, values in columns.items()})

    scores = np.reshape(scores_of_batches(ranker, batches()), -1)
    finite = np.isfinite(scores)
    if not finite.all():
        raise ValueError(
            f"ranker '{ranker.name}' gives {(~finite).sum()} of {len(scores)} rows logits that "
            "aren't finite: has it diverged?"
        )
    return scores
