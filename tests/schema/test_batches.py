import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest
import tensorflow as tf

from tfpfd import Categorical, Numeric, Schema, Sequence
from tfpfd.schema import raw_batches
from tfpfd.schema.batches import count_rows

SCHEMA = Schema(
    user=(Sequence("clicks", of="item"), Categorical("user")),
    item=(
        Categorical("item", dtype="int"),
        Categorical("genres", length=2),
        Numeric("price", buckets=3, optional=True),
    ),
    label="liked",
    sample_weight="w",
)
ROWS = {
    "clicks": [[3, 5, 5], [], [5], [2**53 + 1], [3, 3, 3, 3, 4]],
    "user": ["u1", "u2", "u2", "ü", "u1"],
    "item": [5, 3, 2**53 + 1, 9, 3],
    "genres": [["g1"], ["g2", "g1"], [], ["g2", "g3", "g1"], []],
    "price": [1.5, None, 2.5, 0.5, 4.0],
    "liked": [1.0, 0.0, 0.5, None, 1.0],
    "w": [1.0, 2.0, 1.0, 1.0, 0.0],
    "unused": [0, 1, 2, 3, 4],
}
COUNTS = {3: 5 + 2, 5: 3 + 1, 2**53 + 1: 1 + 1, 4: 1, 9: 1}


def arrow():
    return pa.table({**ROWS, "genres": pa.array(ROWS["genres"], pa.large_list(pa.string()))})


def ragged():
    return {
        "clicks": tf.ragged.constant(ROWS["clicks"], dtype=tf.int64),
        "genres": tf.ragged.constant(ROWS["genres"], dtype=tf.string),
        "user": tf.constant(ROWS["user"]),
        "item": tf.constant(ROWS["item"], tf.int64),
        **{name: tf.constant(np.array(ROWS[name], np.float32)) for name in ("price", "liked", "w")},
    }


def padded():
    tensors = ragged()
    return {
        **tensors,
        "clicks": tensors["clicks"].to_tensor(-1),
        "genres": tensors["genres"].to_tensor(""),
    }


def parts():
    frame = pd.DataFrame(ROWS)
    for start, stop in ((0, 2), (2, 2), (2, 5)):
        yield {name: column.iloc[start:stop] for name, column in frame.items()}


def parquet(folder, file):
    pa.parquet.write_table(arrow(), folder / "rows.parquet", row_group_size=2)
    return folder / "rows.parquet" if file else str(folder)


SOURCES = {
    "DataFrame": lambda folder: pd.DataFrame(ROWS),
    "DataFrame of arrow types": lambda folder: arrow().to_pandas(types_mapper=pd.ArrowDtype),
    "DataFrame of categories": lambda folder: pd.DataFrame(ROWS).astype(
        {"user": "category", "item": "category", "price": "category"}
    ),
    "DataFrame of arrays": lambda folder: pd.DataFrame(ROWS).assign(
        genres=[np.array(genres, dtype=object) for genres in ROWS["genres"]],
        clicks=[np.array(clicks, dtype=np.int64) for clicks in ROWS["clicks"]],
    ),
    "dict of lists": lambda folder: ROWS,
    "dict of arrays": lambda folder: {
        name: np.array(values) if name not in ("clicks", "genres") else values
        for name, values in ROWS.items()
    },
    "dict of bytes": lambda folder: {**ROWS, "user": [user.encode() for user in ROWS["user"]]},
    "dict of tensors": lambda folder: ragged(),
    "Table": lambda folder: arrow(),
    "Table of chunks": lambda folder: pa.concat_tables([arrow()[:1], arrow()[1:1], arrow()[1:]]),
    "Table of dictionaries": lambda folder: arrow().set_column(
        1, "user", arrow()["user"].dictionary_encode()
    ),
    "Dataset": lambda folder: pa.dataset.dataset(arrow()),
    "RecordBatchReader": lambda folder: arrow().to_reader(max_chunksize=2),
    "Parquet file": lambda folder: parquet(folder, file=True),
    "Parquet folder": lambda folder: parquet(folder, file=False),
    "tf.data, ragged": lambda folder: tf.data.Dataset.from_tensor_slices(ragged()).ragged_batch(2),
    "tf.data, padded": lambda folder: tf.data.Dataset.from_tensor_slices(padded()).batch(2),
    "tf.data of tuples": lambda folder: tf.data.Dataset.from_tensor_slices(
        (padded(), tf.zeros([5]))
    ).batch(3),
    "list of dicts": lambda folder: list(parts()),
    "generator": lambda folder: parts(),
}


