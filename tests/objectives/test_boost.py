"""RuleBoost soft labels: by hand, whatever the rule is made of."""

import functools
import math

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import Distillation, FusedTeachers, PrecomputedTeacher, RuleBoost
from tfpfd._keras import keras


@keras.utils.register_keras_serializable(package="tests")
def best_cancel(inputs):
    """Not differentiable: whether the row has the largest score of the batch."""
    return inputs["cancel"] >= tf.reduce_max(inputs["cancel"])


INPUTS = {
    "book": tf.constant([1.0, -2.0, 0.5]),
    "cancel": tf.constant([0.0, 3.0, 1.0]),
    "is_new": tf.constant([0.0, 1.0, 0.5]),
}


def test_a_column_by_hand():
    np.testing.assert_allclose(RuleBoost("book", "is_new", 2.0)(INPUTS), [1.0, 0.0, 1.5])


def test_a_function_by_hand():
    """Of bool or of numbers, and over fused teachers, whose weights stay as they are."""
    fused = FusedTeachers({"book": "book", "cancel": "cancel"}, {"book": 1.0, "cancel": 1.0})
    np.testing.assert_allclose(RuleBoost(fused, best_cancel, -0.5)(INPUTS), [1.0, 0.5, 1.5])
    found = RuleBoost(PrecomputedTeacher("book"), lambda inputs: inputs["cancel"] ** 2, 1.0)(INPUTS)
    np.testing.assert_allclose(found, [1.0, 7.0, 1.5])


def test_without_beta_it_is_the_scorer(ranker, listed):
    teacher = ranker()
    teacher.trainable = False
    inputs = listed(5)
    np.testing.assert_array_equal(RuleBoost(teacher, "cancel", 0.0)(inputs), teacher(inputs))


def test_the_student_learns_the_boost(student, lists_of, listed):
    """It raises the items that the rule picked, though it never sees the column of the rule."""

    def picked(inputs, labels):
        return {**inputs, "new": tf.cast(inputs["item_id"] == 2, tf.float32)}, labels

    found = []
    start = student.get_weights()
    for beta in (0.0, 3.0):
        student.set_weights(start)
        model = Distillation(
            student=student, teacher=RuleBoost("book", "new", beta), distillation_weight=1.0
        )
        model.compile(keras.optimizers.Adam(0.05), run_eagerly=True)
        model.fit(lists_of(24, 24).map(picked), epochs=10, verbose=0)
        found.append(np.asarray(student(listed(24))))
    raised, new = found[1] - found[0], listed(24)["item_id"] == 2
    assert raised[new].mean() > raised[~new].mean() + 0.1


def test_it_is_as_frozen_as_what_it_boosts(student, ranker, listed):
    teacher = ranker()
    fused = FusedTeachers({"book": teacher}, {"book": 1.0})
    model = Distillation(student=student, teacher=RuleBoost(fused, "cancel", 1.0))
    model.trainable = True
    model(listed(4), training=True)
    assert not model.teacher.trainable
    assert {id(w) for w in model.trainable_weights} == {id(w) for w in student.trainable_weights}
    assert model.teacher.rankers == [teacher]


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["is_new", best_cancel])
def test_saved_and_loaded(student, ranker, listed, tmp_path, rule):
    fused = FusedTeachers({"book": "book", "rate": ranker()}, {"book": 1.0, "rate": 1.0})
    model = Distillation(student=student, teacher=RuleBoost(fused, rule, 0.7))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    inputs = {**listed(4), "is_new": tf.constant([1.0, 0.0, 1.0, 0.0])}
    np.testing.assert_array_equal(again(inputs)["teacher"], model(inputs)["teacher"])
    assert (again.teacher.rule, again.teacher.beta) == (rule, 0.7)


def test_a_function_that_is_not_registered_can_not_be_saved(tmp_path):
    def rule(inputs):
        return inputs["is_new"]

    with pytest.raises(ValueError, match="the rule rule can't be saved: register the function"):
        RuleBoost("book", rule, 1.0).save(tmp_path / "boosted.keras")


def test_a_partial_function_can_not_be_saved(tmp_path):
    boosted = RuleBoost("book", functools.partial(tf.multiply, 2.0), 1.0)
    with pytest.raises(ValueError, match=r"the rule functools.partial\(.* can't be saved: regis"):
        boosted.save(tmp_path / "boosted.keras")


def test_refusals(ranker):
    with pytest.raises(ValueError, match="`scorer` is trainable: it would learn the labels"):
        RuleBoost(ranker(), "is_new", 1.0)
    with pytest.raises(TypeError, match="`scorer` must be a Keras model or the name of a column"):
        RuleBoost(3, "is_new", 1.0)
    with pytest.raises(TypeError, match="`rule` must be the name of a column or a function"):
        RuleBoost("book", 3, 1.0)
    with pytest.raises(ValueError, match="`beta` must be a finite number, received nan"):
        RuleBoost("book", "is_new", math.nan)
    with pytest.raises(ValueError, match="missing input 'old': expected the column of the rule"):
        RuleBoost("book", "old", 1.0)(INPUTS)
    spoiled = {**INPUTS, "is_new": tf.constant([0.0, math.nan, 0.0])}
    with pytest.raises(tf.errors.InvalidArgumentError, match="the rule 'is_new' must give every"):
        RuleBoost("book", "is_new", 1.0)(spoiled)
