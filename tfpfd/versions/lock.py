"""One process at a time in a directory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def held(directory: Path, wait: bool = False) -> Iterator[bool | None]:
    """Locks a directory until the block ends, if that is possible.

    The system lets go of the lock when the process ends, however it ends. A process id in a file
    would not tell the living from the dead: it may be another machine's, or used again.

    Args:
      directory: that is there.
      wait: until another process lets go of it.

    Yields:
      True if this process has the lock, False if another has it, None where there are no locks: on
      Windows, and on some file systems.
    """
    try:
        import fcntl
    except ImportError:
        yield None
        return
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        mine: bool | None = True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            mine = False
        except OSError:
            mine = None
        yield mine
    finally:
        os.close(handle)


@contextlib.contextmanager
def alone_in(directory: Path, what: str) -> Iterator[None]:
    """Keeps a directory to this process until the block ends.

    Args:
      directory: that is there.
      what: another process would be doing, for the message.

    Raises:
      BlockingIOError: another process has it.
    """
    with held(directory) as mine:
        # Where there are no locks, nobody is kept out.
        if mine is False:
            raise BlockingIOError(f"{what} by another process")
        yield
