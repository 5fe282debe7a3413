"""Embeddings of a catalogue in files, which an interrupted run leaves for the next."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np


class KeptEmbeddings:
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
