import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf

from tfpfd import Categorical, Numeric, Schema, Sequence

SCHEMA = Schema(
    user=(
        Categorical("user"),
        Categorical("zip", optional=True),
        Numeric("age"),
        Sequence("clicks", of="item", length=2),
    ),
    item=(
        Categorical("item", dtype="int"),
        Categorical("shop", dtype="int", optional=True),
        Categorical("tags", length=3),
        Numeric("price", optional=True),
    ),
    privileged={"cross": (Numeric("rate"),)},
    label="liked",
    sample_weight="w",
)


def rows(**columns):
    """Three good rows, with some of their columns replaced."""
    return {
        "user": ["u1", "u2", "u3"],
        "zip": ["z", None, ""],
        "age": [20, 30.5, 40],
        "clicks": [[1, 2], [], None],
        "item": [1, 2, 3],
        "shop": [1, None, -1],
        "tags": [["a"], ["b", "c"], []],
        "price": [None, np.nan, 1],
        "rate": [0.5, 0.25, 0.0],
        "liked": [1, 0, None],
        "w": [1, 0, 0.5],
        **columns,
    }


def without(name):
    return {column: values for column, values in rows().items() if column != name}


def test_the_good_rows_are_good():
    adapted = SCHEMA.adapt(rows(), verbose=0)
    assert adapted.vocabularies["zip"].vocabulary == ("z",)
    assert adapted.vocabularies["shop"].vocabulary == (1,)
    assert adapted.features()["price"].boundaries == ()


STRINGS, IDS, NUMBERS = "expected strings, received", "expected non-negative integers", "numbers"

