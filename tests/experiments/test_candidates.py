"""Unexposed candidates beside labelled rows, and what students are tested on."""

import numpy as np
import pandas as pd
import pytest

from tfpfd._keras import keras
from tfpfd.auditing.arms import BASE, train
from tfpfd.datasets import marketplace
from tfpfd.experiments.candidates import KS, CandidateTask, with_unexposed
from tfpfd.experiments.unexposed import SOURCES, Unexposed

KEYS = SOURCES["marketplace"].keys


@pytest.fixture(scope="module")
def market():
    return marketplace("click", users=30, items=60, days=10, shown=4, verbose=0)


def test_unexposed_candidates_were_not_shown_and_have_the_features_of_the_moment(market):
    labelled = market.train.iloc[::7]
    rows = with_unexposed(market, labelled, 2, KEYS)
    pd.testing.assert_frame_equal(
        rows.iloc[: len(labelled)], labelled.reset_index(drop=True), check_dtype=False
    )
    added = rows.iloc[len(labelled) :]
    assert len(added) == 2 * len(labelled)
    assert added["clicked"].isna().all()
    for name in ("user_id", "day"):
        np.testing.assert_array_equal(added[name], np.repeat(labelled[name], 2))
    shown = set(zip(*market.exposed_until_training.to_numpy().T, strict=True))
    assert not shown & set(zip(added["user_id"], added["item_id"], strict=True))
    found = market.features(added[["user_id", "item_id", "day"]])
    cross = list(market.schema.features("privileged"))
    np.testing.assert_array_equal(added[cross], found[cross])
    assert with_unexposed(market, labelled, 0, KEYS) is labelled


@pytest.mark.parametrize("whole_catalogue", [True, False])
def test_students_are_tested_on_shown_rows_and_on_the_whole_catalogue(market, whole_catalogue):
    keras.utils.set_random_seed(0)
    task = CandidateTask.prepare(market, KEYS, batch_size=32, share=0.5, per_row=1)
    student = SOURCES["marketplace"].recipe.student(task.schema)
    metrics = task.evaluate(student, whole_catalogue)
    assert {"auc", "group_auc", "log_loss", "ece"} <= set(metrics)
    assert set(KS) & set(metrics) == (set(KS) if whole_catalogue else set())
    users = market.test["user_id"].nunique()
    assert task.resamples.shape[1] == users
    assert all(len(values) == len(task.resamples) for values in metrics.values())


def test_a_perfect_student_finds_every_click_in_the_catalogue(market, monkeypatch):
    """Scores that are the clicks themselves: NDCG is 1, and recall is all of what wasn't shown."""
    task = CandidateTask.prepare(market, KEYS, batch_size=32, share=0.5, per_row=1)
    original = CandidateTask._catalogue

    def perfect(self, student):
        scores, relevant, shown = original(self, student)
        assert scores.shape == relevant.shape == shown.shape
        assert relevant.sum() == len(
            market.test.query("clicked == 1")[["user_id", "item_id"]].drop_duplicates()
        )
        return relevant.astype(float), relevant, np.zeros_like(shown)

    monkeypatch.setattr(CandidateTask, "_catalogue", perfect)
    found = task.evaluate(SOURCES["marketplace"].recipe.student(task.schema), True)
    assert found["ndcg@10"][0] == found["recall@50"][0] == 1


@pytest.mark.usefixtures("_eager")
def test_a_cell_trains_an_arm_on_its_rows(market, monkeypatch):
    asked = []

    def short(arm, recipe, schema, rows, validation, seed, callbacks):
        asked.append((arm.name, seed, next(iter(rows))[1].shape[0]))
        return train(BASE, recipe, schema, rows.take(1), validation, seed, callbacks)

    monkeypatch.setattr("tfpfd.experiments.unexposed.train", short)
    experiment = Unexposed("marketplace")
    experiment._data = market
    found = experiment.run({"labels": 0.25, "per_row": 1, "method": "LUPI", "seed": 3})
    assert asked == [("LUPI", 3, min(2 * 256, 2 * round(0.25 * len(market.train))))]
    assert set(found) == set(experiment.metrics)
