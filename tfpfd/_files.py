"""Files that are there whole or not at all, and folders that can be written to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tfpfd._arguments import shown


def path_in(argument: str, path: Any) -> Path:
    """The path that an argument gives.

    Raises:
      TypeError: it is none, such as a number, a list of paths or "".
    """
    # The folder that one happens to be in is what "" would name.
    if not isinstance(path, str | os.PathLike) or path == "":
        raise TypeError(f"`{argument}` must be a path, received {shown(path)}")
    return Path(path)


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file aside and moves it into place, so that no kill leaves half of it."""
    aside = path.with_name(path.name + ".part")
    aside.write_bytes(content)
    os.replace(aside, path)


def check_out(directory: Path) -> None:
    """Refuses a folder that can't be written to or made; makes nothing.

    Args:
      directory: what `--out` says.

    Raises:
      OSError: it, or the nearest of its parents that is there, is a file or not writable.
    """
    there = next(p for p in (directory, *directory.absolute().parents) if p.exists())
    if not there.is_dir():
        raise NotADirectoryError(f"`--out` must be a directory, '{there}' is a file")
    if not os.access(there, os.W_OK):
        raise PermissionError(f"`--out` must be a directory to write to, received '{directory}'")
