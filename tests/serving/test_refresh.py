"""`refresh`: the next version, made of the one before and another catalogue."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
import tensorflow as tf

from tfpfd import (
    Categorical,
    Numeric,
    Ranker,
    Schema,
    Sequence,
    TwoTower,
    export,
    inspect_export,
    refresh,
)
from tfpfd.serving import item_embeddings as items_module
from tfpfd.serving import kept_embeddings

MODULE = sys.modules[refresh.__module__]
USERS = {"user_id": tf.constant(["u1", "u2", "never"]), "seen": tf.constant([["i1"], [""], ["x"]])}


def catalogue(numbers, price=2.0):
    return pd.DataFrame(
        {
            "item_id": [f"i{i}" for i in numbers],
            "kinds": [["war", "love"][: i % 3] for i in numbers],
            "price": [float(i) + price for i in numbers],
        }
    )


@pytest.fixture(scope="module")
def student():
    schema = Schema(
        user=(Categorical("user_id", vocabulary=("u1", "u2")), Sequence("seen", of="item_id")),
        item=(
            Categorical("item_id", vocabulary=("i1", "i2", "i3")),
            Categorical("kinds", vocabulary=("war", "love"), length=2),
            Numeric("price", boundaries=(2.5, 4.5)),
        ),
        privileged={"cross": (Numeric("affinity", boundaries=(0.5,)),)},
    )
    made = Ranker(schema, TwoTower([4]))
    random = np.random.default_rng(0)
    made.set_weights([random.uniform(-1, 1, w.shape) for w in made.get_weights()])
    return made


@pytest.fixture(scope="module")
def first(student, tmp_path_factory):
    base = tmp_path_factory.mktemp("model")
    details = {"auc": 0.7, "rows": 10}
    return export(
        student,
        catalogue(range(9)),
        base,
        k=3,
        attributes=["kinds", "price"],
        details=details,
        warmup_requests=False,
        verbose=0,
    )


@pytest.fixture
def base(first, tmp_path):
    shutil.copytree(first, tmp_path / "1")
    return tmp_path


def logits(student, items):
    raw = {
        name: np.repeat(values.numpy(), len(items), axis=0).astype(object)
        for name, values in USERS.items()
    }
    tiled = pd.concat([items] * 3, ignore_index=True)
    raw |= student.schema.columns(tiled, student.schema.item)
    inputs = student.schema.lookup({name: tf.constant(values) for name, values in raw.items()})
    return student.predict(inputs, verbose=0).reshape(3, len(items))


def assert_serves(path, student, items):
    """That the version gives the student's predictions for these items, and no others."""
    loaded = tf.saved_model.load(str(path))
    found = loaded.signatures["top_k"](k=tf.constant(100), **USERS)
    expected = logits(student, items)
    columns = np.argsort(-expected, axis=1, kind="stable")
    wanted = np.take_along_axis(expected, columns, axis=1)
    np.testing.assert_allclose(found["scores"], wanted, rtol=1e-6, atol=1e-6)
    candidates = tf.constant([items["item_id"].tolist()] * 3)
    scores = loaded.signatures["score_candidates"](candidate_ids=candidates, **USERS)["scores"]
    np.testing.assert_allclose(scores, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
def test_items_may_be_added_removed_and_changed(student, base):
    changed = catalogue([7, 2, 30, 31, 4], price=0.0)
    version = refresh(base, changed, details={"rows": 12}, warmup_requests=False, verbose=0)
    assert version == base / "2"
    assert_serves(version, student, changed)
    assert_serves(base / "1", student, catalogue(range(9)))
    assert inspect_export(version).findings == []
    # Nothing but the item table is new.
    assert (version / "saved_model.pb").read_bytes() == (base / "1/saved_model.pb").read_bytes()
    old, new = (
        tf.train.load_checkpoint(str(path / "variables/variables"))
        for path in (base / "1", version)
    )
    assert old.get_variable_to_dtype_map() == new.get_variable_to_dtype_map()
    for key in old.get_variable_to_shape_map():
        if not key.startswith(("item_", "attributes/")):
            np.testing.assert_array_equal(old.get_tensor(key), new.get_tensor(key))
    assert sorted(path.name for path in base.iterdir()) == ["1", "2"]


@pytest.mark.slow
def test_the_manifest_names_the_parent_and_keeps_what_still_holds(base):
    version = refresh(
        base, catalogue([1, 2]), details={"rows": 12}, warmup_requests=False, verbose=0
    )
    manifest = inspect_export(version).manifest
    assert manifest["parent"] == 1
    assert inspect_export(base / "1").manifest["parent"] is None
    assert manifest["items"] == 2
    assert manifest["details"] == {"auc": 0.7, "rows": 12}
    for name in ("k", "width", "table", "attributes", "stripped"):
        assert manifest[name] == inspect_export(base / "1").manifest[name]
    table = pyarrow.parquet.read_table(version / "assets.extra/items.parquet")
    assert table["item_id"].to_pylist() == ["i1", "i2"]


@pytest.mark.slow
def test_the_same_items_give_the_same_table(student, base, tmp_path, monkeypatch):
    monkeypatch.setattr(items_module, "BATCH", 4)
    file = tmp_path / "items.parquet"
    catalogue(range(9)).to_parquet(file)
    version = refresh(base, file, warmup_requests=False, verbose=0)
    old, new = (
        tf.saved_model.load(str(path)).item_embeddings.numpy() for path in (base / "1", version)
    )
    np.testing.assert_allclose(new, old, rtol=1e-6, atol=1e-6)
    assert_serves(version, student, catalogue(range(9)))


@pytest.mark.slow
@pytest.mark.parametrize("table, error", [("bfloat16", 2**-8), ("int8", 0.5 / 127)])
def test_a_smaller_table_keeps_its_type(student, tmp_path, table, error):
    export(student, catalogue(range(9)), tmp_path, table=table, warmup_requests=False, verbose=0)
    items = catalogue(range(5, 25))
    version = refresh(tmp_path, items, warmup_requests=False, verbose=0)
    assert inspect_export(version).findings == []
    loaded = tf.saved_model.load(str(version))
    assert loaded.item_embeddings.dtype.name == table
    candidates = tf.constant([items["item_id"].tolist()] * 3)
    scores = loaded.signatures["score_candidates"](candidate_ids=candidates, **USERS)["scores"]
    assert scores.dtype == tf.float32
    # The user side has length 5, the item side 1; its numbers are off by at most `error`, of 4.
    np.testing.assert_allclose(scores, logits(student, items), rtol=0, atol=5 * 2 * error)
    best = loaded.signatures["top_k"](k=tf.constant(20), **USERS)["scores"]
    np.testing.assert_allclose(best, np.sort(scores)[:, ::-1], rtol=1e-5, atol=1e-5)


# What an interruption leaves.

KILLED = """
import os, signal, sys
import pandas as pd
from tfpfd import refresh
from tfpfd.serving import item_embeddings
item_embeddings.BATCH = 4
def batches():
    rows = pd.read_parquet(sys.argv[2])
    for start in range(0, len(rows), 4):
        if start == 8:
            os.kill(os.getpid(), signal.SIGKILL)
        yield dict(rows[start:start + 4].items())
refresh(sys.argv[1], batches(), warmup_requests=False, verbose=0)
"""


@pytest.mark.slow
def test_after_a_kill_it_goes_on_from_what_was_embedded(student, base, tmp_path, monkeypatch):
    monkeypatch.setattr(items_module, "BATCH", 4)
    items, file = catalogue(range(20, 33)), tmp_path / "items.parquet"
    items.to_parquet(file)
    root = str(Path(MODULE.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", KILLED, base, file], env={**os.environ, "PYTHONPATH": root}
    )
    assert done.returncode == -signal.SIGKILL
    kept = {path.name: path.stat().st_mtime_ns for path in (base / ".refreshing").iterdir()}
    assert len(kept) == 2
    assert not (base / "2").exists()

    # Of other items, or of the items of another parent, nothing is taken.
    seen = []
    exists = Path.exists
    monkeypatch.setattr(
        kept_embeddings.Path, "exists", lambda p: (seen.append((p.name, exists(p))), exists(p))[1]
    )
    version = refresh(base, items, warmup_requests=False, verbose=0)
    parts = [found for name, found in seen if name.endswith(".npy")]
    assert parts == [True, True, False, False]
    monkeypatch.undo()
    assert_serves(version, student, items)
    assert not (base / ".refreshing").exists()


def test_parts_are_of_one_model_and_one_batch_of_items(tmp_path):
    columns = {"item_id": np.array(["a", "b"], object), "price": np.float32([1, 2])}
    calls = []

    def embed(given):
        calls.append(given)
        return np.full((2, 3), len(calls), np.float32)

    def first_of(model, given):
        return kept_embeddings.KeptEmbeddings(tmp_path / "parts", model).through(embed)(given)[0, 0]

    assert first_of("one", columns) == 1
    assert first_of("one", dict(columns)) == 1
    assert first_of("two", columns) == 2
    assert first_of("one", {**columns, "price": np.float32([1, 3])}) == 3
    assert first_of("one", {**columns, "item_id": np.array(["a", "c"], object)}) == 4
    assert first_of("one", {**columns, "item_id": np.array(["ab", ""], object)}) == 5
    assert first_of("one", columns) == 1


@pytest.mark.slow
def test_a_refusal_leaves_what_was_embedded_or_nothing(base, monkeypatch):
    monkeypatch.setattr(items_module, "BATCH", 4)
    items = catalogue(range(20, 33))
    bad = items.drop(columns=items.columns[-1])
    with pytest.raises(ValueError, match="missing column"):
        refresh(base, bad, warmup_requests=False, verbose=0)
    assert sorted(path.name for path in base.iterdir()) == ["1"]
    twice = pd.concat([items, items.iloc[:1]])
    with pytest.raises(ValueError, match="expected each id once"):
        refresh(base, twice, warmup_requests=False, verbose=0)
    assert len(list((base / ".refreshing").iterdir())) == 4
    assert refresh(base, items, warmup_requests=False, verbose=0) == base / "2"
    assert sorted(path.name for path in base.iterdir()) == ["1", "2"]


def test_two_at_once_are_refused(base):
    with MODULE._parts(base), pytest.raises(OSError, match="is being refreshed by another process"):
        refresh(base, catalogue([1]), warmup_requests=False, verbose=0)
    assert refresh(base, catalogue([1]), warmup_requests=False, verbose=0) == base / "2"


# Refusals.


@pytest.mark.parametrize(
    "items, message",
    [
        (catalogue([]), "`items` is empty: expected a row an item, received none"),
        (catalogue([1, 2, 1]), "column 'item_id': expected each id once, received the id 'i1'"),
        (catalogue([1]).drop(columns="price"), "missing column 'price'"),
        (catalogue([1]).assign(price=["cheap"]), "column 'price': expected numbers"),
    ],
)
def test_bad_items_are_refused(base, items, message):
    with pytest.raises(ValueError, match=message):
        refresh(base, items, warmup_requests=False, verbose=0)
    assert [path.name for path in base.iterdir() if path.name.isdecimal()] == ["1"]


def test_where_there_is_no_version(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no SavedModel"):
        refresh(tmp_path, catalogue([1]), verbose=0)


def test_a_version_itself_is_refused(base):
    with pytest.raises(ValueError, match="`path` must be the directory of a model"):
        refresh(base / "1", catalogue([1]), verbose=0)


def test_what_is_no_export_is_refused(base):
    shutil.rmtree(base / "1/assets.extra")
    with pytest.raises(FileNotFoundError, match="is no export of tfpfd"):
        refresh(base, catalogue([1]), verbose=0)


def test_a_parent_that_was_changed_is_refused(base):
    file = base / "1/assets.extra/tfpfd.json"
    manifest = json.loads(file.read_text())
    for name, kind, message in (
        ("fingerprint.pb", RuntimeError, r"isn't what was exported: file .* was changed"),
        ("saved_model.pb", ValueError, r"can't be read as a SavedModel: file .* was changed"),
    ):
        files = {**manifest["files"], name: "0" * 64}
        file.write_text(json.dumps({**manifest, "files": files}))
        with pytest.raises(kind, match=message):
            refresh(base, catalogue([1]), verbose=0)
    assert sorted(path.name for path in base.iterdir()) == ["1"]
