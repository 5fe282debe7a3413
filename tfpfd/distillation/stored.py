"""Weights in files: they say which vocabularies they are of, and are refused by other ones."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import numpy as np
import tensorflow as tf

from tfpfd._keras import keras
from tfpfd.distillation.schemas import rankers_of
from tfpfd.distillation.sharding import sharded_weight

_KEY = "schema"
_LEGACY = (".h5", ".hdf5", ".keras")


class SchemaPrint(tf.train.experimental.PythonState):
    """What stands beside the weights of a ranker: the fingerprint of its schema.

    A checkpoint of TensorFlow holds it as the state of this object, a file of Keras under a key
    of the ranker's own. Files from before it was written say nothing, and are taken.

    Args:
      ranker: a model with `schema`, and with `sees`, its view of the schema.
    """

    def __init__(self, ranker: Any) -> None:
        super().__init__()
        self._owner = f"ranker '{ranker.name}'"
        self._features = tuple(ranker.schema.features(ranker.sees))
        self._print = ranker.schema.fingerprint(self._features)
        self._refused = False

    def write(self, store: Any) -> None:
        """Adds it to the variables of a ranker that Keras is about to write."""
        store[_KEY] = np.frombuffer(self._print.encode(), np.uint8)

    def read(self, store: Any) -> dict[str, Any]:
        """The variables in a store without it.

        Raises:
          ValueError: the rows of the tables are of other values.
        """
        held = {key: store[key] for key in store.keys()}
        told = held.pop(_KEY, None)
        if told is not None:
            self._check(bytes(np.asarray(told)))
        elif self._refused:
            # Keras 3 comes by again on another path, finds nothing there, and forgets the error.
            raise ValueError(self._message())
        return held

    def forget(self) -> None:
        """Another file is about to be read."""
        self._refused = False

    def serialize(self) -> bytes:
        """For a checkpoint of TensorFlow."""
        return self._print.encode()

    def deserialize(self, value: bytes) -> None:
        """From a checkpoint of TensorFlow; refuses it as `read` does."""
        self._check(value)

    def _check(self, told: bytes) -> None:
        self._refused = told.decode() != self._print
        if self._refused:
            raise ValueError(self._message())

    def _message(self) -> str:
        return (
            f"the weights of {self._owner} are of another schema: vocabularies, bucket edges or "
            f"settings of features out of {list(self._features)} differ; load them into a model of "
            "the schema that they were trained with, or renew that model for new ids by "
            "`tfpfd.retrain`"
        )


class StoredModel(keras.Model):
    """Base of models that refuse files which they couldn't read again, or that aren't theirs."""

    def save(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """Saves the model, as in Keras.

        Raises:
          ValueError: weights lie in parts on several parameter servers: Keras would write a file
            that can't be loaded.
        """
        if PurePath(filepath).suffix == ".keras":
            check_whole(self)
        super().save(filepath, *args, **kwargs)

    def save_weights(self, filepath: Any, *args: Any, **kwargs: Any) -> Any:
        """Saves the weights, as in Keras.

        Raises:
          ValueError: in the old HDF5 format, which doesn't say of which vocabularies they are.
        """
        _check_format(filepath)
        return super().save_weights(filepath, *args, **kwargs)

    def load_weights(self, filepath: Any, *args: Any, **kwargs: Any) -> Any:
        """Loads weights, as in Keras.

        Raises:
          ValueError: they are of another schema, or in the old HDF5 format, which doesn't say of
            which they are.
        """
        _check_format(filepath)
        for ranker in rankers_of(self):
            ranker.schema_print.forget()
        return super().load_weights(filepath, *args, **kwargs)


def check_whole(model: keras.Model) -> None:
    """Refuses a model for a file of Keras if weights of it lie in parts on several servers."""
    name = sharded_weight(model)
    if name is not None:
        raise ValueError(
            f"{name} lies in parts on several servers, which a .keras file can't hold: use "
            "`tfpfd.save_version` or `tfpfd.export` for a student, which join them, and "
            "`save_weights` or `BackupAndRestore` to go on training"
        )


def _check_format(filepath: Any) -> None:
    name = PurePath(filepath).name
    if name.endswith(_LEGACY) and not name.endswith(".weights.h5"):
        raise ValueError(
            "`filepath` must end in '.weights.h5': files of other endings don't say of which "
            f"vocabularies the weights are, received '{name}'"
        )
