"""Which of the versions of an export is the newest."""

from __future__ import annotations

from pathlib import Path

from tfpfd._versions import versions


def latest(path: Path) -> Path:
    """`path` if it is a SavedModel, else its newest version.

    Raises:
      FileNotFoundError: `path` is neither a SavedModel nor holds one.
    """
    if (path / "saved_model.pb").is_file():
        return path
    found = versions(path)
    if not found:
        raise FileNotFoundError(
            f"'{path}' holds no SavedModel: expected saved_model.pb in it, or versions in "
            "directories named 1, 2, …"
        )
    return found[max(found)]
