import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tfpfd import Categorical, Numeric, Schema, Sequence
from tfpfd.data import LIST, from_rows, from_stream
from tfpfd.schema.batch_fingerprints import SCHEMA as SCHEMA_KEY

SCHEMA = Schema(
    user=(
        Categorical("user", dtype="int", vocabulary=tuple(range(20))),
        Sequence("clicks", of="item", length=2),
    ),
    item=(Categorical("item", vocabulary=("a", "b", "c")),),
    privileged={"cross": (Numeric("rate", boundaries=(0.5,), optional=True),)},
    label="liked",
    sample_weight="w",
)
UNWEIGHTED = Schema(user=SCHEMA.user, item=SCHEMA.item, privileged=SCHEMA.privileged, label="liked")
ROWS = 11


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "user": range(ROWS),
            "clicks": [["a", "b", "c"][: n % 4] for n in range(ROWS)],
            "item": [["a", "b", "?"][n % 3] for n in range(ROWS)],
            "rate": [None if n % 5 == 0 else n / 10 for n in range(ROWS)],
            "liked": [np.nan if n % 4 == 3 else n % 2 for n in range(ROWS)],
            "w": np.arange(ROWS) / 4,
        }
    )


def stream(frame, batch_size):
    columns = {
        "user": tf.constant(frame["user"].to_numpy()),
        "clicks": tf.ragged.constant(frame["clicks"].tolist(), dtype=tf.string),
        "item": tf.constant(frame["item"].tolist()),
        **{name: tf.constant(frame[name].to_numpy(np.float64)) for name in ("rate", "liked", "w")},
    }
    return tf.data.Dataset.from_tensor_slices(columns).ragged_batch(batch_size)


def unmarked(inputs):
    """Without what says which schema looked the rows up."""
    return {name: value for name, value in inputs.items() if not name.startswith(SCHEMA_KEY)}


def users(dataset):
    """The users of each batch; user n is row n + 2 of the table."""
    return [(batch[0]["user"].numpy() - 2).tolist() for batch in dataset]


def flat(batches):
    return [user for batch in batches for user in batch]


class TestFromRows:
    def test_values_by_hand(self, frame):
        ((inputs, labels, weights),) = from_rows(frame[:4], SCHEMA)
        assert {name: ids.numpy().tolist() for name, ids in unmarked(inputs).items()} == {
            "user": [2, 3, 4, 5],
            "clicks": [[0, 0], [2, 0], [2, 3], [3, 4]],
            "item": [2, 3, 1, 2],
            "rate": [0, 1, 1, 1],
        }
        np.testing.assert_array_equal(labels, [0, 1, 0, np.nan])
        np.testing.assert_array_equal(weights, [0, 0.25, 0.5, 0.75])

    def test_types_and_shapes(self, frame):
        inputs, labels, weights = from_rows(frame, SCHEMA, batch_size=4).element_spec
        assert {name: (s.dtype, s.shape.rank) for name, s in unmarked(inputs).items()} == {
            "user": (tf.int32, 1),
            "clicks": (tf.int32, 2),
            "item": (tf.int32, 1),
            "rate": (tf.int32, 1),
        }
        assert inputs["clicks"].shape[1] == 2
        assert (labels.dtype, weights.dtype) == (tf.float32, tf.float32)

    @pytest.mark.parametrize(("size", "sizes"), [(4, [4, 4, 3]), (11, [11]), (99, [11])])
    def test_sizes_of_batches_in_the_order_of_rows(self, frame, size, sizes):
        batches = users(from_rows(frame, SCHEMA, batch_size=size))
        assert [len(batch) for batch in batches] == sizes
        assert flat(batches) == list(range(ROWS))

    @pytest.mark.parametrize("schema", [SCHEMA, UNWEIGHTED, SCHEMA.served()])
    def test_equals_from_stream(self, frame, schema):
        rows = list(from_rows(frame, schema, batch_size=4))
        streamed = list(from_stream(stream(frame, 4), schema))
        assert len(rows) == len(streamed) == 3
        assert len(rows[0]) == (2 if schema.sample_weight is None else 3)
        for one, other in zip(rows, streamed, strict=True):
            tf.nest.map_structure(np.testing.assert_array_equal, one, other)

    def test_batches_of_the_source_do_not_matter(self, frame):
        parts = [dict(frame[:2].items()), dict(frame[2:2].items()), dict(frame[2:].items())]
        for one, other in zip(
            from_rows(frame, SCHEMA, batch_size=4),
            from_rows(parts, SCHEMA, batch_size=4),
            strict=True,
        ):
            tf.nest.map_structure(np.testing.assert_array_equal, one, other)

    def test_served_rows_need_no_privileged_columns(self, frame):
        ((inputs, _, _),) = from_rows(frame.drop(columns="rate"), SCHEMA.served())
        assert set(unmarked(inputs)) == {"user", "clicks", "item"}

    def test_without_weights_there_are_inputs_and_labels(self, frame):
        ((inputs, labels),) = from_rows(frame, UNWEIGHTED)
        assert int(tf.math.count_nonzero(tf.math.is_nan(labels))) == 2
        assert set(unmarked(inputs)) == set(UNWEIGHTED.features())


