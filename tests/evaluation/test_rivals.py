"""Rivals against formulas written out, and the figures of another implementation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpfd.evaluation import BiasModel, auc, ease, item_knn, popularity
from tfpfd.evaluation.rivals.bias import as_rates

pytest.importorskip("scipy")

# User 0 had 0 and 1, user 1 had 0, 1 and 2, user 2 had 2; item 3 nobody had.
USERS, ITEMS, SHAPE = [0, 0, 1, 1, 1, 2], [0, 1, 0, 1, 2, 2], (4, 4)
X = np.float64([[1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]])


def test_popularity_counts_users():
    scores = popularity([*USERS, 0], [*ITEMS, 0], SHAPE).scores([3, 0])
    np.testing.assert_array_equal(scores, [[2, 2, 2, 0]] * 2)


def test_cosines_by_hand():
    # Items 0 and 1: 2 / √(2·2) = 1; 0 and 2, 1 and 2: 1 / √(2·2) = 1/2.
    scores = item_knn(USERS, ITEMS, SHAPE).scores(np.arange(4))
    expected = [[1, 1, 1, 0], [1.5, 1.5, 1, 0], [0.5, 0.5, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(scores, expected, rtol=1e-6)
    # 2 / (2 + 2), 1 / (2 + 2).
    shrunk = item_knn(USERS, ITEMS, SHAPE, shrinkage=2).scores([2])
    np.testing.assert_allclose(shrunk, [[0.25, 0.25, 0, 0]], rtol=1e-6)


def test_neighbours_are_the_nearest_of_the_item_that_is_scored():
    # The nearest of 0 is 1, of 1 is 0; of 2 they are equally near, and 0 has the lower number.
    scores = item_knn(USERS, ITEMS, SHAPE, neighbours=1).scores([0, 1, 2])
    np.testing.assert_allclose(scores, [[1, 1, 0.5, 0], [1, 1, 0.5, 0], [0, 0, 0, 0]], rtol=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), neighbours=st.integers(1, 12))
def test_item_knn_is_that_of_scikit_learn(seed, neighbours):
    pairwise = pytest.importorskip("sklearn.metrics.pairwise")
    x = np.random.default_rng(seed).random((30, 12)) < 0.3
    cosines = pairwise.cosine_similarity(x.T.astype(float))
    np.fill_diagonal(cosines, 0)
    ordered = -np.sort(-cosines, axis=0)
    # Which of two equally near ones is kept goes by the last bit.
    clear = np.append(ordered[:-1] - ordered[1:], ordered[-1:], axis=0)[neighbours - 1] > 1e-6
    kept = np.where(cosines >= ordered[neighbours - 1] - 1e-7, cosines, 0)
    scores = item_knn(*np.nonzero(x), x.shape, neighbours=neighbours).scores(np.arange(30))
    expected = x @ kept
    np.testing.assert_allclose(scores[:, clear], expected[:, clear], rtol=1e-5, atol=1e-6)
    assert (scores <= expected + 1e-6).all()


def test_ease_solves_its_problem():
    """Each column is the ridge regression of an item on all others."""
    x = (np.random.default_rng(0).random((40, 6)) < 0.4).astype(float)
    scores = ease(*np.nonzero(x), x.shape, l2=2.0).scores(np.arange(40))
    for item in range(6):
        others = np.delete(x, item, axis=1)
        ridge = np.linalg.solve(others.T @ others + 2 * np.eye(5), others.T @ x[:, item])
        np.testing.assert_allclose(scores[:, item], others @ ridge, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_biases_by_hand():
    model = BiasModel(["a", "a", "b", "b"], [7, 8, 7, 9], [1, 0, 1, np.nan], shrinkage=1)
    # μ = 2/3; b_7 = (1/3 + 1/3) / 3 = 2/9, b_8 = -2/3 / 2 = -1/3.
    # b_a = (1/3 - 2/9 - 2/3 + 1/3) / 3 = -2/27, b_b = (1/3 - 2/9) / 2 = 1/18.
    found = model.predict(["a", "b", "new", "b"], [8, 7, 7, 9])
    expected = [2 / 3 - 1 / 3 - 2 / 27, 2 / 3 + 2 / 9 + 1 / 18, 2 / 3 + 2 / 9, 2 / 3 + 1 / 18]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.slow
def test_biases_find_what_users_and_items_say():
    random = np.random.default_rng(0)
    users, items = random.integers(0, 50, 20_000), random.integers(0, 80, 20_000)
    logits = random.normal(0, 1.5, 50)[users] + random.normal(0, 1.5, 80)[items]
    labels = (random.random(20_000) < 1 / (1 + np.exp(-logits))).astype(float)
    model = BiasModel(users[:15_000], items[:15_000], labels[:15_000])
    known = auc(labels[15_000:], logits[15_000:])
    assert known - 0.01 < auc(labels[15_000:], model.predict(users[15_000:], items[15_000:]))


@pytest.mark.parametrize("rival", [popularity, item_knn, ease])
@pytest.mark.parametrize(
    ("users", "items", "message"),
    [
        ([0, 4], [0, 0], "`users` must lie in 0 to 3, received 4"),
        ([0, 0], [0, -1], "`items` must lie in 0 to 3, received -1"),
        ([0, 0], [0.0, 1.5], "`items` must hold integers"),
        ([0, 0], [1], r"`items` must be \(2,\) as `users`, received \(1,\)"),
    ],
)
def test_wrong_interactions(rival, users, items, message):
    with pytest.raises(ValueError, match=message):
        rival(users, items, SHAPE)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: item_knn(USERS, ITEMS, SHAPE, neighbours=0), "`neighbours` must be an integer"),
        (lambda: item_knn(USERS, ITEMS, SHAPE, shrinkage=-1), "`shrinkage` must be a finite"),
        (lambda: ease(USERS, ITEMS, SHAPE, l2=0), "`l2` must be above 0"),
        (lambda: popularity(USERS, ITEMS, SHAPE).scores([4]), "`users` must lie in 0 to 3"),
        (lambda: BiasModel([1], [1, 2], [1]), r"`items` must be \(1,\) as `users`"),
        (lambda: BiasModel([1], [1], [np.nan]), "`labels` must have a label"),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 4, 1], r"`labels` must be in \[0, 1\], or NaN, received 1 outside, such as 4.0"),
        (["0", "1", "0"], "`labels` must hold numbers, received dtype <U1"),
    ],
)
def test_labels_of_a_bias_model_are_checked(labels, message):
    with pytest.raises(ValueError, match=message):
        BiasModel(["a"] * 3, ["x", "y", "z"], labels)


class TestRatesOfSums:
    def test_by_hand(self):
        """Of a mean rate of .2 the floor is .004, and the other end begins at .984."""
        found = as_rates(np.array([-0.196, 0.004, 0.2, 0.984, 1.784]), 0.2)
        expected = [0.004 * math.exp(-1), 0.004, 0.2, 0.984, 1 - 0.016 * math.exp(-1)]
        np.testing.assert_allclose(found, expected, rtol=1e-12)

    @pytest.mark.parametrize("mean", [0.002, 0.3, 0.99])
    def test_order_stays_and_rare_rates_are_kept_apart(self, mean):
        sums = np.linspace(mean - 3 * min(mean, 1 - mean), mean + 3 * min(mean, 1 - mean), 101)
        found = as_rates(sums, mean)
        assert (np.diff(found) > 0).all()
        assert found.min() > 0
        assert found.max() < 1
        assert found[50] == pytest.approx(mean)
