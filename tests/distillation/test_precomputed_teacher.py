import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tfpfd import Categorical, Distillation, Numeric, PrecomputedTeacher, Schema, out_of_fold
from tfpfd._keras import keras


@pytest.mark.slow
def test_a_column_of_scores_is_a_frozen_teacher(make, inputs_of, batches_of, tmp_path):
    """The student learns the same from a teacher's logits in a column as from the teacher."""
    taught = make("frozen")
    weights = taught.student.get_weights()

    def with_scores(inputs, labels):
        return {**inputs, "score": taught.teacher(inputs)}, labels

    taught.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    taught.fit(batches_of(12, 4), verbose=0)
    stored = Distillation(
        student=make("shared").student, teacher=PrecomputedTeacher("score"), distillation_weight=0.5
    )
    stored.student.set_weights(weights)
    stored.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    data = batches_of(12, 4).map(with_scores)
    history = stored.fit(data, verbose=0).history
    assert history["teacher_auc"]
    for one, other in zip(stored.student.get_weights(), taught.student.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    stored.save(tmp_path / "stored.keras")
    other = keras.models.load_model(tmp_path / "stored.keras")
    assert other.teacher.column == "score"
    assert not other.teacher.trainable


def test_a_missing_column_is_named(make, inputs_of):
    model = Distillation(student=make().student, teacher=PrecomputedTeacher("score"))
    with pytest.raises(ValueError, match="missing input 'score'"):
        model(inputs_of(2))


@pytest.mark.slow
@pytest.mark.parametrize("kept", [(), ("x",)])
def test_a_column_that_was_not_kept_is_named_before_training(make, batches_of, kept):
    model = Distillation(student=make().student, teacher=PrecomputedTeacher("score"))
    model.compile(optimizer="sgd")

    def scored(inputs, labels):
        return {**inputs, "score": labels}, labels

    plain = batches_of(8, 4)
    settings = dict(zip(("x", "validation_data"), (plain, plain), strict=True))
    settings.update({name: plain.map(scored) for name in kept})
    passed = r"from_rows\(…, extra_columns=\['score'\]\)"
    message = rf"^missing input 'score': .*{passed} .* received \['affinity"
    with pytest.raises(ValueError, match=message):
        model.fit(**settings)
    assert int(model.step) == 0
    model.fit(plain.map(scored), validation_data=plain.map(scored), verbose=0)
    assert int(model.step) == 2


class Mean:
    """A teacher that predicts the mean label of the rows it was fitted on."""

    def __init__(self, rows):
        self.value = rows["label"].mean()
        self.users = set(rows[rows["label"].notna()]["user"])

    def predict(self, batches, verbose):
        return np.full(len(batches), self.value)


SCHEMA = Schema(
    user=[Categorical("user", dtype="int")],
    item=[Categorical("item", dtype="int")],
    privileged={"cross": [Numeric("x")]},
)


def rows_of(labels, users=None):
    n = len(labels)
    return pd.DataFrame({"user": users or list(range(n)), "item": 1, "x": 0.0, "label": labels})


def test_no_teacher_scores_a_row_it_saw():
    """Of two folds, a row's score is the mean label of the other fold's rows."""
    rows = rows_of([1.0, 0.0, 1.0, 1.0])
    scores = out_of_fold(Mean, lambda part: part, rows, SCHEMA, folds=4)
    np.testing.assert_allclose(scores, [2 / 3, 1.0, 2 / 3, 2 / 3])


def test_rows_without_a_label_get_the_mean_of_all_teachers():
    rows = rows_of([1.0, np.nan, 0.0])
    scores = out_of_fold(Mean, lambda part: part, rows, SCHEMA, folds=2)
    np.testing.assert_allclose(scores, [0.0, 0.5, 1.0])


def test_rows_of_a_user_stay_together():
    seen = []

    def fit(rows):
        seen.append(Mean(rows))
        return seen[-1]

    rows = rows_of([1.0, 0.0] * 6, users=[i // 3 for i in range(12)])
    out_of_fold(fit, lambda part: part, rows, SCHEMA, folds=4, by="user")
    assert sorted(len(teacher.users) for teacher in seen) == [3, 3, 3, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"folds": 1}, "`folds` must be an integer of at least 2, received 1"),
        ({"folds": 4}, "`folds` is 4: expected as many labelled rows, received 3"),
        ({"by": "session"}, "`by` must name a column, received 'session'"),
        ({"by": "user"}, "expected as many values of 'user' with a labelled row, received 1"),
    ],
)
def test_refusals(arguments, message):
    rows = rows_of([1.0, 0.0, 1.0, np.nan], users=[1, 1, 1, 2])
    with pytest.raises(ValueError, match=message):
        out_of_fold(Mean, lambda part: part, rows, SCHEMA, **{"folds": 2, **arguments})


def test_tensors_are_not_needed_for_scores(make, inputs_of):
    """Logits of any numeric type and of shape [batch, 1] do."""
    model = Distillation(student=make().student, teacher=PrecomputedTeacher("score"))
    inputs = {**inputs_of(2), "score": tf.constant([[1.0], [2.0]], tf.float64)}
    np.testing.assert_allclose(model(inputs)["teacher"], [1.0, 2.0])