class TestShuffle:
    @pytest.mark.parametrize("by_list", [False, True])
    def test_workers_in_step_need_one_order(self, frame, monkeypatch, by_list):
        schema = dataclasses.replace(SCHEMA, list_key="user")
        workers = {"worker": ["a:1", "b:1"]}
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": workers}))
        with pytest.raises(ValueError, match=r"`seed` must be given.* 2 workers"):
            from_rows(frame, schema, shuffle=True, by_list=by_list)
        for cluster, seed in (
            (workers, 1),
            ({"worker": ["a:1"]}, None),
            ({**workers, "ps": ["c:1"]}, None),
        ):
            monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster}))
            dataset = from_rows(frame, SCHEMA, shuffle=True, seed=seed)
            assert sorted(flat(users(dataset))) == list(range(ROWS))

    def test_every_row_once_an_epoch_in_another_order(self, frame):
        dataset = from_rows(frame, SCHEMA, batch_size=4, shuffle=True, seed=1)
        epochs = [flat(users(dataset)) for _ in range(3)]
        assert all(sorted(epoch) == list(range(ROWS)) for epoch in epochs)
        assert len({tuple(epoch) for epoch in epochs}) == 3

    def test_a_seed_gives_the_same_orders_again(self, frame):
        def epochs(seed):
            dataset = from_rows(frame, SCHEMA, batch_size=4, shuffle=True, seed=seed)
            return [users(dataset) for _ in range(2)]

        first = epochs(1)
        assert epochs(1) == first
        assert epochs(2) != first

    def test_columns_of_a_row_stay_together(self, frame):
        dataset = from_rows(frame, SCHEMA, batch_size=4, shuffle=True)
        for inputs, labels, weights in dataset:
            rows = frame.iloc[inputs["user"].numpy() - 2]
            np.testing.assert_array_equal(labels, rows["liked"].to_numpy(np.float32))
            np.testing.assert_array_equal(weights, rows["w"].to_numpy(np.float32))
            held = (inputs["clicks"].numpy() > 0).sum(axis=1)
            assert held.tolist() == rows["clicks"].map(len).clip(upper=2).tolist()


class TestErrors:
    @pytest.mark.parametrize("size", [0, -1, "256", 2.5])
    def test_batch_size(self, frame, size):
        message = f"`batch_size` must be an integer of at least 1, received {size!r}"
        with pytest.raises(ValueError, match=message):
            from_rows(frame, SCHEMA, batch_size=size)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"rate": None}, "missing column 'rate'"),
            ({"item": 3}, "column 'item': expected strings, received integer"),
            ({"w": -1.0}, "column 'w': expected finite values of at least 0, received 11 outside"),
            ({"w": np.nan}, "column 'w': .*received all 11 values NaN"),
            ({"liked": 2}, r"column 'liked': expected values in \[0, 1\]"),
            (
                {"liked": np.nan},
                "column 'liked': expected a label in at least one row, received 11 rows",
            ),
            ({"user": -1}, "column 'user': expected non-negative integers, received 11 negative"),
        ],
    )
    def test_bad_columns(self, frame, change, message):
        (name, value), *_ = change.items()
        frame = frame.drop(columns=name) if value is None else frame.assign(**change)
        with pytest.raises(ValueError, match=message):
            from_rows(frame, SCHEMA)

    def test_no_rows(self, frame):
        with pytest.raises(ValueError, match="`source` is empty: expected rows, received none"):
            from_rows(frame[:0], SCHEMA)

    def test_rows_that_differ_between_columns(self, frame):
        # Two faults that would hide each other after concatenation.
        columns = {name: frame[name].tolist() for name in frame}
        parts = [{**columns, "item": ["a"] * 12}, {**columns, "item": ["a"] * 10}]
        with pytest.raises(ValueError, match=r"column 'item': expected 11 rows .*received 12"):
            from_rows(parts, SCHEMA)

    def test_not_adapted(self, frame):
        schema = Schema(user=(Categorical("user", dtype="int"),), item=(), label="liked")
        with pytest.raises(ValueError, match=r"features \['user'\] have no vocabulary"):
            from_rows(frame, schema)


