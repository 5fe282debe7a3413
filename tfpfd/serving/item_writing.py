"""Items into a SavedModel on disk: its graph stays, its variables get the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import tensorflow as tf

from tfpfd.schema import Schema
from tfpfd.schema.batches import Source
from tfpfd.schema.columns import MISSING
from tfpfd.serving.checkpoint import VARIABLES, rewrite, table_entries, variable_key
from tfpfd.serving.item_embeddings import check_ids, embedded_batches, item_id_of
from tfpfd.serving.item_table import TableType, check_fits, stored
from tfpfd.serving.kept_embeddings import KeptEmbeddings
from tfpfd.serving.manifest import EXTRA, ITEMS
from tfpfd.serving.request_rules import (
    CategoricalAttribute,
    NumericAttribute,
    attributes_of,
)


def write_items(
    directory: Path,
    embed: Callable[..., Mapping[str, tf.Tensor]],
    schema: Schema,
    items: Source,
    parts: KeptEmbeddings,
    facts: Mapping[str, Any],
    verbose: int | bool,
) -> dict[str, Any]:
    """Embeds a catalogue and writes it into the variables of a SavedModel.

    Ids and embeddings also go into a Parquet file, as float32. In memory there is one table, of its
    own type, besides ids and attributes.

    Args:
      directory: of the SavedModel.
      embed: its signature `item_embedding`.
      schema: the served schema.
      items: see `tfpfd.export`.
      parts: where embeddings are kept meanwhile.
      facts: of the manifest: `table`, its type, and `attributes` that requests filter by.
      verbose: 0: silent, 1: a progress bar.

    Returns:
      `facts`, and how many `items` there are, and the `width` of the table.

    Raises:
      ValueError: bad rows: see `tfpfd.export`.
    """
    id_name = item_id_of(schema).name
    chosen = attributes_of(schema, facts["attributes"])
    held: dict[str, list[np.ndarray]] = {name: [] for name in (id_name, *facts["attributes"])}

    def vectors_of(columns: Mapping[str, np.ndarray]) -> np.ndarray:
        inputs = {name: tf.constant(values) for name, values in columns.items()}
        return embed(**inputs)["embedding"].numpy()

    width = 0
    for columns, vectors in embedded_batches(parts.through(vectors_of), schema, items, verbose):
        check_fits(vectors, facts["table"])
        width = vectors.shape[1]
        for name, values in held.items():
            values.append(columns[name])
    ids = np.concatenate(held[id_name])
    check_ids(ids, id_name)
    tensors: dict[str, Any] = {
        variable_key("item_ids"): ids,
        **table_entries("item_rows", ids, np.arange(len(ids))),
    }
    for feature in chosen:
        kind = NumericAttribute if feature.filtered_by == "bounds" else CategoricalAttribute
        tensors |= kind.stored(feature.name, _joined(held[feature.name]))
    _write_parquet(directory / EXTRA / ITEMS, id_name, ids, parts, width)
    for name, variable in _table(parts, len(ids), width, facts["table"]).items():
        # What was written in slices would be copied when it is read, and by `read_value` again.
        tf.raw_ops.DisableCopyOnRead(resource=variable.handle)
        tensors[variable_key(name)] = variable.value()
    prefix = directory / VARIABLES
    rewrite(prefix, tf.train.load_checkpoint(str(prefix)), tensors)
    return {**facts, "items": len(ids), "width": width}


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """The values of all batches; of several values a row as many as the longest row has."""
    if parts[0].ndim == 1:
        return np.concatenate(parts)
    width = max(part.shape[1] for part in parts)
    missing = MISSING["string" if parts[0].dtype == object else "int"]
    return np.concatenate(
        [
            np.pad(part, [(0, 0), (0, width - part.shape[1])], constant_values=missing)
            for part in parts
        ]
    )


def _write_parquet(
    file: Path, id_name: str, ids: np.ndarray, parts: KeptEmbeddings, width: int
) -> None:
    writer, start = None, 0
    for vectors in parts:
        column = pa.FixedSizeListArray.from_arrays(vectors.ravel(), width)
        chunk = pa.array(ids[start : start + len(vectors)])
        batch = pa.table({id_name: chunk, "embedding": column})
        writer = writer or pa.parquet.ParquetWriter(file, batch.schema)
        writer.write_table(batch)
        start += len(vectors)
    assert writer is not None
    writer.close()


def _table(
    parts: KeptEmbeddings, rows: int, width: int, table: TableType
) -> dict[str, tf.Variable]:
    """The variables of the table, filled in place: to join the parts would take it twice."""
    variables: dict[str, tf.Variable] = {}
    start = 0
    for vectors in parts:
        for name, values in stored(vectors, table).items():
            if name not in variables:
                shape = [rows, *values.shape[1:]]
                variables[name] = tf.Variable(tf.zeros(shape, values.dtype))
            stop = start + len(values)
            # `variable[start:stop].assign(…)` reads the slice, after which writing copies all.
            tf.raw_ops.ResourceStridedSliceAssign(
                ref=variables[name].handle,
                begin=[start],
                end=[stop],
                strides=[1],
                value=tf.convert_to_tensor(values),
            )
        start += len(vectors)
    return variables
