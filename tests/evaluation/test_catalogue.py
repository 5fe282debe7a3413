"""The metrics of a catalogue against a full sort, figures by hand, and TFRS."""

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpfd.evaluation import (
    Embeddings,
    catalogue,
    evaluate_catalogue,
    multiplicities,
    popularity,
    rank_counting,
    ranks_of_relevant,
)

METRICS = ("recall", "hit_rate", "ndcg", "coverage", "popularity_bias")


def invented(seed, users=9, items=40, width=5, whole=False):
    """Embeddings, lists of relevant items and of seen ones; whole numbers have many ties."""
    random = np.random.default_rng(seed)
    make = (lambda *shape: random.integers(-2, 3, shape)) if whole else random.normal
    size = {} if whole else {"loc": 0.0, "scale": 1.0}
    shapes = (users, width), (items, width)
    x, y = (make(*shape) if whole else make(size=shape, **size) for shape in shapes)

    def lists(most):
        return [
            random.choice(items, random.integers(0, most + 1), replace=False) for _ in range(users)
        ]

    return x.astype("float32"), y.astype("float32"), lists(6), lists(12)


def sorted_ranks(x, y, relevant, seen):
    """What the definition says, of a full sort in float64."""
    found = []
    for u, scores in enumerate(np.asarray(x, float) @ np.asarray(y, float).T):
        order = [i for i in np.argsort(-scores, kind="stable") if i not in seen[u]]
        found.append(sorted(order.index(i) + 1 for i in set(relevant[u]) - set(seen[u])))
    return found


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(rank_counting, "USERS", 3)
    monkeypatch.setattr(rank_counting, "ITEMS", 7)
    monkeypatch.setattr(rank_counting, "FIRST", 2)
    monkeypatch.setattr(rank_counting, "_PIECE", 4)


def test_by_hand():
    users = [[1, 0], [0, 1], [1, 1]]
    items = [[4, 0], [3, 1], [2, 2], [1, 3]]
    # User 0 ranks 0 1 2 3, but has seen 0; user 1 ranks 3 2 1 0; of user 2 all items are equal.
    found = evaluate_catalogue(
        Embeddings(users, items),
        relevant=[[2], [3, 0], [1]],
        excluded=[[0], [], []],
        ks=(1, 2),
        metrics=METRICS,
        popularity=[6, 1, 1, 0],
    )
    # Ranks: 2; 1 and 4; 2.
    assert found["recall@1"] == pytest.approx((0 + 1 / 2 + 0) / 3)
    assert found["recall@2"] == pytest.approx((1 + 1 / 2 + 1) / 3)
    assert found["hit_rate@1"] == pytest.approx(1 / 3)
    assert found["hit_rate@2"] == 1
    second = 1 / np.log2(3)
    assert found["ndcg@2"] == pytest.approx((second + 1 / (1 + second) + second) / 3)
    # The best: 1 2, 3 2, 0 1.
    assert found["coverage@1"] == 3 / 4
    assert found["coverage@2"] == 1
    # The mean popularity is 2.
    assert found["popularity_bias@1"] == pytest.approx((1 + 0 + 6) / 3 / 2)
    assert found["popularity_bias@2"] == pytest.approx((1 + 0.5 + 3.5) / 3 / 2)


def test_the_example_of_the_docstring():
    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(evaluate_catalogue, globs=vars(catalogue))
    assert doctest.DocTestRunner().run(example) == (0, 3)


@pytest.mark.usefixtures("small_blocks")
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), whole=st.booleans(), most=st.integers(1, 50))
def test_counted_ranks_are_those_of_a_full_sort(seed, whole, most):
    x, y, relevant, seen = invented(seed, whole=whole)
    expected = sorted_ranks(x, y, relevant, seen)
    ranks = ranks_of_relevant(Embeddings(x, y), relevant, seen)
    assert [row[row > 0].tolist() for row in ranks] == expected
    if any(expected):
        found = evaluate_catalogue(
            Embeddings(x, y), relevant, seen, ks=(most,), metrics=METRICS[:2]
        )
        shares = [np.mean(np.array(row) <= most) for row in expected if row]
        assert found[f"recall@{most}"] == pytest.approx(np.mean(shares))
        assert found[f"hit_rate@{most}"] == pytest.approx(np.mean(np.array(shares) > 0))


