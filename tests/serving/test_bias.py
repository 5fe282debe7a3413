"""An export adds the network's bias wherever it makes a logit, on a freshly loaded SavedModel."""

import functools

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tfpfd import (
    Categorical,
    Ranker,
    Schema,
    Sequence,
    TwoTower,
    export,
    inspect_export,
    refresh,
    saved_scores,
)
from tfpfd.serving.item_table import UNKNOWN_SCORE

IDS = [f"i{n}" for n in range(7)]
SCHEMA = Schema(
    user=(Categorical("user_id", vocabulary=("u1", "u2")), Sequence("seen", of="item_id")),
    item=(Categorical("item_id", vocabulary=tuple(IDS[:5])),),
    privileged={"cross": (Categorical("affinity", vocabulary=("low", "high")),)},
)
USERS = {
    "user_id": tf.constant(["u1", "u2", "new"]),
    "seen": tf.constant([["i1"], ["i2"], [""]]),
}
BIAS = 3.0


def student_of(bias):
    made = Ranker(SCHEMA, TwoTower([4, 3], use_bias=bias is not None))
    random = np.random.default_rng(0)
    towers = [*made.network.user_tower.weights, *made.network.item_tower.weights]
    for weight in [*towers, *made.encoder.weights]:
        lowest = 0.1 if "variance" in weight.name else -0.4
        weight.assign(random.uniform(lowest, lowest + 0.9, weight.shape))
    if bias is not None:
        made.network.bias.assign(bias)
    return made


def predicted(student, ids=IDS):
    """What `predict` says of every user with every item, `[users, items]`."""
    raw = {name: np.repeat(v.numpy(), len(ids), axis=0) for name, v in USERS.items()}
    inputs = SCHEMA.lookup(
        {n: tf.constant(v) for n, v in raw.items()} | {"item_id": tf.constant(ids * 3)}
    )
    return student.predict(inputs, verbose=0).reshape(3, len(ids))


# Loading takes longer than all that is asked of one.
@functools.cache
def loaded(path):
    return tf.saved_model.load(str(path))


def answer(path, signature, **more):
    given = loaded(path).signatures[signature](**USERS, **more)
    return {n: v.numpy() for n, v in given.items()}


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def rules(**given):
    return {
        "allowed_ids": tf.constant([[""]] * 3),
        "blocked_ids": tf.constant([[""]] * 3),
        "exclude_history": tf.constant([False] * 3),
        **given,
    }


def assert_serves(path, student, ids):
    """That every signature with a score says what `predict` does, and that the files are clean."""
    logits = predicted(student, ids)
    best = -np.sort(-logits, axis=1)
    close(answer(path, "top_k", k=tf.constant(len(ids)))["scores"], best)
    close(answer(path, "serving_default")["scores"], best[:, :4])
    close(answer(path, "top_k_where", k=tf.constant(len(ids)), **rules())["scores"], best)
    found = answer(path, "score_candidates", candidate_ids=tf.constant([ids] * 3))
    close(found["scores"], logits)
    rows = pd.DataFrame(
        {"user_id": np.repeat(USERS["user_id"], len(ids)).astype(str), "item_id": ids * 3}
    )
    rows["seen"] = [[one for one in row if one] for row in np.repeat(USERS["seen"], len(ids), 0)]
    close(saved_scores(path, rows), logits.ravel())
    assert inspect_export(path, privileged=["affinity"]).findings == []


@pytest.fixture(scope="module")
def student():
    return student_of(BIAS)


@pytest.fixture(scope="module")
def base(student, tmp_path_factory):
    base = tmp_path_factory.mktemp("biased")
    export(student, {"item_id": IDS}, base, k=4, verbose=0, warmup_requests=False)
    return base


@pytest.mark.slow
def test_the_bias_matters(student):
    close(predicted(student) - predicted(student_of(None)), BIAS)


@pytest.mark.slow
def test_every_score_is_the_students_logit(student, base):
    assert_serves(base / "1", student, IDS)
    assert loaded(base / "1").bias == BIAS


@pytest.mark.slow
def test_a_refreshed_export_keeps_it(student, base):
    ids = [*IDS[2:], "i90"]
    version = refresh(base, {"item_id": ids}, verbose=0, warmup_requests=False)
    assert_serves(version, student, ids)
    assert loaded(version).bias == BIAS


@pytest.mark.slow
@pytest.mark.parametrize("table, tolerance", [("float16", 1e-2), ("bfloat16", 5e-2), ("int8", 0.1)])
def test_tables_of_smaller_types(student, tmp_path, table, tolerance):
    path = export(
        student, {"item_id": IDS}, tmp_path, table=table, verbose=0, warmup_requests=False
    )
    logits, candidates = predicted(student), tf.constant([IDS] * 3)
    found = answer(path, "score_candidates", candidate_ids=candidates)["scores"]
    np.testing.assert_allclose(found, logits, atol=tolerance)
    found = answer(path, "top_k", k=tf.constant(7))["scores"]
    np.testing.assert_allclose(found, -np.sort(-logits, axis=1), atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("bias", [BIAS, -1e6])
def test_what_is_no_item_has_the_lowest_float(student, base, tmp_path, bias):
    """The bias doesn't move it, and however low a logit is, an item stays one."""
    path = base / "1"
    if bias != BIAS:
        student = student_of(bias)
        path = export(student, {"item_id": IDS}, tmp_path, verbose=0, warmup_requests=False)
    asked = tf.constant([["i1", "never"]] * 3)
    scores = answer(path, "score_candidates", candidate_ids=asked)["scores"]
    close(scores[:, 0], predicted(student, ["i1"])[:, 0])
    np.testing.assert_array_equal(scores[:, 1], [UNKNOWN_SCORE] * 3)
    only = rules(allowed_ids=tf.constant([["i3"]] * 3))
    found = answer(path, "top_k_where", k=tf.constant(3), **only)
    assert found["item_ids"].tolist() == [[b"i3", b"", b""]] * 3
    close(found["scores"][:, 0], predicted(student, ["i3"])[:, 0])
    np.testing.assert_array_equal(found["scores"][:, 1:], [[UNKNOWN_SCORE] * 2] * 3)


@pytest.mark.slow
def test_without_a_bias_there_is_no_such_variable(tmp_path):
    """As exports were before there was one, which are read by the same code."""
    student = student_of(None)
    path = export(student, {"item_id": IDS}, tmp_path, k=4, verbose=0, warmup_requests=False)
    assert not [key for key in inspect_export(path).variables if key.startswith("bias")]
    assert not hasattr(loaded(path), "bias")
    assert_serves(path, student, IDS)
    version = refresh(tmp_path, {"item_id": IDS[1:]}, verbose=0, warmup_requests=False)
    assert_serves(version, student, IDS[1:])


@pytest.mark.slow
def test_an_export_without_items(student, tmp_path):
    path = export(student, None, tmp_path, verbose=0, warmup_requests=False)
    item = tf.constant(["i1", "i2", "i3"])
    found = loaded(path).signatures["score"](**USERS, item_id=item)
    logits = predicted(student, ["i1", "i2", "i3"]).diagonal()
    close(found["logit"], logits)
    close(found["probability"], 1 / (1 + np.exp(-logits)))


@pytest.mark.slow
@pytest.mark.parametrize("bias, wanted", [(BIAS, BIAS), (None, 0.0)])
def test_a_tower_alone_has_it_in_the_manifest(tmp_path, bias, wanted):
    path = export(student_of(bias), None, tmp_path, side="item", verbose=0, warmup_requests=False)
    found = inspect_export(path)
    assert found.findings == [] and found.manifest["bias"] == wanted