BAD_COLUMNS = {
    "strings: numbers": ("user", [1, 2, 3], f"{STRINGS} integer .*dtype='int'"),
    "strings: fractions": ("user", [1.5, 2, 3], f"{STRINGS} floating values of dtype float64"),
    "strings: truth values": ("user", [True, False, True], f"{STRINGS} boolean"),
    "strings: a mixture": ("user", ["a", 1, b"c"], f"{STRINGS} mixed"),
    "strings: dates": ("user", pd.to_datetime(["2020-01-01"] * 3), f"{STRINGS} datetime64"),
    "strings: one missing": ("user", ["a", None, "b"], f"{STRINGS} 1 of 3 values missing; fill"),
    "strings: an empty one": ("user", ["a", "", "b"], f"{STRINGS} 1 of 3 values missing"),
    "strings: NaN": ("user", ["a", np.nan, np.nan], f"{STRINGS} 2 of 3 values missing"),
    "strings: no UTF-8": ("user", [b"a", b"\xff", b"c"], "expected UTF-8 strings, .*0xff"),
    "strings: a surrogate": ("user", ["a", "\ud800", "c"], "expected UTF-8 strings, received"),
    "strings: lists": ("user", [["a"], ["b"], ["c"]], "one value a row, received a row with list"),
    "strings: later lists": ("user", ["a", ["b"], "c"], f"{STRINGS} mixed"),
    "strings: a rectangle": ("user", np.full((3, 1), "a"), r"one value a row, .*shape \(3, 1\)"),
    "strings: ragged": (
        "user",
        tf.ragged.constant([["a"], [], ["b"]]),
        "one value a row, received a ragged tensor",
    ),
    "strings: a missing category": (
        "user",
        pd.Categorical(["a", None, "b"]),
        f"{STRINGS} 1 of 3 values missing",
    ),
    "ids: strings": ("item", ["1", "2", "3"], f"{IDS}, received string .*dtype='string'"),
    "ids: fractions": ("item", [1, 2.5, 3], f"{IDS}, received the number 2.5"),
    "ids: infinite": ("item", [1, np.inf, 3], f"{IDS}, received the number inf"),
    "ids: truth values": ("item", [True, False, True], f"{IDS}, received boolean"),
    "ids: decimals": ("item", [decimal.Decimal(1)] * 3, f"{IDS}, received decimal"),
    "ids: negative": ("item", [1, -2, -3], f"{IDS}, received 2 negative of 3, such as -2"),
    "ids: missing": ("item", [1, None, 3], f"{IDS}, received 1 of 3 values missing"),
    "ids: missing, as pandas has it": (
        "item",
        pd.Series([1, None, 3], dtype="Int64"),
        f"{IDS}, received 1 of 3 values missing",
    ),
    "ids: a missing category": (
        "item",
        pd.Categorical([1, None, 3]),
        f"{IDS}, received 1 of 3 values missing",
    ),
    "ids: uint64 that int64 can't hold": (
        "item",
        np.array([1, 2**63, 3], np.uint64),
        r"expected integers below 2\*\*63, received 9223372036854775808",
    ),
    "ids: beyond 64 bits": ("item", [1, 2**70, 3], "expected integers"),
    "ids: beyond 64 bits, below zero": ("shop", [1, 2**63, -1], "expected integers"),
    "ids: floats that stand for several": (
        "shop",
        [1, np.nan, 2.0**53],
        "integer type, since float64 holds them up to 9007199254740992 only",
    ),
    "ids: such floats of 32 bits": (
        "item",
        np.array([1, 2, 2**24], np.float32),
        "integer type, since float32 holds them up to 16777216 only, received the number 1",
    ),
    "ids: lists": ("item", [[1], [2], [3]], "one value a row, received a row with list"),
    "numbers: strings": ("age", ["1", "2", "3"], f"expected {NUMBERS}, received string"),
    "numbers: dates": ("age", pd.to_datetime(["2020-01-01"] * 3), "received datetime64"),
    "numbers: NaN": ("age", [1, np.nan, 3], f"finite {NUMBERS}, received 1 of 3 values NaN; fill"),
    "numbers: infinite": ("age", [1, -np.inf, 3], f"finite {NUMBERS}, received 1 .*such as -inf"),
    "numbers: too large": ("price", [1, 1e300, 3], f"finite {NUMBERS}, .*such as 1e\\+300"),
    "numbers: lists": ("rate", [[1], [2], [3]], "one value a row, received a row with list"),
    "several: strings": ("tags", ["a", "b", "c"], "a list of values a row, received str 'a'"),
    "several: a later string": ("tags", [["a"], None, "c"], "a list of values a row, .*'c'"),
    "several: numbers": ("clicks", [1, 2, 3], "a list of values a row, received int"),
    "several: one tensor": ("clicks", tf.constant([1, 2, 3]), "a list of values a row"),
    "several: arrow": ("clicks", pa.array([1, 2, 3]), "a list .*, received pyarrow int64"),
    "several: missing": ("tags", [["a", None], [], []], f"{STRINGS} 1 of 2 values missing"),
    "several: empty": ("tags", [["a", ""], [], []], f"{STRINGS} 1 of 2 values missing"),
    "several: arrow null": (
        "clicks",
        pa.array([[1, None], [], None]),
        f"{IDS}, received 1 of 2 values missing",
    ),
    "several: negative": ("clicks", [[1, -1], [], []], f"{IDS}, received 1 negative of 2"),
    "several: another type": ("tags", [[1], [2], []], f"{STRINGS} integer"),
    "several: fractions": ("clicks", [[1], [0.5], []], f"{IDS}, received the number 0.5"),
    "several: lists of lists": ("tags", [[["a"]], [], []], f"{STRINGS} mixed"),
    "several: three axes": ("clicks", np.zeros((3, 1, 1), int), r"shape \(3, 1, 1\)"),
    "several: ragged lists of lists": (
        "clicks",
        tf.ragged.constant([[[1], [2, 3]], [], []]),
        r"a list of values a row, received values of shape \(3, None, None\)",
    ),
    "several: ragged pairs": (
        "clicks",
        tf.RaggedTensor.from_row_lengths(tf.ones([3, 2], tf.int64), [2, 1, 0]),
        r"a list of values a row, received values of shape \(3, None, 2\)",
    ),
    "a value for all rows": ("age", 3, "expected an entry a row, received int 3; .*batches"),
    "a string for all rows": ("user", "abc", "expected an entry a row, received str 'abc'"),
    "a scalar tensor": ("age", tf.constant(1.0), "expected an entry a row"),
    "a sparse tensor": ("clicks", tf.sparse.from_dense([[1]]), "expected an entry a row"),
    "fewer rows": ("item", [1, 2], "expected 3 rows as in column 'user', received 2"),
    "fewer labels": ("liked", [1, 0], "expected 3 rows as in column 'user', received 2"),
    "all strings missing": ("zip", [None, "", np.nan], "expected values, received 3 rows .* all"),
    "all ids missing": ("shop", [None, None, -1], "expected values, received 3 rows"),
    "all numbers missing": ("price", [None] * 3, "expected values, received 3 rows"),
    "all lists empty": ("tags", [[], None, []], "expected values, received 3 rows"),
    "no labels": ("liked", [np.nan] * 3, "expected values, received 3 rows"),
    "labels above 1": ("liked", [1, 5, 4], r"values in \[0, 1\], .*received 2 outside, such as 5"),
    "labels below 0": ("liked", [1, -1, 0], r"values in \[0, 1\], .*received 1 outside, .* -1"),
    "labels of text": ("liked", ["1", "0", "1"], "expected numbers, received string"),
    "weights below 0": ("w", [1, -0.5, 1], "at least 0, received 1 outside, such as -0.5"),
    "weights missing": ("w", [1, None, 1], "finite numbers, received 1 of 3 values NaN"),
    "weights infinite": ("w", [1, np.inf, 1], "finite numbers, received 1 infinite"),
}


