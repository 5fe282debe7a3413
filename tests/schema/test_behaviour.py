"""Behaviours of several columns: aligned lists in, vectors of steps out, by hand."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf

import tfpfd
from tfpfd import (
    Behaviour,
    Categorical,
    FeatureEncoder,
    Numeric,
    Ranker,
    Schema,
    SelfAttention,
    Sequence,
    TwoTower,
    Vector,
)
from tfpfd.data import from_rows
from tfpfd.layers import GRU, TargetAttention, Transformer
from tfpfd.schema.kinds import feature_of

ITEM = Categorical("item", vocabulary=("a", "b", "c"))
SECONDS = Numeric("seconds", form="value", mean=0.0, deviation=2.0, optional=True)
READ = Behaviour(
    "read",
    length=2,
    steps=[
        Categorical("read", of="item"),
        Categorical("how", vocabulary=("click", "buy")),
        SECONDS,
        Vector("cover", 2),
    ],
)
COLUMNS = {
    "read": [["a", "b", "c"], [], ["c"]],
    "how": [["click", "buy", "?"], [], ["buy"]],
    "seconds": [[2.0, 4.0, 6.0], [], [None]],
    "cover": [[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [], [[7.0, 8.0]]],
}


def schema_of(*features, **sides):
    return Schema(user=features, item=[ITEM], **sides)


def looked_up(columns, feature=READ):
    schema = schema_of(feature)
    given = [one for one in schema.features().values() if set(one.columns) <= set(columns)]
    checked = schema.columns(columns, given)
    return schema.lookup({name: tf.constant(values) for name, values in checked.items()})


EXPECTED = {
    "read": [[3, 4], [0, 0], [4, 0]],
    "how": [[3, 1], [0, 0], [3, 0]],
    "seconds": [[[2, 1], [3, 1]], [[0, 0], [0, 0]], [[0, 0], [0, 0]]],
    "cover": [[[3, 4], [5, 6]], [[0, 0], [0, 0]], [[7, 8], [0, 0]]],
}


def test_the_last_steps_of_all_columns():
    found = looked_up(COLUMNS)
    for name, expected in EXPECTED.items():
        np.testing.assert_array_equal(found[name], expected)
    assert READ.inputs()["cover"].shape.as_list() == [None, 2, 2]


def held_otherwise(holder):
    if holder == "frame":
        return dict(pd.DataFrame(COLUMNS).items())
    if holder == "arrow":
        return {name: pa.array(values) for name, values in COLUMNS.items()}
    if holder == "arrays":
        return {name: [np.array(row) for row in values] for name, values in COLUMNS.items()}
    nan = math.nan
    return {
        "read": np.array([["a", "b", "c"], ["", "", ""], ["", "c", ""]], object),
        "how": np.array([["click", "buy", "?"], ["", "", ""], ["", "buy", ""]], object),
        "seconds": np.array([[2.0, 4.0, 6.0], [nan] * 3, [nan] * 3]),
        "cover": np.array(
            [[[1, 2], [3, 4], [5, 6]], [[nan] * 2] * 3, [[nan] * 2, [7, 8], [nan] * 2]]
        ),
    }


@pytest.mark.parametrize("holder", ["frame", "arrow", "arrays", "padded"])
def test_columns_that_hold_steps(holder):
    found = looked_up(held_otherwise(holder))
    for name, expected in EXPECTED.items():
        np.testing.assert_array_equal(found[name], expected)


def test_vectors_of_steps_by_hand():
    schema = schema_of(READ)
    encoder = FeatureEncoder(schema, ["item", "read"], dim=3, dims={"how": 1})
    assert encoder.width("read") == 3 + 1 + 2 + 2
    assert encoder.tables.keys() == {"item", "how"}
    assert encoder.parameters("read") == 4 * 1
    tables = encoder.tables

    def row(table, number):
        return np.array(tables[table].table)[tables[table].offset[table] + number]

    found = encoder(looked_up(COLUMNS))["read"].numpy()
    b = np.concatenate([row("item", 3), row("how", 3), [2, 1], [3, 4]])
    c = np.concatenate([row("item", 4), row("how", 1), [3, 1], [5, 6]])
    np.testing.assert_allclose(found[0], (b + c) / 2, rtol=1e-5)
    np.testing.assert_array_equal(found[1], np.zeros(8))
    c = np.concatenate([row("item", 4), row("how", 3), [0, 0], [7, 8]])
    np.testing.assert_allclose(found[2], c, rtol=1e-5)


@pytest.mark.parametrize("behaviour", [None, SelfAttention(2, 4)], ids=["mean", "attention"])
def test_a_sequence_is_its_short_form(behaviour):
    short = Sequence("read", of="item", length=2)
    long = Behaviour("read", length=2, steps=[Categorical("read", of="item")])
    vectors = []
    for feature in (short, long):
        tf.keras.utils.set_random_seed(1)
        encoder = FeatureEncoder(schema_of(feature), ["read"], dim=4, behaviour=behaviour)
        found = looked_up({"read": COLUMNS["read"]}, feature)
        vectors.append(encoder(found)["read"])
    np.testing.assert_array_equal(vectors[0], vectors[1])
    known = {"item": ITEM}
    inputs = {"read": tf.constant([[1, 2], [0, 0]])}
    output = tf.random.normal([2, short.target_width(known)])
    losses = [one.target_loss(inputs, output, known) for one in (short, long)]
    np.testing.assert_array_equal(losses[0], losses[1])
    assert long.history_of == short.history_of == "item"


def test_what_is_learned_of_steps():
    """Ids go to whose they are; a vocabulary, edges and a mean of a step's own stay with it."""
    schema = Schema(
        user=[
            Behaviour(
                "read",
                steps=[
                    Categorical("read", of="item"),
                    Categorical("how"),
                    Numeric("seconds", buckets=2, form="both"),
                ],
            )
        ],
        item=[Categorical("item")],
    )
    rows = {
        "read": [["a", "b"], ["a"], []],
        "how": [["click", "buy"], ["buy"], []],
        "seconds": [[1.0, 2.0], [6.0], []],
        "item": ["c", "c", "c"],
        "label": [1.0, 0.0, 1.0],
    }
    adapted = schema.adapt(rows, verbose=0)
    assert adapted.features()["item"].vocabulary == ("c", "a", "b")
    _, how, seconds = adapted.features()["read"].steps
    assert how.vocabulary == ("buy", "click")
    assert (seconds.mean, seconds.boundaries) == (3.0, (2.0,))
    assert adapted.table_rows(adapted.features()["read"]) == 5 + 4 + 3
    assert Schema.from_json(adapted.to_json()) == adapted
    with pytest.raises(ValueError, match="`adapt` has nothing to learn"):
        adapted.adapt(rows, verbose=0)
    with pytest.raises(ValueError, match=r"column 'read': expected values, .* all missing"):
        schema.adapt({**rows, "read": [[]] * 3, "how": [[]] * 3, "seconds": [[]] * 3}, verbose=0)


