import sys
import tracemalloc

import numpy as np
import pytest

from tfpfd.evaluation import (
    Interval,
    auc,
    confidence_interval,
    mean_over_users,
    multiplicities,
    paired_difference,
    user_bootstrap,
)


def test_multiplicities_are_draws_of_all_users():
    counts = multiplicities(50, resamples=400, seed=3)
    assert counts.shape == (401, 50)
    assert (counts[0] == 1).all()
    assert (counts.sum(axis=1) == 50).all()
    # Drawn with replacement, a count is binomial(n, 1 / n), of variance 1 - 1 / n.
    assert counts[1:].var() == pytest.approx(1 - 1 / 50, abs=0.03)
    np.testing.assert_array_equal(counts, multiplicities(50, resamples=400, seed=3))
    assert (counts != multiplicities(50, resamples=400, seed=4)).any()


def test_mean_over_users_by_hand():
    # The third user has no value and counts nowhere.
    counts = [[1, 1, 1], [2, 0, 1], [1, 2, 0], [0, 0, 3]]
    expected = [(2 + 5) / 2, 2, (2 + 5 + 5) / 3, np.nan]
    np.testing.assert_allclose(mean_over_users([2, 5, np.nan], counts), expected)


def test_user_bootstrap_weighs_each_row_by_the_draws_of_its_user():
    counts = np.array([[1, 1, 1], [0, 3, 0]])
    # In the sorted order of the ids the columns are a, b, c.
    weights = []
    user_bootstrap(lambda w: weights.append(w) or w[:, 0], ["c", "b", "b", "a"], counts)
    assert weights[0].tolist() == [[1, 1, 1, 1], [0, 3, 3, 0]]


def test_with_a_row_for_each_user_the_two_bootstraps_agree():
    values = np.random.default_rng(0).normal(size=40)
    counts = multiplicities(40, resamples=30)
    of_rows = user_bootstrap(lambda w: w @ values / w.sum(axis=1), np.arange(40), counts)
    np.testing.assert_allclose(of_rows, mean_over_users(values, counts))


def test_blocks_change_nothing_and_bound_the_memory(monkeypatch):
    generator = np.random.default_rng(0)
    users = np.append(np.arange(943), generator.integers(943, size=25_000 - 943))
    labels = generator.integers(2, size=25_000)
    scores = generator.normal(size=25_000)
    counts = multiplicities(943, resamples=200)
    tracemalloc.start()
    values = user_bootstrap(lambda w: auc(labels, scores, w), users, counts)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200e6
    assert values[0] == auc(labels, scores)
    monkeypatch.setattr("tfpfd.evaluation.intervals._BLOCK", 1)
    one_by_one = user_bootstrap(lambda w: auc(labels, scores, w), users, counts[:5])
    np.testing.assert_allclose(one_by_one, values[:5])


def test_the_bootstrap_interval_of_a_mean_is_the_textbook_one():
    values = np.random.default_rng(0).normal(size=300)
    interval = confidence_interval(mean_over_users(values, multiplicities(300, resamples=2000)))
    assert interval.mean == pytest.approx(values.mean())
    half = 1.96 * values.std() / np.sqrt(300)
    assert interval.high - interval.mean == pytest.approx(half, rel=0.05)


def test_without_users_the_interval_is_the_t_interval_over_seeds():
    # Resamples which change nothing; seeds 1, 2, 3 have a standard error of 1 / sqrt(3), and the
    # 97.5 % quantile of t with 2 degrees of freedom is 4.3027.
    interval = confidence_interval(np.repeat([[1.0], [2.0], [3.0]], 6, axis=1))
    assert interval.mean == pytest.approx(2)
    assert interval.high - 2 == pytest.approx(4.3027 / np.sqrt(3), abs=1e-4)
    assert interval.low == pytest.approx(4 - interval.high)


@pytest.mark.parametrize(
    ("seeds", "of_seed", "of_user", "of_both"),
    [
        (5, 0.01, 0.0, 0.0),
        (5, 0.0, 0.15, 0.0),
        (3, 0.01, 0.1, 0.1),
        (5, 0.01, 0.2, 0.2),
        (1, 0, 1, 0),
    ],
    ids=["seeds only", "users only", "three seeds", "all", "one seed"],
)
def test_coverage_of_the_paired_difference(seeds, of_seed, of_user, of_both):
    """Of 95 % intervals, 90 to 99 % hold the true difference, whatever it varies with."""
    generator = np.random.default_rng(7)
    users, trials, truth = 150, 400, 0.02
    covered = 0
    for trial in range(trials):
        counts = multiplicities(users, resamples=100, seed=trial)
        # What both models share, cancels: how hard a user is, how lucky a seed.
        shared = generator.normal(size=(seeds, users)) + generator.normal(size=users)
        effect = (
            truth
            + of_seed * generator.normal(size=(seeds, 1))
            + of_user * generator.normal(size=(1, users))
            + of_both * generator.normal(size=(seeds, users))
        )
        a = np.stack([mean_over_users(row, counts) for row in shared + effect])
        b = np.stack([mean_over_users(row, counts) for row in shared])
        interval = paired_difference(a, b)
        covered += interval.low <= truth <= interval.high
    assert 0.90 <= covered / trials <= 0.99


