"""Several ids a row: with weights, and cut out of one string; by hand, and what is refused."""

import math

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tfpfd
from tfpfd import Categorical, FeatureEncoder, Ranker, Schema, TwoTower
from tfpfd.data import from_rows

TAGS = Categorical("tags", vocabulary=("war", "love"), length=2, weights="shares")


def schema_of(*features):
    return Schema(user=features, item=[Categorical("item", vocabulary=("a", "b"))])


def looked_up(columns, *features):
    schema = schema_of(*features)
    checked = schema.columns(columns, schema.user)
    return schema.lookup({name: tf.constant(values) for name, values in checked.items()})


def test_weights_by_hand():
    columns = {
        "tags": [["war", "love"], ["?", "war", "love"], ["love"], ["love", "war"], []],
        "shares": [[3.0, 1.0], [5.0, 0.0, 2.0], [0.0], [3e38, 3e38], []],
    }
    found = looked_up(columns, TAGS)
    np.testing.assert_array_equal(found["tags"], [[2, 3], [2, 3], [3, 0], [3, 2], [0, 0]])
    expected = [[0.75, 0.25], [0.0, 1.0], [0.0, 0.0], [0.5, 0.5], [0.0, 0.0]]
    np.testing.assert_array_equal(found["shares"], expected)
    encoder = FeatureEncoder(schema_of(TAGS), ["tags"], dim=3)
    war, love = np.array(encoder.tables["tags"].table)[2:4]
    vectors = encoder(found)["tags"]
    np.testing.assert_allclose(vectors[0], 0.75 * war + 0.25 * love, rtol=1e-5)
    np.testing.assert_allclose(vectors[1], love, rtol=1e-5)
    np.testing.assert_array_equal(vectors[2], np.zeros(3))
    np.testing.assert_array_equal(vectors[4], np.zeros(3))


def test_weights_of_a_request():
    """What a request may send, and training refuses, counts nothing."""
    raw = {
        "tags": [["war", "", "love"], ["war", "love", ""]],
        "shares": [[1.0, 7.0, -1.0], [math.nan, math.inf, 1.0]],
    }
    found = schema_of(TAGS).lookup({name: tf.constant(values) for name, values in raw.items()})
    np.testing.assert_array_equal(found["tags"], [[2, 3], [2, 3]])
    np.testing.assert_array_equal(found["shares"], [[1.0, 0.0], [0.0, 0.0]])


def test_padded_rows_of_weights():
    tags = np.array([["war", "love"], ["", "war"]], object)
    found = looked_up({"tags": tags, "shares": np.array([[1.0, 3.0], [math.nan, 2.0]])}, TAGS)
    np.testing.assert_array_equal(found["tags"], [[2, 3], [2, 0]])
    np.testing.assert_array_equal(found["shares"], [[0.25, 0.75], [1.0, 0.0]])


WEIGHTS = [
    ([[1.0, -2.0], [1.0]], "column 'shares': expected finite weights of at least 0, .* -2.0"),
    ([[1.0, math.nan], [1.0]], "column 'shares': expected finite numbers"),
    ([[1.0, math.inf], [1.0]], "column 'shares': expected finite numbers, received 1 infinite"),
    ([[1.0, 1e39], [1.0]], "received 1 infinite as float32"),
    ([[1.0], [1.0]], "columns 'tags' and 'shares': .* received 2 and 1 entries in row 0"),
    ([[1.0, 2.0], None], "columns 'tags' and 'shares': .* received 1 and 0 entries in row 1"),
]


@pytest.mark.parametrize(("shares", "message"), WEIGHTS)
def test_refused_weights(shares, message):
    with pytest.raises(ValueError, match=message):
        looked_up({"tags": [["war", "love"], ["war"]], "shares": shares}, TAGS)