REFUSED = [
    ({"how": [["click", "buy"], [], ["buy"]]}, "columns 'read' and 'how': .* 3 and 2 .* in row 0"),
    ({"seconds": [[1.0, 2.0, 3.0], [], None]}, "columns 'read' and 'seconds': .* 1 and 0 .* row 2"),
    ({"cover": [COLUMNS["cover"][0], [], [[1.0]]]}, "column 'cover': expected 2 numbers a row"),
    ({"read": [["a", "b", None], [], ["c"]]}, "column 'read': expected strings, received 1 of 4"),
    ({"how": [["click", None, "?"], [], ["buy"]]}, "column 'how': expected strings, received 1"),
    ({"how": ["click", "buy", "?"]}, "column 'how': expected a list of values a row"),
]


@pytest.mark.parametrize(("columns", "message"), REFUSED)
def test_refused_columns(columns, message):
    with pytest.raises(ValueError, match=message):
        looked_up({**COLUMNS, **columns})


IDS = Categorical("read", of="item")
ARGUMENTS = [
    ([], "`steps` of behaviour 'read' must be features in a list, received \\[\\]"),
    ("read", "must be features in a list, received 'read'"),
    ([ITEM], "must begin with Categorical\\('read', of=…\\)"),
    ([Numeric("read")], "must begin with Categorical"),
    ([Categorical("read", of="item", length=2)], "must begin with Categorical"),
    ([IDS, Categorical("tags", length=2)], "must be of one value in one column each"),
    ([IDS, Sequence("before", of="item")], "must be of one value in one column each"),
    ([IDS, SECONDS, SECONDS], "must not repeat a value, received 'seconds'"),
]


