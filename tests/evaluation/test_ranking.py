import numpy as np
import pytest
import sklearn.metrics

from tfpfd.evaluation import (
    evaluate_catalogue,
    multiplicities,
    ndcg_at_k,
    ranks_of_relevant,
    recall_at_k,
)


def random_catalogue(seed, users=12, items=30, decimals=8):
    generator = np.random.default_rng(seed)
    scores = generator.normal(size=(users, items)).round(decimals)
    relevant = generator.random((users, items)) < 0.15
    return scores, relevant, (generator.random((users, items)) < 0.2) & ~relevant


def test_ranks_by_hand():
    scores = np.array([[0.1, 0.9, 0.5, 0.5], [0.4, 0.3, 0.2, 0.1], [1.0, 2.0, 3.0, 4.0]])
    # User 0: item 1, then the tie of 2 and 3, in that order, then 0.
    assert ranks_of_relevant(scores, [[0, 3], [0], []]).tolist() == [[3, 4], [1, 0], [0, 0]]
    # Without item 1 for user 0 and items 0 and 2 for user 1.
    excluded = np.zeros((3, 4), bool)
    excluded[0, 1] = excluded[1, 0] = excluded[1, 2] = True
    ranks = ranks_of_relevant(scores, [[0, 3], [3], [2]], excluded)
    assert ranks.tolist() == [[2, 3], [2, 0], [2, 0]]


def test_an_excluded_item_is_not_relevant():
    excluded = np.array([[True, False, False]])
    assert ranks_of_relevant([[3.0, 2.0, 1.0]], [[0, 2]], excluded).tolist() == [[2]]


