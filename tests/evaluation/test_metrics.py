import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpfd.evaluation import (
    auc,
    evaluate_rows,
    expected_calibration_error,
    group_auc,
    log_loss,
    multiplicities,
)

METRICS = {
    "auc": auc,
    "group_auc": lambda y, p, w=None: group_auc(y, p, np.arange(len(y)) % 3, w),
    "log_loss": log_loss,
    "ece": lambda y, p, w=None: expected_calibration_error(y, p, sample_weight=w),
}


@st.composite
def rows(draw):
    """Labels of both classes, probabilities with many ties, and weights."""
    n = draw(st.integers(2, 40))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = generator.integers(2, size=n)
    labels[:2] = 0, 1
    probabilities = generator.integers(0, draw(st.integers(1, 30)) + 1, size=n) / 30
    return labels, probabilities, generator.gamma(1.0, size=n)


def test_auc_by_hand():
    # Positives 0.8 and 0.4, negatives 0.4, 0.1 and 0.9: wins 2 of 3, and 1.5 of 3.
    value = auc([1, 1, 0, 0, 0], [0.8, 0.4, 0.4, 0.1, 0.9])
    assert value == pytest.approx((2 + 1.5) / 6)


def test_auc_by_hand_with_weights():
    # Pairs won: (0.8 > 0.5) weighs 2 * 3; lost: (0.2 < 0.5) weighs 1 * 3.
    assert auc([1, 1, 0], [0.8, 0.2, 0.5], [2, 1, 3]) == pytest.approx(6 / 9)


def test_group_auc_by_hand():
    labels = [1, 0, 0, 0, 1, 0, 1, 1]
    scores = [0.9, 0.5, 0.3, 0.2, 0.1, 0.6, 0.3, 0.8]
    users = ["ann", "ann", "ann", "ann", "bob", "bob", "eve", "eve"]
    # Ann has an AUC of 1 over 4 rows, Bob one of 0 over 2; Eve has only positives.
    assert group_auc(labels, scores, users) == pytest.approx((4 * 1 + 2 * 0) / 6)
    # Bob's rows weigh five each: 4 rows against 10.
    weights = [1, 1, 1, 1, 5, 5, 1, 1]
    assert group_auc(labels, scores, users, weights) == pytest.approx(4 / 14)


def test_log_loss_by_hand():
    assert log_loss([1, 0], [0.5, 0.75]) == pytest.approx((np.log(2) + np.log(4)) / 2)
    # A soft label of 1/4 is one positive row for three negative ones.
    assert log_loss([0.25], [0.4]) == pytest.approx(log_loss([1, 0, 0, 0], [0.4] * 4))


def test_log_loss_of_certainty_is_clipped_at_the_epsilon_of_the_type():
    for dtype in (np.float32, np.float64):
        loss = log_loss([1], np.zeros(1, dtype))
        assert loss == pytest.approx(-np.log(np.finfo(dtype).eps))


def test_calibration_error_by_hand():
    # Two bins. Below 0.5: mean label 1/2, mean p 0.3, 2 rows; above: 1 against 0.8, 1 row.
    labels, probabilities = [0, 1, 1], [0.2, 0.4, 0.8]
    value = expected_calibration_error(labels, probabilities, bins=2)
    assert value == pytest.approx(2 / 3 * 0.2 + 1 / 3 * 0.2)
    # Within a bin errors of opposite sign cancel: 1 - 0.9 and 0 - 0.1.
    assert expected_calibration_error([1, 0], [0.9, 0.1], bins=1) == pytest.approx(0)
    assert expected_calibration_error([1, 0], [0.9, 0.1], bins=2) == pytest.approx(0.1)


def test_calibration_error_is_zero_when_each_rate_is_the_probability():
    probabilities = np.repeat([0.0, 0.25, 0.5, 1.0], 4)
    labels = [0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 1, 1, 1, 1]
    assert expected_calibration_error(labels, probabilities) == pytest.approx(0, abs=1e-15)
    assert expected_calibration_error(probabilities, probabilities) == 0


