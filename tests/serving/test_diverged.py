"""What isn't finite is refused by its name, before anything is written."""

import re

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import (
    MLP,
    Categorical,
    Numeric,
    Ranker,
    Schema,
    TwoTower,
    export,
    inspect_export,
    refresh,
)
from tfpfd._keras import keras

ITEMS = {"item_id": ["i1", "i2"], "price": [1.0, np.nan]}


@pytest.fixture(scope="module")
def schema():
    return Schema(
        user=(Categorical("user_id", vocabulary=("u1", "u2")),),
        item=(
            Categorical("item_id", vocabulary=("i1", "i2")),
            Numeric("price", boundaries=(0.5,), optional=True),
        ),
    )


def spoilt(student, number, place):
    weights = student.get_weights()
    weights[place] = np.full_like(weights[place], number)
    student.set_weights(weights)
    return student


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, -1])
def test_a_weight(schema, tmp_path, number, place):
    towers = spoilt(Ranker(schema, TwoTower([2])), number, place)
    mlp = spoilt(Ranker(schema, MLP([2], batch_norm=False)), number, place)
    for student, arguments in (
        (towers, {"items": ITEMS}),
        (towers, {"items": None, "side": "user"}),
        (mlp, {"items": None}),
        ({"ctr": mlp}, {"items": None}),
    ):
        owner = student["ctr"] if isinstance(student, dict) else student
        weight = owner.weights[place]
        name = re.escape(getattr(weight, "path", weight.name))
        with pytest.raises(ValueError, match=rf"diverged: its weight '{name}' isn't finite"):
            export(student, path=tmp_path / "model", verbose=0, **arguments)
        assert list(tmp_path.iterdir()) == []


def test_statistics_of_batch_normalisation(schema, tmp_path):
    student = Ranker(schema, MLP([2]))
    (variance,) = (w for w in student.weights if "variance" in w.name)
    variance.assign([np.inf, 1.0])
    with pytest.raises(ValueError, match=r"diverged: its weight '.*variance.*' isn't finite"):
        export(student, None, tmp_path, verbose=0)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [1e20, 1e38])
def test_a_training_that_diverged(schema, marked, tmp_path, rate):
    student = Ranker(schema, TwoTower([3], batch_norm=False))
    student.compile(keras.optimizers.SGD(rate), metrics=[], run_eagerly=True)
    ids = np.arange(4, dtype=np.int32)
    inputs = marked(schema, {"user_id": ids, "item_id": ids, "price": ids % 3})
    student.fit(inputs, np.float32([0, 1, 0, 1]), batch_size=1, verbose=0)
    with pytest.raises(ValueError, match="`student` has diverged: "):
        export(student, ITEMS, tmp_path, verbose=0)
    assert list(tmp_path.iterdir()) == []


def test_finite_weights_whose_logits_are_not(schema, tmp_path):
    student = Ranker(schema, MLP([2], batch_norm=False))
    student.set_weights([np.full_like(weight, 1e30) for weight in student.get_weights()])
    with pytest.raises(ValueError, match="its weights are finite, but so large that it gives"):
        export(student, None, tmp_path, verbose=0)


@pytest.mark.slow
def test_large_weights_alone_are_no_divergence(schema, tmp_path):
    """The sum of such a table is infinite, its numbers are not."""
    student = Ranker(schema, TwoTower([2], batch_norm=False))
    weights = student.get_weights()
    weights[0] = np.full_like(weights[0], 3e38)
    weights[1:] = [weight * 1e-30 for weight in weights[1:]]
    student.set_weights(weights)
    assert inspect_export(export(student, ITEMS, tmp_path, verbose=0)).findings == []


class Long(TwoTower):
    """Item embeddings of any length."""

    def item_embedding(self, encoded, training=None):
        return 1e5 * super().item_embedding(encoded, training=training)


@pytest.mark.slow
def test_a_table_of_a_type_that_cannot_hold_the_items(schema, tmp_path):
    student = Ranker(schema, Long([1]))
    message = (
        r"`table` 'float16' can't hold the item embeddings: expected numbers up to 65504, "
        r"received 100000; 'float32' can"
    )
    with pytest.raises(ValueError, match=message):
        export(student, ITEMS, tmp_path, table="float16", verbose=0)
    assert list(tmp_path.iterdir()) == []
    for table in ("float32", "bfloat16", "int8"):
        export(student, ITEMS, tmp_path, table=table, verbose=0)


@pytest.mark.slow
def test_refresh_of_a_student_that_had_diverged(schema, tmp_path, monkeypatch):
    path = export(Ranker(schema, TwoTower([2])), ITEMS, tmp_path, attributes=["price"], verbose=0)
    # As of a version from before such a student was refused; an attribute may be missing.
    assert refresh(tmp_path, ITEMS, verbose=0) == tmp_path / "2"
    load = tf.train.load_checkpoint

    def spoilt_checkpoint(prefix):
        reader = load(prefix)

        class Reader:
            def __getattr__(self, name):
                return getattr(reader, name)

            def get_tensor(self, key):
                values = reader.get_tensor(key)
                return values * np.nan if key.startswith("weights/user_tower/1") else values

        return Reader()

    monkeypatch.setattr(tf.train, "load_checkpoint", spoilt_checkpoint)
    with pytest.raises(ValueError, match=r"/2' is of a student that had diverged: its 'weights/us"):
        refresh(tmp_path, ITEMS, verbose=0)
    assert sorted(p.name for p in path.parent.iterdir()) == ["1", "2"]
