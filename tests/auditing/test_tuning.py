import numpy as np
import pytest

from tfpfd.auditing.arms import Recipe
from tfpfd.auditing.tuning import GIVEN, Setting, search, settings_for

FASTER, SLOWER = Setting(learning_rate=3.0), Setting(learning_rate=0.3)


def losses(mean, noise=0.0):
    """Log loss on the validation rows and on 50 resamples of their users."""
    return mean + np.random.default_rng(0).normal(0, 0.05, 51) + noise * np.sin(np.arange(51))


def test_settings_differ_from_the_given_one_in_one_thing():
    def without(schema):
        raise AssertionError

    def with_it(schema, regularization=1.0):
        raise AssertionError

    assert settings_for(without, (0.3, 3.0)) == [GIVEN, SLOWER, FASTER]
    assert settings_for(with_it, (3.0,)) == [GIVEN, FASTER, Setting(regularization=3.0)]
    assert settings_for(with_it, ()) == [GIVEN]


def test_a_setting_that_is_better_beyond_doubt_is_taken():
    found = {GIVEN: losses(0.6), SLOWER: losses(0.5), FASTER: losses(0.4)}
    tuning = search(list(found), found.__getitem__)
    assert tuning.chosen == FASTER
    assert [tried.setting for tried in tuning.tried] == [GIVEN, SLOWER, FASTER]
    assert tuning.tried[2].difference.mean == pytest.approx(-0.2)
    (warning,) = tuning.warnings
    assert "learning rate × 3 changes its validation log loss by -.2000" in warning


def test_a_setting_that_is_better_by_luck_is_not():
    found = {GIVEN: losses(0.6), FASTER: losses(0.55, noise=0.2)}
    tuning = search(list(found), found.__getitem__)
    assert tuning.chosen == GIVEN
    assert tuning.warnings == []


def test_no_search_trains_nothing():
    def never(setting):
        raise AssertionError

    assert search([GIVEN], never).tried == ()


def test_a_setting_changes_the_recipe():
    def student(schema, regularization=1.0):
        return schema, regularization

    recipe = Recipe(student, None, 0.01, distillation_weight=0.5, warm_up=1, epochs=2, patience=1)
    assert FASTER.applied(recipe).learning_rate == pytest.approx(0.03)
    assert FASTER.applied(recipe).student("s") == ("s", 1.0)
    assert Setting(regularization=0.3).applied(recipe).student("s") == ("s", 0.3)
    assert GIVEN.applied(recipe) == recipe


def test_names():
    assert str(GIVEN) == "as given"
    assert str(Setting(3.0, 0.3)) == "learning rate × 3, regularization × 0.3"
