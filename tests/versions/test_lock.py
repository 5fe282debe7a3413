"""Locks of directories, and systems that have none."""

import subprocess
import sys

import pytest

from tfpfd.versions.lock import alone_in, held

HIDDEN = "import sys; sys.modules['fcntl'] = None\n"


def test_one_process_at_a_time(tmp_path):
    with alone_in(tmp_path, "it is written"):
        with pytest.raises(BlockingIOError, match="it is written by another process"):
            with alone_in(tmp_path, "it is written"):
                raise AssertionError("not reached")
        with held(tmp_path) as mine:
            assert mine is False
    with held(tmp_path) as mine:
        assert mine is True


def test_a_system_without_locks_imports_and_writes(tmp_path):
    """As Windows, which has no `fcntl`."""
    code = HIDDEN + (
        "import tfpfd\n"
        "from pathlib import Path\n"
        "from tfpfd.versions.lock import alone_in\n"
        "from tfpfd.versions.store import new_version\n"
        f"base = Path({str(tmp_path)!r})\n"
        "with alone_in(base, 'it is written'), new_version(base) as (directory, published):\n"
        "    (directory / 'file').touch()\n"
        "print(published[0].name)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.stdout.split() == ["1"], ran.stderr
