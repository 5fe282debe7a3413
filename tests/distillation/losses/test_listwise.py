import math

import numpy as np
import pytest
import scipy.special
import sklearn.metrics

from tfpfd.distillation.losses import CalibratedListwise, ListwiseSoftmax, SoftListwiseSoftmax

LN3 = math.log(3)


def test_labels_by_hand(evaluate):
    # List 7: softmax(ln 3, 0) = 3/4, 1/4. List 2: softmax(0, 0, ln 2) = 1/4, 1/4, 1/2.
    logits, labels = [LN3, 0, 0, 0, math.log(2)], [1, 0, 0, 1, 1]
    value, _ = evaluate(ListwiseSoftmax(), logits, labels=labels, lists=[7, 7, 2, 2, 2])
    expected = (-math.log(3 / 4) - math.log(1 / 4) - math.log(1 / 2)) / 2
    assert value == pytest.approx(expected, rel=1e-6)


def test_weights_of_labels_by_hand(evaluate):
    # The weight of a row without a positive label changes nothing; the mean is over two lists.
    value, _ = evaluate(
        ListwiseSoftmax(),
        [LN3, 0, 0, 0],
        labels=[1, 0, 0.5, 0],
        lists=[0, 0, 1, 1],
        weights=[2, 5, 3, 0],
    )
    assert value == pytest.approx((-2 * math.log(3 / 4) - 3 * 0.5 * math.log(1 / 2)) / 2, rel=1e-6)


def test_temperature_of_labels_by_hand(evaluate):
    value, _ = evaluate(ListwiseSoftmax(2.0), [2 * LN3, 0], labels=[1, 0], lists=[0, 0])
    assert value == pytest.approx(-math.log(3 / 4), rel=1e-6)


def test_soft_labels_by_hand(evaluate):
    # Teacher 3/4, 1/4; student 1/4, 3/4; T = 2 halves the logits of both.
    expected = -(3 / 4 * math.log(1 / 4) + 1 / 4 * math.log(3 / 4))
    value, _ = evaluate(SoftListwiseSoftmax(), [0, LN3], truth=[LN3, 0], lists=[4, 4])
    assert value == pytest.approx(expected, rel=1e-6)
    value, _ = evaluate(SoftListwiseSoftmax(2.0), [0, 2 * LN3], truth=[2 * LN3, 0], lists=[4, 4])
    assert value == pytest.approx(expected, rel=1e-6)


def test_weights_of_soft_labels_by_hand(evaluate):
    # The list has the weight (1 + 4) / 2.
    expected = -(3 / 4 * math.log(1 / 4) + 1 / 4 * math.log(3 / 4))
    value, _ = evaluate(
        SoftListwiseSoftmax(), [0, LN3], truth=[LN3, 0], lists=[4, 4], weights=[1, 4]
    )
    assert value == pytest.approx(2.5 * expected, rel=1e-6)


def test_calibrated_by_hand(evaluate):
    # Teacher: σ = 3/4, 1/4, shares 3/4, 1/4. Student: σ = 1/2, 3/4, shares 2/5, 3/5.
    value, _ = evaluate(CalibratedListwise(), [0, LN3], truth=[LN3, -LN3], lists=[1, 1])
    expected = -(3 / 4 * math.log(2 / 5) + 1 / 4 * math.log(3 / 5))
    assert value == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("lowest", [-70, -1e4])
def test_calibrated_of_next_to_no_probability(evaluate, lowest):
    """Logits below -60 count as -60: shares of equals, and nothing to learn."""
    value, gradient = evaluate(
        CalibratedListwise(), [lowest, -100, 0, 0], truth=[lowest, -80, 0, LN3], lists=[1, 1, 2, 2]
    )
    # The second list by hand: shares 2/5 and 3/5 for the teacher, 1/2 each for the student.
    assert value == pytest.approx(math.log(2), rel=1e-6)
    # d/df of -Σ q log P: (P - q)(1 - σ), half of it as there are two lists.
    np.testing.assert_allclose(gradient, [0, 0, 0.1 * 0.5 / 2, -0.1 * 0.5 / 2], atol=1e-8)


