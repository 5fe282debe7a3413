"""The protocol over a catalogue: what is fitted to what, and figures of MovieLens-100K."""

import dataclasses
import doctest

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from tfpfd.evaluation import (
    Embeddings,
    compare_retrieval,
    evaluate_catalogue,
    item_knn,
    multiplicities,
    popularity,
    protocol,
)
from tfpfd.evaluation.rivals import RETRIEVAL

pytest.importorskip("scipy")


def tastes(users=200, items=60, groups=4, seed=0):
    """What users of one of several tastes liked, in three parts; the popular ones first."""
    random = np.random.default_rng(seed)
    taste = random.integers(0, groups, users)
    own = (np.arange(items) % groups) == taste[:, None]
    weights = np.where(own, 12.0, 1.0) / (1 + np.arange(items))
    order = np.argsort(-np.log(random.random((users, items))) / weights, axis=1)
    parts = {"history": order[:, :6], "validation": order[:, 6:8], "test": order[:, 8:11]}
    return {name: list(part) for name, part in parts.items()}, own.astype(float), weights


def retrieved(parts, models, **options):
    return compare_retrieval(
        **parts, models=models, **{"metrics": ("recall@10", "ndcg@5"), **options}
    )


@pytest.fixture
def small_catalogue(monkeypatch):
    few = {"item_knn": [{"neighbours": k, "shrinkage": s} for k in (5, 20) for s in (0.0, 10.0)]}
    few["ease"] = [{"l2": 10.0}, {"l2": 100.0}]
    for name, grid in few.items():
        monkeypatch.setitem(RETRIEVAL, name, dataclasses.replace(RETRIEVAL[name], grid=grid))


@pytest.mark.usefixtures("small_catalogue")
class TestRetrieval:
    def test_worse_than_popularity_is_said(self):
        parts, _, _ = tastes()
        found = retrieved(parts, {"base": np.tile(np.arange(60.0), (200, 1))})
        assert "fix that first" in found.first_line and "(recall@10 ." in found.first_line
        frame = found.to_frame()
        assert frame["recall@10"]["minus_base_low"]["popularity"] > 0

    def test_better_than_every_rival_is_said(self):
        parts, _, weights = tastes()
        found = retrieved(parts, {"base": weights})
        assert "is better than every rival" in found.first_line

    def test_rivals_are_fitted_to_all_before_the_test(self):
        parts, _, weights = tastes()
        found = retrieved(parts, {"base": weights})
        pairs = [
            (user, item)
            for name in ("history", "validation")
            for user, liked in enumerate(parts[name])
            for item in liked
        ]
        users, items = np.array(pairs).T
        seen = sparse.csr_matrix((np.ones(len(users)), (users, items)), (200, 60))
        expected = evaluate_catalogue(
            popularity(users, items, (200, 60)), parts["test"], seen, (10,),
            multiplicities(200), ["recall"],
        )  # fmt: skip
        np.testing.assert_array_equal(
            found.rivals["popularity"]["recall@10"][0], expected["recall@10"]
        )
        best = evaluate_catalogue(
            found_knn(found, users, items), parts["test"], seen, (10,), metrics=["recall"]
        )
        assert found.rivals["item_knn"]["recall@10"][0, 0] == pytest.approx(best["recall@10"][0])

    def test_the_test_chooses_nothing(self):
        parts, _, weights = tastes()
        earlier = zip(parts["history"], parts["validation"], strict=True)
        other = [np.setdiff1d(np.arange(60), np.concatenate(pair))[:3] for pair in earlier]
        found = retrieved(parts, {"base": weights})
        assert found.settings == retrieved({**parts, "test": other}, {"base": weights}).settings

    def test_what_was_seen_is_not_recommended(self):
        parts, _, weights = tastes()
        # All but what the parts hold was shown: everything is found, also in the validation.
        held = np.zeros((200, 60), bool)
        for part in parts.values():
            for user, liked in enumerate(part):
                held[user, liked] = True
        found = retrieved(parts, {"base": weights}, seen=~held)
        assert (found.to_frame()["recall@10"]["mean"] == 1).all()

    def test_seen_may_hold_the_validation(self):
        parts, _, weights = tastes()
        both = zip(parts["history"], parts["validation"], strict=True)
        seen = [np.concatenate(pair) for pair in both]
        given = retrieved(parts, {"base": weights}, seen=seen)
        pd.testing.assert_frame_equal(
            given.to_frame(), retrieved(parts, {"base": weights}).to_frame()
        )
        assert given.settings == retrieved(parts, {"base": weights}).settings

    def test_models_in_every_form(self):
        parts, own, _ = tastes()
        one = Embeddings(own, np.eye(60))
        found = retrieved(parts, {"base": [own, own], "same": [one, one], "array": [own] * 2})
        assert found.models["same"]["ndcg@5"].shape == (2, 201)
        for name in ("same", "array"):
            np.testing.assert_array_equal(
                found.models[name]["ndcg@5"], found.models["base"]["ndcg@5"]
            )
        single = retrieved(parts, {"base": one, "lists": own.tolist(), "cube": own[None]})
        assert {len(values["ndcg@5"]) for values in single.models.values()} == {1}

    def test_a_large_catalogue_goes_without_ease(self, monkeypatch):
        smaller = dataclasses.replace(RETRIEVAL["ease"], most_items=59)
        monkeypatch.setitem(RETRIEVAL, "ease", smaller)
        parts, _, weights = tastes()
        assert list(retrieved(parts, {"base": weights}).rivals) == ["popularity", "item_knn"]

    @pytest.mark.parametrize(
        ("changed", "models", "options", "message"),
        [
            ({}, {"base": np.ones((200, 60)), "b": np.ones((200, 9))}, {}, r"'b'.*\(200, 9\)"),
            ({}, {"ease": np.ones((200, 60))}, {"base": "ease"}, "other names than rivals"),
            ({}, {"base": np.ones((200, 60))}, {"metrics": ["recall"]}, "such as 'recall@50'"),
            ({}, {"base": np.ones((200, 60))}, {"metrics": ["auc@5"]}, "received 'auc@5'"),
            ({"validation": [[]] * 200}, {"base": np.ones((200, 60))}, {}, "`validation` must ho"),
            ({"test": [[]] * 200}, {"base": np.ones((200, 60))}, {}, "`test` must hold"),
            ({"history": [[]] * 3}, {"base": np.ones((200, 60))}, {}, "`history` must have one"),
        ],
    )
    def test_wrong_arguments(self, changed, models, options, message):
        parts, _, _ = tastes()
        with pytest.raises(ValueError, match=message):
            retrieved({**parts, **changed}, models, **options)


