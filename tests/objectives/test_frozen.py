"""Teachers run forward only: no gradient, no optimizer state, no statistics, nothing served."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tfpfd import (
    Distillation,
    FusedTeachers,
    MultiTaskRanker,
    Ranker,
    RuleBoost,
    SharedBottom,
    TwoTower,
    export,
    inspect_export,
)
from tfpfd._keras import KERAS_3, keras, tf_variable

WEIGHTS = {"book": 1.0, "cancel": -0.5, "rate": 0.5}
RIGHT = {"book": 1.0, "cancel": -1.0}


@pytest.fixture
def fused(ranker, fitted):
    """Two teachers with one encoder, one with its own; all with batch normalisation."""
    first = fitted(ranker())
    return FusedTeachers(
        {"book": first, "cancel": ranker(first.encoder), "rate": ranker()}, WEIGHTS
    )


def thaw_nothing(model):
    pass


def thaw_around(model):
    model.trainable = True


def thaw_teacher(model):
    model.teacher.trainable = True


def thaw_within(model):
    model.teacher.parts[0].trainable = True
    model.teacher.parts[1].network.trainable = True


def variables_of(optimizer):
    return optimizer.variables if KERAS_3 else optimizer.variables()


THAWS = [thaw_nothing, thaw_around, thaw_teacher, thaw_within]


@pytest.mark.slow
@pytest.mark.parametrize("thaw", THAWS)
def test_training_changes_nothing_in_a_teacher(student, fused, lists_of, thaw):
    """Not a bit of any weight or statistic, and the optimizer holds what the student's would."""
    model = Distillation(student=student, teacher=fused, distillation_weight=0.8)
    # In a graph once: there Keras makes the optimizer's state before the first step.
    model.compile(keras.optimizers.Adam(0.05), run_eagerly=thaw is not thaw_within)
    thaw(model)
    before = [weight.numpy() for part in fused.parts for weight in part.weights]
    learned = [weight.numpy() for weight in student.trainable_weights]
    model.fit(lists_of(12, 4), epochs=2, verbose=0)
    after = [weight.numpy() for part in fused.parts for weight in part.weights]
    assert len(before) > 10
    for one, other in zip(after, before, strict=True):
        np.testing.assert_array_equal(one, other)
    assert any(
        (weight.numpy() != old).any()
        for weight, old in zip(student.trainable_weights, learned, strict=True)
    )
    alone = keras.optimizers.Adam(0.05)
    alone.build(student.trainable_variables)
    assert len(variables_of(model.optimizer)) == len(variables_of(alone))
    assert not model.teacher.trainable
    assert {id(w) for w in model.trainable_weights} == {id(w) for w in student.trainable_weights}
    assert len(model.weights) == len(student.weights) + len(fused.weights) + 1


@pytest.mark.parametrize("thaw", THAWS)
def test_teachers_have_no_gradient(student, fused, listed, thaw):
    model = Distillation(student=student, teacher=fused, distillation_weight=1.0)
    model.compile("sgd", run_eagerly=True)
    thaw(model)
    inputs = listed(6)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(inputs, tf.zeros([6]), model(inputs, training=True))
    weights = [tf_variable(weight) for part in fused.parts for weight in part.weights]
    assert all(gradient is None for gradient in tape.gradient(loss, weights))


def test_a_fused_teacher_has_no_loss_of_its_own(student, fused, listed):
    model = Distillation(student=student, teacher=fused, distillation_weight=0.8)
    model.compile("sgd", run_eagerly=True)
    inputs, labels = listed(6), tf.constant([1.0, 0.0] * 3)
    before = model.compute_loss(inputs, labels, model(inputs))
    thaw_around(model)
    np.testing.assert_allclose(model.compute_loss(inputs, labels, model(inputs)), before)


