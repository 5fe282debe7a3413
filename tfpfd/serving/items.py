"""The item side ahead of the requests: a catalogue's rows to a table of embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tfpfd._keras import keras
from tfpfd.distillation import Ranker
from tfpfd.schema import Categorical, Schema, raw_batches
from tfpfd.schema.batches import Source, count_rows, rows_of
from tfpfd.schema.columns import is_missing

BATCH = 4096


def item_id_of(schema: Schema) -> Categorical:
    """The feature that identifies an item: the first categorical of one value on the item side.

    Raises:
      ValueError: there is none.
    """
    for feature in schema.item:
        if isinstance(feature, Categorical) and feature.length is None:
            return feature
    raise ValueError(
        "the schema has no Categorical of one value on the item side: expected the item's id there"
    )


def embed_items(
    student: Ranker, items: Source, verbose: int | bool = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Runs the item tower over a catalogue.

    Args:
      student: a ranker with a `TwoTower`.
      items: rows of the item features: see `tfpfd.schema.raw_batches`.
      verbose: 0: silent, 1: a progress bar.

    Returns:
      Ids `[items]`, strings or int64, and embeddings float32 `[items, width]`, in the order of
      `items`.

    Raises:
      ValueError: naming the column, what was expected and what came; no items; an id twice, or
        missing.
    """
    schema = student.schema
    features = schema.item
    lookup = schema.lookup_of(features)
    names = [feature.name for feature in features]
    id_name = item_id_of(schema).name

    progress = keras.utils.Progbar(count_rows(items), verbose=int(verbose), unit_name="item")
    ids: list[np.ndarray] = []
    embeddings: list[np.ndarray] = []
    for raw in raw_batches(items, names, size=BATCH):
        if rows_of(raw) == 0:
            continue
        columns = schema.columns(raw, features)
        inputs = lookup({name: tf.constant(values) for name, values in columns.items()})
        encoded = student.encode(inputs, training=False, sides=["item"])
        ids.append(columns[id_name])
        embeddings.append(student.network.item_embedding(encoded, training=False).numpy())
        progress.add(rows_of(raw))
    if not ids:
        raise ValueError("`items` is empty: expected a row an item, received none")
    all_ids = np.concatenate(ids)
    _check_ids(all_ids, id_name)
    return all_ids, np.concatenate(embeddings)


def _check_ids(ids: np.ndarray, column: str) -> None:
    missing = int(is_missing(ids).sum())
    if missing:
        raise ValueError(
            f"`items` column '{column}': expected an id a row, received {missing} rows without"
        )
    values, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        twice: Any = values[counts > 1]
        raise ValueError(
            f"`items` column '{column}': expected each id once, received {twice[0]!r} and "
            f"{len(twice) - 1} others more than once"
        )
