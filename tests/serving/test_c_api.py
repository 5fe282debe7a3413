"""An export served by a C program: no Python, no Keras, no library of ours."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

TYPES = {"O": "string", "i8": "int64", "i4": "int32", "f4": "float"}


# Of the session, as pytest runs all tests of one export, then those of the other.
@pytest.fixture(scope="session")
def program(tmp_path_factory):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    libraries = tf.sysconfig.get_lib()
    linked = [Path(libraries, f"libtensorflow_{part}.so.2") for part in ("cc", "framework")]
    if not all(library.exists() for library in linked):
        pytest.skip("this TensorFlow has no libraries to link against")
    binary = tmp_path_factory.mktemp("c") / "top_k"
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", f"-Wl,-rpath,{libraries}"]
    # TensorFlow's own headers have warnings; only ours are errors.
    command = [compiler, *flags, "-isystem", tf.sysconfig.get_include()]
    source = Path(__file__).with_name("top_k.c")
    built = subprocess.run(
        [*command, source, *linked, "-o", binary], capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    return binary


def arguments(signature, inputs):
    """The command line of `top_k.c` for a signature."""
    line = [signature.outputs["item_ids"].name, signature.outputs["scores"].name]
    for name, values in inputs.items():
        values = np.asarray(values)
        kind = TYPES[values.dtype.kind + str(values.dtype.itemsize) * (values.dtype != object)]
        shape = "x".join(map(str, values.shape)) or "-"
        line += [signature.inputs[name].name, kind, shape, *map(str, values.ravel())]
    return line


def run(program, path, signature, inputs):
    """Ids and scores as `[rows, k]` lists, by the C program."""
    saved = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    line = arguments(saved.meta_graphs[0].signature_def[signature], inputs)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [program, path, *line], capture_output=True, text=True, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    rows = len(inputs["user_id"])
    ids = np.array([i for i, _ in lines], dtype=object).reshape(rows, -1)
    return ids, np.array([s for _, s in lines], dtype=np.float32).reshape(rows, -1)


def text(ids):
    return np.vectorize(lambda i: i.decode() if isinstance(i, bytes) else str(i), otypes="O")(ids)


@pytest.mark.slow
def test_top_k_in_c_equals_python_and_the_student(program, exported, served):
    users = exported.users()
    k = np.int32(50)  # More than there are items.
    ids, scores = run(program, exported.path, "top_k", {**users, "k": k})
    python = served("top_k", users, k=k)
    assert ids.tolist() == text(python["item_ids"]).tolist()
    np.testing.assert_allclose(scores, python["scores"], atol=1e-6, rtol=0)
    # And the score of each (user, item) is what the student itself predicts of the pair.
    predicted, column = exported.logits(), {str(i): n for n, i in enumerate(exported.ids)}
    pairs = [[predicted[u, column[i]] for i in row] for u, row in enumerate(ids)]
    assert ids.shape == (len(predicted), len(exported.ids))
    np.testing.assert_allclose(scores, pairs, atol=1e-6, rtol=1e-6)


@pytest.mark.slow
def test_the_default_signature_in_c(program, exported, served):
    users = exported.users()
    ids, scores = run(program, exported.path, "serving_default", users)
    python = served("serving_default", users)
    assert ids.shape == (len(users["user_id"]), 3)
    assert ids.tolist() == text(python["item_ids"]).tolist()
    np.testing.assert_allclose(scores, python["scores"], atol=1e-6, rtol=0)
