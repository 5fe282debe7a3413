"""Rows of tables that are given, frozen or not."""

import numpy as np
import pytest

import tfpfd
from tfpfd import MLP, Categorical, FeatureEncoder, Numeric, Ranker, Schema, Sequence, TwoTower
from tfpfd._keras import keras
from tfpfd.data import from_rows
from tfpfd.layers import set_vectors

SCHEMA = Schema(
    user=[Categorical("user", vocabulary=("u",)), Sequence("seen", of="item", length=2)],
    item=[
        Categorical("item", dtype="int", vocabulary=(7, 8, 9), oov=2),
        Categorical("hashed", hash_buckets=3),
    ],
    privileged={"cross": [Numeric("affinity", boundaries=(0.0,))]},
)
ROWS = {
    "user": ["u"] * 4,
    "seen": [[7], [8, 9], [], [9]],
    "item": [7, 8, 9, 5],
    "hashed": ["a", "b", "c", "d"],
    "affinity": [-1.0, 1.0, 1.0, -1.0],
    "label": [1.0, 0.0, 1.0, 0.0],
}
GIVEN = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


def rows_of(encoder, table):
    tables = encoder.tables[table]
    start = tables.offset[table]
    return np.array(tables.table)[start : start + tables.rows[table]]


@pytest.mark.parametrize("frozen", [[], ["item"]], ids=["trained", "frozen"])
def test_rows_are_set_and_trained_or_not(frozen, tmp_path):
    encoder = FeatureEncoder(SCHEMA, dim=2, frozen=frozen)
    before = rows_of(encoder, "item")
    # The dataset's order is not the vocabulary's, and 4 isn't in it.
    assert set_vectors(encoder, "item", [9, 4, 7], GIVEN) == 2
    expected = before.copy()
    expected[[3, 5]] = [[5.0, 6.0], [1.0, 2.0]]
    np.testing.assert_array_equal(rows_of(encoder, "item"), expected)
    student = Ranker(SCHEMA, TwoTower([2], batch_norm=False), encoder=encoder)
    teacher = Ranker(SCHEMA, MLP([2]), sees="all", encoder=encoder)
    model = tfpfd.Distillation(student=student, teacher=teacher)
    model.compile(keras.optimizers.SGD(0.5))
    users = rows_of(encoder, "user")
    model.fit(from_rows(ROWS, SCHEMA, 2), epochs=1, verbose=0)
    assert (rows_of(encoder, "item") == expected).all() == bool(frozen)
    assert (rows_of(encoder, "user") != users).any()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(rows_of(loaded.student.encoder, "item"), rows_of(encoder, "item"))
    # What is thawed as a whole leaves them frozen.
    loaded.student.trainable = True
    held = {id(w) for w in loaded.student.encoder.trainable_weights}
    assert (id(loaded.student.encoder.tables["item"].table) in held) == (not frozen)


REFUSED = [
    (("user_id", [7], GIVEN[:1]), r"`table` must name a vocabulary .*\['item', 'user'\], received"),
    (("hashed", ["a"], GIVEN[:1]), "`table` must name a vocabulary"),
    (("item", [7, 7], GIVEN[:2]), "`ids` must hold each id once, received 7 more than once"),
    (("item", ["7"], GIVEN[:1]), "column 'item': expected non-negative integers"),
    (("item", [7], GIVEN), r"`vectors` must be of shape \(1, 2\), .* received \(3, 2\)"),
    (("item", [7], [[1.0]]), r"as wide as the table 'item', received \(1, 1\)"),
    (("item", [7, 8], [[1.0, 2.0], [np.nan, 1.0]]), "`vectors` must be finite .* that of 8"),
    (("item", [7], [[1e39, 2.0]]), "`vectors` must be finite as float32"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        set_vectors(FeatureEncoder(SCHEMA, dim=2), *arguments)


def test_refused_names_of_frozen_tables():
    with pytest.raises(ValueError, match=r"`frozen` names \['seen'\]: expected names out of"):
        FeatureEncoder(SCHEMA, frozen=["seen"])
    encoder = FeatureEncoder(SCHEMA, dim=2, frozen=["item"])
    with pytest.raises(ValueError, match=r"`unshared` names features of frozen tables \['item'\]"):
        Ranker(SCHEMA, MLP([2]), encoder=encoder, unshared=["item"])