def test_paired_difference_is_antisymmetric_and_narrower_than_unpaired():
    generator = np.random.default_rng(0)
    a = generator.normal(size=(4, 51)) + 5
    b = a + 0.1 * generator.normal(size=(4, 51))
    forth, back = paired_difference(a, b), paired_difference(b, a)
    assert (forth.mean, forth.low, forth.high) == pytest.approx((-back.mean, -back.high, -back.low))
    assert forth.high - forth.low < confidence_interval(a).high - confidence_interval(a).low
    wide, narrow = paired_difference(a, b, level=0.99), paired_difference(a, b, level=0.5)
    assert wide.low < forth.low < narrow.low


def test_one_seed_may_be_flat_and_equal_models_differ_by_nothing():
    values = np.random.default_rng(0).normal(size=20)
    assert confidence_interval(values) == confidence_interval(values[None])
    assert paired_difference(values, values) == Interval(0.0, 0.0, 0.0)


def test_a_metric_without_meaning_gives_an_interval_without_meaning():
    interval = confidence_interval([0.5, np.nan, 0.5, 0.6])
    assert np.isnan(interval.low)
    assert not interval.excludes_zero


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (Interval(0.0021, 0.0012, 0.0030), "+.0021 ± .0009"),
        (Interval(-0.0104, -0.0204, -0.0004), "-.0104 ± .0100"),
        (Interval(0.99999, 0.98999, 1.00999), "+1.0000 ± .0100"),
        (Interval(10.5, 0.5, 20.5), "+10.5000 ± 10.0000"),
    ],
)
def test_interval_as_text(interval, text):
    assert str(interval) == text


def test_half_of_the_width():
    assert Interval(1, -1, 5).half == 3


def test_excludes_zero():
    assert Interval(2, 1, 3).excludes_zero
    assert Interval(-2, -3, -1).excludes_zero
    assert not Interval(0.5, -1, 2).excludes_zero
    assert not Interval(0, 0, 0).excludes_zero


def test_without_resamples_the_interval_is_students_over_seeds():
    # mean 2, sample variance 1, t(.975, 2 degrees of freedom) = 4.302653
    interval = confidence_interval([[1.0], [2.0], [3.0]])
    half = 4.302653 * (1 / 3) ** 0.5
    assert interval.mean == 2
    assert (interval.low, interval.high) == pytest.approx((2 - half, 2 + half), abs=1e-5)


def test_one_value_has_no_interval():
    interval = confidence_interval([[0.5]])
    assert interval.mean == 0.5
    assert np.isnan([interval.low, interval.high]).all()
    assert not interval.excludes_zero


def test_missing_scipy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    with pytest.raises(ImportError, match=r"intervals need SciPy: pip install 'tfpfd\[audit\]'"):
        confidence_interval([1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: multiplicities(0), "`n_users` must be an integer of at least 1, received 0"),
        (
            lambda: multiplicities(3, resamples=-1),
            "`resamples` must be an integer of at least 0, received -1",
        ),
        (lambda: user_bootstrap(np.sum, [], [[1]]), "`users` must be a non-empty array"),
        (lambda: user_bootstrap(np.sum, [1, np.nan], [[1]]), "`users` .* received 1 missing of 2"),
        (lambda: user_bootstrap(np.sum, [1, 2], [[1]]), r"`multiplicities` .* 2\].* \(1, 1\)"),
        (lambda: mean_over_users([1, 2], [[1]]), r"`multiplicities` must be .* 2\].* \(1, 1\)"),
        (lambda: mean_over_users([1, 2], [[1, -1]]), "`multiplicities` must be non-negative"),
        (lambda: mean_over_users([], [[1]]), r"`values` must be a non-empty .* \(0,\)"),
        (lambda: confidence_interval([1, 2]), r"`values` .* at least 2 resamples, .* \(1, 2\)"),
        (lambda: confidence_interval([1, 2, 3], level=95), "`level` must be between 0 and 1"),
        (lambda: paired_difference([1, 2, 3], [1, 2]), r"`values_b` .* \(3,\), received \(2,\)"),
    ],
)
def test_errors_say_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call()