@pytest.mark.parametrize("case", BAD_COLUMNS)
def test_a_bad_column_is_named_with_what_was_expected_and_what_came(case):
    name, values, message = BAD_COLUMNS[case]
    with pytest.raises(ValueError, match=f"column '{name}': .*{message}"):
        SCHEMA.adapt(rows(**{name: values}), verbose=0)


def test_bad_columns_are_named_together():
    with pytest.raises(ValueError, match="column 'age': expected finite numbers") as error:
        SCHEMA.adapt(rows(age=[1, None, 2], rate=[None] * 3, shop=["a", "b", "c"]), verbose=0)
    message = str(error.value)
    assert "; column 'rate': expected finite numbers, received all 3 values NaN" in message
    assert "; column 'shop': expected non-negative integers, received string" in message
    assert message.count("\n") == 0


def test_columns_without_any_value_are_named_together():
    empty = {"zip": [None] * 3, "price": [None] * 3, "liked": [None] * 3}
    message = "column 'zip': .* 3 rows that are all missing; column 'price': .*; column 'liked': "
    with pytest.raises(ValueError, match=message):
        SCHEMA.adapt(rows(**empty), verbose=0)


PADDED = np.tile([[0, 0, 5, 7], [0, 3, 0, 0], [4, 4, 1, 2], [0, 0, 0, 0]], (10, 1))


@pytest.mark.parametrize("of", [np.asarray, lambda rows: rows.tolist(), tf.constant])
@pytest.mark.parametrize("padded", [PADDED, PADDED[:, ::-1]])
def test_histories_padded_with_0_are_warned_of(of, padded):
    schema = Schema(user=(Sequence("clicks", of="item"),), item=(Categorical("item", dtype="int"),))
    data = {"clicks": of(padded), "item": np.arange(40), "label": np.ones(40)}
    with pytest.warns(UserWarning, match="column 'clicks': expected -1 .* received 90 times 0"):
        schema.adapt(data, verbose=0)


