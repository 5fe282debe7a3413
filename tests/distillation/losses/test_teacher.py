import math

import numpy as np
import pytest
from scipy.special import expit, logit

from tfpfd import losses
from tfpfd._keras import keras
from tfpfd.distillation.losses import (
    ConfidenceWeighted,
    Corrected,
    SoftCrossEntropy,
    SoftListwiseSoftmax,
    SquaredLogits,
)

LN3 = math.log(3)
NAN = math.nan


class TestConfidence:
    @pytest.mark.parametrize("power", [0, 0.5, 1, 2])
    def test_by_hand(self, evaluate, power):
        # σ(±ln 3) = 3/4, 1/4: the teacher is half sure. σ(0) = 1/2: it says nothing.
        loss = ConfidenceWeighted(SquaredLogits(), power)
        value, _ = evaluate(loss, [0, 0, 1], truth=[LN3, -LN3, 0])
        nothing = 0**power  # With power 0 every row counts in full.
        assert value == pytest.approx((2 * 0.5**power * LN3**2 + nothing) / 3, rel=1e-5)

    def test_a_sure_teacher_counts_in_full(self, evaluate):
        teacher, student = [50, -50, 1e4], [1, 2, 3]
        value, gradient = evaluate(
            ConfidenceWeighted(SoftCrossEntropy()), student, truth=teacher, weights=[1, 2, 0.5]
        )
        plain, of_plain = evaluate(SoftCrossEntropy(), student, truth=teacher, weights=[1, 2, 0.5])
        assert value == pytest.approx(plain, rel=1e-6)
        np.testing.assert_allclose(gradient, of_plain, rtol=1e-6)

    def test_a_weight_of_two_is_the_row_twice(self, evaluate):
        loss = ConfidenceWeighted(SoftCrossEntropy(2.0), 1.5)
        weighted, _ = evaluate(loss, [1, -2], truth=[0.5, 1], weights=[2, 1])
        copied, _ = evaluate(loss, [1, -2, 1], truth=[0.5, 1, 0.5])
        assert weighted * 2 == pytest.approx(copied * 3, rel=1e-6)

    def test_a_keras_loss(self, evaluate):
        loss = ConfidenceWeighted(keras.losses.MeanSquaredError())
        ours = ConfidenceWeighted(SquaredLogits())
        batch = {"logits": [1.0, -2.0, 3.0], "truth": [0.5, 1.0, -1.0]}
        assert evaluate(loss, **batch)[0] == pytest.approx(evaluate(ours, **batch)[0], rel=1e-6)

    def test_errors(self):
        with pytest.raises(TypeError, match=r"`loss` must be a keras.losses.Loss .*received 'mse'"):
            ConfidenceWeighted("mse")
        with pytest.raises(TypeError, match="must have a value a row, received SoftListwiseSoftma"):
            ConfidenceWeighted(SoftListwiseSoftmax())
        with pytest.raises(
            ValueError, match="`power` must be a finite number from 0 on, received -1"
        ):
            ConfidenceWeighted(SquaredLogits(), -1)