def test_scores_are_those_of_inference(fused, listed):
    inputs = listed(6)
    np.testing.assert_array_equal(fused(inputs, training=True), fused(inputs, training=False))
    expected = sum(
        weight * teacher(inputs, training=False)
        for weight, teacher in zip(WEIGHTS.values(), fused.parts, strict=True)
    )
    np.testing.assert_allclose(fused(inputs), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_nothing_of_a_teacher_is_served(schema, student, fused, lists_of, tmp_path):
    model = Distillation(student=student, teacher=fused, distillation_weight=0.8)
    model.compile(keras.optimizers.Adam(0.05), run_eagerly=True)
    model.fit(lists_of(12, 4), verbose=0)
    items = pd.DataFrame({"item_id": ["i1", "i2", "i3"], "genres": [["g1"], ["g2"], ["g1", "g2"]]})
    alone = Ranker(
        schema,
        TwoTower([4, 2], batch_norm=False),
        encoder=student.encoder.like(schema, list(student.encoder.features), None),
    )
    found, expected = (
        inspect_export(export(ranker, items=items, path=tmp_path / name, verbose=0))
        for name, ranker in (("taught", model.student), ("alone", alone))
    )
    assert not found.findings
    assert found.variables == expected.variables


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scorer", "column"),
    [
        (lambda: FusedTeachers({"book": "book", "cancel": "absent"}, RIGHT), "absent"),
        (
            lambda: RuleBoost(FusedTeachers({"book": "absent"}, {"book": 1.0}), "cancel", 1.0),
            "absent",
        ),
        (lambda: RuleBoost("book", "is_new", 1.0), "is_new"),
    ],
)
def test_a_missing_column_is_named_before_training(student, lists_of, scorer, column):
    """Before Keras, whose tracebacks would stand around it: no step has been made."""
    model = Distillation(student=student, teacher=scorer())
    model.compile("sgd")
    message = rf"^missing input '{column}': expected the column of .*extra_columns=\['{column}'\]"
    with pytest.raises(ValueError, match=message) as raised:
        model.fit(lists_of(6, 6), verbose=0)
    assert "Exception encountered" not in str(raised.value)
    assert int(model.step) == 0


def test_a_frozen_model_of_all_objectives_needs_no_labels(schema, student, lists_of):
    """What it was trained on is no input of a scorer."""
    joint = MultiTaskRanker(schema, SharedBottom([2], ["label", "kept"], batch_norm=False))
    model = Distillation(student=student, teacher=FusedTeachers(joint, {"label": 1.0, "kept": 1.0}))
    model.compile("sgd", metrics=[], run_eagerly=True)
    model.fit(lists_of(6, 6), verbose=0)


@pytest.mark.slow
@pytest.mark.parametrize("compiled", [True, False])
def test_saved_and_loaded(student, fused, lists_of, listed, tmp_path, compiled):
    """Also when the teachers were compiled and fitted before; sharing among them is kept."""
    model = Distillation(student=student, teacher=fused, distillation_weight=0.8)
    if compiled:
        model.compile(keras.optimizers.Adam(0.05))
        model.fit(lists_of(12, 4), verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    inputs = listed(6)
    for name, logits in model(inputs).items():
        np.testing.assert_array_equal(again(inputs)[name], logits)
    first, second, third = again.teacher.parts
    assert first.encoder is second.encoder is not third.encoder
    assert again.teacher.get_config() == model.teacher.get_config()
    assert not again.teacher.trainable
    if compiled:
        histories = [one.fit(lists_of(12, 4), verbose=0).history for one in (model, again)]
        for name, values in histories[0].items():
            np.testing.assert_allclose(histories[1][name], values, rtol=1e-5)


@pytest.mark.slow
def test_every_kind_of_teacher_is_saved(student, ranker, listed, tmp_path):
    column = keras.layers.Input((), dtype="float32", name="cancel")
    functional = keras.Model({"cancel": column}, keras.layers.Dense(1)(column[:, None]))
    fused = FusedTeachers(
        {"book": "book", "cancel": functional, "rate": ranker()},
        WEIGHTS,
        normalize="softmax",
        temperature=2.0,
    )
    model = Distillation(student=student, teacher=fused)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    inputs = listed(6)
    np.testing.assert_array_equal(again(inputs)["teacher"], model(inputs)["teacher"])
    assert (again.teacher.normalize, again.teacher.temperature) == ("softmax", 2.0)


@pytest.mark.slow
def test_one_model_of_all_objectives_is_saved(student, joint, listed, tmp_path):
    teacher = joint({"book": 2.0, "cancel": 3.0})
    teacher(listed(2))
    teacher.scale.assign(0.5)
    fused = FusedTeachers(teacher, {"cancel": -1.0, "book": 1.0})
    fused.save(tmp_path / "fused.keras")
    again = keras.models.load_model(tmp_path / "fused.keras")
    inputs = listed(6)
    np.testing.assert_array_equal(again(inputs), fused(inputs))
    np.testing.assert_allclose(again(inputs), -0.5 * inputs["age"])


def test_weights_alone(student, fused, ranker, listed, tmp_path):
    model = Distillation(student=student, teacher=fused)
    model.save_weights(tmp_path / "model.weights.h5")
    first = ranker()
    teachers = {"book": first, "cancel": ranker(first.encoder), "rate": ranker()}
    other = Distillation(student=student, teacher=FusedTeachers(teachers, WEIGHTS))
    inputs = listed(6)
    assert np.abs(other(inputs)["teacher"] - model(inputs)["teacher"]).max() > 1e-3
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(other(inputs)["teacher"], model(inputs)["teacher"])
