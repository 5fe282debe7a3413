"""Options of `Distillation`: mutual learning and the auxiliary head."""

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import MLP, Distillation, FeatureEncoder, Ranker, TwoTower, WarmUp
from tfpfd._keras import keras
from tfpfd.distillation.targets import Targets


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def cross_entropy(p, f):
    return np.logaddexp(0, f) - p * f


def compiled(model):
    model.compile(keras.optimizers.Adagrad(0.1), run_eagerly=True)
    return model


def gradients(model, inputs, labels):
    with tf.GradientTape() as tape:
        outputs = model(inputs, training=True)
        loss = model.compute_loss(inputs, tf.constant(labels), outputs)
    weights = model.trainable_variables
    return dict(zip([id(w) for w in weights], tape.gradient(loss, weights), strict=True))


@pytest.fixture
def headed(schema):
    """A function that makes a distillation with an auxiliary head."""

    def headed(network=None, **kwargs):
        network = network or MLP([4], batch_norm=False)
        student = Ranker(schema, network, encoder=FeatureEncoder(schema, dim=3))
        encoder = FeatureEncoder(schema, schema.features(), dim=3)
        teacher = Ranker(schema, MLP([4], batch_norm=False), sees="all", encoder=encoder)
        return compiled(
            Distillation(student=student, teacher=teacher, auxiliary_head=True, **kwargs)
        )

    return headed


def test_mutual_loss_by_hand(make, means_of):
    """Both pay (1 - λ) for the labels and λ for the other's soft labels."""
    model = compiled(make("independent", weight=0.3, mutual=True))
    f_s, f_t, y = np.array([0.5, -1.0]), np.array([2.0, 0.25]), np.array([1.0, 0.0])
    outputs = {"student": tf.constant(f_s, tf.float32), "teacher": tf.constant(f_t, tf.float32)}
    terms = means_of(model, outputs, Targets(tf.constant(y), None))
    student = 0.7 * cross_entropy(y, f_s) + 0.3 * cross_entropy(sigmoid(f_t), f_s)
    teacher = 0.7 * cross_entropy(y, f_t) + 0.3 * cross_entropy(sigmoid(f_s), f_t)
    np.testing.assert_allclose(terms["loss"], (student + teacher).mean(), rtol=1e-6)


def test_a_mutual_teacher_learns_on_rows_without_a_label(make, inputs_of):
    inputs = inputs_of(8)
    for mutual in (False, True):
        model = compiled(make("independent", weight=1.0, mutual=mutual))
        found = gradients(model, inputs, np.full(8, np.nan, np.float32))
        of_teacher = [found[id(w)] for w in model.teacher.network.trainable_variables]
        assert any(np.abs(g).max() > 0 for g in of_teacher) == mutual


def test_a_frozen_teacher_cannot_learn_mutually(make):
    with pytest.raises(ValueError, match="`mutual` needs a teacher that learns"):
        make("frozen", mutual=True)


@pytest.mark.parametrize("network", [MLP, TwoTower])
def test_soft_labels_reach_the_head_and_not_the_students_own_logit(headed, inputs_of, network):
    """With λ = 1 the weights between the shared part and the student's logit get no gradient."""
    model = headed(network([4, 3], batch_norm=False), distillation_weight=1.0)
    found = gradients(model, inputs_of(8), np.ones(8, np.float32))
    assert all(np.abs(found[id(w)]).max() > 0 for w in model.head.trainable_variables)
    if network is MLP:
        assert all(
            np.abs(found[id(w)]).max() == 0 for w in model.student.network.logit.trainable_variables
        )
    body = model.student.network.hidden if network is MLP else model.student.network.item_tower
    assert all(np.abs(found[id(w)]).max() > 0 for w in body.trainable_variables)


def test_the_distillation_loss_is_that_of_the_head(headed, inputs_of, means_of):
    model = headed(distillation_weight=0.4)
    inputs, labels = inputs_of(5), np.array([1, 0, 1, 0, 0], np.float32)
    out = {name: value.numpy() for name, value in model(inputs).items()}
    terms = means_of(model, model(inputs), Targets(tf.constant(labels), None))
    soft = cross_entropy(sigmoid(out["teacher"]), out["auxiliary"]).mean()
    hard = cross_entropy(labels, out["student"]).mean()
    taught = cross_entropy(labels, out["teacher"]).mean()
    np.testing.assert_allclose(terms["distillation_loss"], soft, rtol=1e-5)
    np.testing.assert_allclose(terms["loss"], 0.6 * hard + 0.4 * soft + taught, rtol=1e-5)


@pytest.mark.parametrize("network", [MLP([4]), TwoTower([4, 3])])
def test_representation_makes_the_logit(schema, inputs_of, network):
    ranker = Ranker(schema, type(network).from_config(network.get_config()))
    inputs = inputs_of(6)
    logits, parts = ranker._call_with_representation(inputs)
    np.testing.assert_array_equal(logits, ranker(inputs))
    assert parts.shape == (6, network.representation_width)


def test_the_students_weights_do_not_hold_the_head(headed):
    model = headed()
    head = {id(w) for w in model.head.weights}
    assert not head & {id(w) for w in model.student.weights}
    assert head <= {id(w) for w in model.weights}


@pytest.mark.slow
@pytest.mark.parametrize("option", ["mutual", "auxiliary_head"])
def test_saved_models_keep_the_option(schema, make, batches_of, tmp_path, option):
    student = Ranker(schema, MLP([4]), encoder=FeatureEncoder(schema, dim=3))
    teacher = Ranker(schema, MLP([4]), sees="all", encoder=student.encoder)
    model = Distillation(
        student=student, teacher=teacher, distillation_weight=WarmUp(0.5), **{option: True}
    )
    compiled(model).fit(batches_of(8, 4), verbose=0)
    model.save(tmp_path / "model.keras")
    other = keras.models.load_model(tmp_path / "model.keras")
    inputs = next(iter(batches_of(8, 8)))[0]
    assert (other.mutual, other.head is not None) == (model.mutual, model.head is not None)
    for name, logits in model(inputs).items():
        np.testing.assert_allclose(other(inputs)[name], logits, rtol=1e-6)
