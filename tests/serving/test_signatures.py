"""What an export answers: the student's own predictions, also where there is only TensorFlow."""

import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pyarrow.parquet
import pytest
import tensorflow as tf

import tfpfd

LOWEST = np.finfo(np.float32).min

CLIENT = """
import pickle, sys
import tensorflow as tf
with open("requests", "rb") as file:
    requests = pickle.load(file)
results = {}
for path, calls in requests.items():
    loaded = tf.saved_model.load(path)
    results[path] = {
        name: {
            key: value.numpy()
            for key, value in loaded.signatures[signature](
                **{key: tf.constant(value) for key, value in inputs.items()}
            ).items()
        }
        for name, (signature, inputs) in calls.items()
    }
with open("answers", "wb") as file:
    pickle.dump((results, sorted(sys.modules)), file)
"""


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6)


def calls(exported):
    """Requests by name: a signature and its inputs."""
    users, items = exported.users(), exported.items()
    candidates = np.array([exported.ids[::-1]] * len(users["user_id"]))
    if candidates.dtype.kind == "U":
        candidates = candidates.astype(object)
    return {
        "serving_default": ("serving_default", users),
        "all": ("top_k", {**users, "k": np.int32(1000)}),
        "five": ("top_k", {**users, "k": np.int32(5)}),
        "none": ("top_k", {**users, "k": np.int32(0)}),
        "user": ("user_embedding", users),
        "item": ("item_embedding", items),
        "candidates": ("score_candidates", {**users, "candidate_ids": candidates}),
    }