def test_strings_by_hand():
    genres = Categorical("genres", vocabulary=("war", "love"), length=2, separator="|")
    codes = Categorical("codes", dtype="int", vocabulary=(7, 9), length=2, separator=", ")
    columns = {
        "genres": ["war|love", "love", "", None, "|war||love|?"],
        "codes": ["9", "7, 9", "", None, "9, 7, 1"],
    }
    found = looked_up(columns, genres, codes)
    np.testing.assert_array_equal(found["genres"], [[2, 3], [3, 0], [0, 0], [0, 0], [3, 1]])
    np.testing.assert_array_equal(found["codes"], [[3, 0], [2, 3], [0, 0], [0, 0], [2, 1]])
    with pytest.raises(ValueError, match=r"column 'codes': expected non-negative .* received '-9'"):
        looked_up({**columns, "codes": ["-9", "", "", "", ""]}, genres, codes)
    with pytest.raises(ValueError, match="column 'genres': expected one value a row"):
        looked_up({**columns, "genres": [["war"], [], [], [], []]}, genres, codes)


def test_what_strings_teach():
    """The parts, also to a vocabulary that they borrow."""
    schema = Schema(
        user=[Categorical("liked", of="item", length=3, separator="|")],
        item=[Categorical("item", dtype="int"), Categorical("words", length=2, separator=" ")],
    )
    rows = pd.DataFrame({"liked": ["3|4", ""], "item": [5, 5], "words": ["a b", "b"], "label": 1.0})
    adapted = schema.adapt(rows, verbose=0).features()
    assert adapted["item"].vocabulary == (5, 3, 4)
    assert adapted["words"].vocabulary == ("b", "a")
    checked = schema.columns(dict(rows.items()), schema.features().values())
    members, ids = schema.features()["words"].ids(checked)
    assert (members.tolist(), ids.tolist()) == ([0, 0, 1], ["a", "b", "b"])


def test_served(tmp_path):
    schema = Schema(
        user=[TAGS, Categorical("codes", dtype="int", vocabulary=(7, 9), length=2, separator="|")],
        item=[
            Categorical("item", vocabulary=("a", "b")),
            Categorical("genres", vocabulary=("war",), length=2, separator="|"),
        ],
        privileged={"cross": [Categorical("hints", of="item", length=2, weights="trust")]},
    )
    rows = {
        "tags": [["war", "love"], ["love"]],
        "shares": [[3.0, 1.0], [1.0]],
        "codes": ["7|9", ""],
        "item": ["a", "b"],
        "genres": ["war|love", ""],
        "hints": [["a"], []],
        "trust": [[1.0], []],
        "label": [1.0, 0.0],
    }
    student = Ranker(schema, TwoTower([3], batch_norm=False))
    items = pd.DataFrame({"item": ["a", "b"], "genres": ["war|love", ""]})
    path = tfpfd.export(student, items=items, path=tmp_path / "export", verbose=0)
    found = tfpfd.inspect_export(path)
    assert found.verdict == "nothing privileged is inside"
    assert {"hints", "trust"} <= set(found.stripped)
    assert {"codes: string [?]", "shares: float32 [?, ?]"} <= set(
        found.signatures["user_embedding"][0]
    )
    np.testing.assert_allclose(
        tfpfd.saved_scores(path, rows), tfpfd.score_rows(student, rows), rtol=1e-4, atol=1e-5
    )
    assert np.isfinite(student.predict(from_rows(rows, schema), verbose=0)).all()
    # The parts of a string can't be filtered by: a request names a value, and a row holds several.
    with pytest.raises(ValueError, match="`attributes` must name"):
        tfpfd.export(student, items=items, path=tmp_path / "e", attributes=["genres"], verbose=0)


ARGUMENTS = [
    ({"weights": "w"}, "no use for `weights`"),
    ({"separator": "|"}, "no use for `separator`"),
    ({"length": 2, "separator": "|", "weights": "w"}, "no use for `weights`"),
    ({"length": 2, "separator": ""}, "`separator` of feature 'x' must be a string of some letters"),
    ({"length": 2, "weights": "a b"}, "`name` of a feature must be a string of ASCII letters"),
    ({"oov_rate": 1.0}, r"`oov_rate` of feature 'x' must be a number in \[0, 1\), received 1.0"),
    ({"oov_rate": True}, "`oov_rate` of feature 'x' must be a number"),
    ({"hash_buckets": 4, "oov_rate": 0.1}, "no use for `oov_rate`"),
]


@pytest.mark.parametrize(("arguments", "message"), ARGUMENTS)
def test_refused_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Categorical("x", **arguments)


def test_a_column_of_weights_is_named_once():
    with pytest.raises(ValueError, match="duplicate name 'shares'"):
        schema_of(TAGS, Categorical("shares"))
