"""The protocol: signals that one rival finds, what must not leak, and what the first line says."""

import dataclasses
import doctest
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from tfpfd import Categorical, Numeric, Ranker, Schema, Sequence, TwoTower
from tfpfd.data import from_rows
from tfpfd.evaluation import (
    Comparison,
    Embeddings,
    auc,
    compare_pointwise,
    compare_retrieval,
    evaluate_catalogue,
    evaluate_rows,
    item_knn,
    multiplicities,
    paired_difference,
    pointwise,
    popularity,
    protocol,
    retrieval,
)

pytest.importorskip("sklearn")

SCHEMA = Schema(
    user=[Categorical("user", dtype="int"), Numeric("x"), Sequence("seen", of="item")],
    item=[Categorical("item", dtype="int"), Numeric("z")],
    privileged={"cross": [Numeric("secret")]},
    list_key="user",
)
COUNTS = {"train": 2000, "validation": 800, "test": 800}


@pytest.fixture(autouse=True)
def small_grid(monkeypatch):
    """Fewer fits, of which each is as it is."""
    monkeypatch.setattr(pointwise, "LEAVES", (8,))
    monkeypatch.setattr(pointwise, "ROWS_A_LEAF", (20,))
    monkeypatch.setattr(pointwise, "TREES", 40)


def rows(logit, users=40, items=30, seed=0):
    """Train, validation and test rows whose labels are drawn by the logit of a frame."""
    random = np.random.default_rng(seed)
    n = sum(COUNTS.values())
    frame = pd.DataFrame(
        {
            "user": random.integers(0, users, n),
            "item": random.integers(0, items, n),
            "x": random.normal(size=n),
            "z": random.normal(size=n),
            "secret": random.normal(size=n),
            "seen": list(random.integers(0, items, (n, 3))),
        }
    )
    frame["label"] = (random.random(n) < 1 / (1 + np.exp(-logit(frame)))).astype(float)
    ends = np.cumsum(list(COUNTS.values()))
    return {
        name: frame[end - count : end].reset_index(drop=True)
        for (name, count), end in zip(COUNTS.items(), ends, strict=True)
    }


def interaction(frame):
    return 3 * np.sign(frame["x"] * frame["z"])


def effects(frame):
    random = np.random.default_rng(9)
    of_users, of_items = random.normal(0, 1.5, 1000), random.normal(0, 1.5, 1000)
    return of_users[frame["user"]] + of_items[frame["item"]]


def truth(data, logit):
    return 1 / (1 + np.exp(-np.asarray(logit(data["test"]))))


def compared(data, models, metrics=("auc", "log_loss"), **options):
    return compare_pointwise(
        **data, schema=SCHEMA, models=models, item_key="item", metrics=metrics, **options
    )


