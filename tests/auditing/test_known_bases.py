"""Audits of bases that are known to be too weak, or good enough, on simulated and real data."""

import dataclasses

import pandas as pd
import pytest
import tensorflow as tf

from tfpfd import MLP, FeatureEncoder, Ranker, Splits, TwoTower, audit, datasets
from tfpfd._keras import keras
from tfpfd.auditing import arm_trainings
from tfpfd.auditing.arms import Trained

pytestmark = [pytest.mark.slow, pytest.mark.long]


def make_student(schema):
    encoder = FeatureEncoder(schema, dim=8, l2=1e-4)
    return Ranker(schema, TwoTower([16], batch_norm=False), encoder=encoder)


def make_teacher(schema, sees, student):
    encoder = FeatureEncoder(schema, schema.features(sees), dim=8, l2=1e-4)
    return Ranker(schema, MLP([16], batch_norm=False), sees=sees, encoder=encoder)


def run(data, student=make_student, **settings):
    budget = {"seeds": 2, "multipliers": (), "resamples": 100, "verbose": 0}
    return audit(student, make_teacher, data, **{**budget, **settings})


@pytest.fixture
def _eagerly():
    """A step is traced for longer than a few would run."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.usefixtures("_eagerly")
class TestMarketplace:
    """Most of the catalogue was never shown to a user, so popularity is hard to beat."""

    @pytest.fixture(scope="class")
    def clicks(self):
        simulated = datasets.marketplace(
            "click", users=300, items=1000, days=10, shown=8, verbose=0
        )
        return simulated.catalogue(drawn=5)

    def test_a_base_that_hardly_learned_is_below_popularity(self, clicks):
        report = run(clicks, learning_rate=1e-5, epochs=1, warm_up=0, batch_size=9999)
        lines = str(report).splitlines()
        assert lines[0].startswith("Your base is below popularity: fix that first (recall@50 .0")
        assert lines[1] == report.verdict.on_features
        assert report.verdict.kind in ("can't tell", "regularisation only")

    def test_one_that_learned_is_not(self, clicks):
        report = run(clicks, learning_rate=5e-3, epochs=2)
        assert report.verdict.on_base == ""
        assert "fix that first" not in str(report)
        assert report.verdict.kind != "hurts"
        # What the teacher rests on is real, whatever it gives the student.
        assert report.results.strengths()["all together"].mean > 0.05


@pytest.mark.usefixtures("_eagerly")
def test_likes_of_the_training_part_alone_are_too_few(movielens):
    """EASE and item-kNN know the likes before it, too: four times as many."""
    likes = movielens.catalogue(since=0.5, drawn=5)
    every = pd.concat([movielens.catalogue().pairs("train"), likes.pairs("train")])
    likes = dataclasses.replace(likes, history=every.drop_duplicates(keep=False))
    names = ("train", "validation", "test", "exposed", "seen", "history")
    frames = {name: getattr(likes, name) for name in names}
    some = {
        name: rows[(rows["user_id"] % 5 == 0) & (rows["film_id"] < 600)]
        for name, rows in frames.items()
    }
    items = likes.items[likes.items["film_id"] < 600]
    data = dataclasses.replace(likes, **some, items=items)
    report = run(data, learning_rate=4e-3, epochs=2, metric="ndcg@20", batch_size=2048)
    said = report.verdict.sentence
    assert said.startswith(("Your base is below EASE: fix", "Your base is below item-kNN: fix"))
    assert "NDCG@20" in report.verdict.on_features


class TestRows:
    """Of MovieLens' rows a user's and a film's mean say most of what can be said."""

    @pytest.fixture(autouse=True)
    def _only_base(self, monkeypatch):
        """What other arms would give isn't looked at."""
        train = arm_trainings.train

        def base_alone(arm, recipe, schema, *others):
            if arm.name == "base":
                return train(arm, recipe, schema, *others)
            keras.utils.set_random_seed(0)
            student = recipe.student(schema)
            teacher = recipe.teacher(schema, arm.teacher, student)
            return Trained(student, teacher, losses=(0.7,), steps=0)

        monkeypatch.setattr(arm_trainings, "train", base_alone)

    @pytest.fixture
    def rows(self, movielens):
        return Splits(movielens.train, movielens.validation, movielens.test, movielens.schema)

    def test_two_towers_that_hardly_learned_are_below_the_bias_model(self, rows):
        report = run(rows, learning_rate=1e-4, epochs=1, warm_up=0)
        said = report.verdict.sentence
        assert said.startswith("Your base is below the bias model: fix that first (auc .")

    def test_a_sum_of_what_each_feature_says_is_not(self, rows, linear):
        def additive(schema):
            return Ranker(schema, linear(), encoder=FeatureEncoder(schema, dim=4, l2=0.003))

        report = run(rows, additive, learning_rate=4e-3, epochs=3, batch_size=256)
        assert report.verdict.on_base == ""
        assert "fix that first" not in str(report)
