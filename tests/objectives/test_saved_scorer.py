"""A SavedModel as a teacher: its signature's numbers, and what a batch can't feed."""

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import Distillation, FusedTeachers, SavedScorer
from tfpfd._keras import keras


class Served(tf.Module):
    """Signatures of numbers, of table rows, and of raw ids."""

    def __init__(self):
        super().__init__()
        self.factor = tf.Variable(2.0)

    @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.float32, name="price")])
    def numbers(self, price):
        return {"logit": self.factor * price}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, name="age")])
    def rows(self, age):
        return {"logit": tf.cast(age, tf.float32), "other": -tf.cast(age, tf.float32)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="user_id")])
    def ids(self, user_id):
        return {"logit": tf.cast(user_id, tf.float32)}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "model"
    module = Served()
    signatures = {"serving_default": module.numbers, "rows": module.rows, "ids": module.ids}
    tf.saved_model.save(module, str(path), signatures=signatures)
    return path


@pytest.mark.slow
def test_numbers_of_a_kept_column(path, listed):
    inputs = listed(4)
    scorer = SavedScorer(path, inputs={"price": "book"})
    np.testing.assert_allclose(scorer(inputs), 2 * inputs["book"])


@pytest.mark.slow
def test_table_rows(path, listed):
    inputs = listed(4)
    np.testing.assert_array_equal(
        SavedScorer(path, "rows", output="other")(inputs), -inputs["age"].astype(np.float32)
    )


@pytest.mark.slow
def test_it_is_a_frozen_teacher(path, student, lists_of, listed, tmp_path):
    """In a graph, beside others, saved and loaded; its variable is nobody's weight."""
    scorer = SavedScorer(path, inputs={"price": "book"})
    fused = FusedTeachers({"book": scorer, "cancel": "cancel"}, {"book": 1.0, "cancel": 1.0})
    model = Distillation(student=student, teacher=fused, distillation_weight=0.8)
    model.compile(keras.optimizers.SGD(0.1))
    model.fit(lists_of(12, 6), verbose=0)
    assert not scorer.weights and not scorer.trainable
    assert len(model.trainable_weights) == len(student.trainable_weights)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    inputs = listed(4)
    np.testing.assert_array_equal(again(inputs)["teacher"], model(inputs)["teacher"])
    np.testing.assert_allclose(fused(inputs), 2 * inputs["book"] + inputs["cancel"], rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"signature": "score"}, "`signature` must be one of those in .* received 'score'"),
        ({"signature": "ids"}, "input 'user_id' .* takes int64, which a batch doesn't hold"),
        ({"inputs": {"cost": "book"}}, r"`inputs` names \['cost'\]: expected .*\['price'\]"),
        ({"signature": "rows"}, r"`output` must be one of .*\['logit', 'other'\], received None"),
        ({"output": "score"}, r"`output` must be one of .*\['logit'\], received 'score'"),
    ],
)
def test_refusals(path, arguments, message):
    with pytest.raises(ValueError, match=message):
        SavedScorer(path, **arguments)


def test_refused_batches(path, listed):
    inputs = listed(3)
    with pytest.raises(ValueError, match=r"missing inputs \['price'\] of '.*model'"):
        SavedScorer(path)(inputs)
    with pytest.raises(ValueError, match="takes float32, received int32 under 'age': a feature"):
        SavedScorer(path, inputs={"price": "age"})(inputs)


def test_a_missing_input_is_named_before_training(path, student, lists_of):
    model = Distillation(
        student=student, teacher=FusedTeachers({"book": SavedScorer(path)}, {"book": 1.0})
    )
    model.compile("sgd")
    with pytest.raises(ValueError, match=r"^missing inputs \['price'\] of '.*model'"):
        model.fit(lists_of(6, 6), verbose=0)
    assert int(model.step) == 0


def test_a_path_without_a_model(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no SavedModel"):
        SavedScorer(tmp_path)
