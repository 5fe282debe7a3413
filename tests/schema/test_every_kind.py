"""Every kind of feature on every side, from a frame to a refreshed export.

One model holds all kinds on all sides, so that the grid costs one training, one export, one file.
"""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tfpfd
from tfpfd import (
    MLP,
    Behaviour,
    Categorical,
    Distillation,
    FeatureEncoder,
    Numeric,
    Ranker,
    Schema,
    Sequence,
    TwoTower,
    Vector,
)
from tfpfd._keras import keras
from tfpfd.data import from_rows, from_stream
from tfpfd.data.table_rows import TableRows
from tfpfd.evaluation.target_encoding import ServedFeatures

SIDES = ("user", "item", "hidden")
ROWS = 48
RANDOM = np.random.default_rng(0)


def numbers(count):
    return RANDOM.gamma(1.0, 10.0, count)


def with_gaps(values):
    """The values, every fourth of them missing."""
    return [None if place % 4 == 3 else value for place, value in enumerate(values)]


def ids(count):
    return [f"i{n}" for n in RANDOM.integers(0, 8, count)]


def lists(count):
    return [ids(place % 4) for place in range(count)]


def weighted(name, count):
    held = lists(count)
    return {name: held, f"{name}_weights": [list(0.1 + numbers(len(row))) for row in held]}


def steps(name, count):
    read = lists(count)
    return {
        name: read,
        f"{name}_how": [list(RANDOM.choice(["click", "buy"], len(row))) for row in read],
        f"{name}_seconds": [list(numbers(len(row))) for row in read],
        f"{name}_cover": [list(RANDOM.normal(size=(len(row), 2))) for row in read],
    }


KINDS = {
    "id": (lambda n: [Categorical(n)], lambda n, c: {n: ids(c)}),
    "ids": (lambda n: [Categorical(n, length=2)], lambda n, c: {n: lists(c)}),
    "history": (lambda n: [Sequence(n, of="item", length=3)], lambda n, c: {n: lists(c)}),
    "buckets": (lambda n: [Numeric(n, buckets=3)], lambda n, c: {n: numbers(c)}),
    "value": (lambda n: [Numeric(n, form="value", log=True)], lambda n, c: {n: numbers(c)}),
    "both": (
        lambda n: [Numeric(n, buckets=3, form="both", optional=True)],
        lambda n, c: {n: with_gaps(numbers(c))},
    ),
    "vector": (lambda n: [Vector(n, 3)], lambda n, c: {n: list(RANDOM.normal(size=(c, 3)))}),
    "weighted": (
        lambda n: [Categorical(n, length=2, weights=f"{n}_weights")],
        lambda n, c: weighted(n, c),
    ),
    "parts": (
        lambda n: [Categorical(n, length=2, separator="|")],
        lambda n, c: {n: ["|".join(row) for row in lists(c)]},
    ),
    "unknown": (lambda n: [Categorical(n, oov_rate=0.3)], lambda n, c: {n: ids(c)}),
    "steps": (
        lambda n: [
            Behaviour(
                n,
                length=3,
                steps=[
                    Categorical(n, of="item"),
                    Categorical(f"{n}_how"),
                    Numeric(f"{n}_seconds", buckets=3, form="both"),
                    Vector(f"{n}_cover", 2),
                ],
            )
        ],
        lambda n, c: steps(n, c),
    ),
    "projected": (
        lambda n: [Vector(n, 3, projection=2, normalized=True, optional=True)],
        lambda n, c: {n: with_gaps(RANDOM.normal(size=(c, 3)))},
    ),
}
"""By name: what is declared of a column's name, and columns of some rows."""

GRID = [(kind, side) for kind in KINDS for side in SIDES]


def declared(side):
    return [feature for kind in KINDS for feature in KINDS[kind][0](f"{kind}_{side}")]


def columns(side, count):
    parts = [KINDS[kind][1](f"{kind}_{side}", count) for kind in KINDS]
    return pd.DataFrame({name: list(values) for part in parts for name, values in part.items()})


