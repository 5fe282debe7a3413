"""A loss of one's own is one class in one file: trained with, saved and loaded."""

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import losses
from tfpfd._keras import keras
from tfpfd.data import LIST


@keras.utils.register_keras_serializable(package="mine")
class CentredSquares(losses.ListLoss):
    """Of labels: squared differences of logits and labels, each less its mean in the list."""

    targets = "labels"

    def __init__(self, scale=4.0, name="centred_squares", **kwargs):
        super().__init__(name=name, **kwargs)
        self.scale = scale

    def of_lists(self, truth, logits, weights, lists):
        def centred(values):
            return values - lists.spread(lists.mean(values))

        squares = (centred(logits) - self.scale * centred(truth)) ** 2
        return tf.reduce_sum(weights * squares), lists.sizes > 1

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


@keras.utils.register_keras_serializable(package="mine")
class AbsoluteLogits(keras.losses.Loss):
    """Of soft labels: how far the student's logit is from the teacher's."""

    targets = "soft labels"

    def __init__(self, name="absolute_logits", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        return tf.abs(y_pred - y_true)[:, 0]


@pytest.fixture
def data(inputs_of):
    """Two batches of 24 rows in lists of 4."""
    inputs = inputs_of(48)
    labels = (inputs["affinity"] + inputs["user_id"] % 2 > 2).astype(np.float32)
    inputs[LIST] = np.arange(48) // 4
    return tf.data.Dataset.from_tensor_slices((inputs, labels)).batch(24)


def test_its_value_by_hand(evaluate):
    value, gradient = evaluate(
        CentredSquares(1.0), [1.0, 0.0, 5.0], labels=[0.0, 1.0, 1.0], lists=[0, 0, 1]
    )
    # Of the first list (1/2 + 1/2)² + (-1/2 - 1/2)²; the second has one row and says nothing.
    assert value == pytest.approx(2.0)
    np.testing.assert_allclose(gradient, [2.0, -2.0, 0.0], atol=1e-6)
    value, gradient = evaluate(AbsoluteLogits(), [1.0, 0.0], truth=[3.0, -1.0])
    assert value == pytest.approx(1.5)
    np.testing.assert_allclose(gradient, [-0.5, 0.5])


def test_it_trains_and_is_kept(make, data, tmp_path, assert_same):
    model = make(weight=0.5, distillation_loss=AbsoluteLogits())
    model.compile(keras.optimizers.Adam(0.05), loss=CentredSquares(scale=2.0))
    history = model.fit(data, epochs=6, verbose=0).history
    assert history["student_loss"][-1] < 0.9 * history["student_loss"][0]
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(again.distillation_loss, AbsoluteLogits)
    # It goes on in the same way, so it has the label loss with its scale, too.
    for one in (model, again):
        one.fit(data, verbose=0)
    assert_same(again, model, rtol=1e-5, atol=1e-7)


def test_they_cannot_change_places(make):
    with pytest.raises(ValueError, match="CentredSquares, which is of labels"):
        make(distillation_loss=CentredSquares())
    with pytest.raises(ValueError, match="AbsoluteLogits, which is of soft labels"):
        make().compile("sgd", loss=AbsoluteLogits())
