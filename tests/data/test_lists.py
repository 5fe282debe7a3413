"""Which rows share a list, batches of whole lists, and columns that are passed through."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tfpfd import Categorical, Ranker, Schema, TwoTower, losses
from tfpfd.data import LIST, from_rows, from_stream

SCHEMA = Schema(
    user=(Categorical("user", dtype="int", vocabulary=tuple(range(50))),),
    item=(Categorical("item", vocabulary=("a", "b")),),
    list_key="request",
)
SIZES = [3, 1, 4, 2, 6, 2, 1]


@pytest.fixture
def frame():
    """Lists of the sizes above, their rows one after the other; user n is row n."""
    requests = np.repeat([f"r{n}" for n in range(len(SIZES))], SIZES)
    rows = len(requests)
    columns = {"user": range(rows), "item": "a", "label": np.arange(rows) % 2, "request": requests}
    return pd.DataFrame({**columns, "score": np.arange(rows) / 10})


def lists_of(dataset):
    """The lists that the rows of each batch came from, whatever the batch calls them."""
    requests = np.repeat(range(len(SIZES)), SIZES)
    return [requests[users].tolist() for users in users_of(dataset)]


def users_of(dataset):
    return [(batch[0]["user"].numpy() - 2).tolist() for batch in dataset]


def flat(batches):
    return [value for batch in batches for value in batch]


def counted(dataset):
    """The numbers of the lists in the only batch, counted from that of the first row."""
    ((inputs, _),) = dataset
    assert inputs[LIST].dtype == tf.int64
    return (inputs[LIST] - inputs[LIST][0]).numpy().tolist()


def same(ids):
    """Which pairs of rows share a list: what the numbers of lists mean."""
    ids = np.asarray(ids)
    return ids[:, None] == ids[None, :]


class TestLists:
    def test_numbers_by_hand(self, frame):
        dataset = from_rows(frame, SCHEMA, by_list=True)
        assert counted(dataset) == np.repeat(range(7), SIZES).tolist()

    @pytest.mark.parametrize(
        "keys",
        [
            [5, 3, 5, 3, 9],
            ["b", "a", "b", "a", "c"],
            [b"b", b"a", b"b", b"a", b"c"],
            [2**60 + 1, 2**60, 2**60 + 1, 2**60, -1],
            [1.5, 0.5, 1.5, 0.5, 2.0],
            [(1, "x"), (2, "x"), (1, "x"), (2, "x"), (1, "y")],
            pd.to_datetime(["2026-01-02", "2026-01-01", "2026-01-02", "2026-01-01", "2027-01-01"]),
            pd.Series(["b", "a", "b", "a", "c"], dtype="category"),
        ],
        ids=["ints", "strings", "bytes", "large", "floats", "tuples", "times", "categories"],
    )
    def test_keys_of_any_hashable_type(self, frame, keys):
        # As a column: NumPy would make a rectangle of the tuples.
        columns = dict(frame[:5].assign(request=pd.Series(keys)).items())
        dataset = from_rows(columns, SCHEMA, by_list=True)
        assert counted(dataset) == [0, 0, 1, 1, 2]
        assert users_of(dataset) == [[0, 2, 1, 3, 4]]

    def test_a_list_in_two_parts_of_the_source(self, frame):
        parts = [dict(frame[:2].items()), dict(frame[2:].items())]
        assert (
            counted(from_rows(parts, SCHEMA, by_list=True)) == np.repeat(range(7), SIZES).tolist()
        )

    def test_datasets_that_are_put_together_keep_their_lists_apart(self, frame):
        one, other = (from_rows(frame, SCHEMA, by_list=True) for _ in range(2))
        ((inputs, _),) = one.concatenate(other).rebatch(99)
        requests = np.repeat(range(2 * len(SIZES)), SIZES * 2)
        np.testing.assert_array_equal(same(inputs[LIST]), same(requests))

    @pytest.mark.slow
    def test_batches_that_cut_lists_say_nothing_of_them(self, frame):
        ((inputs, _),) = from_rows(frame, SCHEMA)
        assert LIST not in inputs
        ranker = Ranker(SCHEMA, TwoTower([2]))
        ranker.compile("sgd", loss=losses.ListwiseSoftmax())
        with pytest.raises(ValueError, match=r"ListwiseSoftmax looks at whole lists.*by_list=True"):
            ranker.evaluate(from_rows(frame, SCHEMA, 4), verbose=0)

    def test_only_if_the_schema_has_a_key(self, frame):
        schema = Schema(user=SCHEMA.user, item=SCHEMA.item)
        ((inputs, _),) = from_rows(frame, schema)
        assert LIST not in inputs
        stream = tf.data.Dataset.from_tensor_slices(dict(frame)).batch(99)
        assert LIST not in from_stream(stream, schema).element_spec[0]

    def test_batches_are_those_without_lists(self, frame):
        """Who doesn't ask for whole lists gets the batches of a schema without a key."""
        plain = Schema(user=SCHEMA.user, item=SCHEMA.item)
        one, other = (
            users_of(from_rows(frame, schema, 4, shuffle=True, seed=3))
            for schema in (SCHEMA, plain)
        )
        assert one == other

    def test_a_ranker_ignores_them(self, frame):
        ((inputs, _),) = from_rows(frame, SCHEMA, by_list=True, extra_columns=["score"])
        ranker = Ranker(SCHEMA, TwoTower([2]))
        features = {k: v for k, v in inputs.items() if k not in (LIST, "score")}
        np.testing.assert_array_equal(ranker(inputs), ranker(features))

    @pytest.mark.parametrize("key", [None, np.nan])
    def test_a_row_without_a_key(self, frame, key):
        frame.loc[3, "request"] = key
        with pytest.raises(ValueError, match=r"'request': expected a list key .*1 of 19 missing"):
            from_rows(frame, SCHEMA)

    def test_keys_in_parts_of_several_types(self, frame):
        keys = [np.array([2**60, 2**60 + 1]), np.array([2**60 + 2, 2**60], np.uint64)]
        parts = [
            dict(frame[i : i + 2].assign(request=k).items())
            for i, k in zip((0, 2), keys, strict=True)
        ]
        assert counted(from_rows(parts, SCHEMA, by_list=True)) == [0, 0, 1, 2]
        parts[1]["request"] = ["1", "2"]
        with pytest.raises(
            ValueError, match=r"'request': expected list keys of one kind, received"
        ):
            from_rows(parts, SCHEMA)

    def test_keys_that_are_not_hashable(self, frame):
        frame["request"] = [[]] * len(frame)
        with pytest.raises(ValueError, match="'request': expected hashable list keys, received"):
            from_rows(frame, SCHEMA)

    def test_no_column(self, frame):
        with pytest.raises(ValueError, match="missing column 'request'"):
            from_rows(frame.drop(columns="request"), SCHEMA)