def test_one_0_inside_is_no_proof_of_an_id():
    schema = Schema(user=(Sequence("clicks", of="item"),), item=(Categorical("item", dtype="int"),))
    padded = np.pad(np.random.default_rng(0).integers(1, 50, (40, 6)), ((0, 0), (4, 0)))
    padded[3, 7] = 0
    with pytest.warns(UserWarning, match="column 'clicks': .* received 160 times 0"):
        schema.adapt({"clicks": padded, "item": np.arange(40), "label": np.ones(40)}, verbose=0)


def test_padding_with_minus_1_is_the_same_in_any_container():
    schema = Schema(user=(Sequence("clicks", of="item"),), item=(Categorical("item", dtype="int"),))
    padded = np.where(PADDED == 0, -1, PADDED)
    forms = [padded, list(padded), padded.tolist(), tf.constant(padded), pa.array(padded.tolist())]
    frames = [
        pd.DataFrame({"item": np.arange(40), "label": 1.0}).assign(clicks=list(padded)),
        *({"clicks": form, "item": np.arange(40), "label": np.ones(40)} for form in forms),
    ]
    adapted = [schema.adapt(frame, verbose=0) for frame in frames]
    assert len({one.to_json() for one in adapted}) == 1
    with pytest.raises(ValueError, match="column 'clicks': expected non-negative integers"):
        # Of their own lengths, rows aren't padded.
        schema.adapt({"clicks": [[-1, 3], [4]], "item": [3, 4], "label": [1, 0]}, verbose=0)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "clicks",
    [
        np.where(PADDED == 0, -1, PADDED),
        np.random.default_rng(1).integers(0, 4, (40, 5)),  # 0 is an id: it stands inside too.
        np.random.default_rng(2).integers(0, 4, (40, 3)),
        np.where(PADDED == 0, 9, PADDED),
        PADDED[:, :2],
        [row[row > 0].tolist() for row in PADDED],
    ],
)
def test_other_histories_are_not(clicks):
    schema = Schema(user=(Sequence("clicks", of="item"),), item=(Categorical("item", dtype="int"),))
    schema.adapt({"clicks": clicks, "item": np.arange(40), "label": np.ones(40)}, verbose=0)


FRAME = pd.DataFrame(rows())
BAD_SOURCES = {
    "a column missing": (
        without("rate"),
        "missing column 'rate': expected all that the schema or an argument names, received",
    ),
    "a column of a frame missing": (
        FRAME.drop(columns=["age", "w"]).assign(aeg=1),
        "missing columns 'age', 'w': .*received the columns .*'aeg'",
    ),
    "a column of a table missing": (
        pa.table({"aeg": [1]}),
        r"missing columns 'user', .*received the columns \['aeg'\]",
    ),
    "a column of a reader missing": (pa.table({"aeg": [1]}).to_reader(), "missing columns 'user'"),
    "a column of later batches missing": ([rows(), without("age")], "missing column 'age'"),
    "names of several types": ({**without("age"), 3: [1, 2, 3]}, "missing column 'age'"),
    "a column twice": (
        pd.concat([FRAME, FRAME[["age"]]], axis=1),
        "column 'age': expected it once, received it 2 times",
    ),
    "no rows": ({name: [] for name in rows()}, "`source` is empty: expected rows"),
    "a frame without rows": (FRAME[:0], "`source` is empty"),
    "no batches": ([], "`source` is empty"),
    "rows, not batches": (
        [{name: values[0] for name, values in rows().items()}],
        "column 'user': expected an entry a row, received str 'u1'; the rows must come in batches",
    ),
    "a dataset that was not batched": (
        tf.data.Dataset.from_tensors({name: tf.constant(1) for name in rows()}),
        "column 'user': expected an entry a row, .*batches",
    ),
}