@pytest.mark.parametrize("source", SOURCES)
class TestEverySource:
    def test_the_same_is_learned(self, source, tmp_path):
        adapted = SCHEMA.adapt(SOURCES[source](tmp_path), verbose=0)
        assert adapted.vocabularies["user"].vocabulary == ("u1", "u2", "ü")
        assert adapted.vocabularies["item"].vocabulary == tuple(
            sorted(COUNTS, key=lambda item: (-COUNTS[item], item))
        )
        assert adapted.vocabularies["genres"].vocabulary == ("g1", "g2", "g3")
        # 0.5, 1.5, 2.5, 4.0: the quantiles at 1/3 and 2/3, rounded up to a value.
        assert adapted.features()["price"].boundaries == (1.5, 2.5)

    def test_only_the_wanted_columns_are_given(self, source, tmp_path):
        batches = list(raw_batches(SOURCES[source](tmp_path), ["user", "liked"]))
        assert {tuple(batch) for batch in batches} == {("user", "liked")}
        assert sum(len(batch["user"]) for batch in batches) == 5


@pytest.mark.parametrize("source", ["DataFrame", "Table", "Dataset", "Parquet file"])
def test_batches_are_as_small_as_asked_for(source, tmp_path):
    batches = raw_batches(SOURCES[source](tmp_path), ["user"], size=2)
    assert max(len(batch["user"]) for batch in batches) == 2


@pytest.mark.parametrize("source", SOURCES)
def test_rows_are_counted_where_that_reads_nothing(source, tmp_path):
    known = source.startswith(("DataFrame", "Table", "Parquet"))
    assert count_rows(SOURCES[source](tmp_path)) == (5 if known else None)


@pytest.mark.parametrize("read", [count_rows, lambda path: list(raw_batches(path, ["user"]))])
def test_a_path_of_nothing(read, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected the path of a Parquet.*none\.parquet'"):
        read(tmp_path / "none.parquet")


def test_a_generator_is_read_batch_by_batch():
    read = []

    def generate():
        for number in range(3):
            read.append(number)
            yield {"a": [number]}

    batches = raw_batches(generate(), ["a"])
    assert next(batches) == {"a": [0]}
    assert read == [0]


def test_a_null_beside_a_large_id_costs_no_digits():
    schema = Schema(user=(Categorical("id", dtype="int", optional=True),), item=())
    table = pa.table({"id": [2**53 + 1, None, 2**62 + 1], "label": [1, 0, 1]})
    for source in (table, table.to_pandas(integer_object_nulls=True)):
        adapted = schema.adapt(source, verbose=0)
        assert adapted.user[0].vocabulary == (2**53 + 1, 2**62 + 1)


def test_lists_of_fixed_size():
    schema = Schema(user=(Categorical("id", dtype="int", length=2),), item=())
    lists = pa.array([[1, 2], None, [2, 2]], pa.list_(pa.int64(), 2))
    adapted = schema.adapt(pa.table({"id": lists, "label": [1, 0, 1]}), verbose=0)
    assert adapted.user[0].vocabulary == (2, 1)


def test_the_index_of_a_frame_does_not_matter():
    frame = pd.DataFrame(ROWS, index=[0, 0, 7, "x", None])
    assert SCHEMA.adapt(frame, verbose=0) == SCHEMA.adapt(pd.DataFrame(ROWS), verbose=0)
