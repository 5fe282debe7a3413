"""The exact best through chunks: those that NumPy finds, of equal scores the first."""

import numpy as np
import pytest
import tensorflow as tf

from tfpfd.serving import exact_search
from tfpfd.serving.exact_search import AT_ONCE, CHUNK, best_of
from tfpfd.serving.item_table import ItemTable, check_table_type, stored


def make_best():
    def best(scores, k):
        columns = tf.transpose(scores)
        batch, rows = tf.unstack(tf.shape(scores))
        return best_of(lambda start, stop: columns[start:stop], rows, batch, k)

    signature = [tf.TensorSpec([None, None]), tf.TensorSpec([], tf.int32)]
    return tf.function(best, input_signature=signature, autograph=False)


best = make_best()


def expected(scores, k):
    columns = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, columns, axis=1), columns


def check(scores, k, best=best):
    values, columns = best(tf.constant(scores), tf.constant(int(k)))
    wanted_values, wanted_columns = expected(scores, k)
    np.testing.assert_array_equal(values, wanted_values)
    np.testing.assert_array_equal(columns, wanted_columns)
    assert columns.dtype == tf.int32


@pytest.mark.parametrize("levels", [1, 2, 30, 10**6])
def test_it_is_numpys_sort_over_sizes_ties_and_k(levels):
    random = np.random.default_rng(levels)
    for _ in range(60):
        batch, rows = random.integers(1, 4), random.integers(1, 40 * CHUNK)
        scores = random.integers(0, levels, (batch, rows)).astype(np.float32)
        k = min(rows, int(2 ** random.uniform(0, np.log2(rows) + 0.1)))
        check(scores, k)


def test_blocks_of_any_size_give_the_same(monkeypatch):
    random = np.random.default_rng(0)
    for at_once in (1, 100, 1000):
        monkeypatch.setattr(exact_search, "AT_ONCE", at_once)
        best_in_blocks = make_best()
        for levels in (1, 3, 10**6):
            for _ in range(20):
                batch, rows = random.integers(1, 4), random.integers(1, 100 * CHUNK)
                scores = random.integers(0, levels, (batch, rows)).astype(np.float32)
                k = min(rows, int(2 ** random.uniform(0, np.log2(rows) + 0.1)))
                check(scores, k, best_in_blocks)


def test_a_block_holds_no_more_scores_than_it_may_and_every_row_is_in_one():
    asked = []

    def scores(start, stop):
        asked.append((int(start), int(stop)))
        return tf.random.stateless_normal([stop - start, 8], [0, start])

    rows = AT_ONCE // 4 + 5
    best_of(scores, tf.constant(rows), tf.constant(8), tf.constant(100))
    size = AT_ONCE // 8
    assert asked == [(0, size), (size, 2 * size), (2 * size, rows)]


@pytest.mark.parametrize("rows", [1, CHUNK - 1, CHUNK, CHUNK + 1, 9 * CHUNK, 9 * CHUNK + 1])
@pytest.mark.parametrize("k", [0, 1, 3, "all"])
def test_sizes_at_the_edges(rows, k):
    scores = np.random.default_rng(0).integers(0, 5, (2, rows)).astype(np.float32)
    check(scores, rows if k == "all" else min(k, rows))


def test_the_best_may_all_lie_in_one_chunk_or_behind_the_last():
    scores = np.zeros((2, 9 * CHUNK + 5), np.float32)
    scores[0, 2 * CHUNK : 2 * CHUNK + 4] = [1, 3, 2, 3]
    scores[1, -5:] = [5, 1, 4, 5, 2]
    values, columns = best(tf.constant(scores), tf.constant(4))
    assert values.numpy().tolist() == [[3, 3, 2, 1], [5, 5, 4, 2]]
    first, last = 2 * CHUNK, 9 * CHUNK
    assert columns.numpy().tolist() == [
        [first + 1, first + 3, first + 2, first],
        [last, last + 3, last + 2, last + 4],
    ]


def test_no_rows_and_the_lowest_float():
    lowest = np.finfo(np.float32).min
    check(np.full((3, 5 * CHUNK), lowest), 2)
    values, _ = best(tf.zeros([0, 5 * CHUNK]), tf.constant(2))
    assert values.shape == (0, 2)


# Tables.


def table_of(embeddings, kind):
    held = stored(embeddings, kind)
    scales = held.get("item_scales")
    return ItemTable(
        tf.Variable(held["item_embeddings"]), None if scales is None else tf.Variable(scales)
    )


def test_an_int8_row_is_rounded_to_127_steps_of_its_largest_number():
    held = stored(np.float32([[1.27, -0.634, 0.014], [0, 0, 0], [-2.54, 2.54, 0.042]]), "int8")
    assert held["item_embeddings"].dtype == np.int8
    assert held["item_embeddings"].tolist() == [[127, -63, 1], [0, 0, 0], [-127, 127, 2]]
    np.testing.assert_allclose(held["item_scales"], [0.01, 0, 0.02], rtol=1e-6)


@pytest.mark.parametrize(
    "kind, error", [("float32", 0), ("float16", 2**-11), ("bfloat16", 2**-8), ("int8", 0.5 / 127)]
)
@pytest.mark.parametrize("rows", [1, 8192, 8193, 20_000])
def test_scores_of_each_type_are_as_close_as_its_rounding(kind, error, rows):
    random = np.random.default_rng(0)
    embeddings = random.normal(size=(rows, 4)).astype(np.float32)
    user = random.normal(size=(3, 4)).astype(np.float32)
    table = table_of(embeddings, kind)
    any_batch = [tf.TensorSpec([None, 4]), *[tf.TensorSpec([], tf.int32)] * 2]
    score = tf.function(table.scores, input_signature=any_batch, autograph=False)
    scores = score(tf.constant(user), 0, rows).numpy()
    assert scores.dtype == np.float32
    # Of each product at most `error` times the number, for int8 times the row's largest.
    largest = np.abs(embeddings) if kind != "int8" else np.abs(embeddings).max(1, keepdims=True)
    bound = np.abs(user) @ np.broadcast_to(largest, embeddings.shape).T * error
    assert (np.abs(scores.T - user @ embeddings.T) <= bound + 1e-5).all()
    part = table.scores(tf.constant(user), rows // 2, rows)
    np.testing.assert_allclose(part, scores[rows // 2 :], rtol=1e-5, atol=1e-6)
    one = score(tf.constant(user[:1]), 0, rows)
    np.testing.assert_allclose(one, scores[:, :1], rtol=1e-5, atol=1e-6)
    vectors = table.vectors(tf.constant([[rows - 1, 0]])).numpy()
    np.testing.assert_allclose(
        np.einsum("bd,bnd->bn", user[:1], vectors),
        scores[[rows - 1, 0], :1].T,
        rtol=1e-5,
        atol=1e-5,
    )
    assert table.scores(tf.constant(user), 0, 0).shape == (0, 3)


def test_other_types_of_table_are_refused():
    with pytest.raises(ValueError, match=r"`table` must be one of \['float32', .*received 'int4'"):
        check_table_type("int4")
