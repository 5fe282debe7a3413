"""What stands beside weights in files: what their numbers are of, so that others are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tfpfd.schema.batch_fingerprints import digest

_KEY = "schema"


class WeightsFingerprint(tf.train.experimental.PythonState):
    """The fingerprint of what weights are of: features with their vocabularies, and their order.

    A checkpoint of TensorFlow holds it as the state of this object, a file of Keras under a key
    of the owner's own. Files from before it was written say nothing, and are taken.

    Args:
      owner: what a message calls the owner of the weights.
      parts: what they are of, in their order, as plain data.
    """

    def __init__(self, owner: str, parts: Any) -> None:
        super().__init__()
        self._owner = owner
        self._print = digest(parts)
        self._refused = False

    def write(self, store: Any) -> None:
        """Adds it to the variables of the owner that Keras is about to write."""
        store[_KEY] = np.frombuffer(self._print.encode(), np.uint8)

    def read(self, store: Any) -> dict[str, Any]:
        """The variables in a store without it.

        Raises:
          ValueError: the weights are of others.
        """
        held = {key: store[key] for key in store.keys()}
        told = held.pop(_KEY, None)
        if told is not None:
            self._check(bytes(np.asarray(told)))
        elif self._refused:
            # Keras 3 comes by again on another path, finds nothing there, and forgets the error.
            raise ValueError(self.message)
        return held

    @property
    def refused(self) -> bool:
        """Whether the weights in the file that was read last are of others."""
        return self._refused

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
            raise ValueError(self.message)

    @property
    def message(self) -> str:
        """What to say of weights of others."""
        return (
            f"the weights of {self._owner} are of another schema: vocabularies, bucket edges, "
            "settings, sides or the order of features differ, or the order of objectives; load "
            "them into a model made as that which they were trained with, or renew that model for "
            "new ids by `tfpfd.retrain`"
        )