# Of the session, as pytest runs all tests of one export, then those of the other.
@pytest.fixture(scope="session")
def client(strings, integers, tmp_path_factory):
    """What a process that imports TensorFlow alone answers, and the modules it has loaded."""
    directory = tmp_path_factory.mktemp("client")
    requests = {str(exported.path): calls(exported) for exported in (strings, integers)}
    (directory / "requests").write_bytes(pickle.dumps(requests))
    # Away from the repository, or `import tfpfd` would find it.
    done = subprocess.run(
        [sys.executable, "-c", CLIENT],
        cwd=directory,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return pickle.loads((directory / "answers").read_bytes())


@pytest.fixture
def answers(exported, client):
    return client[0][str(exported.path)]


def top(logits, k):
    """The columns of the `k` highest logits, of equal ones the first."""
    return np.argsort(-logits, axis=1, kind="stable")[:, :k]


def decoded(ids):
    return [[i.decode() if isinstance(i, bytes) else int(i) for i in row] for row in ids]


@pytest.mark.slow
def test_the_client_has_none_of_our_code(client):
    _, modules = client
    assert "tensorflow" in modules
    assert not [name for name in modules if name.split(".")[0] == "tfpfd"]


@pytest.mark.slow
@pytest.mark.parametrize("name, k", [("serving_default", 3), ("five", 5), ("all", 11), ("none", 0)])
def test_top_k_is_the_sorted_catalogue(exported, answers, name, k):
    found, logits = answers[name], exported.logits()
    assert found["scores"].shape == found["item_ids"].shape == (len(logits), k)
    assert found["scores"].dtype == np.float32
    columns = top(logits, k)
    assert decoded(found["item_ids"]) == [[exported.ids[i] for i in row] for row in columns]
    close(found["scores"], np.take_along_axis(logits, columns, axis=1))


@pytest.mark.slow
@pytest.mark.parametrize("table", ["float32", "int8"])
def test_no_request_makes_later_ones_copy_the_table(integers, tmp_path, table):
    """As variables are copied whenever they are read, once a sparse operation has touched them."""
    version = tfpfd.export(
        integers.student,
        integers.catalogue(),
        tmp_path,
        table=table,
        attributes=["genres", "price"],
        verbose=0,
    )
    loaded = tf.saved_model.load(str(version))
    users = {name: tf.constant(values) for name, values in integers.users().items()}
    rules = inputs_that_hold_nothing(loaded.signatures["top_k_where"], len(users["user_id"]))
    k, candidates = tf.constant(3), tf.constant([integers.ids] * len(users["user_id"]), tf.int64)
    loaded.signatures["score_candidates"](candidate_ids=candidates, **users)
    loaded.signatures["top_k"](k=k, **users)
    loaded.signatures["top_k_where"](**{**rules, "k": k, **users})
    loaded.signatures["user_embedding"](**users)
    read = [loaded.item_embeddings, loaded.attributes["genres"].codes]
    read += [loaded.item_scales] if table == "int8" else []
    for variable in (*read, loaded.attributes["price"].numbers):
        once, again = tf.convert_to_tensor(variable), tf.convert_to_tensor(variable)
        places = [np.frombuffer(x, np.int8).ctypes.data for x in (once, again)]
        assert places[0] == places[1], variable.name


def inputs_that_hold_nothing(signature, rows):
    """Padding for every input, with which no rule holds."""
    specs = signature.structured_input_signature[1]
    return {
        name: tf.zeros([rows] + [1] * (spec.shape.rank - 1), tf.bool)
        if spec.dtype == tf.bool
        else tf.fill(
            [rows] + [1] * (spec.shape.rank - 1),
            tf.constant("" if spec.dtype == tf.string else -1, spec.dtype),
        )
        for name, spec in specs.items()
        if spec.shape.rank is not None
    }


@pytest.mark.slow
def test_equal_items_come_in_the_order_of_the_table(exported, answers):
    # The two items that the student never saw are equal but for their unknown ids.
    first, second = exported.ids[:2]
    for row in decoded(answers["all"]["item_ids"]):
        assert row.index(second) == row.index(first) + 1


@pytest.mark.slow
def test_scores_of_candidates_are_the_students_predictions(exported, answers):
    close(answers["candidates"]["scores"], exported.logits()[:, ::-1])


@pytest.mark.slow
def test_embeddings_give_the_students_predictions(exported, answers):
    user, item = answers["user"]["embedding"], answers["item"]["embedding"]
    inner = exported.logits() - exported.student.network.bias.numpy()
    close(user @ item.T, inner)
    table = pyarrow.parquet.read_table(exported.path / "assets.extra" / "items.parquet")
    assert table.column_names == ["item_id", "embedding"]
    assert table["item_id"].to_pylist() == exported.ids
    vectors = np.stack(table["embedding"].to_numpy())
    assert vectors.dtype == np.float32
    close(item, vectors)
    close(user @ vectors.T, inner)


def test_the_manifest_tells_what_was_written(exported):
    manifest = json.loads((exported.path / "assets.extra" / "tfpfd.json").read_text())
    assert manifest["items"] == 11
    assert manifest["width"] == 4
    assert manifest["k"] == 3
    assert manifest["packages"]["tensorflow"] == tf.__version__
    assert manifest["stripped"] == ["affinity", "later_clicks", "left_by"]


def test_lookup_tables_and_item_table_are_open_ended_variables(exported):
    assert exported.loaded.item_embeddings.shape.as_list() == [None, 4]
    assert exported.loaded.item_ids.shape.as_list() == [None]


# Inputs that no training row had.


def repeated(users, rows=1, **columns):
    """The first user, `rows` times, with other values in some columns."""
    return {name: np.repeat(values[:1], rows, axis=0) for name, values in users.items()} | columns


def missing(exported):
    return "" if exported.schema.item[0].dtype == "string" else -1


def ids(values):
    values = np.array(values)
    return values.astype(object) if values.dtype.kind == "U" else values.astype(np.int64)


def test_unknown_ids_share_the_out_of_vocabulary_row(exported, served):
    strings = exported.schema.item[0].dtype == "string"
    names = ids(["never", "x" * 10_000, "日本"] if strings else [10**6, 2**62, 0])
    users = repeated(exported.users(), 3, user_id=names)
    scores = served("serving_default", users)["scores"]
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(scores, scores[[0, 0, 0]])
    known = served("serving_default", repeated(exported.users()))["scores"]
    assert not np.allclose(known, scores[:1])


def test_missing_values_are_their_row_zero(exported, served):
    hole = missing(exported)
    users = repeated(
        exported.users(), 1, user_id=ids([hole]), age=np.float32([np.nan]), hour=np.int64([-1])
    )
    features = exported.schema.user
    inputs = exported.schema.lookup_of(features)({n: tf.constant(v) for n, v in users.items()})
    for name in ("user_id", "age", "hour"):
        assert inputs[name].numpy().tolist() == [0]
    encoded = exported.student.encode(inputs, training=False, sides=["user"])
    expected = exported.student.network.user_embedding(encoded, training=False)
    found = served("user_embedding", users)["embedding"]
    assert np.isfinite(found).all()
    close(found, expected)


def test_any_negative_integer_is_missing(integers):
    users = repeated(integers.users(), 3, user_id=np.int64([-1, -7, -(2**63)]))
    found = integers.answer("user_embedding", users)["embedding"]
    np.testing.assert_array_equal(found, found[[0, 0, 0]])


@pytest.mark.parametrize("age", [np.inf, -np.inf, 3e38])
def test_infinite_numbers_fall_into_the_outer_buckets(exported, served, age):
    found = served("user_embedding", repeated(exported.users(), 1, age=np.float32([age])))
    same = repeated(exported.users(), 1, age=np.float32([-1 if age < 0 else 99]))
    np.testing.assert_array_equal(found["embedding"], served("user_embedding", same)["embedding"])


@pytest.mark.parametrize("width", [0, 1, 7])
def test_no_history_is_one_of_padding_alone(exported, served, width):
    clicks = ids([missing(exported)] * width).reshape(1, width)
    if not width:
        clicks = np.zeros([1, 0], exported.users()["clicks"].dtype)
        clicks = tf.constant([[]], tf.string, [1, 0]) if clicks.dtype == object else clicks
    found = served("user_embedding", repeated(exported.users(), 1, clicks=clicks))["embedding"]
    assert np.isfinite(found).all()
    # The first user has clicked nothing.
    np.testing.assert_array_equal(
        found, served("user_embedding", repeated(exported.users()))["embedding"]
    )


def test_of_a_long_history_the_last_values_count(exported, served):
    first, second, third = exported.schema.item[0].vocabulary[:3]
    short = ids([[first, second, third]])
    long = np.concatenate([np.repeat(ids([[third]]), 100_000, axis=1), short], axis=1)
    # Padding in between counts for nothing.
    hole = ids([[missing(exported)]])
    holes = np.concatenate([hole, short[:, :1], hole, short[:, 1:], hole], axis=1)
    expected = served("user_embedding", repeated(exported.users(), 1, clicks=short))["embedding"]
    for clicks in (long, holes):
        found = served("user_embedding", repeated(exported.users(), 1, clicks=clicks))
        np.testing.assert_array_equal(found["embedding"], expected)


def empty(values):
    dtype = tf.string if values.dtype == object else tf.as_dtype(values.dtype)
    return tf.zeros([0, *values.shape[1:]], dtype)


def test_an_empty_batch_gets_an_empty_answer(exported, served):
    users = {name: empty(values) for name, values in exported.users().items()}
    items = {name: empty(values) for name, values in exported.items().items()}
    found = served("top_k", users, k=np.int32(4))
    assert found["scores"].shape == found["item_ids"].shape == (0, 4)
    assert served("serving_default", users)["scores"].shape == (0, 3)
    assert served("user_embedding", users)["embedding"].shape == (0, 4)
    assert served("item_embedding", items)["embedding"].shape == (0, 4)
    kind = tf.string if exported.schema.item[0].dtype == "string" else tf.int64
    found = served("score_candidates", users, candidate_ids=tf.zeros([0, 2], kind))
    assert found["scores"].shape == (0, 2)


def test_k_may_be_a_number_a_row_of_which_the_largest_counts(exported):
    users = exported.users()
    rows = len(next(iter(users.values())))
    numbers = np.arange(1, rows + 1, dtype=np.int32)
    found = exported.answer("top_k", {**users, "k": numbers})
    expected = exported.answer("top_k", users, k=np.int32(rows))
    assert found["item_ids"].shape == (rows, rows)
    np.testing.assert_array_equal(found["item_ids"], expected["item_ids"])


@pytest.mark.parametrize("k, given", [(-5, 0), (-(2**31), 0), (0, 0), (1, 1), (2**31 - 1, 11)])
def test_k_is_cut_to_the_catalogue(exported, served, k, given):
    found = served("top_k", exported.users(), k=np.int32(k))
    assert found["scores"].shape == found["item_ids"].shape == (5, given)


def test_a_candidate_that_is_not_in_the_table_has_the_lowest_score(exported, served):
    strings = exported.schema.item[0].dtype == "string"
    known, unknown = exported.ids[4], "never" if strings else 12345
    candidates = ids([[unknown, known, missing(exported), known]] * 5)
    scores = served("score_candidates", exported.users(), candidate_ids=candidates)["scores"]
    np.testing.assert_array_equal(scores[:, [0, 2]], np.full([5, 2], LOWEST))
    logits = exported.logits()[:, 4]
    close(scores[:, [1, 3]], np.stack([logits, logits], axis=1))
    # Finite, as JSON has no infinity.
    assert np.isfinite(scores).all()


def test_no_candidates(exported, served):
    kind = tf.string if exported.schema.item[0].dtype == "string" else tf.int64
    candidates = tf.zeros([5, 0], kind)
    found = served("score_candidates", exported.users(), candidate_ids=candidates)
    assert found["scores"].shape == (5, 0)


def test_candidates_of_another_number_of_users_are_refused(exported, served):
    with pytest.raises(tf.errors.InvalidArgumentError):
        served("score_candidates", exported.users(), candidate_ids=ids([[exported.ids[0]]] * 3))
