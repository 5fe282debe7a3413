"""Metrics of lists: by hand, against scikit-learn, under resamples."""

import math

import numpy as np
import pytest

from tfpfd.evaluation import (
    list_attention,
    list_exposure,
    list_ndcg,
    mean_over_lists,
    multiplicities,
)


def test_by_hand():
    # List 7: the gains 0, 2, 1 in the order of scores; list 3 has none above 0.
    labels = [2, 0, 0, 1, 0]
    scores = [0.5, 3.0, 0.9, 0.1, 0.2]
    lists = [7, 3, 7, 7, 3]
    found = (2 / math.log2(3) + 1 / 2) / (2 + 1 / math.log2(3))
    np.testing.assert_allclose(list_ndcg(labels, scores, lists), [math.nan, found])
    first_two = (2 / math.log2(3)) / (2 + 1 / math.log2(3))
    np.testing.assert_allclose(list_ndcg(labels, scores, lists, k=2), [math.nan, first_two])


def test_as_scikit_learn_with_ties():
    metrics = pytest.importorskip("sklearn.metrics")
    draws = np.random.default_rng(0)
    labels = draws.integers(0, 4, (50, 8))
    scores = draws.integers(0, 4, (50, 8)) / 2
    lists = np.repeat(np.arange(50), 8)
    rows = draws.permutation(labels.size)
    for k in (None, 1, 3, 8, 20):
        found = list_ndcg(labels.ravel()[rows], scores.ravel()[rows], lists[rows], k)
        expected = [
            metrics.ndcg_score([y], [s], k=k) if y.any() else math.nan
            for y, s in zip(labels, scores, strict=True)
        ]
        np.testing.assert_allclose(found, expected)


def test_exposure_is_a_share_of_the_discounts():
    flags, scores, lists = [1, 0, 1], [3.0, 2.0, 1.0], ["a", "a", "a"]
    all_of_it = 1 + 1 / math.log2(3) + 1 / 2
    np.testing.assert_allclose(list_exposure(flags, scores, lists), [1.5 / all_of_it])
    np.testing.assert_allclose(list_exposure(flags, scores, lists, k=1), [1.0])
    np.testing.assert_allclose(list_exposure([1, 1, 1], scores, lists), [1.0])
    # Equal scores: nobody is ahead.
    np.testing.assert_allclose(list_exposure(flags, [0.0, 0, 0], lists), [2 / 3])


def test_attention_is_what_exposure_sums_up():
    # By hand, two of three rows looked at; "b" has one row, whatever its score.
    first_two = 1 + 1 / math.log2(3)
    found = list_attention([3.0, -9.0, 2.0, 1.0], ["a", "b", "a", "a"], k=2)
    np.testing.assert_allclose(found, [1 / first_two, 1, (first_two - 1) / first_two, 0])
    draws = np.random.default_rng(2)
    values, lists = draws.random(200), draws.integers(0, 30, 200)
    scores = draws.integers(0, 4, 200)
    attention = list_attention(scores, lists, k=3)
    np.testing.assert_allclose(
        np.bincount(lists, attention * values), list_exposure(values, scores, lists, k=3)
    )


def test_users_are_resampled_with_all_their_lists():
    draws = np.random.default_rng(1)
    values = draws.random(30)
    values[::7] = math.nan
    users = draws.integers(0, 10, 30)
    counts = multiplicities(10, 20)
    found = mean_over_lists(values, users, counts)
    for row, value in zip(counts, found, strict=True):
        repeated = np.repeat(values, row[users])
        assert value == pytest.approx(np.nanmean(repeated))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], [], []), "`labels` must be a non-empty"),
        (([1, -1], [0, 0], [0, 0]), "`labels` must be at least 0"),
        (([1, 0], [0], [0, 0]), r"`scores` must be \[2\]"),
        (([1, 0], [0, math.nan], [0, 0]), "`scores` must not contain NaN"),
        (([1, 0], [0, 1], [0]), "`lists` must hold an id for each of the 2 rows"),
        (([1, 0], [0, 1], [0, 0], 0), "`k` must be an integer of at least 1"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        list_ndcg(*arguments)


def test_exposure_of_rates_is_their_mean_under_attention():
    # The best two of three count, with discounts 1 and 1 / log2(3).
    weights = np.array([1, 1 / math.log2(3)])
    found = list_exposure([0.5, 0.1, 0.9], [1.0, 0.0, 2.0], [4, 4, 4], k=2)
    np.testing.assert_allclose(found, [weights @ [0.9, 0.5] / weights.sum()])


def test_unequal_lengths_name_both_arguments():
    with pytest.raises(ValueError, match=r"`scores` must be \[2\] as `values`, received \[1\]"):
        list_exposure([1, 0], [0], [0, 0])


@pytest.mark.parametrize(
    ("users", "message"),
    [
        (["u", "v"], "`users` must hold integers, received dtype <U1"),
        ([0, 1007], "`users` must lie in 0 to 1, received 1007"),
        ([0, -1], "`users` must lie in 0 to 1, received -1"),
        ([0], r"`users` must be \[2\] as `values`, received shape \(1,\)"),
    ],
)
def test_users_are_columns_and_no_ids(users, message):
    with pytest.raises(ValueError, match=message):
        mean_over_lists([0.5, 0.5], users, np.ones((1, 2)))


def test_values_outside_their_range():
    with pytest.raises(ValueError, match=r"`values` must be in \[0, 1\]"):
        list_exposure([2, 0], [0, 1], [0, 0])
