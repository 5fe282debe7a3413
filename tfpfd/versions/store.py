"""Version directories: written aside, moved into place in one step."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from tfpfd.versions.lock import held


def versions(base: Path) -> dict[int, Path]:
    """The versions under `base`, ascending: the directories whose names are integers."""
    if not base.is_dir():
        return {}
    found = {int(p.name): p for p in base.iterdir() if p.name.isdecimal() and p.is_dir()}
    return dict(sorted(found.items()))


def newest(path: Path, file: str, what: str, first: int) -> Path:
    """`path` if it holds a file, else its newest version.

    Args:
      path: the directory of a version, or of several.
      file: that a version holds.
      what: a message calls a version.
      first: number of the first version.

    Raises:
      FileNotFoundError: `path` holds neither the file nor a version.
    """
    if (path / file).is_file():
        return path
    found = versions(path)
    if not found:
        raise FileNotFoundError(
            f"'{path}' holds no {what}: expected {file} in it, or versions in directories named "
            f"{first}, {first + 1}, …"
        )
    return found[max(found)]


def check_writable(base: Path) -> None:
    """Refuses a base that `new_version` can't write, without writing anything.

    Raises:
      OSError: `base`, or what is to hold it, is no directory or can't be written.
    """
    base = base.absolute()
    place = next(path for path in (base, *base.parents) if os.path.lexists(path))
    if not place.is_dir():
        number = errno.EEXIST if place == base else errno.ENOTDIR
        raise OSError(number, "`path` must be a directory or lie in one, received", str(place))
    if not os.access(place, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "`path` can't be written", str(place))


@contextlib.contextmanager
def new_version(base: Path, first: int = 1) -> Iterator[tuple[Path, list[Path]]]:
    """A directory to write the next version into; it appears when the block ends without error.

    Until then it has a name that TF Serving takes for no version. Of two writers at once each gets
    a number of its own. What a writer left that was killed, the next one removes.

    Args:
      base: the directory of the model.
      first: number of the first version.

    Yields:
      The directory to write into, and a list that holds the version's directory afterwards.

    Raises:
      OSError: `base` can't be written.
    """
    new = not base.exists()
    base.mkdir(parents=True, exist_ok=True)
    published: list[Path] = []
    with contextlib.ExitStack() as locks:
        with held(base, wait=True):
            _remove_abandoned(base)
            aside = base / f".writing-{uuid.uuid4().hex}"
            # Not a temporary directory: those are private, and a server may run as another user.
            aside.mkdir()
            locks.enter_context(held(aside))
        try:
            yield aside, published
            published.append(_publish(aside, base, first))
        finally:
            shutil.rmtree(aside, ignore_errors=True)
            if new and not published:
                # Somebody else may have begun a version in it by now.
                with contextlib.suppress(OSError):
                    base.rmdir()


_ASIDE = re.compile(r"\.writing-[0-9a-f]{32}")


def _remove_abandoned(base: Path) -> None:
    """Removes what writers left that were killed."""
    for aside in base.iterdir():
        if _ASIDE.fullmatch(aside.name):
            # It may be gone by now: its writer has published it.
            with contextlib.suppress(FileNotFoundError, NotADirectoryError), held(aside) as free:
                if free:
                    shutil.rmtree(aside, ignore_errors=True)


def _publish(aside: Path, base: Path, first: int) -> Path:
    number = max(versions(base), default=first - 1) + 1
    while True:
        target = base / str(number)
        try:
            # Renaming onto a directory fails unless that is empty, so nothing is overwritten.
            os.rename(aside, target)
            return target
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            number += 1
