"""Arms: that they differ in nothing but what their teachers see."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss

from tfpfd import MLP, Ranker
from tfpfd.auditing.arms import ARMS, Recipe, arms_of, train
from tfpfd.data.table_rows import TableRows
from tfpfd.schema import Categorical, Numeric, Schema

SCHEMA = Schema(
    user=(Categorical("user", vocabulary=tuple("abcdefgh")),),
    item=(Categorical("item", vocabulary=tuple("ijklmnop")),),
    privileged={
        "cross": (
            Numeric("x", boundaries=tuple(range(1, 8))),
            Numeric("z", boundaries=tuple(range(11, 18))),
        )
    },
    list_key="user",
)
FRAME = pd.DataFrame(
    {
        "user": list("abcdefgh"),
        "item": list("ijklmnop"),
        "x": np.arange(8.0),
        "z": np.arange(10.0, 18.0),
        "label": [0, 1, 0, 1, np.nan, np.nan, 1, 0],
    }
)
NAMES = ["x", "z"]
HIDDEN = SCHEMA.sides["privileged"]


@pytest.fixture
def rows():
    return TableRows.look_up(FRAME, SCHEMA)


class TestTreatments:
    def test_privileged_features_are_permuted_together_and_nothing_else(self, rows):
        shuffled = rows.treated("shuffled", HIDDEN, seed=1)
        for name in ("user", "item"):
            np.testing.assert_array_equal(shuffled.inputs[name], rows.inputs[name])
        np.testing.assert_array_equal(shuffled.labels, rows.labels)
        assert sorted(shuffled.inputs["x"]) == sorted(rows.inputs["x"])
        assert (shuffled.inputs["x"] != rows.inputs["x"]).any()
        # x and z stand in the same order in every row.
        np.testing.assert_array_equal(shuffled.inputs["z"], shuffled.inputs["x"])

    def test_the_seed_decides_the_permutation(self, rows):
        first, again, other = (
            rows.treated("shuffled", HIDDEN, seed).inputs["x"].tolist() for seed in (1, 1, 2)
        )
        assert first == again != other

    def test_zeroed_is_what_a_row_with_missing_values_is_looked_up_as(self, rows):
        optional = Schema(
            user=SCHEMA.user,
            item=SCHEMA.item,
            privileged={"cross": [Numeric(n, boundaries=(1.0,), optional=True) for n in NAMES]},
        )
        missing = FRAME.assign(x=[1.0, *[np.nan] * 7], z=[1.0, *[np.nan] * 7])
        looked_up = optional.lookup(
            {k: v[1:] for k, v in optional.columns(missing, optional.features().values()).items()}
        )
        zeroed = rows.treated("zeroed", HIDDEN)
        for name in NAMES:
            np.testing.assert_array_equal(zeroed.inputs[name][1:], looked_up[name])
        np.testing.assert_array_equal(zeroed.inputs["user"], rows.inputs["user"])

    def test_kept_is_kept(self, rows):
        assert rows.treated("kept", HIDDEN) is rows


class TestShares:
    def test_a_smaller_share_is_part_of_a_larger_one(self, rows):
        users = [set(rows.share(size).inputs["user"].tolist()) for size in (0.5, 0.75, 1.0)]
        assert users[0] < users[1] < users[2] == set(rows.inputs["user"].tolist())

    def test_rows_with_and_without_a_label_keep_their_proportion(self, rows):
        half = rows.share(0.5)
        assert np.isnan(half.labels).sum() == 1
        assert len(half.labels) == 4

    def test_rows_stay_together(self, rows):
        half = rows.share(0.5)
        for place, user in enumerate(half.inputs["user"]):
            (row,) = np.flatnonzero(rows.inputs["user"] == user)
            np.testing.assert_array_equal(half.labels[place], rows.labels[row])
            assert half.inputs["x"][place] == rows.inputs["x"][row]


def test_without_a_seed_the_order_is_kept_and_with_one_it_repeats(rows):
    def users(seed):
        return [inputs["user"].numpy().tolist() for inputs, _ in rows.batches(3, seed)]

    assert np.concatenate(users(None)).tolist() == rows.inputs["user"].tolist()
    assert users(5) == users(5) != users(None)


def test_weights_go_into_the_batches():
    schema = Schema(SCHEMA.user, SCHEMA.item, SCHEMA.privileged, sample_weight="w", list_key="user")
    rows = TableRows.look_up(FRAME.assign(w=np.arange(8.0)), schema)
    half = rows.share(0.5)
    (_, _, weights), *_ = half.batches(8)
    np.testing.assert_array_equal(weights, half.weights)
    assert len(weights) == 4


def test_logits_are_the_rankers(rows):
    ranker = Ranker(SCHEMA, MLP([2], batch_norm=False), sees="all")
    np.testing.assert_allclose(rows.logits(ranker), ranker(rows.inputs), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("sees", ["all", "privileged"])
def test_every_arm_takes_the_same_steps_from_the_same_student(rows, sees):
    starts = []

    def student(schema):
        made = Ranker(schema, MLP([3], batch_norm=False))
        starts.append([np.array(weight) for weight in made.weights])
        return made

    def teacher(schema, sees, student):
        return Ranker(schema, MLP([2], batch_norm=False), sees=sees)

    recipe = Recipe(
        student, teacher, 1e-2, distillation_weight=0.5, warm_up=1, epochs=2, patience=9
    )
    valid = TableRows.look_up(FRAME[FRAME["label"].notna()], SCHEMA).batches(8)
    arms = arms_of(sees)
    for arm in arms:
        treated = rows.treated(arm.treatment, HIDDEN).batches(4, seed=0)
        trained = train(arm, recipe, SCHEMA, treated, valid, seed=3, callbacks=[])
        assert trained.steps == 2 * 2
        assert len(trained.losses) == 2
        assert (trained.teacher is None) == (arm.name == "base")
        assert trained.teacher is None or trained.teacher.sees == arm.teacher
    for start in starts[1:]:
        for weight, first in zip(start, starts[0], strict=True):
            np.testing.assert_array_equal(weight, first)


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_the_best_weights_are_kept_however_training_ends(rows, epochs):
    """Labels of validation that say the contrary make the first epoch the best one."""

    def student(schema):
        return Ranker(schema, MLP([3], batch_norm=False))

    recipe = Recipe(
        student, student, 0.1, distillation_weight=0.5, warm_up=0, epochs=epochs, patience=2
    )
    known = FRAME[FRAME["label"].notna()]
    valid = TableRows.look_up(known.assign(label=1 - known["label"]), SCHEMA)
    (base, *_) = arms_of("all")
    assert base.name == "base"
    batches = rows.treated(base.treatment, HIDDEN).batches(4, seed=0)
    trained = train(base, recipe, SCHEMA, batches, valid.batches(8), seed=3, callbacks=[])
    assert len(trained.losses) == epochs
    assert min(trained.losses) == trained.losses[0]
    probabilities = 1 / (1 + np.exp(-valid.logits(trained.student).astype(np.float64)))
    assert log_loss(valid.labels, probabilities) == pytest.approx(trained.losses[0], rel=1e-4)


def test_the_arms_of_the_demo_are_arms_of_an_audit():
    assert set(ARMS) < set(arms_of("all"))
    assert [arm.name for arm in arms_of("privileged")] == [
        "base",
        "self",
        "shuffled",
        "zeroed",
        "distilled",
    ]
    assert arms_of("privileged")[1].teacher == "served"
