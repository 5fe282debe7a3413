"""Version directories: numbers, interruptions, several exporters at once."""

import fcntl
import os
import signal
import stat
import subprocess
import sys
import threading

import pytest

from tfpfd.versions.store import new_version, versions


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def write(base, content="model"):
    """A version with one file."""
    with new_version(base) as (directory, published):
        (directory / "saved_model.pb").write_text(content)
    return published[0]


def test_the_first_version_is_1_and_makes_its_parents(tmp_path):
    base = tmp_path / "models" / "movies"
    assert write(base) == base / "1"
    assert names(base) == ["1"]
    assert (base / "1" / "saved_model.pb").read_text() == "model"


def test_the_first_number_may_be_another(tmp_path):
    for number in (0, 1):
        with new_version(tmp_path, first=0) as (directory, published):
            (directory / "student.keras").touch()
        assert published == [tmp_path / str(number)]


def test_the_next_version_is_behind_the_last_whatever_lies_around(tmp_path):
    # A server takes the highest number: filling a gap would publish nothing.
    for name in ("2", "005", "v9", "-9", "9.5", ".writing-7", "²", "tmp"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "kept").touch()
    before = names(tmp_path)
    assert list(versions(tmp_path)) == [2, 5]
    assert write(tmp_path) == tmp_path / "6"
    assert names(tmp_path) == sorted([*before, "6"])
    assert all((tmp_path / name / "kept").exists() for name in before)


@pytest.mark.parametrize("kind", ["file", "link to nothing", "full", "empty"])
def test_a_number_that_is_taken_in_the_meantime_is_left_alone(tmp_path, kind):
    write(tmp_path)
    taken = tmp_path / "2"
    with new_version(tmp_path) as (directory, published):
        (directory / "saved_model.pb").write_text("late")
        if kind == "file":
            taken.write_text("foreign")
        elif kind == "link to nothing":
            taken.symlink_to(tmp_path / "nowhere")
        else:
            taken.mkdir()
            if kind == "full":
                (taken / "saved_model.pb").write_text("foreign")
    assert published == [tmp_path / "3"]
    assert names(tmp_path) == ["1", "2", "3"]
    if kind == "file":
        assert taken.read_text() == "foreign"
    elif kind == "full":
        assert (taken / "saved_model.pb").read_text() == "foreign"
    assert (tmp_path / "3" / "saved_model.pb").read_text() == "late"


def test_nothing_shows_before_the_end(tmp_path):
    with new_version(tmp_path) as (directory, published):
        (directory / "saved_model.pb").touch()
        assert directory.parent == tmp_path  # A move across file systems would not be one step.
        assert directory.name.startswith(".")
        assert not directory.name.isdecimal()
        assert not versions(tmp_path)
        assert published == []
    assert names(tmp_path) == ["1"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_earlier_versions_alone(tmp_path, error):
    write(tmp_path, "first")
    with pytest.raises(error), new_version(tmp_path) as (directory, _):
        (directory / "variables").mkdir()
        (directory / "variables" / "part").touch()
        raise error
    assert names(tmp_path) == ["1"]
    assert (tmp_path / "1" / "saved_model.pb").read_text() == "first"
    assert write(tmp_path).name == "2"


@pytest.mark.parametrize("umask, expected", [(0o022, 0o755), (0o027, 0o750), (0o002, 0o775)])
def test_others_may_read_what_the_umask_lets_them(tmp_path, umask, expected):
    before = os.umask(umask)
    try:
        version = write(tmp_path / "model")
    finally:
        os.umask(before)
    assert stat.S_IMODE(version.stat().st_mode) == expected
    assert stat.S_IMODE((version / "saved_model.pb").stat().st_mode) == expected & 0o666


def test_threads_at_once_get_numbers_of_their_own(tmp_path):
    workers, barrier, got = 8, threading.Barrier(8), []

    def work(name):
        with new_version(tmp_path) as (directory, published):
            (directory / "saved_model.pb").write_text(name)
            barrier.wait()
        got.append((published[0], name))

    threads = [threading.Thread(target=work, args=(str(i),)) for i in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(tmp_path) == [str(i + 1) for i in range(workers)]
    assert {path.name for path, _ in got} == set(names(tmp_path))
    for path, name in got:
        assert (path / "saved_model.pb").read_text() == name


# Without `import tfpfd`, which takes seconds: the module needs no other.
PROCESS = """
import importlib.util, os, signal, sys
from pathlib import Path
source, base, what = sys.argv[1:]
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
spec = importlib.util.spec_from_file_location("versions", source)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
for i in range(20 if what == "write" else 1):
    with module.new_version(Path(base)) as (directory, published):
        (directory / "saved_model.pb").write_text(f"{os.getpid()} {i}")
        if what == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "wait":
            signal.sigwait([signal.SIGUSR1])
"""


def start(base, what):
    source = sys.modules[new_version.__module__].__file__
    return subprocess.Popen([sys.executable, "-c", PROCESS, source, str(base), what])


def test_processes_at_once_get_numbers_of_their_own(tmp_path):
    processes = [start(tmp_path, "write") for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert sorted(map(int, names(tmp_path))) == list(range(1, 81))
    contents = [(path / "saved_model.pb").read_text() for path in tmp_path.iterdir()]
    assert len(set(contents)) == 80


def test_a_killed_writer_leaves_no_version(tmp_path):
    write(tmp_path, "first")
    assert start(tmp_path, "die").wait() == -signal.SIGKILL
    assert list(versions(tmp_path)) == [1]
    # What it left has no name that a server takes for a version, and is in nobody's way.
    (left,) = set(names(tmp_path)) - {"1"}
    assert left.startswith(".writing-")
    # The next writer removes it.
    assert write(tmp_path).name == "2"
    assert names(tmp_path) == ["1", "2"]


def test_what_a_living_writer_has_begun_is_left_to_it(tmp_path):
    with new_version(tmp_path) as (first, _):
        (first / "saved_model.pb").write_text("of a thread")
        process = start(tmp_path, "wait")
        while len(names(tmp_path)) < 2:  # Until it has begun.
            assert process.poll() is None
        assert write(tmp_path, "last").name == "1"
        assert len(names(tmp_path)) == 3
        process.send_signal(signal.SIGUSR1)
        assert process.wait() == 0
        assert (first / "saved_model.pb").read_text() == "of a thread"
    assert names(tmp_path) == ["1", "2", "3"]


def test_without_locks_nothing_is_taken_for_abandoned(tmp_path, monkeypatch):
    """As on a file system that has none."""
    assert start(tmp_path, "die").wait() == -signal.SIGKILL
    (left,) = names(tmp_path)

    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert write(tmp_path).name == "1"
    assert names(tmp_path) == [left, "1"]


def test_a_base_that_is_a_file_is_refused_and_kept(tmp_path):
    base = tmp_path / "model"
    base.write_text("precious")
    with pytest.raises(FileExistsError), new_version(base):
        raise AssertionError("not reached")
    assert base.read_text() == "precious"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_cant_be_written_is_refused(tmp_path):
    write(tmp_path)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError), new_version(tmp_path):
            raise AssertionError("not reached")
    finally:
        tmp_path.chmod(0o700)
    assert names(tmp_path) == ["1"]


def test_an_error_of_the_move_is_raised_and_nothing_stays(tmp_path, monkeypatch):
    """A file system that turns read-only in the meantime, also where tests run as root."""
    write(tmp_path)

    def refuse(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(OSError, match="Read-only"):
        write(tmp_path)
    assert names(tmp_path) == ["1"]
