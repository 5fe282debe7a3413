"""A network of one's own: this file alone adds one."""

import doctest

import numpy as np
import pytest
import tensorflow as tf

import tfpfd
from tfpfd._keras import keras
from tfpfd.layers import MLP, encoded, joined, network

ROWS = {
    "user": ["ann", "bob", "cid", "ann", "bob", "cid", "ann", "bob"],
    "age": [10.0, 30.0, 50.0, 10.0, 30.0, 50.0, 10.0, 30.0],
    "seen": [["alien"], ["brazil", "cube"], [], ["cube"], [], ["alien"], ["brazil"], ["cube"]],
    "film": ["alien", "brazil", "cube", "alien", "cube", "brazil", "brazil", "alien"],
    "stayed": [0.1, 0.9, 0.7, 0.2, 0.8, 0.3, 0.9, 0.1],
    "label": [0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0],
}
FILMS = ("alien", "brazil", "cube")
SCHEMA = tfpfd.Schema(
    user=[
        tfpfd.Categorical("user", vocabulary=("ann", "bob", "cid")),
        tfpfd.Numeric("age", boundaries=(20.0, 40.0)),
        tfpfd.Sequence("seen", of="film", length=2),
    ],
    item=[tfpfd.Categorical("film", vocabulary=FILMS)],
    privileged={"post_event": [tfpfd.Numeric("stayed", boundaries=(0.5,))]},
)


@keras.utils.register_keras_serializable("tests")
class FactorizationMachine(keras.layers.Layer):
    """`Σ_{i<j} ⟨v_i, v_j⟩ + ⟨w, x⟩ + b` with v_i the vectors of the features, x all of them."""

    def build(self, input_shape):
        widths = {shape[-1] for side in input_shape.values() for shape in side.values()}
        count = sum(len(side) for side in input_shape.values())
        (self.width,) = widths
        self.representation_width = self.width + 1
        self.kernel = self.add_weight(
            name="kernel", shape=(count * self.width, 1), initializer="normal"
        )
        self.bias = self.add_weight(name="bias", shape=(), initializer="zeros")
        self.built = True

    def represent(self, encoded, training=None):
        vectors = tf.stack([x for side in encoded.values() for x in side.values()], axis=1)
        squares = tf.reduce_sum(vectors**2, axis=1)
        pairs = (tf.reduce_sum(vectors, axis=1) ** 2 - squares) / 2
        return tf.concat([pairs, tf.matmul(joined(encoded), self.kernel)], axis=1)

    def score(self, representation, training=None):
        return tf.reduce_sum(representation, axis=1) + self.bias

    def call(self, inputs, training=None):
        return self.score(self.represent(inputs, training=training), training=training)


def trained(model):
    model.compile("adam")
    model.fit(tfpfd.data.from_rows(ROWS, SCHEMA, batch_size=4), epochs=2, verbose=0)
    return model


def student():
    return tfpfd.Ranker(SCHEMA, FactorizationMachine(), name="student")


@pytest.fixture(scope="module")
def distilled():
    """It teaches itself, seeing more, by way of a shared encoder."""
    served = student()
    teacher = tfpfd.Ranker(
        SCHEMA, FactorizationMachine(), sees="all", encoder=served.encoder, name="teacher"
    )
    return trained(tfpfd.Distillation(student=served, teacher=teacher, distillation_weight=0.5))


@pytest.mark.parametrize("module", [network, encoded])
def test_the_examples_run(module):
    runner = doctest.DocTestRunner()
    for example in doctest.DocTestFinder().find(module):
        assert runner.run(example).failed == 0
    assert runner.tries > 0


def test_logits_are_those_of_pairs():
    ranker = student()
    (inputs, _), *_ = tfpfd.data.from_rows(ROWS, SCHEMA, batch_size=8, shuffle=False)
    sides = ranker.encode(inputs)
    assert {side: list(features) for side, features in sides.items()} == {
        "user": ["user", "age", "seen"],
        "item": ["film"],
    }
    vectors = [np.asarray(x) for side in sides.values() for x in side.values()]
    pairs = sum((a * b).sum(1) for i, a in enumerate(vectors) for b in vectors[:i])
    # The linear part reads the sides in the order of their names.
    linear = np.concatenate([vectors[3], *vectors[:3]], axis=1) @ np.asarray(ranker.network.kernel)
    np.testing.assert_allclose(ranker(inputs), pairs + linear[:, 0], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_training_changes_it_and_the_shared_encoder(distilled):
    fresh = student()
    for one, other in zip(fresh.weights, distilled.student.weights, strict=True):
        assert one.shape == other.shape
    assert distilled.teacher.encoder is distilled.student.encoder
    assert float(distilled.student.network.bias) != 0 and float(distilled.teacher.network.bias) != 0


@pytest.mark.slow
def test_saved_and_loaded(distilled, tmp_path):
    expected = tfpfd.score_rows(distilled.student, ROWS)
    distilled.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(tfpfd.score_rows(again.student, ROWS), expected, rtol=1e-6)
    np.testing.assert_allclose(
        tfpfd.score_rows(again.teacher, ROWS), tfpfd.score_rows(distilled.teacher, ROWS), rtol=1e-6
    )
    version = tfpfd.save_version(tmp_path / "line", distilled.student)
    np.testing.assert_allclose(tfpfd.score_rows(version.load(), ROWS), expected, rtol=1e-6)


@pytest.mark.slow
def test_exported(distilled, tmp_path):
    path = tfpfd.export(distilled.student, None, tmp_path, verbose=0)
    served = {name: values for name, values in ROWS.items() if name not in ("stayed", "label")}
    found = tfpfd.saved_scores(path, served)
    np.testing.assert_allclose(found, tfpfd.score_rows(distilled.student, ROWS), rtol=1e-5)
    assert tfpfd.inspect_export(path).findings == []


def test_items_ahead_of_the_requests_need_towers(distilled, tmp_path):
    with pytest.raises(TypeError, match=r"`student` must have a TwoTower, .* FactorizationMachine"):
        tfpfd.export(distilled.student, {"film": list(FILMS)}, tmp_path, verbose=0)


@pytest.mark.slow
def test_heads_read_its_representation():
    """Those of auxiliary losses, of a teacher of another kind."""
    teacher = tfpfd.Ranker(SCHEMA, MLP([3]), sees="all", name="teacher")
    headed = trained(tfpfd.Distillation(student=student(), teacher=teacher, auxiliary_head=True))
    assert headed.head.kernel.shape == (17, 1)
    predicting = trained(tfpfd.AuxiliaryTasks(student()))
    assert [head.kernel.shape[0] for head in predicting.heads] == [17]
