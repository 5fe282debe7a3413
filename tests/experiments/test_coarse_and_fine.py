"""The two kinds of tasks: what is learned from, measured, and stands beside."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from experiments.catalogue import CatalogueTask
from experiments.coarse_and_fine import COARSE, FINE, fine_network
from experiments.method_task import exchanged
from experiments.methods import METHODS
from experiments.rows_task import RowsRecipe, RowsTask
from tfpfd._keras import keras
from tfpfd.datasets import MovieLens, marketplace
from tfpfd.demo.catalogue import METRICS, RECENT, WHOLE, LikesTask
from tfpfd.demo.methods import alone
from tfpfd.evaluation import compare_pointwise, compare_retrieval, multiplicities
from tfpfd.layers import TwoTower

USERS, FILMS, RATED = 12, 40, 20


@pytest.fixture(scope="module")
def films():
    """Each user rated 20 of 40 films, one a second; the first half of the films is liked."""
    random = np.random.default_rng(117)  # Everybody likes something in each part.
    film = np.concatenate([random.permutation(FILMS)[:RATED] for _ in range(USERS)])
    ratings = pd.DataFrame(
        {
            "user_id": np.repeat(np.arange(USERS), RATED),
            "film_id": film,
            "rating": np.where(film < FILMS // 2, 5, 2),
            "timestamp": np.tile(np.arange(RATED), USERS),
        }
    )
    users = pd.DataFrame(
        {"user_id": range(USERS), "age": range(20, 20 + USERS), "gender": "F", "occupation": "none"}
    )
    items = pd.DataFrame(
        {
            "film_id": range(FILMS),
            "title": "t",
            "genres": [["Drama"]] * FILMS,
            "release_year": np.arange(1950.0, 1950 + FILMS),
        }
    )
    return MovieLens(users, items, ratings)


def small(recipe, **changes):
    return replace(recipe, drawn=3, dim=4, units=(4,), lists=8, epochs=1, **changes)


@pytest.fixture(scope="module")
def catalogue(films):
    return CatalogueTask.of(films, small(RECENT))


@pytest.fixture(scope="module")
def rows():
    data = marketplace("purchase", users=150, items=40, days=10, verbose=0)
    return RowsTask.of(data, fine_network, RowsRecipe(epochs=1, batch_size=128))


@pytest.fixture(params=["catalogue", "rows"])
def task(request):
    return request.getfixturevalue(request.param)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "first"), [(RECENT, 14), (replace(RECENT, last=0.2), 12), (WHOLE, 0)]
)
def test_students_learn_from_the_last_likes_before_the_test(films, recipe, first):
    """The test begins after 16 of a user's 20 ratings."""
    task = CatalogueTask.of(films, small(recipe))
    rated = films.ratings
    learned = rated[(rated["rating"] == 5) & rated["timestamp"].between(first, 15)]
    assert task.likes == len(learned)
    lists = task.rows.lists["train"]
    np.testing.assert_array_equal(np.sort(lists.users), np.sort(learned["user_id"]))
    assert task.steps == -(-len(learned) // 8)


@pytest.mark.parametrize("last", [0.05, 0.9])
def test_shares_that_the_log_does_not_have_are_refused(last):
    with pytest.raises(ValueError, match=f"`last` must be from .1.* received {last}"):
        replace(RECENT, last=last)


@pytest.mark.slow
def test_rivals_of_a_catalogue_learn_from_the_likes_that_students_learn_from(films):
    """Item-kNN of a few likes scores what was liked together in these alone."""
    recent = CatalogueTask.of(films, small(RECENT))
    found = recent.rivals()
    assert list(found.metrics) == ["popularity", "item_knn", "ease"]
    assert all(set(values) == set(recent.measures.students) for values in found.metrics.values())
    learned = recent.data.pairs("train")
    count = learned["film_id"].value_counts().reindex(range(FILMS), fill_value=0).to_numpy(float)
    expected = recent.rows.asked["test"].measure(
        np.tile(count, (USERS, 1)), METRICS, recent.resamples
    )
    for metric, values in expected.items():
        np.testing.assert_allclose(found.metrics["popularity"][metric], values)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [RECENT, WHOLE])
def test_nothing_that_was_shown_before_the_test_is_drawn(films, recipe):
    """Else a like of the validation would stand in the same training as what isn't liked."""
    lists = CatalogueTask.of(films, small(recipe)).rows.lists["train"]
    found = lists.columns.item.reshape(-1, lists.size)
    before = films.ratings[films.ratings["timestamp"] < 16]
    shown = before.groupby("user_id")["film_id"].apply(set)
    assert all(not shown[user] & set(own[1:]) for user, own in zip(lists.users, found, strict=True))


@pytest.mark.slow
def test_vocabularies_are_those_of_what_is_learned_from(films):
    """Users without likes among the last are as unknown as they are untrained."""
    likes = films.ratings["rating"].where(films.ratings["user_id"] > 2, 2)
    late = films.ratings["timestamp"] >= 14
    some = MovieLens(
        films.users,
        films.items,
        films.ratings.assign(rating=likes.where(late, films.ratings["rating"])),
    )
    known = CatalogueTask.of(some, small(RECENT)).schema.vocabularies["user_id"].vocabulary
    learned = some.ratings.query("rating == 5 and 14 <= timestamp < 16")["user_id"]
    assert sorted(known) == sorted(set(learned))
    assert not {0, 1, 2} & set(known)


