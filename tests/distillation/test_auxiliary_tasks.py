import numpy as np
import pytest
import tensorflow as tf

from tfpfd import MLP, AuxiliaryTasks, Categorical, FeatureEncoder, Numeric, Ranker, Schema
from tfpfd._keras import keras
from tfpfd.distillation.targets import Targets


@pytest.fixture
def student(schema):
    return Ranker(schema, MLP([4], batch_norm=False), encoder=FeatureEncoder(schema, dim=3))


@pytest.fixture
def model(student):
    model = AuxiliaryTasks(student, task_weight=0.5)
    model.compile(keras.optimizers.Adagrad(0.1), run_eagerly=True)
    return model


def test_numeric_head_by_hand(model):
    """Three buckets are the quantiles 0, 1/2, 1; a missing value costs nothing."""
    feature = model.student.schema.features()["affinity"]
    inputs = {"affinity": tf.constant([1, 2, 3, 0])}
    output = tf.constant([[0.25], [0.25], [0.25], [9.0]])
    losses = feature.target_loss(inputs, output, model.student.schema.features())
    np.testing.assert_allclose(losses, [0.25**2, 0.25**2, 0.75**2, 0.0])


def test_categorical_head_by_hand(model):
    """Cross entropy of each value that is there, averaged over the row."""
    feature = model.student.schema.features()["later_clicks"]
    output = tf.math.log(tf.constant([[0.1, 0.2, 0.3, 0.1, 0.2, 0.1]] * 3))
    inputs = {"later_clicks": tf.constant([[2, 1], [4, 0], [0, 0]])}
    losses = feature.target_loss(inputs, output, model.student.schema.features())
    expected = [-(np.log(0.3) + np.log(0.2)) / 2, -np.log(0.2), 0.0]
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


def test_loss_by_hand(model, means_of):
    """Rows without a label count in the heads, and sample weights everywhere."""
    outputs = {
        "student": tf.constant([0.0, 3.0]),
        "head_a": tf.constant([1.0, 2.0]),
        "head_b": tf.constant([4.0, 0.0]),
    }
    targets = Targets(tf.constant([1.0, np.nan]), tf.constant([2.0, 1.0]))
    terms = means_of(model, outputs, targets)
    np.testing.assert_allclose(terms["student_loss"], 2 * np.log(2), rtol=1e-6)
    np.testing.assert_allclose(terms["auxiliary_loss"], (2 * 1 + 2) / 2 + 2 * 4 / 2)
    np.testing.assert_allclose(terms["loss"], 2 * np.log(2) + 0.5 * 6.0, rtol=1e-6)


def test_weight_0_is_the_student_alone(schema, batches_of):
    weights = []
    for multi in (False, True):
        keras.utils.set_random_seed(1)
        student = Ranker(schema, MLP([4], batch_norm=False), encoder=FeatureEncoder(schema, dim=3))
        model = AuxiliaryTasks(student, task_weight=0.0) if multi else student
        model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
        model.fit(batches_of(16, 4), verbose=0)
        weights.append(student.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_heads_learn_and_the_student_ignores_privileged_features(model, batches_of):
    history = model.fit(batches_of(64, 16), epochs=4, verbose=0).history
    assert history["auxiliary_loss"][-1] < history["auxiliary_loss"][0]
    inputs = next(iter(batches_of(8, 8)))[0]
    changed = {**inputs, "affinity": (inputs["affinity"] + 1) % 4}
    np.testing.assert_array_equal(model.student(inputs), model.student(changed))
    assert model.predict(batches_of(8, 8), verbose=0).shape == (8,)


@pytest.mark.slow
def test_evaluation_without_privileged_columns(model, batches_of, schema):
    privileged = schema.features("privileged")
    data = batches_of(8, 4).map(
        lambda x, y: ({k: v for k, v in x.items() if k not in privileged}, y)
    )
    found = model.evaluate(data, verbose=0, return_dict=True)
    assert set(found) == {"student_loss", "student_auc"}
    whole = model.evaluate(batches_of(8, 4), verbose=0, return_dict=True)
    assert found == {name: whole[name] for name in found}
    with pytest.raises(
        ValueError, match=r"missing inputs \['affinity', 'later_clicks'\]: the heads"
    ):
        model.fit(data, verbose=0)


@pytest.mark.slow
def test_saved_and_loaded(model, batches_of, tmp_path):
    model.fit(batches_of(8, 4), verbose=0)
    model.save(tmp_path / "m.keras")
    other = keras.models.load_model(tmp_path / "m.keras")
    inputs = next(iter(batches_of(8, 8)))[0]
    for name, value in model(inputs).items():
        np.testing.assert_allclose(other(inputs)[name], value, rtol=1e-6)


def test_refusals(schema, student):
    with pytest.raises(TypeError, match="`student` must be a Ranker"):
        AuxiliaryTasks(keras.layers.Dense(1))
    with pytest.raises(ValueError, match="must see served features, received one with sees='all'"):
        AuxiliaryTasks(Ranker(schema, MLP([2]), sees="all"))
    with pytest.raises(
        ValueError, match="`task_weight` must be a finite number from 0 on, received -1"
    ):
        AuxiliaryTasks(student, task_weight=-1)
    plain = Schema(
        user=[Numeric("age", boundaries=(1.0,))], item=[Categorical("i", vocabulary=("a",))]
    )
    with pytest.raises(ValueError, match="without privileged features"):
        AuxiliaryTasks(Ranker(plain, MLP([2])))
