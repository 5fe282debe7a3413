"""Whether a command can write where it is told to, asked before its work."""

from __future__ import annotations

import os
from pathlib import Path


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
