import numpy as np
import pytest
import tensorflow as tf

from tfpfd import Categorical, Numeric, Schema, Sequence
from tfpfd._keras import keras
from tfpfd.schema.batch_fingerprints import SCHEMA as SCHEMA_KEY

SCHEMA = Schema(
    user=(
        Categorical("city", vocabulary=("b", "a", "é"), oov=2),
        Categorical("agent", hash_buckets=5),
        Numeric("age", boundaries=(18.0, 40.0)),
        Sequence("clicks", of="item", length=3),
        Sequence("searches", of="agent", length=2),
    ),
    item=(
        Categorical("item", dtype="int", vocabulary=(30, 10, 20), oov=2),
        Categorical("shop", dtype="int", hash_buckets=4),
        Categorical("tags", of="city", length=2),
    ),
    privileged={"post_event": (Numeric("dwell", boundaries=(), optional=True),)},
)


def bucket(text, buckets):
    return 1 + int(tf.strings.to_hash_bucket_fast(text, buckets))


RAW = {
    "city": tf.constant(["a", "", "é", "??"]),
    "agent": tf.constant(["x", "y", "", "☃"]),
    "age": tf.constant([17.9, 18.0, float("nan"), 1e30]),
    # Behind, in front, in the middle, all: wherever the padding is, the last three values stay.
    "clicks": tf.constant(
        [[30, 10, -1, -1, -1], [-5, -1, 20, 7, 8], [10, -1, 20, -1, 30], [-1] * 5], tf.int64
    ),
    "searches": tf.constant([["x", "y", "z"], ["", "", ""], ["x", "", "y"], ["", "x", ""]]),
    "item": tf.constant([10, 7, -3, 2**62], tf.int64),
    "shop": tf.constant([0, 1, -1, 2**62], tf.int64),
    "tags": tf.constant([["a", "b"], ["", "é"], ["a", ""], ["", ""]]),
    "dwell": tf.constant([-1.0, float("nan"), 0.0, 3.0]),
}
# Rows of a table: 0 missing, then the out-of-vocabulary rows, then the vocabulary.
BY_HAND = {
    "city": [4, 0, 5, bucket("??", 2)],
    "agent": [bucket("x", 5), bucket("y", 5), 0, bucket("☃", 5)],
    "age": [1, 2, 0, 3],
    "clicks": [[3, 4, 0], [5, 1 + 7 % 2, 1 + 8 % 2], [4, 5, 3], [0, 0, 0]],
    "searches": [
        [bucket("y", 5), bucket("z", 5)],
        [0, 0],
        [bucket("x", 5), bucket("y", 5)],
        [bucket("x", 5), 0],
    ],
    "item": [4, 1 + 7 % 2, 0, 1 + 2**62 % 2],
    "shop": [bucket("0", 4), bucket("1", 4), 0, bucket(str(2**62), 4)],
    "tags": [[4, 3], [5, 0], [4, 0], [0, 0]],
    "dwell": [1, 0, 1, 1],
}


def ragged(raw):
    return {
        **raw,
        "clicks": tf.RaggedTensor.from_tensor(raw["clicks"], padding=-1),
        "searches": tf.RaggedTensor.from_tensor(raw["searches"], padding=""),
        "tags": tf.RaggedTensor.from_tensor(raw["tags"], padding=""),
    }


def is_mark(name):
    """Whether it says which schema looked the rows up."""
    return name.startswith(SCHEMA_KEY)


def as_lists(ids):
    return {name: rows.numpy().tolist() for name, rows in ids.items() if not is_mark(name)}


class Served(tf.Module):
    def __init__(self, schema):
        super().__init__()
        self.lookup = schema.lookup
        self.serve = tf.function(
            lambda **raw: self.lookup(raw), input_signature=None, autograph=False
        )


@pytest.fixture(scope="module")
def reloaded(tmp_path_factory):
    """The lookup of `SCHEMA` from a SavedModel that was written and read again."""
    module, path = Served(SCHEMA), str(tmp_path_factory.mktemp("lookup"))
    serve = module.serve.get_concrete_function(**module.lookup.signature())
    tf.saved_model.save(module, path, signatures={"serving_default": serve})
    signature = tf.saved_model.load(path).signatures["serving_default"]

    def look_up(raw):
        return signature(
            **{
                name: values.to_tensor("" if values.dtype == tf.string else -1)
                if isinstance(values, tf.RaggedTensor)
                else values
                for name, values in raw.items()
            }
        )

    look_up.keep = signature
    return look_up


def in_pipeline(raw):
    """Looked up in `tf.data`, in one batch."""
    return next(iter(tf.data.Dataset.from_tensors(raw).map(SCHEMA.lookup)))