@pytest.mark.usefixtures("small_blocks")
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), whole=st.booleans(), k=st.integers(1, 50))
def test_the_best_items_are_those_of_a_full_sort(seed, whole, k):
    x, y, relevant, seen = invented(seed, whole=whole)
    popular = np.random.default_rng(seed).random(len(y))
    found = evaluate_catalogue(
        Embeddings(x, y), relevant, seen, ks=(k,), metrics=METRICS[3:], popularity=popular
    )
    lists = []
    for u, scores in enumerate(x.astype(float) @ y.T.astype(float)):
        lists.append([i for i in np.argsort(-scores, kind="stable") if i not in seen[u]][:k])
    assert found[f"coverage@{k}"] == pytest.approx(len(set().union(*lists)) / len(y))
    bias = np.mean([popular[row].mean() for row in lists]) / popular.mean()
    assert found[f"popularity_bias@{k}"] == pytest.approx(bias)


@pytest.mark.parametrize("whole", [True, False])
def test_embeddings_and_their_products_have_the_same_metrics(whole):
    x, y, relevant, seen = invented(1, users=30, items=700, whole=whole)
    given_as = {"ks": (1, 10), "metrics": METRICS, "popularity": np.arange(700)}
    scores = x.astype(float) @ y.T.astype(float)
    found = evaluate_catalogue(Embeddings(x, y), relevant, seen, **given_as)
    assert found == evaluate_catalogue(scores, relevant, seen, **given_as)


def test_blocks_decide_nothing(monkeypatch):
    """Also not among items of one embedding, whose products in float32 differ by their place."""
    x, y, relevant, seen = invented(2, users=40, items=600, width=33)
    y[100:] = y[np.random.default_rng(0).integers(0, 50, 500)]
    whole = ranks_of_relevant(Embeddings(x, y), relevant, seen)
    assert [row[row > 0].tolist() for row in whole] == sorted_ranks(x, y, relevant, seen)
    for users, items, first in ((1, 600, 600), (17, 13, 5), (40, 64, 1)):
        monkeypatch.setattr(rank_counting, "USERS", users)
        monkeypatch.setattr(rank_counting, "ITEMS", items)
        monkeypatch.setattr(rank_counting, "FIRST", first)
        np.testing.assert_array_equal(ranks_of_relevant(Embeddings(x, y), relevant, seen), whole)


@pytest.mark.parametrize("dtype", ["float16", "float64", "int8"])
def test_types_of_tables_are_scored_as_they_are(dtype):
    x, y, relevant, seen = invented(3, items=300)
    table = (y * 20).astype(dtype)
    ranks = ranks_of_relevant(Embeddings(x, table), relevant, seen)
    assert [row[row > 0].tolist() for row in ranks] == sorted_ranks(x, table, relevant, seen)


def test_float64_decides_what_float32_could_not():
    users, items = [[1.0]], [[1.0], [1.0 + 1e-12], [1.0]]
    assert ranks_of_relevant(Embeddings(users, items), [[0, 1, 2]]).tolist() == [[1, 2, 3]]
    assert ranks_of_relevant(Embeddings(users, items), [[1]]).tolist() == [[1]]
    assert ranks_of_relevant(Embeddings(users, items), [[0]]).tolist() == [[2]]


@pytest.mark.parametrize("scale", [0.0, 1e-25, 1e15])
def test_zeros_tiny_and_huge_embeddings(scale):
    x, y, relevant, seen = invented(4, whole=True)
    ranks = ranks_of_relevant(Embeddings(x * scale, y * np.float32(1e-18)), relevant, seen)
    expected = sorted_ranks(x if scale else x * 0, y, relevant, seen)
    assert [row[row > 0].tolist() for row in ranks] == expected


