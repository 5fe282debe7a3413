"""Vectors of numbers: what columns hold them, their numbers by hand, and what is refused."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf

import tfpfd
from tfpfd import Categorical, FeatureEncoder, Ranker, Schema, TwoTower, Vector
from tfpfd._keras import keras
from tfpfd.data import from_stream

NUMBERS = np.array([[1.0, 2.0, 2.0], [0.0, 0.0, 0.0], [-3.0, 0.0, 4.0]])
NAN = float("nan")


def schema_of(*vectors):
    return Schema(user=vectors, item=[Categorical("item", vocabulary=("a", "b", "c"))])


def check(values, **arguments):
    return Vector("v", 3, **arguments).check({"v": values}, {})["v"]


def looked_up(values, **arguments):
    schema = schema_of(Vector("v", len(values[0]), **arguments))
    return schema.lookup({"v": tf.constant(values, tf.float32)})["v"].numpy()


HOLDERS = {
    "array": NUMBERS,
    "lists": NUMBERS.tolist(),
    "tuples": list(map(tuple, NUMBERS.tolist())),
    "series of arrays": pd.Series(list(NUMBERS)),
    "series of lists": pd.Series(NUMBERS.tolist()),
    "float16": NUMBERS.astype(np.float16),
    "integers": NUMBERS.astype(int),
    "tensor": tf.constant(NUMBERS),
    "bfloat16": tf.constant(NUMBERS, tf.bfloat16),
    "ragged": tf.ragged.constant(NUMBERS.tolist()),
    "FixedSizeList": pa.FixedSizeListArray.from_arrays(NUMBERS.ravel(), 3),
    "List": pa.array(NUMBERS.tolist()),
    "chunks": pa.chunked_array([pa.array(NUMBERS[:1].tolist()), pa.array(NUMBERS[1:].tolist())]),
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_columns_that_hold_vectors(holder):
    found = check(HOLDERS[holder])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, NUMBERS)


MISSING = {
    "None": [None, [1.0, 2.0, 3.0]],
    "NaN": [NAN, [1.0, 2.0, 3.0]],
    "NaN throughout": [[NAN] * 3, [1.0, 2.0, 3.0]],
    "empty": [[], [1.0, 2.0, 3.0]],
    "FixedSizeList": pa.array([None, [1.0, 2.0, 3.0]], pa.list_(pa.float32(), 3)),
    "List": pa.array([None, [1.0, 2.0, 3.0]]),
}


@pytest.mark.parametrize("holder", MISSING)
def test_a_missing_vector(holder):
    np.testing.assert_array_equal(
        check(MISSING[holder], optional=True), [[NAN] * 3, [1.0, 2.0, 3.0]]
    )
    with pytest.raises(ValueError, match="column 'v': expected 3 finite numbers a row, received 1"):
        check(MISSING[holder])


REFUSED = [
    ([[1.0, 2.0, 3.0], [1.0, 2.0]], "expected 3 numbers a row, received 2 in row 1 of a batch"),
    (np.ones((2, 4)), "expected 3 numbers a row, received 4 in row 0"),
    ([[1.0, NAN, 3.0]], "expected 3 finite numbers a row, received 2 in row 0"),
    ([[1.0, np.inf, 3.0]], "expected finite numbers, received 1 infinite as float32"),
    ([[1.0, 1e39, 3.0]], "received 1 infinite as float32, such as 1e\\+39"),
    (np.full((1, 3), 1e39), "infinite as float32"),
    ([["a", "b", "c"]], "expected numbers, received string"),
    ([1.0, 2.0, 3.0], "expected a list of values a row, received float 1.0"),
    (np.ones((2, 3, 1)), "expected a list of values a row"),
]


@pytest.mark.parametrize(("values", "message"), REFUSED)
def test_refused(values, message):
    with pytest.raises(ValueError, match=f"column 'v': {message}|column 'v': .*{message}"):
        check(values, optional=True)


ARGUMENTS = [
    ({"dim": 0}, "`dim` of feature 'v' must be an integer of at least 1, received 0"),
    ({"projection": 0}, "`projection` of feature 'v' must be an integer of at least 1"),
    ({"normalized": 1}, "`normalized` of feature 'v' must be True or False, received 1"),
    ({"optional": "no"}, "`optional` of feature 'v' must be True or False, received 'no'"),
]


@pytest.mark.parametrize(("arguments", "message"), ARGUMENTS)
def test_refused_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Vector("v", **{"dim": 3, **arguments})


def test_vectors_by_hand():
    np.testing.assert_array_equal(looked_up(NUMBERS), NUMBERS)
    found = looked_up(NUMBERS, normalized=True)
    np.testing.assert_allclose(found, [[1 / 3, 2 / 3, 2 / 3], [0, 0, 0], [-0.6, 0, 0.8]], rtol=1e-6)
    # A request says nothing of a vector by NaN; one of infinite numbers is none.
    odd = [[1.0, 2.0], [NAN, NAN], [1.0, NAN], [1.0, np.inf]]
    np.testing.assert_array_equal(looked_up(odd), [[1.0, 2.0], [0, 0], [0, 0], [0, 0]])
    found = looked_up(odd, optional=True)
    np.testing.assert_array_equal(found, [[1.0, 2.0, 1.0], [0, 0, 0], [0, 0, 0], [0, 0, 0]])


def test_lengths_that_float32_has_not():
    found = looked_up([[3e30, 4e30], [3e-30, 4e-30]], normalized=True)
    np.testing.assert_allclose(found, [[0.6, 0.8], [0.6, 0.8]], rtol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_a_projection_is_linear(policy):
    schema = schema_of(Vector("v", 3, projection=2, optional=True), Vector("w", 3))
    encoder = FeatureEncoder(schema, ["v", "w"], dtype=policy)
    values = tf.constant([*NUMBERS.tolist(), [NAN] * 3], tf.float32)
    vectors = encoder(schema.lookup({"v": values, "w": values}))
    assert (encoder.width("v"), encoder.width("w")) == (2, 3)
    assert (encoder.parameters("v"), encoder.parameters("w")) == (10, 0)
    kernel, bias = (np.array(w) for w in encoder.weights if "w" != w.name)
    flagged = np.concatenate([NUMBERS, np.ones((3, 1))], axis=1)
    expected = np.concatenate([flagged, np.zeros((1, 4))]) @ kernel + bias
    np.testing.assert_allclose(vectors["v"], expected, atol=1e-2 if policy != "float32" else 1e-5)
    assert {x.dtype.name for x in vectors.values()} == {encoder.compute_dtype}


def test_streams_of_another_width_fail():
    schema = schema_of(Vector("v", 3))
    raw = {"v": NUMBERS[:, :2], "item": ["a", "b", "c"], "label": [1.0, 0.0, 1.0]}
    with pytest.raises(ValueError, match=r"column 'v': expected shape \[batch, 3\]"):
        from_stream(tf.data.Dataset.from_tensors(raw), schema)


def test_a_new_item_has_its_vector_from_the_first_day(tmp_path):
    """What is refreshed embeds an item that training never saw by its vector."""
    keras.utils.set_random_seed(0)
    schema = Schema(
        user=[Categorical("user", vocabulary=("u",))],
        item=[Categorical("item", vocabulary=("a", "b")), Vector("poster", 2)],
    )
    student = Ranker(schema, TwoTower([4, 3], batch_norm=False))
    items = pd.DataFrame({"item": ["a", "b"], "poster": [[1.0, 0.0], [0.0, 1.0]]})
    tfpfd.export(student, items=items, path=tmp_path / "m", verbose=0)
    new = pd.DataFrame({"item": ["c", "d"], "poster": [[1.0, 1.0], [-1.0, 2.0]]})
    version = tfpfd.refresh(tmp_path / "m", items=pd.concat([items, new]), verbose=0)
    rows = new.assign(user="u")
    found = tfpfd.saved_scores(version, rows)
    assert abs(found[0] - found[1]) > 1e-3
    np.testing.assert_allclose(found, tfpfd.score_rows(student, rows), rtol=1e-5, atol=1e-5)