WAYS = {
    "eager": lambda reloaded: SCHEMA.lookup,
    "tf.data": lambda reloaded: in_pipeline,
    "SavedModel": lambda reloaded: reloaded,
}


@pytest.mark.parametrize("way", WAYS)
class TestOneImplementation:
    @pytest.mark.slow
    def test_ids_by_hand(self, way, reloaded):
        ids = WAYS[way](reloaded)(RAW)
        assert as_lists(ids) == BY_HAND
        assert {rows.dtype for name, rows in ids.items() if name in BY_HAND} == {tf.int32}

    @pytest.mark.slow
    def test_ragged_rows(self, way, reloaded):
        rows = ragged(RAW)
        assert rows["clicks"].row_lengths().numpy().tolist() == [2, 5, 5, 0]
        assert as_lists(WAYS[way](reloaded)(rows)) == BY_HAND

    @pytest.mark.slow
    def test_empty_batch(self, way, reloaded):
        ids = WAYS[way](reloaded)({name: values[:0] for name, values in RAW.items()})
        shapes = {name: tuple(rows.shape) for name, rows in ids.items() if not is_mark(name)}
        assert shapes == {
            name: np.array(rows)[:0].shape if isinstance(rows[0], list) else (0,)
            for name, rows in BY_HAND.items()
        }

    @pytest.mark.slow
    def test_rows_of_no_values(self, way, reloaded):
        raw = {
            **RAW,
            "clicks": tf.zeros([4, 0], tf.int64),
            "searches": tf.zeros([4, 0], tf.string),
            "tags": tf.zeros([4, 0], tf.string),
        }
        ids = as_lists(WAYS[way](reloaded)(raw))
        assert ids["clicks"] == [[0] * 3] * 4
        assert ids["tags"] == ids["searches"] == [[0] * 2] * 4

    @pytest.mark.slow
    def test_long_sequences(self, way, reloaded):
        width = 100_000
        clicks = np.full((4, width), 7)
        clicks[1] = -1
        clicks[1, ::30_000] = [30, 10, 20, 10]
        clicks[2, -1] = -1
        clicks[3, -2:] = [20, 30]
        ids = WAYS[way](reloaded)({**RAW, "clicks": tf.constant(clicks, tf.int64)})
        assert as_lists(ids)["clicks"] == [[2, 2, 2], [4, 5, 4], [2, 2, 2], [2, 5, 3]]


class TestMask:
    def test_is_positive_ids_even_of_unknown_values(self):
        ids = SCHEMA.lookup(RAW)
        held = (RAW["clicks"].numpy() >= 0).sum(axis=1)
        assert ((ids["clicks"].numpy() > 0).sum(axis=1) == np.minimum(held, 3)).all()

    def test_values_stand_before_the_padding(self):
        for name in ("clicks", "searches", "tags"):
            filled = SCHEMA.lookup(RAW)[name].numpy() > 0
            assert (np.diff(filled.astype(int), axis=1) <= 0).all(), name


class TestKeepsToTheTable:
    def test_every_id_is_a_row(self):
        values = [f"unknown {i}" for i in range(500)]
        for feature in (
            Categorical("a", vocabulary=("x",), oov=7),
            Categorical("a", vocabulary=()),
            Categorical("a", hash_buckets=7),
        ):
            schema = Schema(user=(feature,), item=())
            ids = schema.lookup({"a": tf.constant(values)})["a"].numpy()
            rows = feature.hash_buckets or feature.oov
            assert set(ids) == set(range(1, 1 + rows))
            assert ids.max() < feature.rows

    def test_the_last_bucket_is_the_last_row(self):
        schema = Schema(user=(Numeric("a", boundaries=(1, 2, 3)),), item=())
        ids = schema.lookup({"a": tf.constant([-np.inf, np.inf], tf.float32)})["a"]
        assert ids.numpy().tolist() == [1, schema.user[0].rows - 1]

    def test_learned_edges_split_the_rows_they_were_learned_from_evenly(self):
        values = np.random.default_rng(0).normal(size=1000).astype(np.float32)
        schema = Schema(user=(Numeric("a", buckets=10),), item=())
        schema = schema.adapt({"a": values, "label": np.ones(1000)}, verbose=0)
        counts = np.bincount(schema.lookup({"a": tf.constant(values)})["a"])
        assert counts[0] == 0
        assert counts[1:].tolist() == [100] * 10


