"""A signature of one's own: one file, and none of it where it is served, inspected, refreshed."""

import importlib.util
import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import MLP, Ranker, TwoTower, export, inspect_export, refresh
from tfpfd.serving import RequestInput, Signature

FILE = '''
"""`similar_items`: scores of all items beside those that a request names, by cosine."""

import tensorflow as tf

from tfpfd.serving import RequestInput, Signature


class SimilarItems(Signature):
    name = "similar_items"
    sides = ()

    def inputs(self, schema, attributes):
        dtype = tf.string if schema.item[0].dtype == "string" else tf.int64
        return {"of_ids": RequestInput((None,), dtype, sample="item_ids")}

    def answer(self, model, features, request):
        vectors = tf.math.l2_normalize(model.table.vectors(tf.range(model.table.rows)), axis=1)
        rows = model.item_rows.lookup(request["of_ids"])
        similar = tf.matmul(tf.gather(vectors, tf.maximum(rows, 0)), vectors, transpose_b=True)
        return {"similarities": tf.where(rows[:, None] >= 0, similar, -1.0)}
'''

CLIENT = """
import pickle, sys
import tensorflow as tf
path, ids = pickle.load(open("request", "rb"))
loaded = tf.saved_model.load(path)
answer = loaded.signatures["similar_items"](of_ids=tf.constant(ids))["similarities"].numpy()
pickle.dump((answer, sorted(sys.modules)), open("answer", "wb"))
"""


