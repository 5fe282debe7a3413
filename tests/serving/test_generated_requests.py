"""Generated requests: whatever comes in, an answer of the right shape with finite scores."""

import os

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.slow

LOWEST = np.finfo(np.float32).min
ROWS = 25
# Of ROWS requests each. TFPFD_EXAMPLES=400 for 10,000 requests a signature.
EXAMPLES = int(os.environ.get("TFPFD_EXAMPLES", "12"))

relaxed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=EXAMPLES < 100,
    suppress_health_check=list(HealthCheck),
)
floats = st.one_of(
    st.floats(width=32), st.sampled_from([np.nan, np.inf, -np.inf, -0.0, 20.0, 40.0, 1e-45])
)
integers = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-2, 30))
sizes = st.one_of(st.sampled_from([-(2**31), -1, 0, 1, 3, 11, 12, 2**31 - 1]), st.integers(0, 20))


def ids(known):
    """Known and unknown ones, missing ones, and strings that are no UTF-8."""
    known = [i.encode() if isinstance(i, str) else i for i in known]
    if isinstance(known[0], int):
        return st.one_of(st.sampled_from(known), integers)
    odd = [b"", b"\xff\xfe", b"\x00", b"\xc3", "日本".encode(), b" ", b"x" * 1000]
    text = st.text(max_size=8).map(lambda t: t.encode("utf-8", "surrogatepass"))
    return st.one_of(st.sampled_from(known), st.sampled_from(odd), st.binary(max_size=8), text)


def column(draw, values, rows, width=None):
    """A tensor `[rows]`, or `[rows, width]`."""
    shape = [rows] if width is None else [rows, width]
    # From a few values: to draw each of them takes Hypothesis longer than the requests take.
    few = draw(st.lists(values, min_size=1, max_size=6))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    held = [few[i] for i in random.integers(0, len(few), np.prod(shape))]
    kind = tf.string if held and isinstance(held[0], bytes) else None
    return held, shape, kind


def tensor(held, shape, kind, default):
    return tf.reshape(tf.constant(held, kind or default), shape)


@st.composite
def users(draw, schema):
    rows = draw(st.sampled_from([ROWS, ROWS, ROWS, 2 * ROWS, 1, 0]))
    key = tf.string if schema.item[0].dtype == "string" else tf.int64
    known, items = schema.user[0].vocabulary, schema.item[0].vocabulary
    width = draw(st.sampled_from([0, 1, 3, 7]))
    request = {
        "user_id": tensor(*column(draw, ids(known), rows), key),
        "age": tensor(*column(draw, floats, rows), tf.float32),
        "hour": tensor(*column(draw, integers, rows), tf.int64),
        "clicks": tensor(*column(draw, ids(items), rows, width), key),
    }
    return rows, key, request


def names(exported):
    """The ids of the catalogue, as a server gives them."""
    return [i.encode() if isinstance(i, str) else i for i in exported.ids]


def first(request):
    return {name: values[:1] for name, values in request.items()}


@relaxed
@given(data=st.data())
def test_top_k(exported, data):
    rows, _, request = data.draw(users(exported.schema))
    k = data.draw(sizes)
    found = exported.answer("top_k", request, k=tf.constant(k, tf.int32))
    ids, scores = found["item_ids"], found["scores"]
    assert ids.shape == scores.shape == (rows, min(max(k, 0), 11))
    assert np.isfinite(scores).all()
    assert (np.diff(scores, axis=1) <= 0).all()
    catalogue = names(exported)
    for row in ids.tolist():
        assert len(set(row)) == len(row)
        assert set(row) <= set(catalogue)
    # Of equal scores the item that stands first in the table comes first.
    place = np.vectorize(catalogue.index, otypes=[int])(ids) if ids.size else np.zeros(ids.shape)
    ties = np.diff(scores, axis=1) == 0
    assert (np.diff(place, axis=1)[ties] > 0).all()
    if rows and k > 0:
        # No row of a request knows of the others.
        alone = exported.answer("top_k", first(request), k=tf.constant(k, tf.int32))
        np.testing.assert_allclose(alone["scores"][0], scores[0], rtol=1e-5, atol=1e-6)


@relaxed
@given(data=st.data())
def test_score_candidates(exported, data):
    rows, key, request = data.draw(users(exported.schema))
    width = data.draw(st.sampled_from([0, 1, 5]))
    held, shape, kind = column(data.draw, ids(exported.ids), rows, width)
    found = exported.answer(
        "score_candidates", request, candidate_ids=tensor(held, shape, kind, key)
    )["scores"]
    assert found.shape == (rows, width)
    assert np.isfinite(found).all()
    known = np.array([i in names(exported) for i in held], bool).reshape(shape)
    assert (found[~known] == LOWEST).all()
    assert (found[known] > LOWEST).all()
    # A known one has the score that it has in the whole catalogue.
    best = exported.answer("top_k", request, k=tf.constant(11, tf.int32))
    pairs = zip(best["item_ids"].tolist(), best["scores"].tolist(), strict=True)
    scores = [dict(zip(*pair, strict=True)) for pair in pairs]
    expected = [
        [scores[row].get(i, LOWEST) for i in held[row * width : (row + 1) * width]]
        for row in range(rows)
    ]
    np.testing.assert_allclose(found, np.reshape(expected, found.shape), rtol=1e-5, atol=1e-6)


@relaxed
@given(data=st.data())
def test_embeddings_and_the_default(exported, data):
    rows, key, request = data.draw(users(exported.schema))
    embedding = exported.answer("user_embedding", request)["embedding"]
    assert embedding.shape == (rows, 4)
    assert np.isfinite(embedding).all()
    found = exported.answer("serving_default", request)
    assert found["scores"].shape == found["item_ids"].shape == (rows, 3)
    assert np.isfinite(found["scores"]).all()
    width = data.draw(st.sampled_from([0, 1, 4]))
    genres = st.one_of(st.sampled_from([b"war", b"love", b""]), st.binary(max_size=5))
    items = {
        "item_id": tensor(*column(data.draw, ids(exported.ids), rows), key),
        "genres": tensor(*column(data.draw, genres, rows, width), tf.string),
        "price": tensor(*column(data.draw, floats, rows), tf.float32),
    }
    embedding = exported.answer("item_embedding", items)["embedding"]
    assert embedding.shape == (rows, 4)
    assert np.isfinite(embedding).all()


@pytest.mark.parametrize("wrong", ["type", "rank", "missing"])
def test_a_request_of_another_form_is_refused(exported, wrong):
    """TF Serving answers such a request with an error, and goes on."""
    request = exported.users()
    if wrong == "type":
        request["age"] = np.array(["old"] * 5, object)
    elif wrong == "rank":
        request["age"] = request["age"][:, None, None]
    else:
        del request["age"]
    with pytest.raises((TypeError, ValueError, tf.errors.InvalidArgumentError)):
        exported.answer("serving_default", request)
    assert np.isfinite(exported.answer("serving_default", exported.users())["scores"]).all()
