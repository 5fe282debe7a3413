import numpy as np
import pytest

from experiments.logistic_regression import fit_linear

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(3, 2, (200, 5))
LABELS = (FEATURES @ [1, -1, 0.5, 0, 0] + RANDOM.normal(0, 2, 200) > 1.5).astype(float)


@pytest.mark.slow
def test_it_is_scikit_learns_logistic_regression():
    linear_model = pytest.importorskip("sklearn.linear_model")
    found = fit_linear(FEATURES, LABELS, penalty=0.01)
    standard = (FEATURES - FEATURES.mean(axis=0)) / FEATURES.std(axis=0)
    expected = linear_model.LogisticRegression(C=1 / (200 * 0.01), tol=1e-8).fit(standard, LABELS)
    np.testing.assert_allclose(found.weights, expected.coef_[0], atol=1e-3)
    assert found.bias == pytest.approx(expected.intercept_[0], abs=1e-3)
    expected_logits = expected.decision_function(standard)
    np.testing.assert_allclose(found.logits(FEATURES), expected_logits, atol=5e-3)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_a_student_that_can_say_what_its_teacher_says_does(temperature):
    teacher = fit_linear(FEATURES[:, :2], LABELS, penalty=0.01)
    soft = teacher.logits(FEATURES[:, :2])
    student = fit_linear(
        FEATURES, 1 - LABELS, 0.0, soft_labels=soft, imitation=1.0, temperature=temperature
    )
    np.testing.assert_allclose(student.logits(FEATURES), soft, atol=0.02)


def test_without_imitation_soft_labels_do_not_count():
    alone = fit_linear(FEATURES, LABELS, penalty=0.01)
    beside = fit_linear(FEATURES, LABELS, penalty=0.01, soft_labels=-3 * LABELS, imitation=0.0)
    np.testing.assert_array_equal(alone.weights, beside.weights)


def test_half_imitation_is_the_loss_of_the_mean_label():
    # At T = 1, cross entropy is linear in the label: λ mixes labels and σ(soft labels).
    soft = RANDOM.normal(size=200)
    mixed = fit_linear(FEATURES, LABELS, 0.01, soft_labels=soft, imitation=0.5)
    mean = fit_linear(FEATURES, 0.5 * LABELS + 0.5 / (1 + np.exp(-soft)), 0.01)
    np.testing.assert_allclose(mixed.weights, mean.weights, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"imitation": 1.5}, "`imitation` must be between 0 and 1, received 1.5"),
        ({"imitation": 0.5}, "`soft_labels` must be given where `imitation` is 0.5"),
        ({"temperature": 0.0}, "`temperature` must be above 0"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        fit_linear(FEATURES, LABELS, 0.01, **options)