class TestStream:
    @pytest.mark.parametrize("dtype", [str, np.int32, np.int64])
    def test_equal_where_keys_are_equal(self, frame, dtype):
        keys = np.array([7, 3, 7, 2, 3] * 3 + [11] * 4).astype(dtype)
        raw = {"user": frame["user"].to_numpy(), "item": frame["item"].to_list(), "request": keys}
        raw["label"] = frame["label"].to_numpy()
        stream = tf.data.Dataset.from_tensor_slices(raw).batch(8)
        batches = [inputs[LIST].numpy().tolist() for inputs, _ in from_stream(stream, SCHEMA)]
        assert [len(batch) for batch in batches] == [8, 8, 3]
        # Across batches too: the number of a key doesn't depend on the batch.
        np.testing.assert_array_equal(same(flat(batches)), same(keys))

    def test_integers_stay_what_they_are(self, frame):
        stream = tf.data.Dataset.from_tensor_slices(dict(frame.assign(request=2**62 + 1)))
        ((inputs, _),) = from_stream(stream.batch(99), SCHEMA)
        assert set(inputs[LIST].numpy()) == {2**62 + 1}

    @pytest.mark.parametrize("keys", [0.5, [["a"]]])
    def test_other_keys(self, frame, keys):
        stream = tf.data.Dataset.from_tensor_slices(dict(frame.drop(columns="request"))).batch(4)
        message = r"column 'request': expected strings or integers of shape \[batch\]"
        with pytest.raises(ValueError, match=message):
            from_stream(stream.map(lambda x: {**x, "request": tf.constant(keys)}), SCHEMA)


