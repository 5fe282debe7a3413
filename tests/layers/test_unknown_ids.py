"""`oov_rate`: in training some ids are taken for unknown ones, so that their row is learned."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import (
    Behaviour,
    Categorical,
    Distillation,
    FeatureEncoder,
    Ranker,
    Schema,
    Sequence,
)
from tfpfd._keras import KERAS_3, keras
from tfpfd.data import from_rows

ROWS = 2000


def schema_of(rate=0.3, oov=1):
    items = tuple(f"i{n}" for n in range(6))
    return Schema(
        user=[
            Categorical("user", vocabulary=("u",), oov_rate=rate, optional=True),
            Sequence("seen", of="item", length=2, oov_rate=rate),
            Behaviour(
                "read",
                length=2,
                steps=[
                    Categorical("read", of="item", oov_rate=rate),
                    Categorical("how", vocabulary=("click",)),
                ],
            ),
        ],
        item=[Categorical("item", vocabulary=items, oov=oov, oov_rate=rate)],
    )


def inputs_of(schema):
    random = np.random.default_rng(0)
    seen = [[f"i{n}" for n in random.integers(0, 6, row % 3)] for row in range(ROWS)]
    rows = {
        "user": ["u" if row % 4 else None for row in range(ROWS)],
        "seen": seen,
        "read": seen,
        "how": [["click"] * len(row) for row in seen],
        "item": random.choice([f"i{n}" for n in range(6)], ROWS),
        "label": random.integers(0, 2, ROWS).astype(float),
    }
    return rows, next(iter(from_rows(rows, schema, ROWS)))[0]


def encoder_of(schema):
    """Whose vectors are the numbers of the rows that were asked for."""
    encoder = FeatureEncoder(schema, dim=1)
    (tables,) = set(encoder.tables.values())
    for name, rows in tables.rows.items():
        start = tables.offset[name]
        values = np.array(tables.table)
        values[start : start + rows, 0] = np.arange(rows)
        tables.table.assign(values)
    return encoder


def test_ids_at_the_rate():
    schema = schema_of(oov=2)
    _, inputs = inputs_of(schema)
    vectors = {n: x.numpy() for n, x in encoder_of(schema)(inputs, training=True).items()}
    asked, held = vectors["item"][:, 0], inputs["item"].numpy()
    kept = asked == held
    assert abs((~kept).mean() - 0.3) < 0.04
    # Unknown ids are spread over their rows, as their hash spreads them in service.
    assert set(asked[~kept]) == {1.0, 2.0}
    users, held = vectors["user"][:, 0], inputs["user"].numpy()
    assert (users[held == 0] == 0).all()  # What is missing isn't unknown.
    assert abs((users[held > 0] == 1).mean() - 0.3) < 0.05
    assert set(users[held > 0]) == {1.0, 2.0}
    pairs = (inputs["seen"].numpy() > 2).sum(axis=1) == 2
    means = inputs["seen"].numpy().mean(axis=1)
    assert abs((vectors["seen"][pairs, 0] != means[pairs]).mean() - (1 - 0.7**2)) < 0.06
    # Of a behaviour the ids alone: its other columns have a rate of their own.
    assert abs((vectors["read"][pairs, 0] != means[pairs]).mean() - (1 - 0.7**2)) < 0.06
    assert set(vectors["read"][pairs, 1]) == {2.0}
    # Draws of features are independent.
    assert 0.2 < (vectors["seen"][pairs, 0] != vectors["read"][pairs, 0]).mean() < 1


def test_in_training_alone():
    schema = schema_of()
    _, inputs = inputs_of(schema)
    with_rate, without = encoder_of(schema), encoder_of(schema_of(0.0))
    expected = without(inputs)
    for name, found in with_rate(inputs).items():
        np.testing.assert_array_equal(found, expected[name])
    # Rows, weights and fingerprints are those of a schema without: it changes training alone.
    assert schema.fingerprints == schema_of(0.0).fingerprints
    assert len(with_rate.weights) == len(without.weights)
    assert Schema.from_json(schema.to_json()) == schema != schema_of(0.0)


def test_seeded(linear):
    """As Keras' dropout: one seed, one course of training; and the row of unknown ids learns."""
    schema = schema_of()
    rows, _ = inputs_of(schema)

    def trained(schema):
        keras.utils.set_random_seed(3)
        ranker = Ranker(schema, linear(), encoder=FeatureEncoder(schema, dim=2))
        before = np.array(ranker.encoder.tables["item"].table)
        ranker.compile(keras.optimizers.SGD(1.0))
        ranker.fit(from_rows(rows, schema, 500), epochs=1, verbose=0)
        offset = ranker.encoder.tables["item"].offset["item"]
        changed = np.array(ranker.encoder.tables["item"].table) - before
        return changed[offset + 1]

    first, again, without = trained(schema), trained(schema), trained(schema_of(0.0))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first).max() > 0
    np.testing.assert_array_equal(without, np.zeros(2))


