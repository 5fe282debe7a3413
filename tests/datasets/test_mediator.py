import re

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

import tfpfd
from tfpfd.datasets import mediator
from tfpfd.datasets.mediator import MEDIATOR_FEATURES, NUM_FEATURES, RELEVANT

SERVED = [f"x_{number:02d}" for number in range(NUM_FEATURES)]
PRIVILEGED = list(MEDIATOR_FEATURES)


def test_same_seed_same_rows():
    one, other, different = (mediator(30, 20, seed=seed) for seed in (1, 1, 2))

    for part in ("train", "validation", "test"):
        pd.testing.assert_frame_equal(getattr(one, part), getattr(other, part))
        assert not getattr(one, part).equals(getattr(different, part))


def test_parts_have_the_rows_asked_for():
    data = mediator(30, 20)

    assert data.train["label"].notna().tolist() == [True] * 30 + [False] * 20
    assert len(data.validation) == 1_000 and len(data.test) == 10_000
    assert (data.train.drop(columns="label").notna()).all(axis=None)
    assert not mediator(30, 0).train["label"].isna().any()


def test_arguments_move_only_what_they_are_about():
    base = mediator(30, 20)
    weaker, larger = mediator(30, 20, strength=0.5), mediator(30, 40)

    pd.testing.assert_frame_equal(weaker.train[[*SERVED, "label"]], base.train[[*SERVED, "label"]])
    pd.testing.assert_frame_equal(larger.train.head(30), base.train.head(30))
    pd.testing.assert_frame_equal(larger.test, base.test)


def auc(data, columns, train=None):
    train = data.test if train is None else train
    fitted = LogisticRegression(max_iter=1000).fit(train[columns], train["label"])
    return roc_auc_score(data.test["label"], fitted.decision_function(data.test[columns]))


@pytest.mark.slow
def test_strength_is_what_the_privileged_features_know():
    by_strength = {strength: mediator(strength=strength) for strength in (0.0, 0.3, 1.0)}
    known = [auc(data, PRIVILEGED) for data in by_strength.values()]

    # Three numbers of noise, fitted on the 10,000 rows they are tested on.
    assert known[0] < 0.52
    assert known[0] + 0.1 < known[1] < known[2] - 0.02
    # Without strength they are independent of the label and of what causes it.
    noise = by_strength[0.0].test
    among = np.corrcoef(noise[PRIVILEGED + SERVED + ["label"]].to_numpy().T)[:3, 3:]
    # 183 correlations of 10,000 rows, each about N(0, 1/10,000) by chance.
    assert np.abs(among).max() < 4.5 / np.sqrt(10_000)


@pytest.mark.slow
def test_label_depends_on_the_features_through_the_mediator():
    data = mediator(seed=3)
    label = data.test["label"]

    assert 0.45 < label.mean() < 0.55
    # Only the first twelve features tell of the label.
    correlation = data.test[SERVED].corrwith(label).to_numpy()
    assert np.abs(correlation[RELEVANT:]).max() < 4.5 / np.sqrt(10_000)
    assert auc(data, SERVED[RELEVANT:]) < 0.55 < 0.85 < auc(data, SERVED[:RELEVANT])
    # From few rows 3 readings of the mediator are the easier way, 60 features the harder.
    few = data.train[data.train["label"].notna()]
    assert auc(data, SERVED, few) + 0.03 < auc(data, PRIVILEGED, few)


def test_a_two_tower_student_learns_from_unlabelled_rows():
    data = mediator(100, 300)
    schema = data.schema.adapt(data.train, verbose=0)
    student = tfpfd.Ranker(schema, tfpfd.TwoTower([4]))
    teacher = tfpfd.Ranker(schema, tfpfd.MLP([4]), sees="privileged")
    model = tfpfd.Distillation(student=student, teacher=teacher)
    model.compile("sgd", run_eagerly=True)  # Few steps: a graph takes longer.
    rows = tfpfd.data.from_rows(data.train, schema, batch_size=200)
    history = model.fit(rows, epochs=1, verbose=0).history

    assert np.isfinite(history["distillation_loss"]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": 0}, "`rows` must be an integer of at least 1, received 0"),
        ({"unlabelled": -1}, "`unlabelled` must be an integer of at least 0, received -1"),
        ({"strength": -0.1}, "`strength` must be a finite number from 0 on, received -0.1"),
        ({"strength": "1"}, "`strength` must be a finite number from 0 on, received '1'"),
        ({"seed": 1.0}, "`seed` must be an integer of at least 0, received 1.0"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        mediator(**arguments)
