"""The finished trainings of an audit on disk, so that one that was killed goes on from there."""

from __future__ import annotations

import contextlib
import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from tfpfd._files import path_in, write_whole
from tfpfd.versions.lock import alone_in

Arrays = dict[str, np.ndarray]
MANIFEST = "audit.json"
_NAME = "cell"  # A file knows its own name, so none stands for another.
_DAMAGE = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


class Cells:
    """What each training gave: in memory, and in a folder if there is one.

    `cells/<name>.npz` holds the arrays of a training. It is written aside and moved into place, so
    that no kill leaves half of it. `cells/audit.json` says of which audit they are, and is written
    before the first. Nothing is made before there is a cell to write.

    Args:
      out: the folder that holds `cells/`; None: in memory alone.
      described: what trainings depend on, by what a reader calls it; what JSON can hold.

    Raises:
      ValueError: `out` holds cells of another audit, or ones that can't be read.
      OSError: `out` can't be read or written to.
    """

    def __init__(self, out: str | os.PathLike | None, described: Mapping[str, Any]) -> None:
        self._folder = None if out is None else path_in("out", out) / "cells"
        self._described = json.loads(json.dumps(described))
        self._cells: dict[str, Arrays] = {}

    @contextlib.contextmanager
    def alone(self, names: Iterable[str]) -> Iterator[None]:
        """Reads what is finished, and keeps other audits from the folder until the block ends.

        Args:
          names: of the cells that the audit has; others stay where they are.

        Raises:
          ValueError: as for the class.
          OSError: as for the class, or another audit is at work there.
        """
        if self._folder is None:
            yield
            return
        new = [path for path in (self._folder, self._folder.parent) if not path.exists()]
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            with alone_in(self._folder, f"`out`: '{self._folder}' is being written to"):
                self._check_manifest(self._folder)
                for name in names:
                    if (path := self._path(self._folder, name)).exists():
                        self._cells[name] = _read(path, name)
                yield
        finally:
            with contextlib.suppress(OSError):  # Nothing is left behind where no cell is finished.
                for path in new:
                    path.rmdir()

    def __contains__(self, name: str) -> bool:
        return name in self._cells

    def of(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """The arrays of a cell, which is made and written if it isn't finished.

        Args:
          name: of the cell.
          make: trains and measures it.
        """
        if name not in self._cells:
            arrays = make()
            if self._folder is not None:
                self._write(self._folder, name, arrays)
            self._cells[name] = arrays
        return self._cells[name]

    def _write(self, folder: Path, name: str, arrays: Arrays) -> None:
        if not (folder / MANIFEST).exists():
            text = json.dumps(self._described, indent=2, ensure_ascii=False)
            write_whole(folder / MANIFEST, text.encode())
        stream = io.BytesIO()
        np.savez_compressed(stream, **arrays, **{_NAME: np.array(name)})
        write_whole(self._path(folder, name), stream.getvalue())

    def _check_manifest(self, folder: Path) -> None:
        """Refuses the cells of another audit."""
        manifest = folder / MANIFEST
        if not manifest.exists():
            if any(folder.glob("*.npz")):
                raise ValueError(
                    f"'{folder}' holds cells without the {MANIFEST} that says what they are of: "
                    "choose another `out`"
                )
            return
        try:
            found = {**json.loads(manifest.read_text(encoding="utf-8"))}
            if "weight" in found:  # λ's name in folders from before it had this one.
                found["distillation_weight"] = found.pop("weight")
            found = {key: found[key] for key in self._described}
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"'{manifest}' can't be read: choose another `out`") from None
        for key, value in self._described.items():
            if found[key] != value:
                raise ValueError(
                    f"'{folder}' holds cells of an audit with another `{key}`: expected {value!r}, "
                    f"found {found[key]!r}; choose another `out`"
                )

    @staticmethod
    def _path(folder: Path, name: str) -> Path:
        return folder / f"{quote(name, safe='=, ')}.npz"


def _read(path: Path, name: str) -> Arrays:
    """The arrays of a file; what was damaged shows in its checksums."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        if str(arrays.pop(_NAME)) != name:
            raise ValueError
    except _DAMAGE as error:
        raise ValueError(
            f"'{path}' can't be read as a cell ({type(error).__name__}): delete it to train it "
            "again, or choose another `out`"
        ) from None
    return arrays
