"""Soft labels of rows from teachers that were not trained on them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import tensorflow as tf

from tfpfd._arguments import check_integer, check_takes, shown
from tfpfd._keras import keras
from tfpfd.data.frames import check_frame, require_columns
from tfpfd.schema import Schema
from tfpfd.schema.schema import check_schema


def out_of_fold(
    fit: Callable[[pd.DataFrame], keras.Model],
    batches: Callable[[pd.DataFrame], tf.data.Dataset],
    rows: pd.DataFrame,
    schema: Schema,
    folds: int = 5,
    by: str | None = None,
    seed: int = 0,
) -> np.ndarray:
    """A teacher's logits for rows that it was not trained on, by cross-fitting.

    A teacher is overconfident on its own training rows, and a student that learns from it there
    inherits the overfitting. So the labelled rows are split into folds, a teacher is fitted on
    all but one of them and scores that one. Rows without a label are scored by every teacher, and
    get the mean. Written to a column, the result is a label store: see `PrecomputedTeacher`.

    Args:
      fit: trains a new teacher on rows and returns it.
      batches: turns rows into batches that the teacher's `predict` takes, in their order.
      rows: labelled rows, and rows without a label (NaN).
      schema: names the label.
      folds: number of teachers, at least 2.
      by: a column whose rows stay together in a fold, such as the user's id; by default every row
        is on its own.
      seed: of the folds.

    Returns:
      Logits float32 `[rows]`.

    Raises:
      TypeError: `fit` or `batches` is no function of rows, or `fit` returns no model.
      ValueError: there are fewer than 2 folds, or fewer labelled rows (or values of `by`) than
        folds; or `by` is no column.

    Reference:
      Dao et al., "Knowledge Distillation as Semiparametric Inference", ICLR 2021 (arXiv
      2104.09732), section 4: cross-fitting.
    """
    check_takes("fit", fit, "rows", makes="a fitted Keras model")
    check_takes("batches", batches, "rows", makes="batches of them")
    check_frame("rows", rows)
    check_schema(schema)
    require_columns("rows", rows, [schema.label])
    check_integer("folds", folds, least=2)
    check_integer("seed", seed, least=0)
    if by is not None and by not in rows.columns:
        raise ValueError(f"`by` must name a column, received {by!r}: not in {sorted(rows.columns)}")
    labelled = rows[schema.label].notna().to_numpy()
    keys = np.arange(len(rows)) if by is None else pd.factorize(rows[by])[0]
    groups = np.unique(keys[labelled])
    if len(groups) < folds:
        what = "labelled rows" if by is None else f"values of '{by}' with a labelled row"
        raise ValueError(f"`folds` is {folds}: expected as many {what}, received {len(groups)}")
    fold_of = dict.fromkeys(groups.tolist(), 0)
    shuffled = np.random.default_rng(seed).permutation(groups)
    fold_of.update(zip(shuffled.tolist(), np.arange(len(groups)) % folds, strict=True))
    fold = np.array([fold_of.get(key, -1) for key in keys.tolist()])
    scores = np.zeros(len(rows), np.float32)
    for number in range(folds):
        held_out = labelled & (fold == number)
        teacher = fit(rows[~held_out])
        if not callable(getattr(teacher, "predict", None)):
            raise TypeError(f"`fit(rows)` must return a Keras model, received {shown(teacher)}")
        wanted = held_out | ~labelled
        found = np.reshape(teacher.predict(batches(rows[wanted]), verbose=0), -1)
        scores[wanted] += np.where(held_out[wanted], 1.0, 1 / folds) * found
    return scores
