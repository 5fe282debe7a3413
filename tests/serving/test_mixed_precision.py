"""Students of mixed precision are exported as others, for processes that know TensorFlow alone."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import (
    MLP,
    FeatureEncoder,
    Ranker,
    SelfAttention,
    TwoTower,
    export,
    inspect_export,
    refresh,
)
from tfpfd._keras import keras
from tfpfd.schema.batch_fingerprints import fingerprint_key, fingerprints
from tfpfd.serving import embed_items, saved_scores

USERS, ITEMS = 5, 11
ALONE = """
import os, sys
import numpy as np, tensorflow as tf
requests = dict(np.load(sys.argv[1], allow_pickle=True))
for path in sys.argv[2:]:
    model = tf.saved_model.load(path)
    for name, signature in model.signatures.items():
        inputs = {}
        for key, spec in signature.structured_input_signature[1].items():
            inputs[key] = tf.constant(requests[key].tolist(), spec.dtype)
        found = signature(**inputs)
        np.savez(os.path.join(path, "..", name), **{k: v.numpy() for k, v in found.items()})
assert "tfpfd" not in sys.modules
"""


@pytest.fixture(params=["mixed_float16", "mixed_bfloat16"])
def policy(request):
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(request.param)
    yield request.param
    keras.mixed_precision.set_global_policy(before)


def trained(schema, network, policy):
    """A student of the policy after some steps, and one of float32 with its weights."""

    def make():
        encoder = FeatureEncoder(schema, dim=4, behaviour=SelfAttention(2, 4))
        return Ranker(schema, network(), encoder=encoder)

    student = make()
    keras.mixed_precision.set_global_policy("float32")
    exact = make()
    keras.mixed_precision.set_global_policy(policy)
    random = np.random.default_rng(0)
    inputs = {
        name: random.integers(
            1, schema.table_rows(f), (64,) if f.length is None else (64, f.length), dtype=np.int32
        )
        for name, f in schema.features("served").items()
    }
    student.compile(keras.optimizers.Adam(0.05), metrics=[])
    inputs[
        fingerprint_key(fingerprints(schema.features("served").values(), schema.vocabularies))
    ] = np.zeros([64, 0], np.int32)
    student.fit(inputs, (random.random(64) < 0.5).astype("float32"), epochs=3, verbose=0)
    exact.set_weights(student.get_weights())
    return student, exact


@pytest.mark.slow
def test_an_export_serves_what_float32_would(strings, policy, tmp_path):
    schema = strings.schema
    users, items = strings.users(), strings.items()
    student, exact = trained(schema, lambda: TwoTower([6, 4]), policy)
    ranker, exact_ranker = trained(schema, lambda: MLP([4]), policy)
    catalogue = strings.catalogue()
    paths = [
        export(student, catalogue, tmp_path / "items", k=3, attributes=["price"], verbose=0),
        export(student, None, tmp_path / "tower", side="user", verbose=0),
        export(ranker, None, tmp_path / "ranker", verbose=0),
        export({"a": ranker, "b": student}, None, tmp_path / "value", price="price", verbose=0),
        export(student, catalogue, tmp_path / "half", table="float16", verbose=0),
    ]
    assert [inspect_export(path).findings for path in paths] == [[]] * len(paths)
    pairs = {name: values[:USERS] for name, values in {**users, **items}.items()}
    rules = {
        "allowed_ids": [[""]] * USERS,
        "blocked_ids": [[""]] * USERS,
        "exclude_history": [False] * USERS,
        "price_min": [np.nan] * USERS,
        "price_max": [np.nan] * USERS,
    }
    candidates = np.array([items["item_id"].tolist()] * USERS, object)
    requests = {**pairs, **rules, "candidate_ids": candidates, "k": ITEMS}
    np.savez(tmp_path / "requests.npz", **{k: np.asarray(v, object) for k, v in requests.items()})
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", ALONE, tmp_path / "requests.npz", *paths],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr

    def answer(kind, signature):
        return dict(np.load(tmp_path / kind / f"{signature}.npz", allow_pickle=True))

    keras.mixed_precision.set_global_policy("float32")
    inputs = schema.lookup({name: tf.constant(values) for name, values in pairs.items()})
    grid = {name: np.repeat(values, ITEMS, axis=0) for name, values in users.items()}
    grid |= {
        name: np.tile(values, (USERS, *[1] * (values.ndim - 1))) for name, values in items.items()
    }
    every = schema.lookup({name: tf.constant(values) for name, values in grid.items()})
    expected = exact(every).numpy().reshape(USERS, ITEMS)
    rounding = 5 * (2e-3 if policy == "mixed_float16" else 2e-2)
    np.testing.assert_allclose(
        answer("items", "score_candidates")["scores"], expected, atol=rounding
    )
    assert np.abs(expected).max() > 0.5
    best = answer("items", "top_k")
    assert best["scores"].dtype == np.float32
    np.testing.assert_allclose(best["scores"], np.sort(expected)[:, ::-1], atol=rounding)
    np.testing.assert_array_equal(answer("items", "top_k_where")["scores"], best["scores"])
    np.testing.assert_array_equal(
        answer("items", "serving_default")["scores"], best["scores"][:, :3]
    )
    half = answer("half", "score_candidates")["scores"]
    np.testing.assert_allclose(half, expected, atol=2 * rounding)
    user = answer("tower", "user_embedding")["embedding"]
    assert user.dtype == np.float32
    np.testing.assert_allclose(
        user, exact.network.user_embedding(exact.encode(inputs)), atol=rounding
    )
    logits = answer("ranker", "score")["logit"]
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, exact_ranker(inputs), atol=rounding)
    value = answer("value", "rank")
    product = tf.sigmoid(exact(inputs)) * tf.sigmoid(exact_ranker(inputs)) * pairs["price"]
    np.testing.assert_allclose(value["expected_value"], product, rtol=rounding)


class Half(TwoTower):
    """Embeddings in the type that the layers compute in."""

    def user_embedding(self, encoded, training=None):
        return tf.cast(super().user_embedding(encoded, training=training), self.compute_dtype)

    def item_embedding(self, encoded, training=None):
        return tf.cast(super().item_embedding(encoded, training=training), self.compute_dtype)


@pytest.mark.slow
def test_embeddings_of_ones_own_may_be_of_any_type(strings, policy, tmp_path):
    student = Ranker(strings.schema, Half([4]))
    path = export(student, strings.catalogue(), tmp_path, warmup_requests=False, verbose=0)
    version = refresh(tmp_path, strings.catalogue()[:5], warmup_requests=False, verbose=0)
    _, table = embed_items(student, strings.catalogue(), verbose=0)
    assert table.dtype == np.float32
    loaded = tf.saved_model.load(str(path))
    np.testing.assert_allclose(loaded.item_embeddings, table, atol=1e-6)
    np.testing.assert_allclose(
        tf.saved_model.load(str(version)).item_embeddings, table[:5], atol=1e-6
    )
    rows = {**strings.users(), **{n: v[:USERS] for n, v in strings.items().items()}}
    scores = saved_scores(path, rows)
    inputs = strings.schema.lookup({name: tf.constant(values) for name, values in rows.items()})
    np.testing.assert_allclose(scores, student(inputs), atol=5e-2)