@pytest.mark.slow
def test_rivals_of_a_catalogue_are_those_of_the_protocol(films):
    """Every user has likes in the test here, so none is left out of the comparison."""
    whole = CatalogueTask.of(films, small(WHOLE))
    data, users = whole.chosen, whole.rows.asked["test"].users
    assert len(users) == USERS

    def of_users(*names):
        pairs = data.pairs(*names)
        return [pairs.loc[pairs["user_id"] == user, "film_id"].to_numpy() for user in users]

    expected = compare_retrieval(
        of_users("history", "train"),
        of_users("validation"),
        of_users("test"),
        {"base": np.tile(np.arange(FILMS, dtype=float), (USERS, 1))},
        seen=of_users("exposed", "seen"),
    )
    found = whole.rivals()
    assert dict(found.settings) == dict(expected.settings)
    for name, values in expected.rivals.items():
        for metric, one in values.items():
            np.testing.assert_allclose(found.metrics[name][metric], one[0])


@pytest.mark.slow
def test_rivals_of_rows_are_those_of_the_protocol(rows):
    found, data = rows.rivals(), rows.data
    metrics = list(rows.measures.students)
    expected = compare_pointwise(
        data.train,
        data.validation,
        data.test,
        data.schema,
        {"base": np.full(len(data.test), 0.5)},
        item_key="item_id",
        user_key="user_id",
        metrics=metrics,
    )
    assert dict(found.settings) == dict(expected.settings)
    for name, values in expected.rivals.items():
        for metric in metrics:
            assert found.metrics[name][metric][0] == values[metric][0, 0]


@pytest.mark.slow
@pytest.mark.usefixtures("_eager")
def test_a_method_is_trained_and_measured(task):
    keras.utils.set_random_seed(0)
    model = METHODS["PFD"](task.parts(distillation_weight=0.25))
    assert model.distillation_weight.distillation_weight == 0.25
    before = [weight.numpy() for weight in model.student.trainable_weights]
    epochs = []
    count = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(epoch))
    task.fit(model, seed=0, callbacks=[count])
    assert epochs == [0]
    assert any(
        (weight.numpy() != old).any()
        for weight, old in zip(model.student.trainable_weights, before, strict=True)
    )
    student, teacher = task.evaluate(model.student), task.evaluate_teacher(model.teacher)
    assert set(student) == set(task.measures.students)
    assert set(teacher) == set(task.measures.teachers)
    for values in (*student.values(), *teacher.values()):
        np.testing.assert_equal(values.shape, (201,))


def test_students_of_a_catalogue_have_two_towers(catalogue):
    parts = catalogue.parts()
    assert isinstance(parts.student.network, TwoTower)
    assert not isinstance(parts.teacher("all").network, TwoTower)


def test_users_are_the_same_for_students_and_rivals(catalogue):
    users = len(catalogue.rows.asked["test"].users)
    np.testing.assert_array_equal(catalogue.resamples, multiplicities(users, 200))


def privileged(task):
    """The columns of the privileged features of training."""
    if isinstance(task, RowsTask):
        return {name: task.train.inputs[name] for name in task.privileged}
    inputs = task.rows.lists["train"].columns.of_rows[0]
    return {name: inputs[name] for name in task.rows.privileged}


def test_a_task_at_full_strength_is_itself_and_a_weaker_one_exchanges(task):
    own, whole, weak = (privileged(t) for t in (task, task.weakened(1.0, 0), task.weakened(0.0, 0)))
    for name, column in own.items():
        np.testing.assert_array_equal(whole[name], column)
        np.testing.assert_array_equal(np.sort(weak[name], axis=0), np.sort(column, axis=0))
    assert any((weak[name] != column).any() for name, column in own.items())
    other, again = privileged(task.weakened(0.5, 1)), privileged(task.weakened(0.5, 1))
    for name, column in other.items():
        np.testing.assert_array_equal(again[name], column)


@pytest.mark.parametrize(("strength", "own"), [(0.0, 0), (0.25, 25_000), (1.0, 100_000)])
def test_a_share_of_rows_keeps_its_features_and_those_of_a_row_stay_together(strength, own):
    inputs = {name: np.arange(100_000) for name in ("age", "dwell", "seen")}
    found = exchanged(inputs, ["dwell", "seen"], strength, np.random.default_rng(3))
    np.testing.assert_array_equal(found["dwell"], found["seen"])
    np.testing.assert_array_equal(np.sort(found["dwell"]), inputs["dwell"])
    np.testing.assert_array_equal(found["age"], inputs["age"])
    # Binomial, and one row in 100,000 that is exchanged with itself.
    assert (found["dwell"] == inputs["dwell"]).sum() == pytest.approx(own, abs=600)


def test_every_source_says_what_is_measured():
    for source in (*COARSE.values(), *FINE.values()):
        assert set(source.kind.measures.drawn) <= set(source.kind.measures.students)
        assert source.kind.measures.primary == source.kind.measures.drawn[0]
        assert 0 < source.recipe.distillation_weight < 1


@pytest.mark.slow
def test_a_catalogue_is_ranked_without_privileged_features_of_the_test(films, catalogue):
    served = LikesTask.of(films, catalogue.recipe)
    assert served.rows.lists["test"].columns.of_rows[0] == {}
    student = alone(catalogue.parts())
    found, expected = served.evaluate(student), catalogue.evaluate(student)
    for metric, values in expected.items():
        np.testing.assert_array_equal(found[metric], values)