class TestByList:
    @pytest.mark.parametrize(
        ("size", "batches"),
        [
            # Sizes 3, 1, 4, 2, 6, 2, 1: as many lists as fit, a longer one by itself.
            (1, [[0], [1], [2], [3], [4], [5], [6]]),
            (4, [[0, 1], [2], [3], [4], [5, 6]]),
            (5, [[0, 1], [2], [3], [4], [5, 6]]),
            (6, [[0, 1], [2, 3], [4], [5, 6]]),
            (9, [[0, 1, 2], [3, 4], [5, 6]]),
            (99, [list(range(7))]),
        ],
    )
    def test_by_hand(self, frame, size, batches):
        dataset = from_rows(frame, SCHEMA, size, by_list=True)
        expected = [np.repeat(lists, np.take(SIZES, lists)).tolist() for lists in batches]
        assert lists_of(dataset) == expected
        assert flat(users_of(dataset)) == list(range(19))

    @pytest.mark.parametrize("size", [1, 5, 7])
    def test_rows_of_a_list_come_together_from_wherever_they_stand(self, frame, size):
        mixed = frame.sample(frac=1, random_state=0)
        for seed in range(5):
            dataset = from_rows(mixed, SCHEMA, size, shuffle=True, seed=seed, by_list=True)
            batches = lists_of(dataset)
            sets = [set(batch) for batch in batches]
            assert sum(map(len, sets)) == len(set().union(*sets)) == 7
            assert all(len(b) <= size or len(s) == 1 for b, s in zip(batches, sets, strict=True))
            assert sorted(flat(users_of(dataset))) == list(range(19))

    def test_columns_of_a_row_stay_together(self, frame):
        mixed = frame.sample(frac=1, random_state=0)
        dataset = from_rows(mixed, SCHEMA, 7, shuffle=True, by_list=True, extra_columns=["score"])
        for inputs, labels in dataset:
            rows = frame.iloc[inputs["user"].numpy() - 2]
            np.testing.assert_array_equal(labels, rows["label"])
            np.testing.assert_allclose(inputs["score"], rows["score"], rtol=1e-6)
            # Losses of lists are fastest where the rows of a batch say n, n, …, n + 1, n + 1, ….
            numbers = inputs[LIST].numpy()
            assert (numbers - numbers[0]).tolist() == pd.factorize(rows["request"])[0].tolist()

    @pytest.mark.parametrize("size", [1, 4, 7, 99])
    def test_batches_of_an_epoch_can_be_joined(self, frame, size):
        """No two lists of an epoch have one number, whatever batches they are in."""
        dataset = from_rows(frame, SCHEMA, size, shuffle=True, seed=2, by_list=True)
        for _ in range(2):
            batches = list(dataset)
            numbers = flat(inputs[LIST].numpy().tolist() for inputs, _ in batches)
            users = flat(inputs["user"].numpy().tolist() for inputs, _ in batches)
            requests = frame["request"].to_numpy()[np.array(users) - 2]
            np.testing.assert_array_equal(same(numbers), same(requests))

    def test_every_epoch_has_another_order_and_a_seed_the_same(self, frame):
        def epochs(seed):
            dataset = from_rows(frame, SCHEMA, 6, shuffle=True, seed=seed, by_list=True)
            return [lists_of(dataset) for _ in range(3)]

        first = epochs(1)
        assert first[0] != first[1] != first[2]
        assert epochs(1) == first
        assert epochs(2) != first

    @pytest.mark.parametrize("shuffle", [False, True])
    def test_every_epoch_has_as_many_batches(self, shuffle):
        """Keras 2 would leave out lists of an epoch that has more batches than the first one."""
        random = np.random.default_rng(0)
        for case in range(30):
            sizes = random.integers(1, random.integers(2, 30), random.integers(1, 60))
            sizes *= random.integers(1, 3)
            requests = np.repeat(np.arange(len(sizes)), sizes)
            columns = {"user": 0, "item": "a", "label": 1.0}
            frame = pd.DataFrame({"request": requests}).assign(**columns)
            size = int(random.integers(1, 80))
            dataset = from_rows(
                frame, SCHEMA, size, shuffle, seed=case, by_list=True, extra_columns=["request"]
            )
            for _ in range(4):
                batches = [inputs["request"].numpy() for inputs, _ in dataset]
                assert len(batches) == len(dataset)
                assert all(len(b) <= size or len(set(b)) == 1 for b in batches)
                assert all(len(b) for b in batches)
                assert sum(len(set(b)) for b in batches) == len(sizes)
                assert sum(map(len, batches)) == len(frame)

    @pytest.mark.slow
    def test_keras_trains_on_all_of_every_epoch(self, frame):
        dataset = from_rows(frame, SCHEMA, 7, shuffle=True, seed=7, by_list=True)
        ranker = Ranker(SCHEMA, TwoTower([2]))
        ranker.compile("sgd", loss=losses.ListwiseSoftmax())
        history = ranker.fit(dataset, epochs=8, verbose=0)
        assert len(history.epoch) == 8
        assert int(np.asarray(ranker.optimizer.iterations)) == 8 * len(dataset)

    def test_needs_a_list_key(self, frame):
        with pytest.raises(
            ValueError, match=r"`by_list` needs to know .* `list_key` in the schema"
        ):
            from_rows(frame, Schema(user=SCHEMA.user, item=SCHEMA.item), by_list=True)


