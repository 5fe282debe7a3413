"""Learned weights: the prior at the start, one weight a list, gradient to the gate alone."""

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import Distillation, FeatureEncoder, FusedTeachers, FusionGate
from tfpfd._keras import keras, tf_variable
from tfpfd.data import LIST
from tfpfd.distillation.targets import Targets

PRIOR = {"book": 1.0, "cancel": -0.3, "rate": 0.0}


@pytest.fixture
def gate(schema):
    """A function that makes a gate over the user's features."""
    return lambda weights=PRIOR, **kwargs: FusionGate(
        weights, FeatureEncoder(schema, ["user_id", "age"], dim=3), units=4, **kwargs
    )


@pytest.fixture
def gated(schema, gate, ranker, student):
    """A distillation from a ranker and two columns, with learned weights."""
    teachers = {"cancel": "cancel", "rate": "book", "book": ranker()}
    model = Distillation(
        student=student, teacher=FusedTeachers(teachers, gate()), distillation_weight=0.8
    )
    model.compile(keras.optimizers.Adam(0.1), run_eagerly=True)
    return model


def test_it_starts_with_its_weights(gate, gated, listed):
    inputs = listed(9)
    np.testing.assert_array_equal(gate()(inputs), np.tile(np.float32([1.0, -0.3, 0.0]), (9, 1)))
    book = gated.teacher.parts[2](inputs)
    np.testing.assert_allclose(gated.teacher(inputs), book - 0.3 * inputs["cancel"], rtol=1e-5)


def test_a_list_has_one_set_of_weights(gate, listed):
    """Of the softmax of the network over the mean of its rows, whatever their order."""
    layer, inputs = gate(), listed(12)
    layer.last.kernel.assign(tf.random.normal([4, 3]))
    found = np.asarray(layer(inputs))
    encoded = layer.encoder(inputs)
    rows = np.concatenate([encoded["user_id"], encoded["age"]], axis=1)
    for number in set(inputs[LIST]):
        of = inputs[LIST] == number
        hidden = np.maximum(
            rows[of].mean(0) @ np.asarray(layer.hidden.kernel) + np.asarray(layer.hidden.bias), 0
        )
        scores = np.exp(hidden @ np.asarray(layer.last.kernel))
        expected = np.array([1.0, -0.3, 0.0]) * 3 * scores / scores.sum()
        np.testing.assert_allclose(found[of], np.tile(expected, (of.sum(), 1)), rtol=1e-5)


def test_the_label_loss_reaches_the_gate_and_nothing_else(gated, listed, means_of):
    inputs, labels = listed(9), tf.constant([1.0, 0.0, 1.0] * 3)
    own = [tf_variable(weight) for weight in gated.teacher.learner.weights]
    frozen = [tf_variable(weight) for part in gated.teacher.parts for weight in part.weights]
    students = [tf_variable(weight) for weight in gated.student.trainable_weights]
    with tf.GradientTape(persistent=True) as tape:
        targets = Targets(labels, None, inputs[LIST])
        terms = means_of(gated, gated(inputs, training=True), targets)
    reached = tape.gradient(terms["teacher_loss"], own)
    sizes = [float(tf.norm(tf.convert_to_tensor(g))) for g in reached if g is not None]
    assert max(sizes) > 0
    assert all(g is None for g in tape.gradient(terms["teacher_loss"], frozen + students))
    assert all(g is None for g in tape.gradient(terms["distillation_loss"], own + frozen))


@pytest.mark.slow
def test_it_learns_and_the_teachers_do_not(gated, lists_of, listed):
    frozen = [weight.numpy() for part in gated.teacher.parts for weight in part.weights]
    history = gated.fit(lists_of(12, 12), epochs=8, verbose=0).history
    assert history["teacher_loss"][-1] < history["teacher_loss"][0]
    after = [weight.numpy() for part in gated.teacher.parts for weight in part.weights]
    for weight, before in zip(after, frozen, strict=True):
        np.testing.assert_array_equal(weight, before)
    omega = np.asarray(gated.teacher.learner(listed(12)))
    assert np.ptp(omega[:, 0]) > 0
    assert (omega[:, 0] > 0).all() and (omega[:, 1] < 0).all() and (omega[:, 2] == 0).all()
    trained = {id(weight) for weight in gated.trainable_weights}
    learning = [*gated.student.trainable_weights, *gated.teacher.learner.weights]
    assert trained == {id(weight) for weight in learning}


@pytest.mark.slow
def test_saved_and_loaded(gated, lists_of, listed, tmp_path):
    gated.fit(lists_of(12, 6), verbose=0)
    gated.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    inputs = listed(6)
    np.testing.assert_array_equal(again(inputs)["teacher"], gated(inputs)["teacher"])
    assert again.teacher.trainable
    assert len(again.trainable_weights) == len(gated.trainable_weights)


def test_refusals(schema, gate, listed, student, ranker):
    with pytest.raises(ValueError, match="`units` must be an integer of at least 1, received 0"):
        FusionGate(PRIOR, FeatureEncoder(schema, ["age"]), units=0)
    with pytest.raises(ValueError, match="`weights` must have one that isn't 0"):
        gate({"book": 0.0})
    inputs = listed(4)
    with pytest.raises(ValueError, match=r"missing inputs .'age'.: the gate needs table rows"):
        gate()({name: values for name, values in inputs.items() if name != "age"})
    with pytest.raises(ValueError, match="the gate gives weights to whole lists"):
        gate()({name: values for name, values in inputs.items() if name != LIST})
    # With the student's encoder its tables would learn from the gate too.
    shared = FusedTeachers({"book": "book"}, FusionGate({"book": 1.0}, student.encoder))
    with pytest.raises(ValueError, match="`teacher` shares weights with `student`"):
        Distillation(student=student, teacher=shared)