@given(rows())
@settings(deadline=None, max_examples=60)
def test_agrees_with_scikit_learn(data):
    labels, probabilities, weights = data
    for w in (None, weights):
        expected = sklearn.metrics.roc_auc_score(labels, probabilities, sample_weight=w)
        assert auc(labels, probabilities, w) == pytest.approx(expected)
        expected = sklearn.metrics.log_loss(labels, probabilities, sample_weight=w)
        assert log_loss(labels, probabilities, w) == pytest.approx(expected)


@given(rows())
@settings(deadline=None, max_examples=60)
def test_group_auc_is_the_weighted_mean_of_scikit_learn_per_group(data):
    labels, scores, weights = data
    groups = np.arange(len(labels)) % 5 // 2
    values, totals = [], []
    for group in np.unique(groups):
        y, s, w = (array[groups == group] for array in (labels, scores, weights))
        if 0 < y.sum() < y.size:
            values.append(sklearn.metrics.roc_auc_score(y, s, sample_weight=w))
            totals.append(w.sum())
    expected = np.average(values, weights=totals) if values else np.nan
    assert group_auc(labels, scores, groups, weights) == pytest.approx(expected, nan_ok=True)


@given(rows())
@settings(deadline=None, max_examples=30)
def test_auc_counts_only_the_order(data):
    labels, scores, weights = data
    value = auc(labels, scores, weights)
    assert auc(labels, np.exp(3 * scores) - 7, weights) == pytest.approx(value)
    assert auc(labels, -scores, weights) == pytest.approx(1 - value)
    assert auc(1 - labels, scores, weights) == pytest.approx(1 - value)
    assert group_auc(labels, scores, np.zeros(len(labels)), weights) == pytest.approx(value)


