"""Audits from end to end, on rows in which the answer is known."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from tfpfd import (
    MLP,
    Categorical,
    FeatureEncoder,
    Numeric,
    Ranker,
    Schema,
    Splits,
    audit,
    datasets,
)
from tfpfd._keras import keras
from tfpfd.auditing import arm_trainings
from tfpfd.auditing.arms import Trained
from tfpfd.evaluation import auc

pytestmark = pytest.mark.long

SERVED, BUCKETS, ROWS_PER_USER = 60, 6, 10
STRONG = ("first", "second", "third")


def simulated(labelled=500, unlabelled=4500, test=3000, noise_only=False, seed=0):
    """Splits of simulated rows.

    A hidden mediator z of three dimensions decides the label; the served features are many noisy
    views of it, the privileged ones three views with little noise, and noise:

        z ~ N(0, I_3),  y ~ Bernoulli(σ(√3 Σz)),  X = z A + 3 N(0, I_60),  X* = z + 0.3 N(0, I_3)

    The 60 views are six buckets each, written as one feature of 60 values a row.
    With `noise_only` the privileged ones are drawn without regard to z.
    """
    random = np.random.default_rng(seed)
    mixing = random.normal(0, 1, (3, SERVED))

    def rows(count, first_user):
        z = random.normal(0, 1, (count, 3))
        views = z @ mixing + random.normal(0, 3, (count, SERVED))
        buckets = np.searchsorted((-3.5, -1.5, 0.0, 1.5, 3.5), views)
        known = random.normal(0, 1, (count, 3)) if noise_only else z
        known = known + random.normal(0, 0.3, (count, 3))
        chance = 1 / (1 + np.exp(-np.sqrt(3) * z.sum(axis=1)))
        return pd.DataFrame(
            {
                "views": list(buckets + BUCKETS * np.arange(SERVED)),
                **{name: known[:, place] for place, name in enumerate(STRONG)},
                "noise": random.normal(0, 1, count),
                "user_id": first_user + np.arange(count) // ROWS_PER_USER,
                "label": (random.random(count) < chance).astype(float),
            }
        )

    train = rows(labelled + unlabelled, 0)
    train.loc[labelled:, "label"] = np.nan
    schema = Schema(
        user=[
            Categorical(
                "views", dtype="int", vocabulary=tuple(range(SERVED * BUCKETS)), length=SERVED
            )
        ],
        item=[],
        privileged={"cross": [Numeric(name, buckets=6) for name in (*STRONG, "noise")]},
        list_key="user_id",
    )
    return Splits(train, rows(test // 3, 10**6), rows(test, 2 * 10**6), schema)


def make_student(schema, regularization=1.0):
    encoder = FeatureEncoder(schema, dim=8, l2=0.003 * regularization)
    network = MLP([8], l2=0.003 * regularization, batch_norm=False)
    return Ranker(schema, network, encoder=encoder)


def make_teacher(schema, sees, student):
    encoder = FeatureEncoder(schema, schema.features(sees), dim=8, l2=0.003)
    return Ranker(schema, MLP([8], l2=0.003, batch_norm=False), sees=sees, encoder=encoder)


ARMS = ["base", "self", "shuffled", "zeroed", "distilled"]


def run(data, **settings):
    return audit(
        make_student,
        make_teacher,
        data,
        **{
            "seeds": 2,
            "learning_rate": 0.02,
            "batch_size": 1250,
            "multipliers": (),
            "verbose": 0,
            **settings,
        },
    )


def small(data, **settings):
    return run(data, resamples=20, **settings)


@pytest.fixture(scope="module")
def helpful():
    """Few labels, many rows without one, a small teacher on strong privileged features."""
    return run(simulated(250, 4750), seeds=3, sees="privileged", distillation_weight=0.9, epochs=12)


@pytest.fixture(scope="module")
def useless():
    """The same rows, but the privileged features are noise."""
    return run(simulated(noise_only=True), distillation_weight=0.5, epochs=6)


@pytest.mark.slow
def test_features_that_help_are_said_to(helpful):
    assert helpful.verdict.kind == "helps"
    assert helpful.results.evidence().gain.mean > 0.01


@pytest.mark.slow
def test_features_that_are_noise_are_not(useless):
    assert useless.verdict.kind in ("can't tell", "regularisation only")


@pytest.mark.slow
def test_the_strong_features_are_found_and_the_noise_is_not(helpful):
    strengths = helpful.results.strengths()
    assert next(iter(strengths)) == "all together"
    for name in STRONG:
        assert strengths[name].low > 0.02
    assert abs(strengths["noise"].mean) < 0.01 < strengths["third"].mean


@pytest.mark.slow
def test_no_feature_is_strong_where_all_are_noise(useless):
    for strength in useless.results.strengths().values():
        assert abs(strength.mean) < 0.02


@pytest.mark.slow
def test_all_arms_had_the_same_budget(helpful):
    size = helpful.results.largest
    assert list(size.students) == list(size.steps) == ARMS
    assert list(size.teachers) == ARMS[1:]
    for arm in ARMS:
        # 5,000 rows, with and without a label, in batches of 1,250.
        np.testing.assert_array_equal(size.steps[arm], 4 * size.epochs[arm])
        assert (size.epochs[arm] <= 12).all()
        assert (size.best_epochs[arm] <= size.epochs[arm]).all()
        assert size.students[arm]["auc"].shape == (3, 201)


@pytest.mark.slow
def test_reliability_is_that_of_all_seeds(helpful):
    for frame in helpful.results.largest.reliability.values():
        assert frame["rows"].sum() == 3 * helpful.results.test_rows == 9000
        assert np.corrcoef(frame["predicted"], frame["observed"])[0, 1] > 0.9


class TestPlan:
    """What is trained, with trainings that do nothing."""

    @pytest.fixture
    def trainings(self, monkeypatch):
        done = []

        def untrained(arm, recipe, schema, train, validation, seed, callbacks):
            keras.utils.set_random_seed(seed)
            student = recipe.student(schema)
            teacher = arm.teacher and recipe.teacher(schema, arm.teacher, student)
            rows = [labels.numpy() for _, labels in train]
            ids = [inputs["first"].numpy() for inputs, _ in train]
            done.append((arm.name, seed, recipe, np.concatenate(rows), np.concatenate(ids)))
            for callback in callbacks:
                callback.on_epoch_end(0)
                callback.on_train_end()
            return Trained(student, teacher, losses=(0.7, 0.6, 0.65), steps=3)

        monkeypatch.setattr(arm_trainings, "train", untrained)
        return done

    @pytest.mark.slow
    def test_every_arm_seed_and_size(self, trainings):
        report = small(simulated(100, 300, 300), sizes=(0.5, 1.0))
        plan = [(size, seed, arm) for size in (200, 400) for seed in (0, 1) for arm in ARMS]
        assert [(len(rows), seed, arm) for arm, seed, _, rows, _ in trainings] == plan
        assert [size.labelled for size in report.results.sizes.values()] == [50, 100]
        assert [size.unlabelled for size in report.results.sizes.values()] == [150, 300]
        assert report.results.largest.best_epochs["base"].tolist() == [2, 2]
        assert "several" not in report.to_frame()

    @pytest.mark.slow
    def test_arms_of_a_seed_meet_the_same_rows_in_the_same_order(self, trainings):
        small(simulated(100, 300, 300))
        by_seed = {seed: [t for t in trainings if t[1] == seed] for seed in (0, 1)}
        for ran in by_seed.values():
            for _, _, _, rows, _ in ran:
                np.testing.assert_array_equal(rows, ran[0][3])
        assert not np.array_equal(by_seed[0][0][3], by_seed[1][0][3], equal_nan=True)

    @pytest.mark.slow
    def test_only_controls_are_treated(self, trainings):
        small(simulated(100, 300, 300))
        ids = {arm: ids for arm, seed, _, _, ids in trainings if seed == 0}
        for arm in ("self", "distilled"):
            np.testing.assert_array_equal(ids[arm], ids["base"])
        assert not ids["zeroed"].any()
        assert sorted(ids["shuffled"]) == sorted(ids["base"])
        assert (ids["shuffled"] != ids["base"]).any()

    @pytest.mark.slow
    def test_the_base_is_searched_first_and_all_arms_get_what_is_better(
        self, trainings, monkeypatch
    ):
        def losses(self, setting, progress):
            return {"log_loss": np.full(21, 0.5 if setting.regularization == 3 else 0.6)}

        monkeypatch.setattr(arm_trainings.ArmTrainings, "try_base", losses)
        report = small(simulated(100, 300, 300), multipliers=(0.3, 3.0))
        assert "regularization × 3" in report.warnings[0]
        assert {recipe.student.keywords["regularization"] for _, _, recipe, *_ in trainings} == {3}

    @pytest.mark.slow
    def test_the_search_is_trained_with_one_seed(self, trainings):
        report = small(simulated(100, 300, 300), multipliers=(0.3,))
        assert [(arm, seed) for arm, seed, *_ in trainings[:3]] == [("base", 0)] * 3
        assert len(trainings) == 3 + 2 * 5
        rates = [recipe.learning_rate for _, _, recipe, *_ in trainings[:3]]
        np.testing.assert_allclose(rates, [0.02, 0.006, 0.02])
        assert len(report.results.tuning.tried) == 3

    @pytest.mark.slow
    def test_what_is_measured_is_the_test_metric_of_the_student(self, trainings):
        data = simulated(100, 300, 300)
        found = small(data).results.largest.students["base"]["auc"][1, 0]
        keras.utils.set_random_seed(1)
        schema = data.schema.adapt(data.train, verbose=0)
        student = make_student(schema)
        columns = schema.columns(data.test, schema.user)
        logits = student(schema.served().lookup(columns))
        assert found == pytest.approx(auc(data.test["label"], np.asarray(logits)))

    @pytest.mark.slow
    def test_raw_ids_are_named(self, trainings):
        data = simulated(100, 300, 300)
        report = small(data)
        assert report.results.sparse_ids == ()  # The views are several values a row.
        ids = dataclasses.replace(
            data.schema, user=(*data.schema.user, Categorical("user_id", dtype="int"))
        )
        assert small(dataclasses.replace(data, schema=ids)).results.sparse_ids == ("user_id",)


def few(data):
    """The first 200 rows of every part."""
    parts = ("train", "validation", "test")
    return dataclasses.replace(data, **{part: getattr(data, part).head(200) for part in parts})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "key", "users"),
    [
        # A page a day and user: 60 users see 120 pages on the two test days.
        (datasets.marketplace(users=60, items=40, days=20, shown=4), "user_id", 60),
        (few(datasets.mediator(rows=50, unlabelled=50)), "row", 200),
    ],
    ids=["marketplace", "mediator"],
)
def test_simulated_datasets_are_resampled_by_what_is_independent(data, key, users, monkeypatch):
    def untrained(arm, recipe, schema, train, validation, seed, callbacks):
        student = recipe.student(schema)
        teacher = arm.teacher and recipe.teacher(schema, arm.teacher, student)
        return Trained(student, teacher, losses=(0.7,), steps=1)

    def student(schema):
        return Ranker(schema, MLP([2], batch_norm=False))

    def teacher(schema, sees, student):
        return Ranker(schema, MLP([2], batch_norm=False), sees=sees)

    monkeypatch.setattr(arm_trainings, "train", untrained)
    report = audit(student, teacher, data, 2, multipliers=(), resamples=3, verbose=0)
    assert report.results.test_users == users == data.test[key].nunique()
    if key == "user_id":
        assert data.test[data.schema.list_key].nunique() == 2 * users
    assert np.isfinite(report.results.evidence().gain.mean)


def test_built_in_datasets_can_be_audited():
    for name in ("train", "validation", "test", "schema"):
        assert hasattr(datasets.MovieLens, name)
        assert name in Splits.__dataclass_fields__