@pytest.mark.parametrize("case", BAD_SOURCES)
def test_bad_sources(case):
    source, message = BAD_SOURCES[case]
    with pytest.raises(ValueError, match=message):
        SCHEMA.adapt(source, verbose=0)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (3, "`source` must be a DataFrame, a dict .*received int"),
        ([3], "expected batches as dicts of columns, received int 3"),
        (np.zeros(2), "expected batches as dicts of columns, received"),
        (tf.data.Dataset.range(2), "expected batches as dicts of columns, received"),
    ],
)
def test_sources_of_another_type(source, message):
    with pytest.raises(TypeError, match=message):
        SCHEMA.adapt(source, verbose=0)


def test_a_column_that_only_some_batches_hold_is_not_missing():
    adapted = SCHEMA.adapt([rows(zip=[None] * 3), rows(zip=["a", "b", None])], verbose=0)
    assert adapted.vocabularies["zip"].vocabulary == ("a", "b")


A = Numeric("a")
ITEM = Categorical("item")


def test_a_label_that_nobody_named():
    unnamed = Schema([Categorical("user")], [Categorical("item")])
    message = "missing column 'label': .*; the label is in 'label' unless the schema says `label=`"
    with pytest.raises(ValueError, match=message):
        unnamed.adapt({"user": ["a"], "item": ["x"], "clicked": [1.0]}, verbose=0)


BAD_SCHEMAS = {
    "no features": ({"user": ()}, "at least one `user` or `item` feature, received none"),
    "a name twice": ({"user": (A, Categorical("a"))}, "duplicate name 'a'.*a feature has it"),
    "a name on both sides": ({"item": (A,)}, "duplicate name 'a'.*a feature has it"),
    "the label's name": ({"label": "a"}, "duplicate name 'a'.*the label or the weight has it"),
    "the weight's name": (
        {"sample_weight": "a"},
        "duplicate name 'a'.*the label or the weight has it",
    ),
    "label and weight": ({"sample_weight": "label"}, "duplicate name 'label'.*the label has it"),
    "label and list key": ({"list_key": "label"}, "duplicate name 'label'.*the label has it"),
    "a feature named as the label is by default": (
        {"item": (Categorical("label"),)},
        "duplicate name 'label'.*the label is in 'label' unless the schema says `label=`",
    ),
    "no label": ({"label": None}, "`label` must be the name of a column, received None"),
    "a weight that is no name": (
        {"sample_weight": 1.0},
        "`sample_weight` must be the name of a column, .* 1.0",
    ),
    "a list key that is no name": ({"list_key": ""}, "`list_key` must be the name of a column"),
    "privileged and served": (
        {"privileged": {"cross": (A,)}},
        "feature 'a' is privileged: .*among the served features too",
    ),
    "privileged twice": (
        {"privileged": {"cross": (Numeric("b"),), "post_event": (Numeric("b"),)}},
        "duplicate name 'b'",
    ),
    "another kind of privilege": (
        {"privileged": {"later": (Numeric("b"),)}},
        "`privileged` must be a dict with features under 'cross' and 'post_event', received",
    ),
    "privileged without a kind": ({"privileged": (A,)}, "`privileged` must be a dict"),
    "a name, not a feature": ({"user": ("a",)}, "`user` must be a tuple of .*received 'a'"),
    "a name, no tuple": ({"user": "user_id"}, "`user` must be a tuple of .*received 'user_id'"),
    "one feature, no tuple": ({"item": ITEM}, "`item` must be a tuple of .*received Categorical"),
    "None for features": ({"user": None}, "`user` must be a tuple of .*received None"),
    "privileged: one, no tuple": ({"privileged": {"cross": ITEM}}, "`cross` must be a tuple"),
    "a sequence of nothing known": (
        {"item": (Sequence("s", of="film"),)},
        "feature 's' is of='film': .*served Categorical .*received an unknown feature",
    ),
    "a served sequence of a privileged feature": (
        {"item": (Sequence("s", of="film"),), "privileged": {"cross": (Categorical("film"),)}},
        "feature 's' is of='film': .*served Categorical .*received a privileged feature",
    ),
    "a served feature of a privileged one": (
        {"item": (Categorical("s", of="film"),), "privileged": {"cross": (Categorical("film"),)}},
        "feature 's' is of='film': .*received a privileged feature",
    ),
    "a sequence of a number": (
        {"item": (Sequence("s", of="a"),)},
        "feature 's' is of='a': .*received Numeric",
    ),
    "of a feature without a vocabulary of its own": (
        {"item": (ITEM, Categorical("b", of="item"), Sequence("s", of="b"))},
        "feature 's' is of='b': .*that owns a vocabulary, received Categorical",
    ),
    "a privileged one of nothing known": (
        {"privileged": {"post_event": (Sequence("s", of="film"),)}},
        "feature 's' is of='film': .*received an unknown feature",
    ),
}