@pytest.mark.parametrize(("steps", "message"), ARGUMENTS)
def test_refused_arguments(steps, message):
    with pytest.raises(ValueError, match=message):
        Behaviour("read", steps=steps)


def test_refused_with_others():
    with pytest.raises(ValueError, match="duplicate name 'seconds'"):
        schema_of(READ, Numeric("seconds"))
    with pytest.raises(ValueError, match="'steps' of a Behaviour must be a list, received 'x'"):
        feature_of({"kind": "Behaviour", "name": "read", "steps": "x"})
    weighing = Behaviour("read", steps=[IDS, Vector("cover", 2, projection=3)])
    with pytest.raises(ValueError, match=r"without weights besides tables, .* received Vector"):
        FeatureEncoder(schema_of(weighing))


ENCODERS = {
    "mean": None,
    "self-attention": SelfAttention(2, 4),
    "GRU": GRU(3),
    "transformer": Transformer(1, 2, 4),
    "target attention": TargetAttention([3]),
}


@pytest.mark.parametrize("encoder", ENCODERS)
def test_padding_never_matters(encoder):
    """Each encoder of behaviours takes steps of several columns, and none sees what pads them."""
    behaviour = ENCODERS[encoder]
    encoder = FeatureEncoder(schema_of(READ), ["read", "item"], dim=2, behaviour=behaviour)
    inputs = looked_up({**COLUMNS, "item": ["a", "b", "c"]})
    changed = {name: values.numpy() for name, values in inputs.items()}
    changed["how"][2, 1], changed["seconds"][2, 1], changed["cover"][2, 1] = 2, 9.0, math.nan
    expected = encoder(inputs)["read"]
    assert expected.shape == (3, encoder.width("read"))
    np.testing.assert_array_equal(encoder(changed)["read"], expected)
    # What stands at a step does matter.
    changed["seconds"][2, 0] = 9.0
    assert (encoder(changed)["read"].numpy()[2] != expected.numpy()[2]).any()


def test_served(tmp_path):
    schema = schema_of(
        READ,
        privileged={
            "post_event": [
                Behaviour(
                    "later",
                    steps=[Categorical("later", of="item"), Numeric("late", boundaries=(1.0,))],
                )
            ]
        },
    )
    rows = {
        **COLUMNS,
        "item": ["a", "b", "c"],
        "later": [["a"], [], ["b", "c"]],
        "late": [[0.5], [], [1.0, 2.0]],
        "label": [1.0, 0.0, 1.0],
    }
    student = Ranker(schema, TwoTower([3], batch_norm=False))
    batches = from_rows(rows, schema)
    assert student.predict(batches, verbose=0).shape == (3,)
    without = batches.map(lambda x, y: ({n: v for n, v in x.items() if n != "how"}, y))
    with pytest.raises(ValueError, match=r"missing inputs \['how'\]"):
        student.predict(without, verbose=0)
    items = pd.DataFrame({"item": ["a", "b", "c"]})
    path = tfpfd.export(student, items=items, path=tmp_path / "export", k=3, verbose=0)
    found = tfpfd.inspect_export(path)
    assert found.verdict == "nothing privileged is inside"
    assert {"later", "late"} <= set(found.stripped)
    takes = found.signatures["user_embedding"][0]
    assert "cover: float32 [?, ?, 2]" in takes
    np.testing.assert_allclose(
        tfpfd.saved_scores(path, rows), tfpfd.score_rows(student, rows), rtol=1e-4, atol=1e-5
    )
    # A request leaves out what the user has met: the ids of steps.
    model = tf.saved_model.load(str(path))
    checked = schema.columns(rows, [READ])
    found = model.signatures["top_k_where"](
        **{name: tf.constant(values) for name, values in checked.items()},
        allowed_ids=tf.constant([[""]] * 3),
        blocked_ids=tf.constant([[""]] * 3),
        exclude_history=tf.constant([True] * 3),
        k=tf.constant(3),
    )
    assert sorted(found["item_ids"].numpy()[2].tolist()) == [b"", b"a", b"b"]