def test_recall_and_ndcg_by_hand():
    ranks = np.array([[1, 3, 6], [4, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(recall_at_k(ranks, 3), [2 / 3, 0, np.nan])
    # User 0: found at 1 and 3; at best at 1, 2 and 3.
    ideal = 1 + 1 / np.log2(3) + 1 / 2
    np.testing.assert_allclose(ndcg_at_k(ranks, 3), [(1 + 1 / 2) / ideal, 0, np.nan])
    # At 5 user 1 has found its item at 4, where the best is 1.
    np.testing.assert_allclose(ndcg_at_k(ranks, 5), [(1 + 1 / 2) / ideal, 1 / np.log2(5), np.nan])


def test_the_ideal_of_ndcg_is_limited_to_k_and_the_denominator_of_recall_is_not():
    ranks = np.array([[1, 2, 3, 4]])
    assert ndcg_at_k(ranks, 2) == pytest.approx([1.0])
    assert recall_at_k(ranks, 2) == pytest.approx([2 / 4])


@pytest.mark.parametrize("seed", range(5))
def test_ranks_are_the_counts_of_the_definition(seed):
    scores, relevant, excluded = random_catalogue(seed, decimals=0)
    ranks = ranks_of_relevant(scores, relevant, excluded)
    for user in range(len(scores)):
        expected = []
        for item in np.flatnonzero(relevant[user]):
            s = scores[user]
            ahead = (s > s[item]) | ((s == s[item]) & (np.arange(s.size) < item))
            expected.append(1 + (ahead & ~excluded[user]).sum())
        assert ranks[user][ranks[user] > 0].tolist() == sorted(expected)


@pytest.mark.parametrize("k", [1, 5, 30, 100])
@pytest.mark.parametrize("seed", range(3))
def test_ndcg_agrees_with_scikit_learn(seed, k):
    scores, relevant, _ = random_catalogue(seed)
    values = ndcg_at_k(ranks_of_relevant(scores, relevant), k)
    for user in np.flatnonzero(relevant.any(axis=1)):
        expected = sklearn.metrics.ndcg_score(relevant[[user]], scores[[user]], k=k)
        assert values[user] == pytest.approx(expected)


@pytest.mark.parametrize("k", [1, 5, 30])
def test_ndcg_agrees_with_tensorflow_ranking(k):
    tfr = pytest.importorskip(
        "tensorflow_ranking",
        reason="TensorFlow Ranking can't be imported on this TensorFlow",
        exc_type=Exception,
    )
    scores, relevant, _ = random_catalogue(0)
    some = relevant.any(axis=1)
    expected = tfr.keras.metrics.NDCGMetric(topn=k)(relevant[some].astype("float32"), scores[some])
    values = ndcg_at_k(ranks_of_relevant(scores, relevant), k)
    assert np.nanmean(values) == pytest.approx(float(expected), abs=1e-5)


def test_properties_of_a_ranking():
    scores, relevant, excluded = random_catalogue(3)
    ranks = ranks_of_relevant(scores, relevant, excluded)
    some = relevant.any(axis=1)
    for metric in (recall_at_k, ndcg_at_k):
        values = np.stack([metric(ranks, k)[some] for k in (1, 5, 30)])
        assert ((values >= 0) & (values <= 1 + 1e-12)).all()
    # The whole catalogue holds every relevant item; longer lists find no less.
    np.testing.assert_allclose(recall_at_k(ranks, 30)[some], 1)
    assert (np.diff([recall_at_k(ranks, k)[some] for k in range(1, 31)], axis=0) >= 0).all()
    # Only the order counts, and scoring by relevance itself is perfect.
    np.testing.assert_array_equal(ranks_of_relevant(np.exp(scores), relevant, excluded), ranks)
    perfect = ranks_of_relevant(relevant.astype("float32"), relevant, excluded)
    np.testing.assert_allclose(ndcg_at_k(perfect, 7)[some], 1)


def test_lists_masks_and_repeated_items_are_the_same_relevance():
    scores, relevant, excluded = random_catalogue(4)
    lists = [np.flatnonzero(row) for row in relevant]
    expected = ranks_of_relevant(scores, relevant, excluded)
    np.testing.assert_array_equal(ranks_of_relevant(scores, lists, excluded), expected)
    twice = [np.append(row, row) for row in lists]
    np.testing.assert_array_equal(ranks_of_relevant(scores, twice, excluded), expected)


def test_nobody_has_a_relevant_item():
    ranks = ranks_of_relevant(np.ones((2, 3)), [[], []])
    assert np.isnan(recall_at_k(ranks, 2)).all()
    assert np.isnan(ndcg_at_k(ranks, 2)).all()


def test_evaluate_catalogue_is_the_mean_over_the_drawn_users():
    scores, relevant, excluded = random_catalogue(5)
    relevant[2] = False
    counts = multiplicities(12, resamples=4)
    values = evaluate_catalogue(scores, relevant, excluded, ks=(5, 10), multiplicities=counts)
    assert list(values) == ["recall@5", "recall@10", "ndcg@5", "ndcg@10"]
    per_user = ndcg_at_k(ranks_of_relevant(scores, relevant, excluded), 10)
    expected = [np.nanmean(np.repeat(per_user, row)) for row in counts]
    np.testing.assert_allclose(values["ndcg@10"], expected)
    alone = evaluate_catalogue(scores, relevant, excluded)
    np.testing.assert_allclose(alone["ndcg@10"], values["ndcg@10"][:1])


SCORES = np.zeros((2, 3))
MASK = np.zeros((2, 3), bool)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ranks_of_relevant(np.zeros(3), [[0]]), r"`scores` must be .* received shape \(3,"),
        (lambda: ranks_of_relevant(SCORES + np.nan, MASK), "`scores` must be finite .* 6 values"),
        (lambda: ranks_of_relevant(SCORES, MASK[:1]), r"`relevant` must be boolean .* \(1, 3\)"),
        (lambda: ranks_of_relevant(SCORES, MASK * 1), "`relevant` must be boolean .* int64"),
        (lambda: ranks_of_relevant(SCORES, [[0]]), "`relevant` must have one array for each of"),
        (lambda: ranks_of_relevant(SCORES, [[0], [3]]), "`relevant` .* from 0 to 2, .* to 3"),
        (lambda: ranks_of_relevant(SCORES, [[0], [-1]]), "`relevant` .* from 0 to 2, .* from -1"),
        (lambda: ranks_of_relevant(SCORES, [[0], [0.5]]), r"`relevant` .* integer .*'float64'"),
        (lambda: ranks_of_relevant(SCORES, MASK, MASK * 1), "`excluded` must be boolean .* int64"),
        (lambda: recall_at_k(SCORES, 3), "`ranks` must be .* received float64"),
        (lambda: ndcg_at_k([[1, 2]], 0), "`k` must be an integer of at least 1, received 0"),
    ],
)
def test_errors_say_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call()