def test_masks_lists_and_sparse_matrices_are_the_same():
    sparse = pytest.importorskip("scipy.sparse")
    x, y, relevant, seen = invented(5)

    def mask(lists):
        cells = np.zeros((len(x), len(y)), bool)
        for row, items in enumerate(lists):
            cells[row, items] = True
        return cells

    scores, expected = Embeddings(x, y), ranks_of_relevant(Embeddings(x, y), relevant, seen)
    for form in (mask, lambda lists: sparse.csr_matrix(mask(lists).astype("float32"))):
        np.testing.assert_array_equal(
            ranks_of_relevant(scores, form(relevant), form(seen)), expected
        )


def test_a_rival_scores_all_users_of_its_history(monkeypatch):
    pytest.importorskip("scipy")
    random = np.random.default_rng(0)
    rival = popularity(random.integers(0, 20, 200), random.integers(0, 30, 200), (20, 30))
    _, _, relevant, seen = invented(6, users=20, items=30)
    expected = evaluate_catalogue(
        rival.scores(np.arange(20)), relevant, seen, metrics=METRICS, popularity=np.ones(30)
    )
    monkeypatch.setattr("tfpfd.evaluation.score_sources._RIVAL", 100)
    found = evaluate_catalogue(rival, relevant, seen, metrics=METRICS, popularity=np.ones(30))
    assert found == expected
    assert found["popularity_bias@10"] == pytest.approx(1)


def test_users_who_see_less_than_k():
    found = evaluate_catalogue(
        [[3.0, 2.0, 1.0]] * 2,
        relevant=[[1], []],
        excluded=[[0, 2], [0, 1, 2]],
        ks=(2,),
        metrics=METRICS,
        popularity=[1, 2, 3],
    )
    # User 1 has no list: coverage counts nothing of it, and a mean has no value of it.
    assert {name: values[0] for name, values in found.items()} == {
        **{"recall@2": 1, "hit_rate@2": 1, "ndcg@2": 1},
        **{"coverage@2": 1 / 3, "popularity_bias@2": 1},
    }


def test_all_that_is_relevant_is_excluded():
    found = evaluate_catalogue([[1.0, 2.0]], [[1]], excluded=[[1]], metrics=METRICS[:4])
    assert all(np.isnan(found[f"{name}@10"]) for name in METRICS[:3])
    assert found["coverage@10"] == 1 / 2


def test_resamples_have_the_lists_of_the_users_drawn():
    x, y, relevant, seen = invented(7)
    drawn = multiplicities(len(x), resamples=5)
    found = evaluate_catalogue(
        Embeddings(x, y), relevant, seen, ks=(3,), multiplicities=drawn, metrics=METRICS[3:4]
    )
    for row, value in zip(drawn, found["coverage@3"], strict=True):
        some = np.flatnonzero(row)
        alone = evaluate_catalogue(
            Embeddings(x[some], y),
            [relevant[u] for u in some],
            [seen[u] for u in some],
            ks=(3,),
            metrics=METRICS[3:4],
        )
        assert value == alone["coverage@3"][0]


def test_hit_rate_is_the_accuracy_of_tfrs():
    tfrs = pytest.importorskip("tensorflow_recommenders", exc_type=Exception)
    tf = pytest.importorskip("tensorflow")
    random = np.random.default_rng(0)
    x, y = random.normal(size=(50, 8)).astype("f"), random.normal(size=(900, 8)).astype("f")
    liked = random.integers(0, 900, 50)
    x += y[liked] / 2
    ids = np.arange(900).astype("int32")
    index = tfrs.layers.factorized_top_k.Streaming(k=100).index_from_dataset(
        tf.data.Dataset.from_tensor_slices((ids, y)).batch(200)
    )
    metric = tfrs.metrics.FactorizedTopK(index, ks=(1, 10, 100))
    # By ids: by scores TFRS counts an item against itself where its two products round apart.
    metric.update_state(tf.constant(x), tf.constant(y[liked]), ids[liked])
    found = evaluate_catalogue(
        Embeddings(x, y), liked[:, None], ks=(1, 10, 100), metrics=["recall", "hit_rate"]
    )
    expected = [float(value) for value in metric.result()]
    for name in ("recall", "hit_rate"):
        assert [found[f"{name}@{k}"][0] for k in (1, 10, 100)] == pytest.approx(expected, abs=1e-6)


