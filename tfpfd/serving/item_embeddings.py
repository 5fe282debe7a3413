"""The item side ahead of the requests: a catalogue's rows to a table of embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd
import tensorflow as tf

from tfpfd._keras import keras
from tfpfd.distillation import Ranker
from tfpfd.schema import Feature, Schema, raw_batches
from tfpfd.schema.batches import Source, count_rows, rows_of
from tfpfd.schema.columns import is_missing
from tfpfd.schema.feature import raw_columns

BATCH = 4096


def item_id_of(schema: Schema) -> Feature:
    """The feature that identifies an item: the first categorical of one value on the item side.

    Raises:
      ValueError: there is none.
    """
    for feature in schema.item:
        if feature.is_id:
            return feature
    raise ValueError(
        "the schema has no Categorical of one value on the item side: expected the item's id there"
    )


def embedded_batches(
    embed: Callable[[Mapping[str, np.ndarray]], np.ndarray],
    schema: Schema,
    items: Source,
    verbose: int | bool,
) -> Iterator[tuple[Mapping[str, np.ndarray], np.ndarray]]:
    """A catalogue batch by batch: its columns, checked, and their embeddings.

    Args:
      embed: columns of the item features to float32 `[rows, width]`.
      schema: an adapted schema.
      items: rows of the item features: see `tfpfd.schema.raw_batches`.
      verbose: 0: silent, 1: a progress bar.

    Raises:
      ValueError: naming the column, what was expected and what came; no items; embeddings that
        aren't finite.
    """
    progress = keras.utils.Progbar(count_rows(items), verbose=int(verbose), unit_name="item")
    rows = 0
    for raw in raw_batches(items, raw_columns(schema.item), size=BATCH):
        if rows_of(raw):
            columns = schema.columns(raw, schema.item)
            vectors = embed(columns)
            # The sum, which one NaN or infinity spoils, is faster than a look at each number.
            if not np.isfinite(vectors.sum()):
                raise ValueError(
                    "`student` gives items embeddings that aren't finite: has it diverged?"
                )
            yield columns, vectors
            rows += len(vectors)
            progress.add(len(vectors))
    if not rows:
        raise ValueError("`items` is empty: expected a row an item, received none")


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
        missing; embeddings that aren't finite.
    """
    schema = student.schema
    id_name = item_id_of(schema).name

    signature = schema.lookup.signature()
    look_up = tf.function(schema.lookup, autograph=False).get_concrete_function(
        {name: signature[name] for name in raw_columns(schema.item)}
    )

    def tower(inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        encoded = student.encode(inputs, training=False, sides=["item"])
        return tf.cast(student.network.item_embedding(encoded, training=False), tf.float32)

    specs = {
        name: tf.TensorSpec(x.shape, x.dtype) for name, x in look_up.structured_outputs.items()
    }
    run = tf.function(tower, autograph=False).get_concrete_function(specs)

    def embed(columns: Mapping[str, np.ndarray]) -> np.ndarray:
        return run(look_up({name: tf.constant(x) for name, x in columns.items()})).numpy()

    ids: list[np.ndarray] = []
    table = np.empty((0, run.structured_outputs.shape[1]), np.float32)
    for columns, vectors in embedded_batches(embed, schema, items, verbose):
        ids.append(columns[id_name])
        # Grown in place: to collect the parts and join them would take twice the memory.
        table.resize((len(table) + len(vectors), table.shape[1]), refcheck=False)
        table[-len(vectors) :] = vectors
    all_ids = np.concatenate(ids)
    check_ids(all_ids, id_name)
    return all_ids, table


def check_ids(ids: np.ndarray, column: str) -> None:
    """Refuses missing ids, and those that stand twice."""
    missing = int(is_missing(ids).sum())
    if missing:
        raise ValueError(
            f"`items` column '{column}': expected an id a row, received {missing} rows without"
        )
    twice = ids[pd.Series(ids).duplicated()]
    if len(twice):
        raise ValueError(
            f"`items` column '{column}': expected each id once, received the id "
            f"{twice.tolist()[0]!r} more than once; rows too many in all: {len(twice)}"
        )