@pytest.mark.parametrize("case", BAD_SCHEMAS)
def test_schemas_that_contradict_themselves(case):
    arguments, message = BAD_SCHEMAS[case]
    with pytest.raises(ValueError, match=message):
        Schema(**{"user": (A,), "item": (), **arguments})


BAD_FEATURES = {
    "no name": (Categorical, {"name": ""}, "`name` of a feature must be .*received ''"),
    "a number for a name": (Numeric, {"name": 3}, "`name` of a feature must be .*received 3"),
    "of a sequence": (Sequence, {"name": None, "of": "a"}, "`name` of a feature .*received None"),
    "a name with a hyphen": (Numeric, {"name": "user-id"}, "`name` of a feature .*'user-id'"),
    "a name outside ASCII": (Numeric, {"name": "größe"}, "`name` of a feature .*'größe'"),
    "a keyword for a name": (Numeric, {"name": "class"}, "`name` of a feature .*'class'"),
    "a name with _ first": (Numeric, {"name": "_a"}, "`name` of a feature .*received '_a'"),
    "oov of another's": (Categorical, {"of": "a", "oov": 2}, "'f' has no use for `oov`"),
    "oov of hashes": (
        Categorical,
        {"hash_buckets": 5, "oov": 2, "min_count": 2},
        "'f' has no use for `oov` and `min_count`",
    ),
    "optional, of several": (
        Categorical,
        {"length": 5, "optional": True},
        "'f' has no use for `optional`",
    ),
    "dtype": (Categorical, {"dtype": "float"}, "`dtype` of feature 'f' must be .*'float'"),
    "vocabulary and hash": (
        Categorical,
        {"vocabulary": ("a",), "hash_buckets": 3},
        "feature 'f' takes at most one .*received `vocabulary` and `hash_buckets`",
    ),
    "hash and of": (Categorical, {"of": "a", "hash_buckets": 3}, "`hash_buckets` and `of`"),
    "oov": (Categorical, {"oov": 0}, "`oov` of feature 'f' .*at least 1, received 0"),
    "hash_buckets": (Categorical, {"hash_buckets": 0}, "`hash_buckets` of feature 'f'.* 0"),
    "length": (Categorical, {"length": 0}, "`length` of feature 'f' .*received 0"),
    "length, a fraction": (Categorical, {"length": 1.0}, "`length` of feature 'f' .* 1.0"),
    "min_count": (Categorical, {"min_count": True}, "`min_count` of feature 'f' .*received True"),
    "max_size": (Categorical, {"max_size": -1}, "`max_size` of feature 'f' .*received -1"),
    "length, NumPy's fraction": (
        Categorical,
        {"length": np.float64(1.0)},
        "`length` of feature 'f' .*received 1.0",
    ),
    "length, NumPy's zero": (Categorical, {"length": np.int64(0)}, "'f' .*received 0"),
    "oov, NumPy's truth value": (Categorical, {"oov": np.bool_(True)}, "'f' .*received True"),
    "optional": (Categorical, {"optional": "yes"}, "`optional` of feature 'f' .*'yes'"),
    "optional number": (Numeric, {"optional": 1}, "`optional` of feature 'f' must be True or Fa"),
    "words: empty": (Categorical, {"vocabulary": ("a", "")}, "'f' must hold non-empty strings"),
    "words: a number": (Categorical, {"vocabulary": (1,)}, "non-empty strings, received 1"),
    "words: None": (Categorical, {"vocabulary": (None,)}, "non-empty strings, received None"),
    "words: bytes": (Categorical, {"vocabulary": (b"a",)}, "non-empty strings, received b'a'"),
    "words: twice": (Categorical, {"vocabulary": ("a", "a")}, "'f' must not repeat .*'a' more"),
    "words: one string": (Categorical, {"vocabulary": "abc"}, "'f' must be a tuple, .*'abc'"),
    "words: one number": (Categorical, {"vocabulary": 5}, "'f' must be a tuple, received 5"),
    "ids: negative": (
        Categorical,
        {"dtype": "int", "vocabulary": (1, -1)},
        "`vocabulary` of feature 'f' must hold .*int.*, received -1",
    ),
    "ids: too large": (Categorical, {"dtype": "int", "vocabulary": (2**63,)}, "received 9223372"),
    "ids: a truth value": (Categorical, {"dtype": "int", "vocabulary": (True,)}, "received True"),
    "ids: NumPy's truth value": (
        Categorical,
        {"dtype": "int", "vocabulary": np.array([True])},
        "received True",
    ),
    "ids: NumPy's fraction": (
        Categorical,
        {"dtype": "int", "vocabulary": np.array([1.0])},
        "received 1.0",
    ),
    "ids: NumPy's, negative": (
        Categorical,
        {"dtype": "int", "vocabulary": np.array([1, -1])},
        "received -1",
    ),
    "ids: NumPy's, too large": (
        Categorical,
        {"dtype": "int", "vocabulary": np.array([2**63], np.uint64)},
        "received 9223372036854775808",
    ),
    "ids: a string": (Categorical, {"dtype": "int", "vocabulary": ("1",)}, "received '1'"),
    "buckets": (Numeric, {"buckets": 1}, "`buckets` of feature 'f' .*at least 2, received 1"),
    "edges: descending": (Numeric, {"boundaries": (2, 1)}, "'f' must be finite and ascending"),
    "edges: equal": (Numeric, {"boundaries": (1, 1)}, "`boundaries` of feature 'f' must be"),
    "edges: NaN": (Numeric, {"boundaries": (np.nan,)}, "`boundaries` of feature 'f' must be"),
    "edges: infinite": (Numeric, {"boundaries": (1, np.inf)}, "`boundaries` of feature 'f'"),
    "edges: text": (Numeric, {"boundaries": ("low",)}, "`boundaries` of feature 'f'.*'low'"),
    "edges: one number": (Numeric, {"boundaries": 3}, "`boundaries` of feature 'f'.*received 3"),
    "sequence of": (Sequence, {"of": ""}, "`of` of sequence 'f' must name .*received ''"),
    "sequence length": (Sequence, {"of": "a", "length": 0}, "`length` of feature 'f' .*received 0"),
}


@pytest.mark.parametrize("case", BAD_FEATURES)
def test_features_with_wrong_arguments(case):
    kind, arguments, message = BAD_FEATURES[case]
    with pytest.raises(ValueError, match=message):
        kind(**{"name": "f", **arguments})


def test_lookup_names_the_features_that_were_not_adapted():
    with pytest.raises(ValueError, match=r"features \['user', 'zip', .*'rate'\] have no vocab.*ad"):
        _ = SCHEMA.lookup


def test_a_table_that_is_not_known_yet_has_no_rows():
    with pytest.raises(ValueError, match="feature 'user' has no vocabulary of its own yet"):
        SCHEMA.table_rows(SCHEMA.user[0])
    with pytest.raises(ValueError, match="feature 'age' has no bucket boundaries yet"):
        SCHEMA.table_rows(SCHEMA.features()["age"])
