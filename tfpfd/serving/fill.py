"""Items into a SavedModel on disk: its graph stays, its variables get the catalogue."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import tensorflow as tf

from tfpfd.distillation.servable import is_finite
from tfpfd.schema import Schema
from tfpfd.schema.batches import Source
from tfpfd.schema.columns import MISSING
from tfpfd.serving.items import check_ids, embedded_batches, item_id_of
from tfpfd.serving.manifest import EXTRA, ITEMS
from tfpfd.serving.rules import (
    CategoricalAttribute,
    NumericAttribute,
    attributes_of,
    table_entries,
    variable_key,
)
from tfpfd.serving.table import TableType, check_fits, stored

VARIABLES = "variables/variables"
_OF_ITEMS = ("item_", "attributes/")


class Parts:
    """Embeddings of a catalogue in files, a batch each, so that memory doesn't grow with it.

    A file has the name of what it was computed from, so one that an interrupted run left is read
    in place of computing it again, and one of other items or another model never is.

    Args:
      folder: of the files; made if it isn't there.
      model: what the embeddings are of, beside the columns.
    """

    def __init__(self, folder: Path, model: str) -> None:
        folder.mkdir(exist_ok=True)
        self._folder, self._model = folder, model
        self._files: list[Path] = []

    def through(self, embed: Callable) -> Callable[[Mapping[str, np.ndarray]], np.ndarray]:
        """`embed`, or what it gave before."""

        def embedded(columns: Mapping[str, np.ndarray]) -> np.ndarray:
            file = self._folder / f"{_digest(self._model, columns)}.npy"
            self._files.append(file)
            if file.exists():
                return np.load(file)
            vectors = embed(columns)
            aside = file.with_suffix(".tmp")
            with aside.open("wb") as stream:
                np.save(stream, vectors)
            os.replace(aside, file)
            return vectors

        return embedded

    def __iter__(self) -> Iterator[np.ndarray]:
        """The embeddings in the order in which they were asked for."""
        return map(np.load, self._files)


def _digest(model: str, columns: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(model.encode())
    for name, values in columns.items():
        digest.update(json.dumps([name, values.dtype.str, values.shape]).encode())
        text = values.dtype == object
        digest.update(json.dumps(values.tolist()).encode() if text else values.tobytes())
    return digest.hexdigest()


def fill(
    directory: Path,
    embed: Callable[..., Mapping[str, tf.Tensor]],
    schema: Schema,
    items: Source,
    parts: Parts,
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
    _write(prefix, tf.train.load_checkpoint(str(prefix)), tensors)
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


def _write_parquet(file: Path, id_name: str, ids: np.ndarray, parts: Parts, width: int) -> None:
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


def _table(parts: Parts, rows: int, width: int, table: TableType) -> dict[str, tf.Variable]:
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


def check_weights(directory: Path) -> None:
    """Refuses a SavedModel of which a weight isn't finite: its student had diverged.

    Args:
      directory: of the SavedModel.

    Raises:
      ValueError: naming the weight.
    """
    reader = tf.train.load_checkpoint(str(directory / VARIABLES))
    for key, dtype in sorted(reader.get_variable_to_dtype_map().items()):
        ours = not key.startswith(_OF_ITEMS)
        if ours and dtype.is_floating and not is_finite(tf.constant(reader.get_tensor(key))):
            raise ValueError(
                f"'{directory}' is of a student that had diverged: its '{key}' isn't finite; "
                "expected finite numbers"
            )


def write_emptied(parent: Path, directory: Path) -> None:
    """Writes the variables of a SavedModel for another directory, without items."""
    reader = tf.train.load_checkpoint(str(parent / VARIABLES))
    shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    empty = {
        key: tf.zeros([0, *shapes[key][1:]], types[key])
        for key in shapes
        if key.startswith(_OF_ITEMS)
    }
    (directory / VARIABLES).parent.mkdir()
    _write(directory / VARIABLES, reader, empty)


def _write(prefix: Path, reader: Any, new: Mapping[str, Any]) -> None:
    """Writes a checkpoint with the entries of another, and other values of some.

    The SavedModel's own saver would need a model in memory that holds them.
    """
    tensors = {
        key: tf.convert_to_tensor(new[key] if key in new else reader.get_tensor(key), dtype)
        for key, dtype in sorted(reader.get_variable_to_dtype_map().items())
    }
    aside = prefix.with_name("filled")
    tf.raw_ops.SaveV2(
        prefix=str(aside),
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=list(tensors.values()),
    )
    for file in prefix.parent.glob(f"{prefix.name}.*"):
        file.unlink()
    # Gives the files the names that those of a SavedModel have.
    tf.raw_ops.MergeV2Checkpoints(
        checkpoint_prefixes=[str(aside)], destination_prefix=str(prefix), delete_old_dirs=False
    )