class TestFromStream:
    def test_keeps_order_and_batches(self, frame):
        batches = users(from_stream(stream(frame, 3), SCHEMA))
        assert batches == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10]]

    def test_keeps_rows_without_a_label(self, frame):
        labels = np.concatenate([batch[1] for batch in from_stream(stream(frame, 3), SCHEMA)])
        np.testing.assert_array_equal(labels, frame["liked"].to_numpy(np.float32))

    def test_missing_column(self, frame):
        raw = stream(frame, 3).map(lambda batch: {k: v for k, v in batch.items() if k != "w"})
        with pytest.raises(ValueError, match="missing column 'w'"):
            from_stream(raw, SCHEMA)

    def test_no_dicts(self):
        with pytest.raises(TypeError, match="expected batches as dicts of columns, received Tens"):
            from_stream(tf.data.Dataset.range(3), SCHEMA)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda b: {"liked": b["liked"][:, None]}, r"'liked': .*float64 of shape \(None, 1\)"),
            (lambda b: {"w": tf.as_string(b["w"])}, "'w': expected numbers .*received string"),
            (lambda b: {"user": b["user"][:, None]}, r"'user': expected shape \[batch\], received"),
            (lambda b: {"item": b["user"]}, "'item': expected string, received int64"),
            (lambda b: {"clicks": b["item"]}, r"'clicks': expected shape \[batch, width\]"),
        ],
    )
    def test_bad_columns(self, frame, change, message):
        with pytest.raises(ValueError, match=f"column {message}"):
            from_stream(stream(frame, 3).map(lambda batch: {**batch, **change(batch)}), SCHEMA)

    def test_rows_that_were_not_batched(self, frame):
        with pytest.raises(ValueError, match=r"column 'liked': .*of shape \(\)"):
            from_stream(stream(frame, 3).unbatch(), SCHEMA)


class TestGraphs:
    """A schema's tables outlive the graphs in which they are first used."""

    def test_a_schema_serves_after_its_first_use_in_a_stream(self, frame):
        schema = SCHEMA.replacing({"user": Categorical("user", dtype="int")})
        schema = schema.adapt(frame, verbose=0)
        first = list(from_stream(stream(frame, 4), schema))
        again = list(from_stream(stream(frame, 4), schema))
        rows = list(from_rows(frame, schema, batch_size=4))
        for one, two, three in zip(first, again, rows, strict=True):
            tf.nest.map_structure(np.testing.assert_array_equal, one, two)
            tf.nest.map_structure(np.testing.assert_array_equal, one, three)
        ids = schema.lookup({"item": tf.constant(["c", "a", "?"])})
        assert ids["item"].numpy().tolist() == [4, 2, 1]

    @pytest.mark.parametrize("way", ["rows", "lists", "stream"])
    def test_a_function_that_a_strategy_traces_may_make_the_batches(self, frame, way):
        # As workers get theirs from a `DatasetCreator` or `distribute_datasets_from_function`.
        schema = dataclasses.replace(SCHEMA, list_key="user")
        ways = {
            "rows": lambda: from_rows(frame, schema, batch_size=4),
            "lists": lambda: from_rows(frame, schema, batch_size=4, by_list=True),
            "stream": lambda: from_stream(stream(frame, 4), schema),
        }
        traced, eager = tf.function(ways[way], autograph=False)(), ways[way]()
        for one, other in zip(traced, eager, strict=True):
            if way == "lists":  # Numbered anew: they are lists of two datasets.
                for inputs, *_ in (one, other):
                    inputs[LIST] -= inputs[LIST][0]
            tf.nest.map_structure(np.testing.assert_array_equal, one, other)
        assert flat(users(traced)) == list(range(ROWS))


class TestValuesOfStreams:
    LABEL = r"label column {}: expected values in \[0, 1\], or NaN on rows without a label, "
    WEIGHT = r"weight column w: expected finite values of at least 0, "

    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            ("liked", 4, LABEL.format("liked") + r"received\] \[4\]"),
            ("liked", -0.5, LABEL.format("liked") + r"received\] \[-0.5\]"),
            ("liked", np.inf, LABEL.format("liked") + r"received\] \[inf\]"),
            ("bought", 2, LABEL.format("bought") + r"received\] \[2\]"),
            ("w", -0.25, WEIGHT + r"received\] \[-0.25\]"),
            ("w", np.nan, WEIGHT + r"received\] \[nan\]"),
            ("w", np.inf, WEIGHT + r"received\] \[inf\]"),
            ("score", np.nan, r"column score: expected finite numbers, received\] \[nan\]"),
        ],
    )
    def test_a_later_row_is_refused_when_it_is_read(self, frame, name, value, message):
        values = np.array([1.0] * 8 + [value] + [1.0] * 2)
        columns = {"score": np.zeros(ROWS), "bought": np.full(ROWS, np.nan), name: values}

        def batches():
            raw = tf.data.Dataset.from_tensor_slices(
                {k: v.astype(np.float32) for k, v in columns.items()}
            ).batch(4)
            both = tf.data.Dataset.zip((stream(frame, 4), raw))
            merged = both.map(lambda batch, more: {**batch, **more})
            return iter(from_stream(merged, SCHEMA, extra_columns=["score"], labels=["bought"]))

        read = batches()
        next(read)
        next(read)
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            next(read)

    def test_what_from_rows_takes_passes(self, frame):
        changed = frame.assign(liked=[0, 1, 0.5, np.nan] + [1] * 7, w=[0, 1e6] + [1] * 9)
        (batch,) = from_stream(stream(changed, ROWS), SCHEMA)
        np.testing.assert_array_equal(batch[1][:4], [0, 1, 0.5, np.nan])
        np.testing.assert_array_equal(batch[2][:2], [0, 1e6])