@given(rows(), st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_integer_weights_equal_repeated_rows(data, seed):
    labels, probabilities, _ = data
    groups = np.arange(len(labels)) % 3
    counts = np.random.default_rng(seed).integers(4, size=len(labels))
    counts[0] += 1
    y, p, g = (np.repeat(array, counts) for array in (labels, probabilities, groups))
    pairs = [
        (auc(labels, probabilities, counts), auc(y, p)),
        (group_auc(labels, probabilities, groups, counts), group_auc(y, p, g)),
        (log_loss(labels, probabilities, counts), log_loss(y, p)),
        (
            expected_calibration_error(labels, probabilities, sample_weight=counts),
            expected_calibration_error(y, p),
        ),
    ]
    for weighted, repeated in pairs:
        assert weighted == pytest.approx(repeated, nan_ok=True)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
@given(data=rows())
@settings(deadline=None, max_examples=20)
def test_a_matrix_of_weights_gives_the_values_of_its_rows(metric, data):
    labels, probabilities, weights = data
    matrix = np.stack([np.ones_like(weights), weights, np.roll(weights, 1)])
    values = metric(labels, probabilities, matrix)
    assert values.shape == (3,)
    one_by_one = [metric(labels, probabilities, row) for row in matrix]
    np.testing.assert_allclose(values, one_by_one, atol=1e-12)
    alone = metric(labels, probabilities)
    assert isinstance(alone, float)
    assert alone == pytest.approx(values[0], nan_ok=True)


@pytest.mark.parametrize("labels", [[0, 0], [1, 1]])
def test_auc_of_one_class_is_nan(labels):
    assert np.isnan(auc(labels, [0.1, 0.2]))
    assert np.isnan(group_auc(labels, [0.1, 0.2], [7, 7]))
    # A class whose rows weigh nothing isn't there either.
    assert np.isnan(auc([0, 1], [0.1, 0.2], [1, 0]))


def test_evaluate_rows_is_each_metric_on_the_repeated_rows():
    generator = np.random.default_rng(0)
    users = np.array(["u3", "u1", "u2", "u0"])[generator.integers(4, size=60)]
    labels = generator.integers(2, size=60)
    logits = generator.normal(size=60).round(1)
    counts = multiplicities(4, resamples=3, seed=1)
    values = evaluate_rows(labels, logits, users, counts, from_logits=True)
    for resample in range(4):
        times = counts[resample][[int(user[1]) for user in users]]
        y, z, u = (np.repeat(array, times) for array in (labels, logits, users))
        p = 1 / (1 + np.exp(-z))
        expected = {
            "auc": auc(y, z),
            "group_auc": group_auc(y, z, u),
            "log_loss": log_loss(y, p),
            "ece": expected_calibration_error(y, p),
        }
        assert {name: array[resample] for name, array in values.items()} == pytest.approx(expected)
    alone = evaluate_rows(labels, logits, users, from_logits=True)
    assert {name: array.shape for name, array in alone.items()} == dict.fromkeys(expected, (1,))
    for name, value in alone.items():
        np.testing.assert_allclose(value, values[name][:1])


def test_logits_and_probabilities_give_the_same_values():
    generator = np.random.default_rng(0)
    labels, logits = generator.integers(2, size=50), generator.normal(size=50)
    from_logits = evaluate_rows(labels, logits, np.arange(50) % 5, from_logits=True)
    from_probabilities = evaluate_rows(labels, 1 / (1 + np.exp(-logits)), np.arange(50) % 5)
    for name, value in from_logits.items():
        np.testing.assert_allclose(from_probabilities[name], value)


@pytest.mark.filterwarnings("error")
def test_extreme_logits_stay_finite():
    values = evaluate_rows([0, 1], [1000.0, -1000.0], [0, 0], from_logits=True)
    assert all(np.isfinite(value).all() for value in values.values())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: auc([], []), r"`labels` must be a non-empty \[n\] array, received shape \(0,\)"),
        (lambda: auc([0, 1], [[0.1], [0.2]]), r"`scores` .* received shape \(2, 1\)"),
        (lambda: auc([0, 1], [0.1]), r"`scores` must be \[2\] as `labels`, received \[1\]"),
        (lambda: auc([0, 1], [0.1, np.nan]), "`scores` must not contain NaN, received 1 of 2"),
        (lambda: auc([0, 0.5], [0.1, 0.2]), "`labels` must be 0 or 1, received 0.5"),
        (lambda: auc([0, 1], [0, 1], [1, -2]), "`sample_weight` must be non-neg.* received -2"),
        (lambda: auc([0, 1], [0, 1], [1, np.nan]), "`sample_weight` must be non-neg.*nan"),
        (lambda: auc([0, 1], [0, 1], [1]), r"`sample_weight` .* n = 2, received shape \(1,\)"),
        (lambda: group_auc([0, 1], [0, 1], [3]), "`groups` must have an id for each of the 2"),
        (lambda: group_auc([0, 1], [0, 1], [3, np.nan]), "`groups` .* 1 of them missing"),
        (lambda: log_loss([0, 2], [0, 1]), r"`labels` must be in \[0, 1\], .* from 0.0 to 2.0"),
        (lambda: log_loss([0, 1], [-1, 1]), r"`probabilities` must be in \[0, 1\]"),
        (
            lambda: expected_calibration_error([0], [0], bins=0),
            "`bins` must be an integer of at least 1",
        ),
        (lambda: evaluate_rows([0, 1], [0, 1], [5]), r"`users` must be \[2\] as `labels`"),
        (lambda: evaluate_rows([0, 1], [0, 3], [5, 5]), r"`probabilities` must be in \[0, 1\]"),
    ],
)
def test_errors_say_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_only_the_metrics_that_are_wanted():
    arguments = ([0, 1, 0, 1], [0.2, 0.7, 0.6, 0.5], ["a", "a", "b", "b"])
    everything = evaluate_rows(*arguments)
    assert evaluate_rows(*arguments, metrics=["log_loss"]) == {"log_loss": everything["log_loss"]}
    with pytest.raises(
        ValueError, match=r"`metrics` names \['f1'\]: expected names out of \['auc'"
    ):
        evaluate_rows(*arguments, metrics=["auc", "f1"])
