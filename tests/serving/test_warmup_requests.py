"""Warm-up requests: replayed against the signatures, as TF Serving does."""

import hashlib
import importlib.util
import json

import numpy as np
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
)
from tfpfd.serving import warmup_requests
from tfpfd.serving.warmup_requests import BATCHES, can_write_warmup_requests

needed = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_serving") is None,
    reason="tensorflow-serving-api is not installed",
)
FILE = "assets.extra/tf_serving_warmup_requests"
ITEMS = {"item_id": ["i1", "i2"]}


def requests(path):
    """The records of a version, read back."""
    from tensorflow_serving.apis import prediction_log_pb2

    dataset = tf.data.TFRecordDataset(str(path / FILE))
    logs = [prediction_log_pb2.PredictionLog.FromString(r.numpy()) for r in dataset]
    assert {log.WhichOneof("log_type") for log in logs} == {"predict_log"}
    return [log.predict_log.request for log in logs]


def arrays(request):
    return {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}


@pytest.fixture(scope="module")
def student():
    schema = Schema(
        user=(
            Categorical("user_id", dtype="int", hash_buckets=5),
            Categorical("city", hash_buckets=3),
            Categorical("words", vocabulary=(), length=2),
            Numeric("age", boundaries=()),
            Sequence("seen", of="item_id", length=4),
        ),
        item=(Categorical("item_id", vocabulary=("i1", "i2")),),
    )
    return Ranker(schema, TwoTower([2]))


@pytest.fixture(scope="module")
def version(student, tmp_path_factory):
    base = tmp_path_factory.mktemp("model") / "films"
    return export(student, ITEMS, base, attributes=["item_id"], verbose=0)


@needed
def test_every_signature_is_asked_in_several_sizes_and_gives_finite_answers(exported):
    model, sizes = exported.loaded, {}
    found = requests(exported.path)
    assert len(found) == inspect_export(exported.path).manifest["warm_up_requests"] <= 1000
    for request in found:
        name = request.model_spec.signature_name
        # TensorFlow refuses a wrong name, type or shape.
        inputs = {key: tf.constant(values) for key, values in arrays(request).items()}
        answer = model.signatures[name](**inputs)
        rows = {len(values) for values in arrays(request).values() if values.ndim}
        assert rows == {len(values) for values in answer.values()}
        assert np.isfinite(answer["embedding" if "embedding" in answer else "scores"]).all()
        sizes.setdefault(name, set()).update(rows)
    assert sizes == {name: set(BATCHES) for name in model.signatures}


@needed
def test_values_are_those_of_the_vocabularies_and_the_catalogue(strings):
    seen = {}
    for request in requests(strings.path):
        for name, values in arrays(request).items():
            seen.setdefault(name, set()).update(values.ravel().tolist())
    decoded = {name: {v.decode() for v in seen[name]} for name in ("user_id", "genres", "clicks")}
    known = strings.schema.item[0].vocabulary
    assert decoded["user_id"] == set(strings.schema.user[0].vocabulary)
    assert decoded["genres"] == {"", "war", "love"}
    assert decoded["clicks"] == {"", *known}
    assert {v.decode() for v in seen["candidate_ids"]} == set(strings.ids)
    assert min(seen["age"]) < 20 < 40 < max(seen["age"])
    assert seen["k"] == {1, 2, 3}


@pytest.mark.slow
@needed
def test_requests_are_the_same_whenever_the_model_is(student, version):
    again = export(student, ITEMS, version.parent, attributes=["item_id"], verbose=0)
    paths = (version, again)
    first, second = (hashlib.sha256((path / FILE).read_bytes()).digest() for path in paths)
    assert first == second


@pytest.mark.slow
@needed
def test_features_without_a_vocabulary_are_asked_for_too(version):
    loaded = tf.saved_model.load(str(version))
    for request in requests(version):
        inputs = {key: tf.constant(values) for key, values in arrays(request).items()}
        loaded.signatures[request.model_spec.signature_name](**inputs)
        assert request.model_spec.name == "films"
        if "words" in inputs:
            # Nothing is known, so nothing is asked for: padding.
            assert set(arrays(request)["words"].ravel()) == {b""}
            assert set(arrays(request)["user_id"]) <= set(range(5))


@pytest.mark.slow
@needed
def test_ids_are_of_items_and_rules_of_attributes_do_not_hold(version):
    seen = {}
    for request in requests(version):
        if request.model_spec.signature_name == "top_k_where":
            for name, values in arrays(request).items():
                seen.setdefault(name, set()).update(values.ravel().tolist())
    assert seen["allowed_ids"] == seen["blocked_ids"] == {b"i1", b"i2"}
    assert seen["item_id_in"] == {b""}


@needed
def test_a_request_of_the_real_messages_is_answered_alike(strings):
    from tensorflow_serving.apis import predict_pb2

    users = strings.users()
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "films"
    request.model_spec.signature_name = "top_k"
    for name, values in {**users, "k": np.int32(4)}.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    received = predict_pb2.PredictRequest.FromString(request.SerializeToString())
    found = strings.answer("top_k", arrays(received))
    expected = strings.answer("top_k", users, k=np.int32(4))
    np.testing.assert_array_equal(found["item_ids"], expected["item_ids"])
    np.testing.assert_array_equal(found["scores"], expected["scores"])
    response = predict_pb2.PredictResponse()
    for name, values in found.items():
        response.outputs[name].CopyFrom(tf.make_tensor_proto(values))
    assert response.outputs["item_ids"].string_val[0].decode() in strings.ids


# Without the package.


@pytest.fixture
def absent(monkeypatch):
    monkeypatch.setattr(warmup_requests.importlib.util, "find_spec", lambda name: None)


def test_warm_up_on_demand_needs_the_package(absent, student, tmp_path):
    message = r'`warmup_requests=True` needs tensorflow-serving-api.*pip install "tfpfd\[serving\]"'
    with pytest.raises(ImportError, match=message):
        export(student, ITEMS, tmp_path / "model", warmup_requests=True, verbose=0)
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
@pytest.mark.parametrize("wanted", [None, False])
def test_without_warm_up_there_is_no_file(request, student, tmp_path, capsys, wanted):
    """Because nobody wants it, or, which an export says, because the package lacks."""
    if wanted is None:
        request.getfixturevalue("absent")
    assert can_write_warmup_requests(wanted) is False
    path = export(student, ITEMS, tmp_path, warmup_requests=wanted, verbose=1)
    assert not (path / FILE).exists()
    assert json.loads((path / "assets.extra/tfpfd.json").read_text())["warm_up_requests"] == 0
    assert inspect_export(path).findings == []
    said = capsys.readouterr().out
    assert ('pip install "tfpfd[serving]"' in said) is (wanted is None)