@pytest.fixture(scope="module")
def similar_items(tmp_path_factory):
    """The signature, out of its file."""
    file = tmp_path_factory.mktemp("signature") / "similar_items.py"
    file.write_text(FILE)
    spec = importlib.util.spec_from_file_location("similar_items", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SimilarItems()


@pytest.fixture(scope="module")
def path(strings, similar_items, tmp_path_factory):
    base = tmp_path_factory.mktemp("model")
    return export(
        strings.student, strings.catalogue(), base, k=3, signatures=[similar_items], verbose=0
    )


def similarities(strings, ids):
    """By NumPy, of the student's own embeddings."""
    items = strings.items()
    vectors = strings.answer("item_embedding", items)["embedding"]
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors[[strings.ids.index(one) for one in ids]] @ vectors.T


@pytest.mark.slow
def test_a_process_with_tensorflow_alone_serves_it(strings, path, tmp_path):
    ids = [strings.ids[2], "never", strings.ids[0]]
    (tmp_path / "request").write_bytes(pickle.dumps((str(path), ids)))
    done = subprocess.run(
        [sys.executable, "-c", CLIENT],
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    answer, modules = pickle.loads((tmp_path / "answer").read_bytes())
    assert not [name for name in modules if name.split(".")[0] in ("tfpfd", "similar_items")]
    expected = similarities(strings, [ids[0], ids[2]])
    np.testing.assert_allclose(answer[[0, 2]], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(answer[1], np.full(len(strings.ids), -1.0))


@pytest.mark.slow
def test_inspect_lists_it_beside_the_others(strings, path):
    found, others = inspect_export(path), inspect_export(strings.path).signatures
    assert found.findings == []
    own = (["of_ids: string [?]"], ["similarities: float32 [?, ?]"])
    assert found.signatures == {**others, "similar_items": own}
    assert found.manifest["signatures"] == {"similar_items": {"of_ids": "item_ids"}}


@pytest.mark.slow
def test_warm_up_asks_it_for_items_of_the_catalogue(strings, path):
    pytest.importorskip("tensorflow_serving")
    from tensorflow_serving.apis import prediction_log_pb2

    dataset = tf.data.TFRecordDataset(str(path / "assets.extra/tf_serving_warmup_requests"))
    logs = [prediction_log_pb2.PredictionLog.FromString(r.numpy()) for r in dataset]
    requests = [log.predict_log.request for log in logs]
    own = [r.inputs for r in requests if r.model_spec.signature_name == "similar_items"]
    asked = [tf.make_ndarray(inputs["of_ids"]).tolist() for inputs in own]
    assert {len(ids) for ids in asked} == {1, 2, 8, 32}
    assert {one.decode() for ids in asked for one in ids} == set(strings.ids)


@pytest.mark.slow
def test_refresh_keeps_it(strings, path):
    version = refresh(path.parent, strings.catalogue().iloc[:5], verbose=0)
    found = inspect_export(version)
    assert found.findings == []
    assert found.manifest["signatures"] == inspect_export(path).manifest["signatures"]
    answer = tf.saved_model.load(str(version)).signatures["similar_items"]
    similar = answer(of_ids=tf.constant(strings.ids[:1]))["similarities"]
    expected = similarities(strings, strings.ids[:1])[:, :5]
    np.testing.assert_allclose(similar, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_what_the_manifest_does_not_declare_is_found(path, seal):
    manifest = json.loads((path / "assets.extra" / "tfpfd.json").read_text())
    try:
        seal(path, signatures={})
        assert inspect_export(path).findings == [
            "signature 'similar_items' takes ['of_ids'], which are no served features"
        ]
    finally:
        seal(path, signatures=manifest["signatures"])


class Doubled(Signature):
    """Of a ranker without items."""

    name = "doubled"
    sides = ("user", "item")

    def answer(self, model, features, request):
        (logit,) = model.logits(features).values()
        return {"twice": 2 * logit}


class Length(Signature):
    """Of one tower."""

    name = "length"

    def answer(self, model, features, request):
        return {"length": tf.norm(model.embedding("user", features), axis=1)}


@pytest.mark.slow
def test_exports_without_items_have_them_too(strings, tmp_path):
    raw = {name: tf.constant(values[:2]) for name, values in strings.users().items()}
    items = {name: tf.constant(values[:2]) for name, values in strings.items().items()}
    student = Ranker(strings.schema, MLP([3]))
    path = export(student, None, tmp_path / "ranker", signatures=[Doubled()], verbose=0)
    assert inspect_export(path).findings == []
    signatures = tf.saved_model.load(str(path)).signatures
    logit = signatures["score"](**raw, **items)["logit"]
    np.testing.assert_allclose(signatures["doubled"](**raw, **items)["twice"], 2 * logit)

    student = Ranker(strings.schema, TwoTower([3]))
    path = export(student, None, tmp_path / "side", side="user", signatures=[Length()], verbose=0)
    assert inspect_export(path).findings == []
    signatures = tf.saved_model.load(str(path)).signatures
    embedding = signatures["user_embedding"](**raw)["embedding"]
    expected = np.linalg.norm(embedding, axis=1)
    np.testing.assert_allclose(signatures["length"](**raw)["length"], expected, rtol=1e-6)


def of(name="own", sides=("user",), inputs=None, answer=None):
    """A signature, made in one line."""
    methods = {
        "name": name,
        "sides": sides,
        "inputs": lambda self, schema, attributes: inputs or {},
        "answer": lambda self, model, features, request: answer,
    }
    return type("Own", (Signature,), methods)()


@pytest.mark.parametrize(
    "signatures, error, message",
    [
        (
            of(),
            TypeError,
            r"`signatures` must be objects of Signature in a list, received \['Own'\]",
        ),
        ([Length], TypeError, r"must be objects of Signature in a list, received \[<class"),
        (["length"], TypeError, r"must be objects of Signature in a list, received \['length'\]"),
        ([of(name="two words")], ValueError, "have a word for a name each, received 'two words'"),
        ([of(name=None)], ValueError, "have a word for a name each, received None"),
        ([of(name="top_k")], ValueError, "names of their own, received 'top_k', which another"),
        ([Length(), Length()], ValueError, "names of their own, received 'length', which another"),
        ([of(sides="user")], ValueError, "'own' must have `sides` of 'user' and 'item' in a tuple"),
        ([of(sides=("privileged",))], ValueError, r"in a tuple, received \('privileged',\)"),
        ([of()], TypeError, "signature 'own' must return a dict of tensors by name, received None"),
        ([of(answer={"x": 1.0})], TypeError, "signature 'own' must return a dict of tensors"),
        (
            [of(inputs={"age": RequestInput((None,), tf.float32)})],
            ValueError,
            r"features \['age'\] have names that signatures need themselves: rename the columns",
        ),
    ],
)
def test_what_is_no_signature_is_refused_in_one_line(strings, tmp_path, signatures, error, message):
    with pytest.raises(error, match=message) as caught:
        export(strings.student, strings.catalogue(), tmp_path, signatures=signatures, verbose=0)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_features_of_a_side_that_is_not_exported_are_refused(strings, tmp_path):
    message = r"signature 'doubled' takes features \['item_id', 'genres', 'price'\], which this exp"
    with pytest.raises(ValueError, match=message):
        export(strings.student, None, tmp_path, side="user", signatures=[Doubled()], verbose=0)


def test_a_sample_is_one_of_a_few():
    with pytest.raises(ValueError, match=r"`sample` must be one of \['item_ids', 'k', 'missing'\]"):
        RequestInput((None,), tf.float32, sample="random")
