"""Audits of a coarse ranker over a catalogue, with rivals beside its base."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tfpfd import (
    MLP,
    CatalogueSplits,
    Categorical,
    FeatureEncoder,
    Numeric,
    Ranker,
    Schema,
    TwoTower,
    audit,
    losses,
)
from tfpfd._keras import keras
from tfpfd.auditing import arm_trainings, catalogue_trainings
from tfpfd.auditing.arms import OF_LISTS, Recipe, Trained, arms_of, train
from tfpfd.auditing.catalogue_trainings import CatalogueTrainings
from tfpfd.auditing.measures import of_catalogue
from tfpfd.distillation.early_stopping import StudentLoss
from tfpfd.evaluation import compare_retrieval

ARMS = ["base", "self", "shuffled", "zeroed", "distilled"]
USERS, ITEMS = 8, 15


def choices(seed, each):
    """Every user chooses `each` items, which no other part has: seeds are parts."""
    random = np.random.default_rng(100 + seed)
    items = [[5 * seed + n for n in random.permutation(5)[:each]] for _ in range(USERS)]
    users = np.repeat(np.arange(USERS), each)
    return pd.DataFrame({"user": users, "item": np.concatenate(items), "day": seed})


def fits(frame):
    return pd.DataFrame({"fit": np.cos(frame["user"] * frame["item"] + frame["day"])})


DATA = CatalogueSplits(
    train=choices(0, 3),
    validation=choices(1, 2),
    test=choices(2, 2),
    items=pd.DataFrame({"item": range(ITEMS)}),
    schema=Schema(
        [Categorical("user", dtype="int")],
        [Categorical("item", dtype="int")],
        {"cross": [Numeric("fit", buckets=3)]},
    ),
    user="user",
    item="item",
    privileged=fits,
    extra_columns=["day"],
    drawn=4,
)


def make_student(schema):
    return Ranker(schema, TwoTower([4], batch_norm=False), encoder=FeatureEncoder(schema, dim=3))


def make_teacher(schema, sees, student):
    encoder = FeatureEncoder(schema, schema.features(sees), dim=3)
    return Ranker(schema, MLP([4], batch_norm=False), sees=sees, encoder=encoder)


def run(data=DATA, student=make_student, **settings):
    budget = {"seeds": 2, "epochs": 2, "resamples": 5, "multipliers": (), "verbose": 0}
    return audit(student, make_teacher, data, **{"batch_size": 40, **budget, **settings})


@pytest.fixture(scope="module")
def prepared():
    recipe = Recipe(make_student, make_teacher, 0.01, 0.5, 0, 2, 1, OF_LISTS)
    schema = CatalogueTrainings.adapted(DATA)
    return CatalogueTrainings.prepare(DATA, schema, recipe, 40, 5, "recall@3")


class Killed(BaseException):
    """Not an `Exception`: nothing may catch it."""


@pytest.fixture
def trained(monkeypatch):
    """The trainings, which do nothing; those after `trained.stop_after` are killed."""

    class Trainings(list):
        stop_after = None

    done = Trainings()

    def untrained(arm, recipe, schema, train, validation, seed, callbacks):
        if len(done) == done.stop_after:
            raise Killed
        keras.utils.set_random_seed(seed)
        student = recipe.student(schema)
        teacher = arm.teacher and recipe.teacher(schema, arm.teacher, student)
        items = np.concatenate([inputs["item"] for inputs, _ in train])
        done.append((arm.name, seed, items, recipe))
        return Trained(student, teacher, losses=(0.7, 0.6), steps=3)

    monkeypatch.setattr(arm_trainings, "train", untrained)
    return done


class TestPlan:
    @pytest.mark.slow
    def test_every_arm_meets_the_same_lists_in_the_same_order(self, trained):
        report = run(sizes=(0.5, 1.0))
        assert [(arm, seed) for arm, seed, *_ in trained] == [
            (arm, seed) for _ in range(2) for seed in (0, 1) for arm in ARMS
        ]
        for start in range(0, 20, 5):
            for _, _, items, recipe in trained[start : start + 5]:
                np.testing.assert_array_equal(items, trained[start][2])
                assert recipe.losses == OF_LISTS
        assert (trained[10][2] != trained[15][2]).any()
        assert [len(trained[place][2]) for place in (0, 10)] == [60, 120]
        sizes = report.results.sizes.values()
        assert [(size.labelled, size.unlabelled) for size in sizes] == [(12, 48), (24, 96)]

    @pytest.mark.slow
    def test_students_are_measured_on_the_catalogue_and_teachers_on_lists(self, trained):
        results = run(metric="ndcg@7").results
        assert results.metric == "ndcg@7"
        expected = ["ndcg@7", "recall@50", "ndcg@10", "list_ndcg", "list_loss"]
        assert list(results.metrics) == expected
        assert list(results.largest.teachers["self"]) == ["list_ndcg", "list_loss"]
        assert results.teacher_metric == "list_ndcg"
        assert list(results.largest.permuted) == ["fit"]
        assert results.largest.reliability == {}
        assert (results.test_rows, results.test_users) == (16, 8)

    @pytest.mark.slow
    def test_what_is_measured_is_what_the_student_finds(self, trained, prepared):
        found = run(metric="recall@3").results.largest.students["base"]["recall@3"][1, 0]
        keras.utils.set_random_seed(1)
        student = make_student(prepared.schema)
        assert found == prepared.catalogue.evaluate(student, "test", ["recall@3"])["recall@3"][0]

    @pytest.mark.slow
    def test_the_report(self, trained, tmp_path):
        pytest.importorskip("matplotlib").use("Agg")
        report = run(metric="recall@3")
        text = report.to_markdown()
        assert "in recall@3" in report.verdict.sentence
        assert "| test choices | 16 |" in text
        assert "teacher's loss in NDCG in lists" in text
        for name in ("popularity", "item-kNN", "EASE"):
            assert f"| {name} |" in text
        assert "Calibration" not in text
        assert report.save(tmp_path).is_file()
        frame = pd.read_csv(tmp_path / "results.csv")
        assert frame["role"].value_counts().to_dict() == {
            "student": 5 * 5,
            "teacher": 4 * 2,
            "rival": 3 * 3,
        }

    @pytest.mark.slow
    def test_a_killed_audit_goes_on(self, trained, tmp_path, monkeypatch):
        whole = run()
        trained.clear()
        trained.stop_after = 4
        with pytest.raises(Killed):
            run(out=tmp_path)
        trained.stop_after = None
        kept = {path.stem for path in (tmp_path / "cells").glob("*.npz")}
        assert len(kept) == 5
        assert "rivals,size=1.0" in {name.replace("%2C", ",") for name in kept}

        def never(*args):
            raise AssertionError("fitted again")

        monkeypatch.setattr(catalogue_trainings, "catalogue_rivals", never)
        report = run(out=tmp_path)
        assert len(trained) == 10
        pd.testing.assert_frame_equal(report.to_frame(), whole.to_frame(), check_exact=True)
        assert str(report) == str(whole)
        # Nothing that is looked up would be another, but rivals would learn from it.
        earlier = pd.DataFrame({"user": [99], "item": [3]})
        with pytest.raises(ValueError, match="another `rows`"):
            run(dataclasses.replace(DATA, history=earlier), out=tmp_path)


@pytest.mark.parametrize("metric", ["recall@3", "ndcg@7", "hit_rate@1", "recall@50"])
def test_any_k_is_a_metric(metric):
    assert CatalogueTrainings.primary(metric) == metric
    assert of_catalogue(metric).metrics[0] == metric
    assert len(set(of_catalogue(metric).metrics)) == (4 if metric == "recall@50" else 5)


def test_the_default_metric():
    assert CatalogueTrainings.primary(None) == "recall@50"


class TestMeasures:
    def test_lists_by_hand(self, prepared):
        """The first test list is of user 0: the chosen item comes third of five."""
        lists = prepared.catalogue.lists["test"].some(np.array([0, 1]))
        assert lists.users.tolist() == [0, 0]
        scores = np.array([[2.0, 3.0, 5.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0, 0.0]], np.float32)
        one = dataclasses.replace(
            prepared, catalogue=dataclasses.replace(prepared.catalogue, lists={"test": lists})
        )

        def ranker(inputs, training):
            return tf.constant(scores.ravel())

        found = one.of_teacher(ranker, "zeroed")
        # Ranks 3, and 1 or 2; discounts 1 / log2(1 + rank).
        ndcg = (1 / 2 + (1 + 1 / np.log2(3)) / 2) / 2
        first = np.log(np.exp(scores[0]).sum()) - 2
        second = np.log(2 * np.e + 3) - 1
        assert found["list_ndcg"][0] == pytest.approx(ndcg)
        assert found["list_loss"][0] == pytest.approx((first + second) / 2, rel=1e-5)

    def test_rivals_are_those_of_the_protocol(self, prepared):
        """Where every user is in every part, whatever is known is known to both."""

        def lists(frame):
            return [frame["item"][frame["user"] == user].to_numpy() for user in range(USERS)]

        scores = np.random.default_rng(0).random((USERS, ITEMS))
        expected = compare_retrieval(
            lists(DATA.train),
            lists(DATA.validation),
            lists(DATA.test),
            {"base": scores},
            metrics=["recall@3"],
        )
        found = prepared.rivals(1.0)
        assert found.settings == expected.settings
        assert list(found.metrics) == ["popularity", "item_knn", "ease"]
        for name, metrics in found.metrics.items():
            ours, theirs = metrics["recall@3"][0], expected.rivals[name]["recall@3"][0, 0]
            assert ours == pytest.approx(theirs)

    def test_rivals_learn_from_what_came_before(self, prepared):
        """Others chose item 11 before, which nobody here meets until the test."""
        earlier = pd.DataFrame({"user": range(100, 109), "item": 11})
        data = dataclasses.replace(DATA, history=earlier)
        found = dataclasses.replace(prepared, metric="recall@1", data=data).rivals(1.0)
        # It is the first of what they aren't shown yet, and of the two that each of them chose.
        share = (DATA.test["item"] == 11).sum() / (2 * USERS)
        assert found.metrics["popularity"]["recall@1"][0] == pytest.approx(share)

    def test_training_stops_by_the_list_loss_of_the_student(self, prepared):
        student = make_student(prepared.schema)
        watched = StudentLoss(student, prepared.held_out(), losses.ListwiseSoftmax())
        logs = {}
        watched.on_epoch_end(0, logs)
        expected = prepared.validation_loss(student)["list_loss"][0]
        assert logs[watched.monitor] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("arm", ["base", "distilled"])
def test_every_arm_is_stopped_by_the_same_rule(arm, prepared, monkeypatch):
    """The best epoch is that of the smallest list loss, whose weights are kept."""

    def heavy(schema):
        # A penalty that would decide, were it counted.
        encoder = FeatureEncoder(schema, dim=3, l2=10.0)
        return Ranker(schema, TwoTower([4], batch_norm=False, l2=10.0), encoder=encoder)

    recipe = dataclasses.replace(prepared.recipe, student=heavy, epochs=4, patience=4)
    (chosen,) = [one for one in arms_of("all") if one.name == arm]
    batches = prepared.batches(1.0, "kept", 0)
    trained = train(chosen, recipe, prepared.schema, batches, prepared.held_out(), 0, [])
    loss = prepared.validation_loss(trained.student)["list_loss"][0]
    assert len(trained.losses) == 4
    assert loss == pytest.approx(min(trained.losses), rel=1e-4)


REFUSED = {
    "auc": ({"metric": "auc"}, {}, r"`metric` of a catalogue must be 'recall@k'.*received 'auc'"),
    "no k": ({"metric": "recall@0"}, {}, "`metric` of a catalogue .*received 'recall@0'"),
    "no two towers": (
        {"student": lambda schema: Ranker(schema, MLP([2], batch_norm=False))},
        {},
        "must return a ranker with a TwoTower, as it is to rank a catalogue, received .* a MLP",
    ),
    "no privileged": (
        {},
        {"schema": DATA.schema.served()},
        "`data.schema` has no privileged features",
    ),
    "no function": ({}, {"privileged": None}, "`privileged` must make .*received None"),
    "no day": (
        {},
        {"validation": DATA.validation.drop(columns="day")},
        r"`validation` misses the columns \['day'\]",
    ),
    "no user": (
        {},
        {"test": DATA.test.assign(user=np.nan)},
        "`test` must hold a user in every row, received 16 missing",
    ),
    "no choices": ({}, {"train": DATA.train[:0]}, "`data.train` must hold a row for each choice"),
    "pairs": (
        {},
        {"seen": DATA.test[["item"]]},
        r"`seen` misses the columns \['user'\]",
    ),
    "items": ({}, {"items": DATA.items.rename(columns={"item": "id"})}, "`items` misses"),
    "strings": (
        {},
        {"history": DATA.test.assign(user="u")},
        "`history` and `train` must hold the same type of user",
    ),
    "one frame twice": (
        {},
        {"test": DATA.validation},
        "`data.validation` and `data.test` must hold different rows, received the same 16 rows",
    ),
    "drawn": ({}, {"drawn": 0}, "`drawn` must be an integer of at least 1, received 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case, trained):
    settings, changed, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        run(dataclasses.replace(DATA, **changed), **settings)
    assert trained == []


MISTAKEN = {
    "no frame": ({"items": 3}, "`items` must be a pandas.DataFrame, received 3"),
    "swapped": (
        {"items": DATA.schema, "schema": DATA.items},
        "`schema` must be a tfpfd.Schema, received a DataFrame",
    ),
    "no name": ({"user": None}, "`user` must be the name of a column, received None"),
    "one string": ({"extra_columns": "day"}, "`extra_columns` must be names in a list"),
    "a frame for a function": (
        {"privileged": fits(DATA.train)},
        r"`privileged` must be a function of \(frame\) that returns .*, received a DataFrame",
    ),
    "two arguments": (
        {"privileged": lambda user, item: None},
        r"`privileged` must be a function of \(frame\).*, received <lambda>\(user, item\)",
    ),
}


@pytest.mark.parametrize("case", MISTAKEN)
def test_mistakes(case):
    changed, message = MISTAKEN[case]
    with pytest.raises(TypeError, match=message):
        dataclasses.replace(DATA, **changed)


def test_rows_have_no_metric_of_a_catalogue():
    with pytest.raises(ValueError, match=r"`metric` must be one of .* received 'recall@50'"):
        audit(make_student, make_teacher, None, metric="recall@50")