X, Y, RELEVANT = np.ones((2, 3), "f"), np.ones((4, 3), "f"), [[0], [3]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Embeddings(X[0], Y), r"`users` must be a non-empty \[users, width\] .* \(3,\)"),
        (lambda: Embeddings(X, Y[:0]), r"`items` must be a non-empty \[items, width\] .* \(0, 3\)"),
        (lambda: Embeddings(X.astype(str), Y), "`users` must be .* of numbers, received <U32"),
        (lambda: Embeddings(X, Y[:, :2]), r"`items` must be \[items, 3\] as `users`, .* \(4, 2\)"),
        (lambda: Embeddings(X * np.nan, Y), "`users` must be finite, received 2 rows of 2"),
        (lambda: Embeddings(X, Y * np.float32(np.inf)), "`items` must be finite, received 4 rows"),
        (lambda: Embeddings(X * 1e20, Y * 1e20), "`users` and `items` must have products below"),
    ],
)
def test_wrong_embeddings(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"relevant": [[0]]}, "`relevant` must have one array for each of the 2 users"),
        ({"relevant": [[0], [4]]}, "`relevant` must hold item indices from 0 to 3, .* to 4"),
        ({"relevant": [[], []]}, "`relevant` must hold an item .* received none"),
        ({"excluded": [[0], [-1]]}, "`excluded` must hold item indices from 0 to 3"),
        ({"excluded": [["a"], []]}, "`excluded` must hold integer item indices"),
        ({"excluded": np.zeros((2, 3), bool)}, r"`excluded` must be boolean .* \(2, 3\)"),
        ({"ks": (0,)}, "`ks` must be an integer of at least 1, received 0"),
        ({"metrics": ["mrr"]}, r"`metrics` names \['mrr'\]: expected names out of \['recall'"),
        ({"metrics": ["popularity_bias"]}, "`popularity` must be given for the metric"),
        ({"popularity": [1, 2]}, r"`popularity` must be \[4\] finite .* shape \(2,\)"),
        ({"popularity": [-1, 0, 0, 0]}, "`popularity` must be .* from -1"),
        ({"popularity": np.zeros(4)}, "`popularity` must be above 0 for at least one item"),
        ({"multiplicities": np.ones((1, 3))}, "`multiplicities` must be .* one column for each"),
    ],
)
def test_wrong_arguments(changed, message):
    given_as = {"scores": Embeddings(X, Y), "relevant": RELEVANT, "excluded": None}
    if "popularity" in changed:
        given_as["metrics"] = ["popularity_bias"]
    with pytest.raises(ValueError, match=message):
        evaluate_catalogue(**{**given_as, **changed})


def test_wrong_sparse_matrices_and_names():
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(ValueError, match=r"`relevant` must have the shape .* received \(2, 5\)"):
        evaluate_catalogue(Embeddings(X, Y), sparse.csr_matrix((2, 5)))
    with pytest.raises(TypeError, match="`metrics` must be names in a list"):
        evaluate_catalogue(Embeddings(X, Y), RELEVANT, metrics="recall")


def test_forms_that_say_something_else_are_refused():
    embeddings = Embeddings(np.eye(3), np.eye(3))
    for relevant, received in (
        ({0: [2], 1: [0], 2: [1]}, "received a dict"),
        ([{2}, {0}, {1}], "received a set"),
        ("abc", "received a str"),
    ):
        with pytest.raises(ValueError, match=f"`relevant` must .*{received}"):
            evaluate_catalogue(embeddings, relevant)
        with pytest.raises(ValueError, match=f"`excluded` must .*{received}"):
            evaluate_catalogue(embeddings, [[2], [0], [1]], relevant)
    with pytest.raises(ValueError, match=r"`ks` must be lengths in a list, such as ks=\(10,\)"):
        evaluate_catalogue(embeddings, [[2], [0], [1]], ks=10)
    with pytest.raises(ValueError, match=r"`Embeddings\(users, items\)`, received a tuple of 2"):
        evaluate_catalogue((np.eye(3), np.eye(3)), [[2], [0], [1]])