class TestKeep:
    def test_values_and_type(self, frame):
        ((inputs, _),) = from_rows(frame, SCHEMA, extra_columns=["score"])
        assert inputs["score"].dtype == tf.float32
        np.testing.assert_allclose(inputs["score"], frame["score"], rtol=1e-6)
        stream = tf.data.Dataset.from_tensor_slices(dict(frame)).batch(99)
        ((streamed, _),) = from_stream(stream, SCHEMA, extra_columns=["score"])
        np.testing.assert_array_equal(streamed["score"], inputs["score"])

    @pytest.mark.parametrize("name", ["user", "item", "label", "weight", LIST])
    def test_names_that_are_taken(self, frame, name):
        schema = Schema(
            user=SCHEMA.user, item=SCHEMA.item, sample_weight="weight", list_key="request"
        )
        stream = tf.data.Dataset.from_tensor_slices(dict(frame)).batch(4)
        for make in (
            lambda: from_rows(frame, schema, extra_columns=[name]),
            lambda: from_stream(stream, schema, extra_columns=[name]),
        ):
            with pytest.raises(
                ValueError, match=f"`extra_columns` names '{name}': expected columns other"
            ):
                make()

    def test_errors(self, frame):
        with pytest.raises(ValueError, match="missing column 'scores'"):
            from_rows(frame, SCHEMA, extra_columns=["scores"])
        with pytest.raises(ValueError, match=r"column 'score': expected finite numbers.*2 of 19"):
            from_rows(
                frame.assign(score=[np.nan] * 2 + [0.0] * 17), SCHEMA, extra_columns=["score"]
            )
        with pytest.raises(ValueError, match="column 'score': expected numbers, received string"):
            from_rows(frame.assign(score="high"), SCHEMA, extra_columns=["score"])
        with pytest.raises(TypeError, match="`extra_columns` must be names in a list, received "):
            from_rows(frame, SCHEMA, extra_columns="score")
        stream = tf.data.Dataset.from_tensor_slices(dict(frame)).batch(4)
        with pytest.raises(ValueError, match="missing column 'scores'"):
            from_stream(stream, SCHEMA, extra_columns=["scores"])
        with pytest.raises(ValueError, match=r"column 'request': expected numbers .*string"):
            from_stream(stream, SCHEMA, extra_columns=["request"])
