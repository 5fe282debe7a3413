"""One process at a time in a directory."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def alone_in(directory: Path, what: str) -> Iterator[None]:
    """Keeps a directory to this process until the block ends.

    The system lets go of it for a process that ends, however it ends.

    Args:
      directory: that is there.
      what: another process would be doing, for the message.

    Raises:
      BlockingIOError: another process has it.
    """
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise BlockingIOError(f"{what} by another process") from None
    except OSError:
        pass  # A file system without locks keeps nobody out.
    try:
        yield
    finally:
        os.close(handle)
