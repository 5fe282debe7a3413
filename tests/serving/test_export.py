"""`export` as a whole: what it refuses, and what an interruption leaves."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import (
    GRU,
    MLP,
    Categorical,
    FeatureEncoder,
    Numeric,
    Ranker,
    Schema,
    SelfAttention,
    Sequence,
    TwoTower,
    export,
)
from tfpfd.serving import inspect_export
from tfpfd.serving.export_plan import ExportPlan
from tfpfd.serving.manifest import write_extra

# `tfpfd.serving.export` is the function.
MODULE = sys.modules[export.__module__]
MANIFEST = sys.modules[write_extra.__module__]
PUBLISH = sys.modules["tfpfd.serving.publish"]


def names(directory):
    return sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []


def small(user=(), item=(), privileged=()):
    """A schema with a user, an item and an affinity of them, and what is given."""
    return Schema(
        user=(Categorical("user_id", vocabulary=("u1", "u2")), *user),
        item=(Categorical("item_id", vocabulary=("i1", "i2", "i3")), *item),
        privileged={"cross": (Numeric("affinity", boundaries=(0.5,)), *privileged)},
    )


ITEMS = {"item_id": ["i3", "i1", "i2", "new"]}


def predictions(student, users):
    pairs = {"user_id": np.repeat(users, 4), "item_id": np.tile(ITEMS["item_id"], len(users))}
    raw = {name: tf.constant(values.tolist()) for name, values in pairs.items()}
    return student.predict(student.schema.lookup(raw), verbose=0).reshape(-1, 4)


def assert_serves(path, student):
    """That the version at `path` scores like `student`, with its variables alone."""
    loaded = tf.saved_model.load(str(path))
    users = tf.constant(["u1", "never"])
    candidates = tf.constant([ITEMS["item_id"]] * 2)
    found = loaded.signatures["score_candidates"](user_id=users, candidate_ids=candidates)
    expected = predictions(student, ["u1", "never"])
    np.testing.assert_allclose(found["scores"], expected, rtol=1e-6, atol=1e-6)


# Refusals.


@pytest.mark.slow
def test_a_distillation_is_refused_with_what_to_pass(strings, tmp_path):
    message = "`student` must be a Ranker, received Distillation; pass `model.student`"
    with pytest.raises(TypeError, match=message):
        export(strings.model, ITEMS, tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("other", [None, "saved_model", TwoTower([2])])
def test_what_is_no_ranker_is_refused(tmp_path, other):
    with pytest.raises(TypeError, match=f"must be a Ranker, received {type(other).__name__}$"):
        export(other, ITEMS, tmp_path)


def test_a_network_without_an_item_side_is_refused(tmp_path):
    with pytest.raises(TypeError, match="a TwoTower, whose item side can be run ahead"):
        export(Ranker(small(), MLP([2])), ITEMS, tmp_path)


def test_a_teacher_is_refused(tmp_path):
    message = r"`student` sees privileged features \['affinity'\]: expected a ranker with sees='ser"
    with pytest.raises(ValueError, match=message):
        export(Ranker(small(), TwoTower([2]), sees="all"), ITEMS, tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("through", ["encoder", "base", "base of base"])
def test_an_encoder_that_holds_privileged_features_is_refused(tmp_path, through):
    schema = small()
    encoder = FeatureEncoder(schema, schema.features())
    for _ in range(["encoder", "base", "base of base"].index(through)):
        # It borrows the tables of its base, in one variable with the privileged one.
        encoder = FeatureEncoder(schema, schema.features("served"), base=encoder)
    student = Ranker(schema, TwoTower([2]), encoder=encoder)
    with pytest.raises(ValueError, match=r"sees privileged features \['affinity'\]"):
        export(student, ITEMS, tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("k", [0, -1, 2.0, "3", None, True])
def test_a_k_that_is_no_positive_integer_is_refused(tmp_path, k):
    with pytest.raises(ValueError, match="`k` must be an integer of at least 1, received"):
        export(Ranker(small(), TwoTower([2])), ITEMS, tmp_path, k=k)


@pytest.mark.parametrize(
    "side, name",
    [
        ("user", "k"),
        ("user", "candidate_ids"),
        ("user", "self"),
        ("item", "self"),
    ],
)
def test_a_feature_with_a_name_that_signatures_need_is_refused(tmp_path, side, name):
    student = Ranker(small(**{side: [Numeric(name, boundaries=(1.0,))]}), TwoTower([2]))
    message = rf"features \['{name}'\] have names that signatures need themselves: rename the col"
    with pytest.raises(ValueError, match=message):
        export(student, ITEMS, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "items, message",
    [
        ({"item_id": []}, "`items` is empty: expected a row an item, received none"),
        ({"item_id": ["i1", "i2", "i1"]}, "expected each id once, received the id 'i1'"),
        ({"id": ["i1"]}, "missing column 'item_id'"),
        ({"item_id": ["i1", None]}, "column 'item_id': expected strings, received 1 of 2 values"),
    ],
)
def test_bad_items_are_refused_and_nothing_is_left(tmp_path, items, message):
    base = tmp_path / "model"
    with pytest.raises(ValueError, match=message):
        export(Ranker(small(), TwoTower([2])), items, base, verbose=0)
    assert not base.exists()


def never_read():
    """A catalogue whose first rows would take long."""
    raise AssertionError("items were read")
    yield


@pytest.mark.slow
def test_a_base_that_is_a_file_is_refused(tmp_path):
    base = tmp_path / "model"
    base.write_text("precious")
    for path, kind in ((base, FileExistsError), (base / "in", NotADirectoryError)):
        with pytest.raises(kind, match="`path` must be a directory or lie in one"):
            export(Ranker(small(), TwoTower([2])), never_read(), path, verbose=0)
    assert base.read_text() == "precious"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["", "model/films"])
def test_a_place_that_cannot_be_written_is_refused(tmp_path, monkeypatch, name):
    # Tests may run as root, who may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(PermissionError, match="`path` can't be written"):
        export(Ranker(small(), TwoTower([2])), never_read(), tmp_path / name, verbose=0)
    assert not list(tmp_path.iterdir())


# Students that look unusual, and are right.


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["own", "rest", "base", "frozen"])
def test_any_ranker_of_served_features_can_be_exported(tmp_path, shape):
    schema = small()
    first = Ranker(schema, TwoTower([2]))
    encoder, unshared = first.encoder, ()
    if shape == "own":
        unshared = ("item_id",)
    elif shape == "rest":
        encoder = FeatureEncoder(schema, ["user_id"])
    elif shape == "base":
        encoder = FeatureEncoder(schema, base=first.encoder)
    student = Ranker(schema, TwoTower([2]), encoder=encoder, unshared=unshared)
    student.trainable = shape != "frozen"
    path = export(student, ITEMS, tmp_path, verbose=0)
    assert inspect_export(path).findings == []
    assert_serves(path, student)


@pytest.mark.slow
def test_item_features_may_have_the_names_of_inputs_of_other_signatures(tmp_path):
    features = [Numeric("k", boundaries=(1.0,)), Numeric("candidate_ids", boundaries=(1.0,))]
    student = Ranker(small(item=features), TwoTower([2]))
    items = {**ITEMS, "k": [1.0, 2, 3, 4], "candidate_ids": [0.0] * 4}
    path = export(student, items, tmp_path, verbose=0)
    assert inspect_export(path).findings == []
    loaded = tf.saved_model.load(str(path))
    found = loaded.signatures["top_k"](user_id=tf.constant(["u1"]), k=tf.constant(2))
    assert found["scores"].shape == (1, 2)


ODD = (
    "features",
    "name",
    "training",
    "inputs",
    "args",
    "kwargs",
    "function",
)


@pytest.mark.slow
def test_features_may_have_any_name_that_a_schema_takes(tmp_path):
    user = [Numeric(name, boundaries=(1.0,)) for name in ODD]
    item = [Sequence("shown_with", of="item_id", length=2), Numeric("cls", boundaries=(1.0,))]
    student = Ranker(small(user=user, item=item), TwoTower([2]))
    items = {**ITEMS, "shown_with": [["i1"]] * 4, "cls": [2.0] * 4}
    path = export(student, items, tmp_path, k=2, verbose=0)
    loaded = tf.saved_model.load(str(path))
    request = {name: tf.constant([1.0]) for name in ODD} | {"user_id": tf.constant(["u1"])}
    found = loaded.signatures["serving_default"](**request)
    assert found["scores"].shape == (1, 2)


# Interruptions.

STEPS = {
    "saved_model.save": (tf.saved_model, "save"),
    "items": (MODULE, "write_items"),
    "warm-up": (MANIFEST, "write_warmup_requests"),
    "variables": (MANIFEST, "variable_shapes"),
    "manifest": (MANIFEST, "digests"),
    "inspect": (PUBLISH, "inspect_export"),
    "move": (os, "rename"),
}


@pytest.fixture(scope="module")
def student():
    return Ranker(small(), TwoTower([2], name="plain"), encoder=None)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("step", STEPS)
def test_an_interruption_leaves_nothing_but_earlier_versions(
    student, tmp_path, monkeypatch, step, error
):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_text("first")

    def interrupt(*args, **kwargs):
        raise error(f"at {step}")

    if step != "saved_model.save":
        # The others don't need what it writes, and it takes a second.
        monkeypatch.setattr(tf.saved_model, "save", lambda module, path, signatures: None)
        monkeypatch.setattr(MANIFEST, "variable_shapes", lambda directory: {})
        monkeypatch.setattr(MANIFEST, "write_warmup_requests", lambda *args, **drawn: 0)
        monkeypatch.setattr(MODULE, "can_write_warmup_requests", lambda wanted: True)
        monkeypatch.setattr(MODULE, "write_items", lambda *args: {"items": 4})
        monkeypatch.setattr(
            PUBLISH, "inspect_export", lambda directory, **_: type("Clean", (), {"findings": []})
        )
    reads_nothing = SimpleNamespace(graph=SimpleNamespace(captures=[]))
    functions = {"item_embedding": reads_nothing}
    monkeypatch.setattr(ExportPlan, "functions", lambda self: functions)
    monkeypatch.setattr(*STEPS[step], interrupt)
    with pytest.raises(error, match=f"at {step}"):
        export(student, ITEMS, tmp_path, verbose=0)
    assert names(tmp_path) == ["1"]
    assert (tmp_path / "1" / "saved_model.pb").read_text() == "first"
    monkeypatch.undo()


@pytest.mark.slow
def test_findings_stop_the_export(student, tmp_path, monkeypatch):
    def leaky(module, directory, signatures):
        module.teacher = tf.Variable([1.0], name="affinity")
        save(module, directory, signatures=signatures)

    save = tf.saved_model.save
    monkeypatch.setattr(tf.saved_model, "save", leaky)
    message = "not published: .*privileged feature 'affinity' is named in a variable"
    with pytest.raises(RuntimeError, match=message):
        export(student, ITEMS, tmp_path, verbose=0)
    assert names(tmp_path) == []


KILLED = """
import os, signal, sys
import tensorflow as tf
from tfpfd import Categorical, Ranker, Schema, TwoTower, export
save = tf.saved_model.save
def killed(*args, **kwargs):
    save(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
tf.saved_model.save = killed
schema = Schema(
    user=(Categorical("user_id", vocabulary=("u1",)),),
    item=(Categorical("item_id", vocabulary=("i1",)),),
)
export(Ranker(schema, TwoTower([2])), {"item_id": ["i1"]}, sys.argv[1], verbose=0)
"""


@pytest.mark.slow
def test_a_killed_export_leaves_no_version(student, tmp_path):
    root = str(Path(MODULE.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path], env={**os.environ, "PYTHONPATH": root}
    )
    assert done.returncode == -signal.SIGKILL
    # The SavedModel is complete by then, but where no server looks for it.
    (left,) = tmp_path.iterdir()
    assert (left / "saved_model.pb").exists()
    assert not left.name.isdecimal()
    with pytest.raises(FileNotFoundError, match="holds no SavedModel"):
        inspect_export(tmp_path)
    path = export(student, ITEMS, tmp_path, verbose=0)
    assert path == tmp_path / "1"
    assert_serves(path, student)


@pytest.mark.slow
def test_every_file_of_an_export_can_be_read_by_others(exported):
    before = os.umask(0)
    os.umask(before)
    for path in (exported.path, *exported.path.rglob("*")):
        wanted = (0o755 if path.is_dir() else 0o644) & ~before
        assert path.stat().st_mode & wanted == wanted, path


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", [SelfAttention(heads=1, dim=2), GRU(2)])
def test_a_trained_student_is_served_with_its_new_weights(behaviour, tmp_path):
    encoder = FeatureEncoder(small(), dim=2, behaviour=behaviour)
    student = Ranker(small(), TwoTower([2]), encoder=encoder)
    first = export(student, ITEMS, tmp_path, verbose=0)
    random = np.random.default_rng(0)
    student.set_weights([random.uniform(0.5, 1, w.shape) for w in student.get_weights()])
    second = export(student, ITEMS, tmp_path, verbose=0)
    assert (first.name, second.name) == ("1", "2")
    assert_serves(second, student)
    with pytest.raises(AssertionError):
        assert_serves(first, student)