DECLARED = Schema(
    user=[Categorical("user"), *declared("user")],
    item=[Categorical("item"), *declared("item")],
    privileged={"cross": declared("hidden")},
    list_key="user",
)
ITEMS = pd.DataFrame({"item": [f"i{n}" for n in range(8)]}).join(columns("item", 8))
USERS = pd.DataFrame({"user": [f"u{n}" for n in range(6)]}).join(columns("user", 6))
FRAME = (
    USERS.iloc[np.arange(ROWS) % 6]
    .reset_index(drop=True)
    .join(ITEMS.iloc[np.arange(ROWS) // 6].reset_index(drop=True))
    .join(columns("hidden", ROWS))
    .assign(label=RANDOM.integers(0, 2, ROWS).astype(float))
)


@pytest.fixture(scope="module")
def schema():
    return DECLARED.adapt(FRAME, verbose=0)


def make_student(schema):
    encoder = FeatureEncoder(schema, dim=2, l2=0.01)
    return Ranker(schema, TwoTower([4, 3], batch_norm=False), encoder=encoder)


@pytest.fixture(scope="module")
def trained(schema):
    keras.utils.set_random_seed(0)
    student = make_student(schema)
    teacher = Ranker(schema, MLP([4], batch_norm=False), sees="all", encoder=student.encoder)
    model = Distillation(student=student, teacher=teacher)
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(from_rows(FRAME, schema, 12, by_list=True), epochs=2, verbose=0)
    return model


@pytest.fixture(scope="module")
def loaded(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    trained.save(path)
    return keras.models.load_model(path)


@pytest.fixture(scope="module")
def inputs(schema):
    ((inputs, _),) = from_rows(FRAME, schema, ROWS)
    return inputs


@pytest.fixture(scope="module")
def export(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    return tfpfd.export(trained.student, items=ITEMS, path=folder, verbose=0)


@pytest.fixture(scope="module")
def logits(loaded, inputs):
    return {name: x.numpy() for name, x in loaded(inputs, training=False).items()}


@pytest.mark.parametrize(("kind", "side"), GRID)
def test_it_reaches_whom_it_shall(kind, side, schema, loaded, inputs, logits):
    """Other values on a side move the logits of those who see that side, and of no other."""
    feature = schema.features()[f"{kind}_{side}"]
    moved = {name: tf.roll(inputs[name], 1, axis=0) for name in feature.columns}
    found = loaded({**inputs, **moved}, training=False)
    differs = {name: np.abs(found[name] - logits[name]).max() > 1e-6 for name in logits}
    assert differs == {"student": side != "hidden", "teacher": True}


@pytest.mark.parametrize(("kind", "side"), GRID)
def test_a_warm_up_request_is_like_any_other(kind, side, schema):
    known = schema.features()
    feature = known[f"{kind}_{side}"]
    sample = feature.sample(5, known, np.random.default_rng(0))
    specs = feature.signature(known)
    raw = {
        name: tf.cast(x, specs[name].dtype) if specs[name].dtype != tf.string else tf.constant(x)
        for name, x in sample.items()
    }
    found = schema.lookup_of([feature])(raw)
    for name, spec in feature.inputs().items():
        assert spec.is_compatible_with(found[name])
        assert np.isfinite(found[name].numpy()).all()
    probe = feature.probe(5, known)
    for name, spec in feature.inputs().items():
        assert spec.is_compatible_with(tf.constant(probe[name]))


def test_training_learns_all_of_it(trained):
    """Every weight got a gradient; each table of rows that were held is no table of its start."""
    assert np.isfinite(trained.evaluate(from_rows(FRAME, trained.student.schema), verbose=0)).all()
    keras.utils.set_random_seed(0)
    fresh = make_student(trained.student.schema)
    for old, new in zip(fresh.weights, trained.student.weights, strict=True):
        assert (np.array(old) != np.array(new)).any(), new.name


def test_saved_and_loaded(trained, inputs, logits):
    for name, found in trained(inputs, training=False).items():
        np.testing.assert_allclose(found, logits[name], rtol=1e-5, atol=1e-6)


def test_json(schema):
    assert Schema.from_json(schema.to_json()) == schema
    assert Schema.from_json(schema.to_json()).fingerprints == schema.fingerprints


def test_a_stream_is_looked_up_alike(schema, inputs):
    checked = schema.columns(dict(FRAME.items()), schema.features().values())
    raw = {**checked, "user": FRAME["user"].to_numpy(), "label": FRAME["label"].to_numpy()}
    raw = {name: tf.constant(values) for name, values in raw.items()}
    ((again, _),) = from_stream(tf.data.Dataset.from_tensors(raw), schema)
    for feature in schema.features().values():
        for name in feature.columns:
            np.testing.assert_array_equal(again[name], inputs[name])


def test_served(trained, export):
    found = tfpfd.inspect_export(export)
    assert found.verdict == "nothing privileged is inside"
    hidden = [name for f in trained.student.schema.sides["privileged"] for name in f.columns]
    assert found.stripped == sorted(hidden)
    expected = tfpfd.score_rows(trained.student, FRAME)
    np.testing.assert_allclose(tfpfd.saved_scores(export, FRAME), expected, rtol=1e-4, atol=1e-5)


def test_refreshed_with_new_items(trained, export):
    new = ITEMS.iloc[[3, 5]].assign(item=["new", "newer"])
    version = tfpfd.refresh(export.parent, items=pd.concat([ITEMS, new]), verbose=0)
    assert tfpfd.inspect_export(version).manifest["items"] == 10
    rows = pd.concat([USERS[:2].reset_index(drop=True), new.reset_index(drop=True)], axis=1)
    expected = tfpfd.score_rows(trained.student, rows)
    np.testing.assert_allclose(tfpfd.saved_scores(version, rows), expected, rtol=1e-4, atol=1e-5)


def test_retrained_with_new_ids(trained, tmp_path):
    tfpfd.save_version(tmp_path / "line", trained.student, {})
    grown = FRAME.assign(item=["new", *FRAME["item"][1:]])
    version = tfpfd.retrain(
        tmp_path / "line",
        grown,
        make_student,
        warm_start=True,
        compile={"optimizer": keras.optimizers.SGD(0.0)},
        verbose=0,
    )
    student = version.load()
    assert "new" in student.schema.features()["item"].vocabulary
    # All that was known is as it was: without a step of training, scores are.
    expected = tfpfd.score_rows(trained.student, FRAME[1:])
    np.testing.assert_allclose(tfpfd.score_rows(student, FRAME[1:]), expected, rtol=1e-4, atol=1e-5)


def test_treated_in_an_audit(schema, inputs):
    held = TableRows.look_up(FRAME, schema)
    hidden = schema.sides["privileged"]
    zeroed = held.treated("zeroed", hidden).inputs
    for feature in hidden:
        for name in feature.columns:
            assert len(np.unique(zeroed[name], axis=0)) == 1
            assert zeroed[name].dtype == inputs[name].dtype.as_numpy_dtype


def test_read_by_rivals(schema):
    checked = schema.columns(dict(FRAME.items()), schema.features("served").values())
    found = ServedFeatures(schema, checked, FRAME["label"].to_numpy())
    assert len(found.train) == ROWS
    np.testing.assert_array_equal(found.numbers(checked).shape, found.train.shape)


def test_predicted_by_heads(schema, inputs):
    """Each kind has a loss of a head, a number a row; where all is missing it is 0."""
    known = schema.features()
    for feature in schema.sides["privileged"]:
        output = tf.zeros([ROWS, feature.target_width(known)])
        loss = feature.target_loss(inputs, output, known)
        assert loss.shape == (ROWS,)
        assert np.isfinite(loss).all()
        assert (loss.numpy() > 0).any()
        columns = {name: inputs[name].numpy() for name in feature.columns}
        missing = {name: tf.constant(x) for name, x in feature.zeroed(columns).items()}
        np.testing.assert_array_equal(feature.target_loss(missing, output, known), np.zeros(ROWS))
