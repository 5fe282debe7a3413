import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
import tensorflow as tf

from tfpfd import Categorical, Numeric, Ranker, Schema, Sequence, TwoTower
from tfpfd.serving import embed_items
from tfpfd.serving import item_embeddings as items_module


@pytest.fixture
def student():
    schema = Schema(
        user=(Sequence("clicks", of="item_id", length=2),),
        item=(
            Categorical("topics", vocabulary=("a", "b"), length=2),
            Numeric("price", boundaries=(1.0, 5.0)),
            Categorical("item_id", vocabulary=("i1", "i2", "i3")),
        ),
    )
    return Ranker(schema, TwoTower([3]))


def frame(rows):
    return pd.DataFrame(
        {
            "item_id": [f"i{(7 * i) % rows}" for i in range(rows)],
            "topics": [["a", "b"][: i % 3] for i in range(rows)],
            "price": [float(i % 9) for i in range(rows)],
            "title": "not a feature",
        }
    )


def sources(rows, directory):
    """The same rows in everything that may hold them."""
    data = frame(rows)
    table = pa.Table.from_pandas(data)
    pa.parquet.write_table(table, directory / "items.parquet", row_group_size=4)
    tensors = {
        "item_id": data["item_id"].to_list(),
        "topics": tf.ragged.constant(data["topics"].to_list(), dtype=tf.string),
        "price": data["price"].to_numpy(),
    }
    dataset = tf.data.Dataset.from_tensor_slices(tensors)
    return {
        "DataFrame": data,
        "dict": {name: data[name].to_list() for name in data},
        "Table": table,
        "path": directory / "items.parquet",
        "str": str(directory / "items.parquet"),
        "tf.data": dataset.ragged_batch(3),
        "iterable": [dict(data[i : i + 4].items()) for i in range(0, rows, 4)],
    }


def test_every_source_gives_the_same_table_in_its_own_order(student, tmp_path, monkeypatch):
    # Smaller than the catalogue, so that rows come in several batches, the last of them short.
    monkeypatch.setattr(items_module, "BATCH", 5)
    rows = 13
    expected_ids, expected = embed_items(student, frame(rows), verbose=0)
    assert expected_ids.tolist() == frame(rows)["item_id"].tolist()
    assert expected.shape == (rows, 3)
    assert expected.dtype == np.float32
    for name, source in sources(rows, tmp_path).items():
        ids, embeddings = embed_items(student, source, verbose=0)
        assert ids.tolist() == expected_ids.tolist(), name
        np.testing.assert_allclose(embeddings, expected, rtol=1e-6, atol=1e-6, err_msg=name)


def test_more_rows_than_a_batch_equal_the_item_tower_on_all(student):
    rows = items_module.BATCH + 7
    data = frame(rows)
    ids, embeddings = embed_items(student, data, verbose=0)
    assert ids.tolist() == data["item_id"].tolist()
    columns = student.schema.columns(data, student.schema.item)
    tensors = {name: tf.constant(values) for name, values in columns.items()}
    inputs = student.schema.lookup_of(student.schema.item)(tensors)
    encoded = student.encode(inputs, training=False, sides=["item"])
    expected = student.network.item_embedding(encoded, training=False)
    np.testing.assert_allclose(embeddings, expected, rtol=1e-6, atol=1e-6)


def test_empty_batches_between_others_are_skipped(student):
    data = frame(4)
    batches = [data[:0], data[:3], data[3:3], data[3:]]
    ids, _ = embed_items(student, [dict(batch.items()) for batch in batches], verbose=0)
    assert ids.tolist() == data["item_id"].tolist()


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda data: data[:0], "`items` is empty: expected a row an item, received none"),
        (lambda data: data.drop(columns="price"), "missing column 'price'"),
        (lambda data: data.drop(columns="item_id"), "missing column 'item_id'"),
        (
            lambda data: pd.concat([data, data[1:3]]),
            r"column 'item_id': expected each id once, received the id 'i\d' more than once; .* 2$",
        ),
        (
            lambda data: data.assign(price=np.nan),
            "column 'price': expected finite numbers, received all 6 values NaN",
        ),
        (
            lambda data: data.assign(item_id=range(6)),
            "column 'item_id': expected strings, received integer values",
        ),
    ],
)
def test_bad_rows_are_refused(student, change, message):
    with pytest.raises(ValueError, match=message):
        embed_items(student, change(frame(6)), verbose=0)


@pytest.mark.parametrize("hole, dtype", [("", "string"), (None, "string"), (-1, "int")])
def test_an_item_without_an_id_is_refused_even_where_ids_may_be_missing(hole, dtype):
    vocabulary = ("a", "b") if dtype == "string" else (1, 2)
    schema = Schema(
        user=(Numeric("age", boundaries=(1.0,)),),
        item=(Categorical("item_id", dtype=dtype, vocabulary=vocabulary, optional=True),),
    )
    values = [*vocabulary, hole if hole != -1 else None]
    with pytest.raises(ValueError, match="'item_id': expected an id a row, received 1 rows"):
        embed_items(Ranker(schema, TwoTower([2])), {"item_id": values}, verbose=0)


def test_an_item_side_without_an_id_is_refused():
    schema = Schema(
        user=(Numeric("age", boundaries=(1.0,)),), item=(Numeric("price", boundaries=(1.0,)),)
    )
    student = Ranker(schema, TwoTower([2]))
    with pytest.raises(ValueError, match="no Categorical of one value on the item side"):
        embed_items(student, {"price": [1.0]}, verbose=0)


def test_an_integer_that_stands_twice_is_named_as_one():
    with pytest.raises(ValueError, match=r"received the id 7 more than once; .* 1$"):
        items_module.check_ids(np.int64([7, 5, 7]), "item_id")