def test_a_multiple_of_the_probabilities_is_at_the_minimum_of_clid(evaluate):
    p = np.array([0.2, 0.4, 0.6])
    teacher, student = scipy.special.logit(p), scipy.special.logit(p / 3)
    _, gradient = evaluate(CalibratedListwise(), student, truth=teacher, lists=[0, 0, 0])
    np.testing.assert_allclose(gradient, np.zeros(3), atol=1e-7)
    # A softmax of the logits isn't: it would move the probabilities.
    _, gradient = evaluate(SoftListwiseSoftmax(), student, truth=teacher, lists=[0, 0, 0])
    assert np.abs(gradient).max() > 0.01


@pytest.mark.parametrize("truth", [None, [1, 0, 2, 0, 1]])
@pytest.mark.parametrize("apart", [50, 100, 1000, -1000])
def test_lists_far_apart(evaluate, truth, apart):
    """Every list keeps its softmax, whatever its logits are beside those of another list."""
    loss = ListwiseSoftmax() if truth is None else SoftListwiseSoftmax()
    logits, lists = np.array([1.5, 0, 0.5, -1, 2]), np.array([0, 0, 1, 1, 1])
    batch = {"truth": truth, "labels": [1, 0, 0, 1, 1], "lists": lists}
    value, gradient = evaluate(loss, logits, **batch)
    other, of_other = evaluate(loss, logits + apart * lists, **batch)
    assert other == pytest.approx(value, rel=2e-4)
    np.testing.assert_allclose(of_other, gradient, rtol=2e-4)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_equals_numpy(evaluate, temperature):
    random = np.random.default_rng(0)
    lists = random.integers(0, 12, 60)
    logits, teacher = random.normal(size=(2, 60)) * 3
    labels, weights = random.integers(0, 2, 60), random.uniform(0, 2, 60)
    hard, soft, calibrated = [], [], []
    for one in np.unique(lists):
        rows = lists == one
        log_p = scipy.special.log_softmax(logits[rows] / temperature)
        if labels[rows].sum() and rows.sum() > 1:
            hard.append(-(weights * labels)[rows] @ log_p)
        if rows.sum() > 1:
            shares = scipy.special.softmax(teacher[rows] / temperature)
            soft.append(-weights[rows].mean() * shares @ log_p)
            p, q = scipy.special.expit(logits[rows]), scipy.special.expit(teacher[rows])
            calibrated.append(-weights[rows].mean() * (q / q.sum()) @ np.log(p / p.sum()))
    batch = {"lists": lists, "weights": weights, "labels": labels}
    value, _ = evaluate(ListwiseSoftmax(temperature), logits, **batch)
    assert value == pytest.approx(np.mean(hard), rel=1e-5)
    value, _ = evaluate(SoftListwiseSoftmax(temperature), logits, truth=teacher, **batch)
    assert value == pytest.approx(np.mean(soft), rel=1e-5)
    value, _ = evaluate(CalibratedListwise(), logits, truth=teacher, **batch)
    assert value == pytest.approx(np.mean(calibrated), rel=1e-5)


def test_one_positive_a_list_is_the_log_loss_of_sklearn(evaluate):
    random = np.random.default_rng(1)
    logits, which = random.normal(size=(8, 4)), random.integers(0, 4, 8)
    expected = sklearn.metrics.log_loss(which, scipy.special.softmax(logits, 1), labels=range(4))
    value, _ = evaluate(
        ListwiseSoftmax(),
        logits.ravel(),
        labels=np.eye(4)[which].ravel(),
        lists=np.repeat(range(8), 4),
    )
    assert value == pytest.approx(expected, rel=1e-5)


def test_two_rows_are_the_cross_entropy_of_their_difference(evaluate):
    value, gradient = evaluate(SoftListwiseSoftmax(), [1.5, -0.5], truth=[0.2, 0.9], lists=[0, 0])
    q, p = scipy.special.expit(0.2 - 0.9), scipy.special.expit(1.5 + 0.5)
    assert value == pytest.approx(-q * np.log(p) - (1 - q) * np.log(1 - p), rel=1e-6)
    np.testing.assert_allclose(gradient, [p - q, q - p], rtol=1e-5)


@pytest.mark.parametrize("loss", [ListwiseSoftmax, SoftListwiseSoftmax])
@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan, np.inf])
def test_temperature_is_checked(loss, temperature):
    with pytest.raises(ValueError, match="`temperature` must be above 0, received"):
        loss(temperature)
