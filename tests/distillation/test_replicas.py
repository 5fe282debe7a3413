"""Several replicas: a step and all that is shown are those of one replica with the same batch."""

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from tfpfd._keras import KERAS_3

pytestmark = [pytest.mark.slow, pytest.mark.long]

PROGRAM = Path(__file__).with_name("replicas.py")
keras_2 = pytest.mark.skipif(KERAS_3, reason="Keras 3 refuses it: see the last test")


def start(out, kind, **environment):
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), str(out), str(kind)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(*processes):
    for process in processes:
        _, errors = process.communicate(timeout=900)
        assert process.returncode == 0, errors[-3000:]


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """What one replica makes of the rows: the truth."""
    out = tmp_path_factory.mktemp("replicas") / "one.npz"
    finish(start(out, 1))
    return dict(np.load(out))


def assert_same(found, expected, trainings):
    assert len({name.split(":")[0] for name in found}) == trainings
    for name, value in found.items():
        np.testing.assert_allclose(value, expected[name], rtol=2e-4, atol=2e-5, err_msg=name)


@keras_2
def test_two_replicas(one, tmp_path):
    finish(start(tmp_path / "two.npz", 2))
    found = dict(np.load(tmp_path / "two.npz"))
    assert set(found) == set(one)
    assert_same(found, one, trainings=12)


@keras_2
def test_two_worker_processes(one, tmp_path):
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(2)]
        for each in sockets:
            each.bind(("localhost", 0))
        workers = [f"localhost:{each.getsockname()[1]}" for each in sockets]

    def config(index):
        task = {"type": "worker", "index": index}
        return json.dumps({"cluster": {"worker": workers}, "task": task})

    out = tmp_path / "workers.npz"
    finish(*[start(out, "workers", TF_CONFIG=config(i)) for i in range(2)])
    assert_same(dict(np.load(out)), one, trainings=6)


@pytest.mark.skipif(not KERAS_3, reason="Keras 2 can do it")
def test_keras_3_says_which_stacks_can(tmp_path):
    process = start(tmp_path / "two.npz", 2)
    _, errors = process.communicate(timeout=300)
    assert errors.splitlines()[-1] == (
        "NotImplementedError: MirroredStrategy with 2 replicas works with the Keras 2 API alone: "
        "use TensorFlow 2.15, or tf_keras with TF_USE_LEGACY_KERAS=1 in the environment (stacks A "
        "and C)"
    )