class TestPointwise:
    def test_an_interaction_that_only_trees_find(self):
        data = rows(interaction)
        found = compared(data, {"base": np.full(800, 0.5)})
        means = found.to_frame()["auc"]["mean"]
        known = auc(data["test"]["label"], truth(data, interaction))
        assert means["trees"] > known - 0.04
        assert abs(means["logistic"] - 0.5) < 0.06
        assert abs(means["bias"] - 0.5) < 0.06
        assert "below trees" in found.first_line and "fix that first" in found.first_line

    def test_effects_that_the_biases_find(self):
        data = rows(effects)
        best = {"base": truth(data, effects)}
        found = compared(data, best)
        means = found.to_frame()["auc"]["mean"]
        assert means["base"] - 0.02 < means["bias"] < means["base"] + 0.01
        # So do encodings of ids, in what they have in common.
        assert means["logistic"] > means["base"] - 0.03
        assert "fix that first" not in found.first_line

    def test_random_labels_of_rare_ids_teach_nothing(self):
        data = rows(lambda frame: np.zeros(len(frame)), users=900, items=900)
        found = compared(data, {"base": np.full(800, 0.5)})
        assert (abs(found.to_frame()["auc"]["mean"] - 0.5) < 0.06).all()
        # A model that was fitted to its own rows' labels would be sure of itself, and wrong.
        assert found.to_frame()["log_loss"]["mean"]["logistic"] < 0.72

    def test_a_better_base_is_said_to_be_better(self):
        data = rows(lambda frame: 2 * frame["secret"])
        found = compared(data, {"base": truth(data, lambda frame: 2 * frame["secret"])})
        assert "is better than every rival" in found.first_line
        by_loss = compared(
            data, {"base": np.where(data["test"]["label"] == 1, 0.1, 0.9)}, ["log_loss"]
        )
        assert "worse than" in by_loss.first_line and "fix that first" in by_loss.first_line

    def test_what_can_not_be_told(self):
        noise = rows(lambda frame: np.zeros(len(frame)))
        found = compared(noise, {"base": np.random.default_rng(0).random(800)})
        assert "beyond doubt" in found.first_line and "fix that first" not in found.first_line

    def test_test_labels_choose_nothing(self):
        data = rows(effects)
        base = {"base": np.random.default_rng(0).random(800)}
        found = compared(data, base)
        other = {**data, "test": data["test"].assign(label=1 - data["test"]["label"])}
        flipped = compared(other, base)
        assert found.settings == flipped.settings
        for rival in found.rivals:
            before, after = (one.rivals[rival]["auc"][0, 0] for one in (found, flipped))
            assert before == pytest.approx(1 - after)

    def test_validation_labels_choose(self):
        data = rows(effects)
        best = compared(data, {"base": np.full(800, 0.5)})
        other = data["validation"].assign(label=1 - data["validation"]["label"])
        worst = compared({**data, "validation": other}, {"base": np.full(800, 0.5)})
        assert best.settings != worst.settings

    def test_intervals_are_those_of_the_audit(self):
        data = rows(effects)
        random = np.random.default_rng(0)
        logits = effects(data["test"])
        seeds = {
            name: [logits + random.normal(0, noise, 800) for _ in range(3)]
            for name, noise in (("base", 1.0), ("other", 0.5))
        }
        found = compared(data, seeds, from_logits=True)
        test = data["test"]
        resamples = multiplicities(test["user"].nunique())

        def values(name):
            return np.stack(
                [
                    evaluate_rows(test["label"], one, test["user"], resamples, True)["auc"]
                    for one in seeds[name]
                ]
            )

        expected = paired_difference(values("other"), values("base"))
        assert found.minus_base("other", "auc") == expected
        row = found.to_frame().loc["other", "auc"]
        assert row["minus_base"] == expected.mean
        assert row["minus_base_low"] == expected.low
        assert found.seeds == 3
        # A rival stands beside each seed of the base.
        rival = found.rivals["bias"]["auc"]
        assert found.minus_base("bias", "auc") == paired_difference(
            np.repeat(rival, 3, axis=0), values("base")
        )

    def test_a_ranker_scores_the_rows_itself(self):
        data = rows(effects)
        schema = SCHEMA.adapt(data["train"], verbose=0)
        rankers = [Ranker(schema, TwoTower([4])) for _ in range(2)]
        found = compared(data, {"base": rankers})
        assert found.models["base"]["auc"].shape == (2, 201)
        logits = rankers[0].predict(from_rows(data["test"], schema), verbose=0)
        expected = auc(data["test"]["label"], np.ravel(logits))
        assert found.models["base"]["auc"][0, 0] == pytest.approx(expected)

    def test_rows_without_a_label_and_without_privileged_columns(self):
        data = {name: part.drop(columns="secret") for name, part in rows(effects).items()}
        base = {"base": np.full(800, 0.5)}
        plain = compared(data, base)
        more = data["train"].assign(label=np.nan)
        found = compared({**data, "train": pd.concat([data["train"], more])}, base)
        pd.testing.assert_frame_equal(plain.to_frame(), found.to_frame())

    def test_what_is_printed(self):
        data = rows(effects)
        found = compared(data, {"base": truth(data, effects)})
        text = repr(found)
        assert text.startswith(found.first_line)
        assert "bias: shrinkage" in text and "1 seed can't carry a claim" in text

    def test_without_scikit_learn(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "sklearn", None)
        with pytest.raises(ImportError, match=r"scikit-learn: pip install 'tfpfd\[demo\]'$"):
            compared(rows(effects), {"base": np.full(800, 0.5)})

    @pytest.mark.parametrize(
        ("models", "options", "message"),
        [
            ({"student": [0.5] * 800}, {}, r"`base` must name one of `models`, \['student'\]"),
            ({"base": [0.5] * 800, "trees": [0.5] * 800}, {}, r"other names than rivals, .*trees"),
            ({"base": [0.5] * 7}, {}, r"`models\['base'\]` must be \[800\] or .*\(1, 7\)"),
            ({"base": [np.nan] * 800}, {}, r"`models\['base'\]` must be finite, received 800"),
            ({"base": [2.0] * 800}, {}, r"must be in \[0, 1\], or logits .*from 2 to 2"),
            ({"base": [[0.5] * 800] * 2, "b": [0.5] * 800}, {}, "as many seeds each, .*'b': 1"),
            ({"base": [0.5] * 800}, {"metrics": []}, "`metrics` must name at least one"),
            ({"base": [0.5] * 800}, {"metrics": ["f1"]}, r"`metrics` names \['f1'\]"),
        ],
    )
    def test_wrong_arguments(self, models, options, message):
        with pytest.raises(ValueError, match=message):
            compared(rows(effects), models, **options)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda d: {"test": d["test"].assign(label=np.nan)}, "'label' of `test`: expected 0"),
            (lambda d: {"train": d["train"].assign(label=0.5)}, r"`train`: .*received \[0.5\]"),
            (lambda d: {"train": d["train"].assign(label=1.0)}, r"`train`: .*received \[1.0\]"),
            (lambda d: {"train": d["train"].drop(columns="item")}, "missing column 'item'"),
            (lambda d: {"validation": d["validation"][:0]}, "`validation` must have rows"),
            (
                lambda d: {"validation": d["validation"].assign(user=np.arange(800))},
                "`metrics` begins with 'group_auc', which has no value",
            ),
        ],
    )
    def test_wrong_rows(self, change, message):
        data = rows(effects)
        with pytest.raises(ValueError, match=message):
            compared({**data, **change(data)}, {"base": np.full(800, 0.5)}, ["group_auc"])

    def test_no_user(self):
        schema = dataclasses.replace(SCHEMA, list_key=None)
        with pytest.raises(ValueError, match="`user_key` must name the column of the user id"):
            compare_pointwise(
                **rows(effects), schema=schema, models={"base": np.full(800, 0.5)}, item_key="item"
            )


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
    monkeypatch.setattr(retrieval, "NEIGHBOURS", (5, 20))
    monkeypatch.setattr(retrieval, "L2", (10.0, 100.0))


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
        monkeypatch.setattr(retrieval, "MOST_FOR_EASE", 59)
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


def test_the_first_line_by_hand():
    def constant(*values):
        return {"recall@50": np.array([np.r_[value, [value] * 3] for value in values])}

    def line(knn, base):
        rivals = {"popularity": constant(0.25), "item_knn": constant(knn)}
        return Comparison("mine", rivals, {"mine": constant(base)}, {}).first_line

    # No spread, so every difference is real.
    assert line(0.40, 0.32) == (
        "Your base 'mine' is below item_knn "
        "(recall@50 .3200 < .4000; item_knn minus base +.0800 ± .0000): fix that first."
    )
    assert line(0.30, 0.32) == (
        "Your base 'mine' is better than every rival, the nearest item_knn "
        "(recall@50 .3200 ≥ .3000; item_knn minus base -.0200 ± .0000)."
    )
    assert "isn't better than every rival beyond doubt" in line(0.32, 0.32)


def test_the_example_of_the_docstring():
    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(compare_retrieval, globs={**vars(protocol)})
    assert doctest.DocTestRunner().run(example).failed == 0


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
