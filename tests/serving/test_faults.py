"""Exports that are killed, that meet a full disk, and that run at once: nothing is lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import tfpfd
from tfpfd import inspect_export

pytestmark = [pytest.mark.slow, pytest.mark.long]

# TFPFD_KILLS=50 for a hundred kills, of exports and of refreshes.
KILLS = int(os.environ.get("TFPFD_KILLS", "8"))

# Children are forked before TensorFlow has done anything, so they need not import it again.
DRIVER = """
import json, os, random, resource, signal, sys, time
from tfpfd import Categorical, Ranker, Schema, TwoTower, export, refresh
base, what, times = sys.argv[1], sys.argv[2], int(sys.argv[3])

def child(limit=None, refreshes=False):
    ready, begun = os.pipe()
    pid = os.fork()
    if pid:
        os.close(begun)
        os.read(ready, 1)  # Until the export begins.
        os.close(ready)
        return pid
    schema = Schema(
        user=(Categorical("user_id", vocabulary=("u1",)),),
        item=(Categorical("item_id", vocabulary=("i1",)),),
    )
    student = Ranker(schema, TwoTower([2]))
    items = {"item_id": [f"i{i}" for i in range(20_000)]}
    os.write(begun, b"x")
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        if refreshes:
            refresh(base, items, verbose=0)
        else:
            export(student, items, base, verbose=0)
    except OSError as error:
        print(str(error).replace(chr(10), " "), file=sys.stderr)
        os._exit(3)
    except BaseException as error:
        print(repr(error), file=sys.stderr)
        os._exit(4)
    os._exit(0)

def end(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

started = child()
begun = time.monotonic()
codes = [end(started)]
seconds = time.monotonic() - begun
left = []
refreshes = what == "kill a refresh"
if what.startswith("kill"):
    chance = random.Random(times)
    for _ in range(times):
        pid = child(refreshes=refreshes)
        wait = chance.uniform(0, seconds)
        time.sleep(wait)
        os.kill(pid, signal.SIGKILL)
        codes.append(end(pid))
        if codes[-1] == 0:
            seconds = wait  # As it took no longer, a later kill would come too late again.
        left.append(sorted(os.listdir(base)))
elif what == "limit":
    for limit in (2_000, 100_000, 500_000):
        codes.append(end(child(limit)))
        left.append(sorted(os.listdir(base)))
alone = what != "together"
pids = [child(refreshes=refreshes) for _ in range(1 if alone else times)]
codes += [end(pid) for pid in pids]
print(json.dumps([codes, left]))
"""


def drive(base, what, times=0):
    """Exit codes of exports, the names under `base` after each that failed, and the messages."""
    root = str(Path(tfpfd.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, base, what, str(times)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    codes, left = json.loads(done.stdout.splitlines()[-1])
    return codes, left, done.stderr


def assert_whole(base, count):
    """That versions 1 to `count` are all there is, and that each is whole and answers."""
    assert sorted(p.name for p in base.iterdir()) == sorted(str(n + 1) for n in range(count))
    for version in base.iterdir():
        assert inspect_export(version).findings == []
        loaded = tf.saved_model.load(str(version))
        found = loaded.signatures["serving_default"](user_id=tf.constant(["u1"]))
        assert np.isfinite(found["scores"]).all()
        assert found["scores"].shape == (1, 100)


@pytest.mark.parametrize("what", ["kill an export", "kill a refresh"])
def test_a_kill_at_any_moment_leaves_whole_versions_alone(tmp_path, what):
    codes, left, _ = drive(tmp_path, what, KILLS)
    killed = codes[1:-1]
    assert (codes[0], codes[-1]) == (0, 0)
    assert set(killed) <= {-9, 0}
    # Some may have come through before their kill.
    assert killed.count(-9) >= KILLS // 2
    for names in left:
        assert "1" in names
        # At most what the last one left, which no server takes for a version, and embeddings.
        aside = [name for name in names if not name.isdecimal() and name != ".refreshing"]
        assert len(aside) <= 1
        assert all(name.startswith(".writing-") for name in aside)
        assert ".refreshing" not in names or what == "kill a refresh"
    counts = [1, *(sum(name.isdecimal() for name in names) for names in left)]
    for code, before, after in zip(killed, counts[:-1], counts[1:], strict=True):
        # What was killed may just have published its version.
        assert after - before in ((1,) if code == 0 else (0, 1))
    assert_whole(tmp_path, counts[-1] + 1)


def test_files_that_cannot_grow_any_more_are_an_error_and_leave_nothing(tmp_path):
    """As on a full disk: the weights, the graph and the item table don't fit, one after another."""
    codes, left, messages = drive(tmp_path, "limit")
    assert codes == [0, 3, 3, 3, 0], messages
    assert left == [["1"]] * 3
    assert "File too large" in messages
    assert_whole(tmp_path, 2)


def test_exports_at_once_get_versions_of_their_own(tmp_path):
    codes, _, messages = drive(tmp_path, "together", 2)
    assert codes == [0, 0, 0], messages
    assert_whole(tmp_path, 3)


@pytest.mark.parametrize(
    "error, number",
    [
        (tf.errors.ResourceExhaustedError(None, None, "No space left on device"), 28),
        (tf.errors.UnknownError(None, None, "Input/output error"), 5),
    ],
)
def test_errors_of_tensorflow_are_errors_of_the_system(tmp_path, monkeypatch, error, number):
    schema = tfpfd.Schema(
        user=(tfpfd.Categorical("user_id", vocabulary=("u1",)),),
        item=(tfpfd.Categorical("item_id", vocabulary=("i1",)),),
    )

    def refuse(*args, **kwargs):
        raise error

    monkeypatch.setattr(tf.saved_model, "save", refuse)
    student = tfpfd.Ranker(schema, tfpfd.TwoTower([2]))
    message = "a version could not be written, and none was published: .*(space|Input)"
    with pytest.raises(OSError, match=message) as caught:
        tfpfd.export(student, {"item_id": ["i1"]}, tmp_path, verbose=0)
    assert caught.value.errno == number
    assert list(tmp_path.iterdir()) == []