def found_knn(found, users, items):
    neighbours, shrinkage = found.settings["item_knn"].split(" neighbours, shrinkage ")
    return item_knn(users, items, (200, 60), int(neighbours), float(shrinkage))


def test_the_example_of_the_docstring():
    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(compare_retrieval, globs={**vars(protocol)})
    assert doctest.DocTestRunner().run(example).failed == 0


@pytest.mark.slow
def test_movielens(movielens):
    """What an expert's first tries find on the demo's split."""
    users, films = pd.Index(movielens.users["user_id"]), pd.Index(movielens.items["film_id"])
    rated = movielens.ratings.assign(
        rank=movielens.ratings.groupby("user_id").cumcount(),
        count=movielens.ratings.groupby("user_id")["rating"].transform("size"),
    )
    part = sum(rated["rank"] >= rated["count"] * tenths // 10 for tenths in (7, 8))

    def matrix(chosen):
        rows = rated[chosen]
        cells = np.zeros((len(users), len(films)), bool)
        cells[users.get_indexer(rows["user_id"]), films.get_indexer(rows["film_id"])] = True
        return cells

    liked = rated["rating"] >= 4
    every = np.nonzero(matrix(part < 2))
    found = compare_retrieval(
        *(matrix((part == number) & liked) for number in range(3)),
        models={"base": popularity(*every, (len(users), len(films)))},
        seen=matrix(part < 2),
    )
    means = found.to_frame().xs("mean", axis=1, level=1).round(3)
    assert means.loc["base"].tolist() == [0.256, 0.099]
    assert means.loc["ease"].tolist() == [0.417, 0.195]
    assert means.loc["item_knn", "recall@50"] > 0.39
    assert "below ease" in found.first_line
