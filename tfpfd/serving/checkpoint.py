"""The checkpoint of a SavedModel: its names, and other values of some variables on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfpfd.distillation.servable import is_finite

VARIABLES = "variables/variables"
_OF_ITEMS = ("item_", "attributes/")


def variable_key(name: str) -> str:
    """The name of a variable in a checkpoint."""
    return f"{name}/.ATTRIBUTES/VARIABLE_VALUE"


def table_entries(name: str, keys: Any, values: np.ndarray) -> dict[str, Any]:
    """A lookup table in a checkpoint."""
    return {f"{name}/.ATTRIBUTES/table-keys": keys, f"{name}/.ATTRIBUTES/table-values": values}


def variable_shapes(directory: Any) -> dict[str, list[int]]:
    """Shape of every variable that a SavedModel holds, by its key in the checkpoint."""
    reader = tf.train.load_checkpoint(f"{directory}/{VARIABLES}")
    return {
        key: list(shape)
        for key, shape in sorted(reader.get_variable_to_shape_map().items())
        if not key.startswith("_CHECKPOINTABLE")
    }


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
    rewrite(directory / VARIABLES, reader, empty)


def rewrite(prefix: Path, reader: Any, new: Mapping[str, Any]) -> None:
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