class TestTypesOfColumns:
    @pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint32, np.int64, np.float64])
    def test_numbers_of_any_type_are_ids(self, dtype):
        schema = Schema(
            user=(Sequence("clicks", of="item", length=2),),
            item=(Categorical("item", dtype="int", vocabulary=(255, 1)),),
        )
        rows = tf.ragged.constant([[255, 1, 1], [255], []], dtype=tf.as_dtype(dtype))
        ids = schema.lookup({"clicks": rows, "item": tf.constant([1, 255, 2], dtype)})
        assert as_lists(ids) == {"clicks": [[3, 3], [2, 0], [0, 0]], "item": [3, 2, 1]}

    def test_integers_are_numbers(self):
        schema = Schema(user=(Numeric("a", boundaries=(2,)),), item=())
        assert schema.lookup({"a": tf.constant([1, 2])})["a"].numpy().tolist() == [1, 2]

    def test_arrays_are_taken_like_tensors(self):
        arrays = {name: values.numpy() for name, values in RAW.items()}
        assert as_lists(SCHEMA.lookup(arrays)) == BY_HAND

    @pytest.mark.parametrize(
        ("name", "values", "message"),
        [
            ("city", tf.constant([["a"]]), r"'city': expected shape \[batch\], received \(1, 1\)"),
            ("city", tf.constant("a"), r"'city': expected shape \[batch\], received \(\)"),
            ("age", tf.ragged.constant([[1.0]]), r"'age': expected shape \[batch\]"),
            ("clicks", tf.constant([1]), r"'clicks': expected shape \[batch, width\]"),
            ("tags", tf.constant([[["a"]]]), r"'tags': expected shape \[batch, width\]"),
            ("city", tf.constant([1]), "'city': expected string, received int32"),
            ("item", tf.constant(["1"]), "'item': expected int64, received string"),
            ("age", tf.constant(["1"]), "'age': expected float32, received string"),
        ],
    )
    def test_refuses_another_shape_or_type(self, name, values, message):
        with pytest.raises(ValueError, match=f"column {message}"):
            SCHEMA.lookup({**RAW, name: values})

    def test_signature_names_shapes_and_types(self):
        specs = {
            name: (spec.shape.as_list(), spec.dtype)
            for name, spec in SCHEMA.served().lookup.signature().items()
        }
        assert specs == {
            "city": ([None], tf.string),
            "agent": ([None], tf.string),
            "age": ([None], tf.float32),
            "clicks": ([None, None], tf.int64),
            "searches": ([None, None], tf.string),
            "item": ([None], tf.int64),
            "shop": ([None], tf.int64),
            "tags": ([None, None], tf.string),
        }


class TestAgreesWithKeras:
    """Where the conventions coincide: 0 for missing values, unknown ones first."""

    words = ["a", "b", "zz", "", "ü", "b", "q"]

    def ids(self, feature, values):
        return Schema(user=(feature,), item=()).lookup({feature.name: values})[feature.name]

    @pytest.mark.parametrize("oov", [1, 3])
    def test_string_lookup(self, oov):
        layer = keras.layers.StringLookup(vocabulary=["b", "a"], num_oov_indices=oov, mask_token="")
        ours = self.ids(Categorical("x", vocabulary=("b", "a"), oov=oov), tf.constant(self.words))
        np.testing.assert_array_equal(ours, layer(tf.constant(self.words)))

    @pytest.mark.parametrize("oov", [1, 3])
    def test_integer_lookup(self, oov):
        values = tf.constant([5, 3, 8, 9, 10, -1], tf.int64)
        layer = keras.layers.IntegerLookup(
            vocabulary=[3, 5], num_oov_indices=oov, mask_token=-1, vocabulary_dtype="int64"
        )
        feature = Categorical("x", dtype="int", vocabulary=(3, 5), oov=oov)
        np.testing.assert_array_equal(self.ids(feature, values), layer(values))

    def test_hashing(self):
        words = tf.constant(self.words)
        layer = keras.layers.Hashing(num_bins=11, mask_value="")
        np.testing.assert_array_equal(
            self.ids(Categorical("x", hash_buckets=10), words), layer(words)
        )
        numbers = tf.constant([0, 1, 2, 2**40, -1], tf.int64)
        layer = keras.layers.Hashing(num_bins=11, mask_value=-1)
        feature = Categorical("x", dtype="int", hash_buckets=10)
        np.testing.assert_array_equal(self.ids(feature, numbers), layer(numbers))

    def test_discretization(self):
        edges = [-1.5, 0.1, 2.0]
        values = tf.constant([-9, -1.5, 0.0, 0.1, 1.9999, 2.0, 7], tf.float32)
        layer = keras.layers.Discretization(bin_boundaries=edges)
        ours = self.ids(Numeric("x", boundaries=edges), values)
        np.testing.assert_array_equal(ours.numpy() - 1, layer(values))
