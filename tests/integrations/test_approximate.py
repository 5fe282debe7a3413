"""Approximate search over an export's items, against its own exact answer."""

import errno
import functools
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tfpfd import Categorical, Ranker, Schema, Sequence, TwoTower, export
from tfpfd._keras import keras
from tfpfd.integrations import approximate
from tfpfd.integrations.packages import require

COUNT, USERS, K = 3000, 40, 10
BIAS = 0.75
LOWEST = np.finfo(np.float32).min


def has(module):
    try:
        require(module)
    except ImportError:
        return False
    return True


needs_faiss = pytest.mark.skipif(not has("faiss"), reason="FAISS isn't installed")
needs_scann = pytest.mark.skipif(
    not has("scann.scann_ops.py.scann_ops"), reason="ScaNN's operations can't be loaded"
)


@pytest.fixture(scope="module", params=["string", "int"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def ids(kind):
    return [n if kind == "int" else f"é{n}" for n in range(5, 5 + COUNT)]


@pytest.fixture(scope="module")
def users(ids):
    return pd.DataFrame({"user": [f"u{n}" for n in range(USERS)], "seen": [ids[:3]] * USERS})


@pytest.fixture(scope="module")
def student(kind, ids):
    schema = Schema(
        user=(
            Categorical("user", vocabulary=tuple(f"u{n}" for n in range(USERS))),
            Sequence("seen", of="item", length=3),
        ),
        item=(Categorical("item", dtype=kind, vocabulary=tuple(ids)),),
    )
    keras.utils.set_random_seed(0)
    made = Ranker(schema, TwoTower([16, 8]))
    made.network.bias.assign(BIAS)
    return made


@pytest.fixture(scope="module")
def path(kind, ids, student, tmp_path_factory):
    base = tmp_path_factory.mktemp(kind)
    export(student, {"item": ids}, base, table="int8", verbose=0, warmup_requests=False)
    export(student, {"item": ids}, base, k=K, verbose=0, warmup_requests=False)
    return base


# Loading takes longer than all that is asked of one.
@functools.cache
def loaded(path):
    return tf.saved_model.load(str(path))


def answers(path, signature, users, **more):
    signature = loaded(path).signatures[signature]
    specs = signature.structured_input_signature[1]
    features = {name: tf.constant(x.tolist(), specs[name].dtype) for name, x in users.items()}
    return {n: x.numpy() for n, x in signature(**features, **more).items()}


@pytest.mark.slow
def test_the_table_is_float32_of_any_export(path, ids, users):
    for version, tolerance in ((path / "1", 0.05), (path / "2", 1e-6)):
        found, embeddings = approximate.item_table(version)
        assert found.tolist() == ids
        assert embeddings.dtype == np.float32
        user = answers(path / "2", "user_embedding", users)["embedding"]
        asked = tf.constant([ids[:4]] * USERS, tf.string if ids[0] == "é5" else tf.int64)
        scores = answers(version, "score_candidates", users, candidate_ids=asked)["scores"]
        np.testing.assert_allclose(user @ embeddings[:4].T + BIAS, scores, atol=tolerance)


def test_no_items(tmp_path, path):
    with pytest.raises(FileNotFoundError, match="holds no SavedModel"):
        approximate.item_table(tmp_path)


@needs_faiss
class TestFaiss:
    @pytest.mark.slow
    def test_flat_is_exact(self, path, ids, users):
        index = approximate.faiss_index(path)
        user = answers(path / "2", "user_embedding", users)["embedding"]
        scores, rows = index.search(user, K)
        exact = answers(path / "2", "top_k", users, k=tf.constant(K))
        # It knows embeddings alone.
        np.testing.assert_allclose(scores + BIAS, exact["scores"], atol=1e-5)
        assert approximate.recall(path, users, np.array(ids)[rows]) == pytest.approx(1, abs=0.01)

    @pytest.mark.slow
    def test_more_of_the_lists_find_more(self, path, ids, users):
        index = approximate.faiss_index(path, "IVF50,Flat")
        user = answers(path / "2", "user_embedding", users)["embedding"]
        recalls = []
        for lists in (1, 5, 50):
            index.nprobe = lists
            recalls.append(approximate.recall(path, users, np.array(ids)[index.search(user, K)[1]]))
        assert recalls[0] < recalls[1] <= recalls[2]
        assert recalls[2] == pytest.approx(1, abs=0.01)

    @pytest.mark.parametrize("description", ["Nonsense", "IVF100000,Flat"])
    def test_bad_descriptions(self, path, description):
        message = f"`description` '{description}' gives no index of {COUNT} items: [^:]+$"
        with pytest.raises(ValueError, match=message):
            approximate.faiss_index(path, description)


@needs_scann
class TestScann:
    @pytest.fixture(scope="class")
    def model(self, path, tmp_path_factory):
        return approximate.scann_model(path, tmp_path_factory.mktemp("scann"), k=K)

    @pytest.mark.slow
    def test_recall_grows_to_the_exact_answer(self, path, users, tmp_path):
        recalls = []
        for searched in (1, 10, 50):
            version = approximate.scann_model(
                path, tmp_path, leaves=50, searched=searched, rescored=COUNT
            )
            found = answers(version, "top_k", users, k=tf.constant(K))
            recalls.append(approximate.recall(path, users, found["item_ids"]))
        assert recalls[0] < recalls[1] <= recalls[2]
        assert recalls[2] == pytest.approx(1, abs=0.01)
        exact = answers(path / "2", "top_k", users, k=tf.constant(K))
        np.testing.assert_allclose(found["scores"], exact["scores"], atol=1e-5)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["1", "2", "3"]

    @pytest.mark.slow
    def test_scores_are_those_of_the_items(self, path, model, users):
        found = answers(model, "serving_default", users)
        assert found["item_ids"].shape == found["scores"].shape == (USERS, K)
        assert (np.diff(found["scores"], axis=1) <= 0).all()
        asked = tf.constant(found["item_ids"])
        exact = answers(path / "2", "score_candidates", users, candidate_ids=asked)["scores"]
        np.testing.assert_allclose(found["scores"], exact, atol=1e-5)

    @pytest.mark.slow
    @pytest.mark.parametrize("k", [-1, 0, 1, 7, COUNT + 5])
    def test_any_k(self, model, users, k, kind):
        found = answers(model, "top_k", users, k=tf.constant(k))
        assert found["item_ids"].shape == (USERS, min(max(k, 0), COUNT))
        assert np.isfinite(found["scores"]).all()
        missing = found["scores"] == LOWEST
        assert (found["item_ids"][missing] == (b"" if kind == "string" else -1)).all()
        for row, lost in zip(found["item_ids"], missing, strict=True):
            assert len(set(row[~lost])) == (~lost).sum()

    @pytest.mark.slow
    def test_no_users(self, model, users, kind):
        empty = {
            "user": tf.zeros([0], tf.string),
            "seen": tf.zeros([0, 3], tf.string if kind == "string" else tf.int64),
        }
        found = loaded(model).signatures["serving_default"](**empty)
        assert found["scores"].shape == (0, K)

    @pytest.mark.slow
    def test_another_process_needs_the_operations_alone(self, model):
        lines = (
            "import sys, tensorflow as tf",
            "from scann.scann_ops.py import scann_ops",
            "loaded = tf.saved_model.load(sys.argv[1])",
            "assert not any(name.startswith('tfpfd') for name in sys.modules)",
            "print(sorted(loaded.signatures))",
        )
        run = [sys.executable, "-c", "\n".join(lines), str(model)]
        done = subprocess.run(run, capture_output=True, text=True, check=False)
        assert done.stdout.strip() == "['serving_default', 'top_k']", done.stderr

    @pytest.mark.parametrize("name", ["leaves", "searched", "rescored", "k"])
    @pytest.mark.parametrize("value", [0, 1.5])
    def test_bad_numbers(self, path, tmp_path, name, value):
        with pytest.raises(ValueError, match=f"`{name}` must be an integer of at least 1"):
            approximate.scann_model(path, tmp_path / "out", **{name: value})
        assert not (tmp_path / "out").exists()

    def test_more_leaves_than_items(self, path, tmp_path):
        with pytest.raises(ValueError, match=f"at most the {COUNT} items, received {COUNT + 1}"):
            approximate.scann_model(path, tmp_path, leaves=COUNT + 1)

    @pytest.mark.parametrize("version", ["", "2"])
    def test_never_into_the_export(self, path, version):
        before = sorted(path.rglob("*"))
        with pytest.raises(ValueError, match="`out` must be another directory than the export's"):
            approximate.scann_model(path, path / version)
        assert sorted(path.rglob("*")) == before

    @pytest.mark.parametrize("count", [1, approximate.FEWEST - 1])
    def test_few_items(self, student, ids, tmp_path, count):
        export(student, {"item": ids[:count]}, tmp_path / "exact", verbose=0, warmup_requests=False)
        with pytest.raises(ValueError, match=f"has {count} items: ScaNN needs 1000"):
            approximate.scann_model(tmp_path / "exact", tmp_path / "out")

    @pytest.mark.slow
    def test_the_fewest_items_and_many_leaves(self, student, ids, users, tmp_path):
        few = ids[: approximate.FEWEST]
        export(student, {"item": few}, tmp_path / "exact", verbose=0, warmup_requests=False)
        version = approximate.scann_model(
            tmp_path / "exact", tmp_path / "out", leaves=1000, searched=1000, rescored=1000
        )
        found = answers(version, "top_k", users, k=tf.constant(K))
        assert approximate.recall(tmp_path / "exact", users, found["item_ids"]) >= 0.99

    def test_a_file_in_the_way(self, path, tmp_path):
        (tmp_path / "out").write_text("")
        with pytest.raises(OSError, match="must be a directory") as raised:
            approximate.scann_model(path, tmp_path / "out")
        assert raised.value.errno == errno.EEXIST


@pytest.mark.skipif(has("scann.scann_ops.py.scann_ops"), reason="ScaNN can be used")
def test_where_scann_cannot_be_used(path, tmp_path):
    with pytest.raises(ImportError, match=r"scann can't be used here.*TensorFlow 2\.15.*stack A"):
        approximate.scann_model(path, tmp_path)


def test_without_faiss(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(
        ImportError, match=r'faiss can\'t be used here.*pip install "tfpfd\[faiss\]'
    ):
        approximate.faiss_index(path)


def test_recall_needs_a_row_a_user(path, users, ids):
    found = np.array([ids[:K]] * (USERS - 1))
    with pytest.raises(ValueError, match=f"a row for each of the {USERS} users, received 39"):
        approximate.recall(path, users, found)


@pytest.mark.parametrize("shape", [(USERS,), (USERS, 0), (USERS, K, 1)])
def test_recall_needs_ids_of_each_user(path, users, shape):
    with pytest.raises(ValueError, match=r"`found` must be of the shape \[users, k\], received"):
        approximate.recall(path, users, np.zeros(shape, object))


def test_recall_needs_items(path, users, student, tmp_path):
    export(student, None, tmp_path, verbose=0, warmup_requests=False)
    with pytest.raises(ValueError, match="has no table of items"):
        approximate.recall(tmp_path, users, np.zeros((USERS, K), object))
    with pytest.raises(ValueError, match="has no table of items"):
        approximate.item_table(tmp_path)


def test_a_changed_export(path, tmp_path):
    changed = shutil.copytree(path / "2", tmp_path / "1")
    (changed / "assets.extra" / "schema.json").unlink()
    with pytest.raises(RuntimeError, match="isn't what was exported"):
        approximate.item_table(tmp_path)


@pytest.mark.slow
def test_recall_by_hand(path, users):
    exact = answers(path / "2", "top_k", users, k=tf.constant(4))["item_ids"]
    found = exact.copy()
    found[::2, 1:] = exact[::2, :1]  # One of four for half of the users.
    assert approximate.recall(path, users, found[:, ::-1]) == (1 + 0.25) / 2