class TestCorrected:
    def test_by_hand(self, evaluate):
        # p = 3/4, so p·(1-p) = 3/16: f_c = ln 3 + γ·(y - 3/4)·16/3.
        batch = {"logits": [0, 0, 0], "truth": [LN3] * 3, "labels": [1, 0, NAN]}
        for strength in (0, 0.5, 1):
            value, _ = evaluate(Corrected(SquaredLogits(), strength), **batch)
            soft = [LN3 + strength * 4 / 3, LN3 - strength * 4, LN3]
            assert value == pytest.approx(np.mean(np.square(soft)), rel=1e-5)

    def test_the_floor_by_hand(self, evaluate):
        # p = .01: p·(1-p) = .0099 is below .1, so f_c = logit(.01) + (1 - .01) / .1.
        value, _ = evaluate(
            Corrected(SquaredLogits(), floor=0.1), [0], truth=[logit(0.01)], labels=[1]
        )
        assert value == pytest.approx((logit(0.01) + 9.9) ** 2, rel=1e-4)

    def test_without_labels_it_is_the_loss_itself(self, evaluate):
        batch = {"logits": [1, 2], "truth": [0.5, -3], "labels": [NAN, NAN]}
        value, gradient = evaluate(Corrected(SoftCrossEntropy()), **batch)
        plain, of_plain = evaluate(SoftCrossEntropy(), **batch)
        assert value == plain
        np.testing.assert_array_equal(gradient, of_plain)

    def test_stationary_at_the_corrected_soft_labels(self, evaluate):
        teacher, labels = np.array([0.5, -1, 2, 0.1]), np.array([1, 0, 0, NAN])
        p = expit(teacher)
        corrected = teacher + np.nan_to_num((labels - p) / (p * (1 - p)))
        for loss in (SquaredLogits(), SoftCrossEntropy(2.0), SoftListwiseSoftmax()):
            batch = {"truth": teacher, "labels": labels, "lists": [0, 0, 1, 1]}
            _, gradient = evaluate(Corrected(loss), corrected, **batch)
            np.testing.assert_allclose(gradient, np.zeros(4), atol=1e-6)

    def test_gradient_is_that_of_the_first_order_correction(self, evaluate):
        """∂/∂f of ℓ(p, f) + ∂ℓ/∂p·(y - p) for ℓ = (logit(p) - f)², by finite differences."""
        teacher, student = np.array([0.5, -1, 2]), np.array([1.0, 0.3, -0.5])
        labels, p, step = np.array([1.0, 0, 1]), expit([0.5, -1, 2]), 1e-4

        def corrected(f):
            slope = ((logit(p + step) - f) ** 2 - (logit(p - step) - f) ** 2) / (2 * step)
            return (logit(p) - f) ** 2 + slope * (labels - p)

        expected = (corrected(student + step) - corrected(student - step)) / (2 * step) / 3
        _, gradient = evaluate(Corrected(SquaredLogits()), student, truth=teacher, labels=labels)
        np.testing.assert_allclose(gradient, expected, rtol=1e-3)

    def test_a_biased_teacher_is_mended_on_average(self, evaluate):
        """The mean corrected soft label is nearer to the truth by an order of the teacher's bias.

        That is what makes the corrected loss orthogonal: a teacher off by 0.3 leaves an error of
        the size of 0.3², not 0.3.
        """
        truth, bias = 0.4, 0.3
        rate = expit(truth)
        p = expit(truth + bias)
        mean = truth + bias + (rate - p) / (p * (1 - p))
        assert abs(mean - truth) < bias**2 / 2
        # A constant student of 1,000 rows with the true rate of ones learns that mean.
        labels = np.arange(1000) < round(1000 * rate)
        batch = {"truth": np.full(1000, truth + bias), "labels": labels}
        _, gradient = evaluate(Corrected(SquaredLogits()), np.full(1000, mean), **batch)
        assert gradient.sum() == pytest.approx(0, abs=5e-3)

    def test_large_logits_are_finite(self, evaluate):
        loss = Corrected(SoftCrossEntropy())
        value, gradient = evaluate(
            loss, [1e4, -1e4, 0, 5], truth=[1e4, -1e4, 1e4, -1e4], labels=[1, 1, 0, NAN]
        )
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()

    def test_errors(self):
        with pytest.raises(TypeError, match=r"`loss` must be a keras.losses.Loss .*received None"):
            Corrected(None)
        with pytest.raises(
            ValueError, match=r"`strength` must be a finite number from 0 on, received -0\.1"
        ):
            Corrected(SquaredLogits(), -0.1)
        for floor in (0, 0.3):
            with pytest.raises(
                ValueError, match=rf"`floor` must be in \(0, 0.25\], received {floor}"
            ):
                Corrected(SquaredLogits(), floor=floor)


@pytest.mark.parametrize(
    "loss",
    [
        ConfidenceWeighted(SoftCrossEntropy(2.0), power=3.0),
        Corrected(ConfidenceWeighted(SquaredLogits()), 0.5, 0.1),
        Corrected(SoftListwiseSoftmax(2.0)),
    ],
)
def test_config_round_trip(evaluate, loss):
    again = keras.utils.deserialize_keras_object(keras.utils.serialize_keras_object(loss))
    assert type(again) is type(loss)
    assert type(again.loss) is type(loss.loss)
    assert again.get_config() == loss.get_config()
    batch = {"logits": [1, 2, 0], "truth": [0.5, -3, 1], "labels": [1, 0, NAN], "lists": [1, 1, 1]}
    assert evaluate(again, **batch)[0] == evaluate(loss, **batch)[0]


def test_one_public_place():
    assert set(losses.__all__) <= set(dir(losses))
    assert losses.Corrected is Corrected
