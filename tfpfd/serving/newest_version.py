"""Which of the versions of an export is the newest."""

from __future__ import annotations

from pathlib import Path

from tfpfd.versions.store import newest


def latest(path: Path) -> Path:
    """`path` if it is a SavedModel, else its newest version.

    Raises:
      FileNotFoundError: `path` is neither a SavedModel nor holds one.
    """
    return newest(path, "saved_model.pb", "SavedModel", first=1)