def test_one_draw_for_student_and_teacher(linear):
    schema = schema_of(0.5)
    _, inputs = inputs_of(schema)
    student = Ranker(schema, linear())
    teacher = Ranker(schema, linear(), encoder=student.encoder)
    teacher.network.set_weights(student.network.get_weights())
    model = Distillation(student=student, teacher=teacher)
    found = model(inputs, training=True)
    np.testing.assert_array_equal(found["student"], found["teacher"])
    assert (model(inputs, training=True)["student"].numpy() != found["student"].numpy()).any()


def test_one_draw_for_rows_of_a_list():
    """What rows of a list have in common is drawn once a list."""
    schema = Schema(
        user=[Categorical("user", dtype="int", oov_rate=0.5)],
        item=[Categorical("item", hash_buckets=9)],
        list_key="user",
    )
    users = np.repeat(np.arange(100), 5)
    rows = {"user": users, "item": [str(n % 7) for n in range(500)], "label": [0.0] * 500}
    schema = schema.adapt(rows, verbose=0)
    encoder = FeatureEncoder(schema, ["user"], dim=1)
    ((inputs, _),) = from_rows(rows, schema, 500, by_list=True)
    table = encoder.tables["user"]
    table.table.assign(np.arange(102.0)[:, None])
    found = encoder(inputs, training=True)["user"].numpy().reshape(100, 5)
    assert (found == found[:, :1]).all()
    assert 0.3 < (found[:, 0] == 1).mean() < 0.7


def test_hashed_ids_are_refused():
    schema = Schema(
        user=[Sequence("seen", of="item", length=2, oov_rate=0.5)],
        item=[Categorical("item", hash_buckets=4)],
    )
    encoder = FeatureEncoder(schema)
    inputs = {"seen": tf.zeros([2, 2], tf.int32), "item": tf.zeros([2], tf.int32)}
    with pytest.raises(ValueError, match=r"`oov_rate` of feature 'seen' needs a vocabulary"):
        encoder(inputs, training=True)


def test_saved_and_loaded(tmp_path, linear):
    schema = schema_of()
    _, inputs = inputs_of(schema)
    ranker = Ranker(schema, linear())
    ranker.save(tmp_path / "ranker.keras")
    loaded = keras.models.load_model(tmp_path / "ranker.keras")
    np.testing.assert_allclose(loaded(inputs), ranker(inputs), rtol=1e-6)
    assert (loaded(inputs, training=True).numpy() != loaded(inputs).numpy()).any()


@pytest.mark.skipif(KERAS_3, reason="Keras 3 refuses several replicas")
def test_on_several_replicas(tmp_path):
    program = Path(__file__).with_name("unknown_ids_on_replicas.py")
    out = tmp_path / "found.npy"
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, str(program), str(out)], cwd=root, env=environment, check=True)
    first, again = np.load(out)
    assert np.isfinite(first).all()
    assert np.abs(first[:2]).max() > 0  # The row of unknown ids learned.
    np.testing.assert_allclose(first, again, rtol=1e-5, atol=1e-6)
