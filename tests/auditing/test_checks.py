"""What an audit refuses, before anything is trained."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from tfpfd import MLP, Categorical, Numeric, Ranker, Schema, Sequence, Splits, audit

SCHEMA = Schema(
    user=(Categorical("user_id"),),
    item=(Categorical("item_id"),),
    privileged={"cross": (Numeric("affinity", buckets=2),)},
    list_key="user_id",
)


def frame(rows=12, seed=0):
    return pd.DataFrame(
        {
            "user_id": [f"u{row % 3}" for row in range(rows)],
            "item_id": [f"i{row % 4}" for row in range(rows)],
            "affinity": np.random.default_rng(seed).random(rows),
            "label": [float(row % 2) for row in range(rows)],
        }
    )


PARTS = ("train", "validation", "test")
DATA = Splits(frame(), frame(seed=1), frame(seed=2), SCHEMA)


def make_student(schema):
    return Ranker(schema, MLP([2], batch_norm=False))


def make_teacher(schema, sees, student):
    return Ranker(schema, MLP([2], batch_norm=False), sees=sees)


@pytest.fixture(autouse=True)
def _nothing_is_trained(monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("trained")

    monkeypatch.setattr(Ranker, "fit", fail)


def with_(**changed):
    return dataclasses.replace(DATA, **changed)


def test_what_is_right_is_trained():
    with pytest.raises(AssertionError, match="trained"):
        audit(make_student, make_teacher, DATA, seeds=2, verbose=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seeds": 1}, "`seeds` must be an integer of at least 2.*received 1"),
        ({"seeds": 2.5}, "`seeds` must be an integer of at least 2.*received 2.5"),
        ({"metric": "ndcg"}, r"`metric` must be one of \['auc', 'group_auc', 'log_loss'\].*'ndcg'"),
        ({"metric": "ece"}, "`metric` must be one of .*received 'ece'"),
        ({"sizes": ()}, r"`sizes` must be ascending shares in \(0, 1\], received \(\)"),
        ({"sizes": (1.0, 0.5)}, "`sizes` must be ascending"),
        ({"sizes": (0.0, 1.0)}, "`sizes` must be ascending"),
        ({"sizes": (0.5, 1.5)}, "`sizes` must be ascending"),
        ({"sees": "served"}, "`sees` must be 'all' or 'privileged', received 'served'"),
        ({"multipliers": (0.3, 1.0)}, "`multipliers` must be numbers above 0 and other than 1"),
        ({"sizes": 0.5}, r"`sizes` must be ascending shares in \(0, 1\], received 0.5"),
        ({"sizes": "1"}, "`sizes` must be ascending shares.*received '1'"),
        ({"multipliers": None}, "`multipliers` must be numbers above 0.*received None"),
        ({"multipliers": 3.0}, "`multipliers` must be numbers above 0.*received 3.0"),
        ({"multipliers": (np.nan,)}, r"`multipliers` must be numbers above 0.*received \(nan,\)"),
        ({"learning_rate": -1}, "`learning_rate` must be above 0, received -1"),
        (
            {"distillation_weight": 1.5},
            "`distillation_weight` must be a finite number from 0 to 1, received 1.5",
        ),
        ({"resamples": 0}, "`resamples` must be an integer of at least 1, received 0"),
        ({"multipliers": (-0.3,)}, "`multipliers` must be numbers above 0 and other than 1"),
        ({"epochs": 0}, "`epochs` must be an integer of at least 1, received 0"),
        ({"patience": 1.5}, "`patience` must be an integer of at least 0, received 1.5"),
        ({"batch_size": "256"}, "`batch_size` must be an integer of at least 1, received '256'"),
        (
            {"warm_up": 5, "epochs": 5},
            "`epochs` must be more than those of `warm_up`.*received 5 with 5",
        ),
    ],
)
def test_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        audit(make_student, make_teacher, DATA, verbose=0, **arguments)


def test_a_frame_is_no_data():
    with pytest.raises(TypeError, match=r"frames `train`.*received a DataFrame without"):
        audit(make_student, make_teacher, frame(), verbose=0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (with_(schema=SCHEMA.served()), "`data.schema` has no privileged features"),
        (
            with_(schema=dataclasses.replace(SCHEMA, list_key=None)),
            "`data` has no `user_key`, and `data.schema` no `list_key`: expected the column of the",
        ),
        (
            with_(schema=dataclasses.replace(SCHEMA, list_key="session")),
            r"`data.train` misses the columns \['session'\]",
        ),
        (
            with_(user_key="person"),
            r"`data.train` misses the columns \['person'\].*schema, `user_key` or `item_key` names",
        ),
        (
            with_(user_key="person", **dict.fromkeys(PARTS, frame().assign(person=np.nan))),
            r"`data.train` must hold a user id \('person'\) in every row, received 12 missing",
        ),
        (
            with_(test=frame().drop(columns="affinity")),
            r"`data.test` misses the columns \['affinity'\]",
        ),
        (
            with_(test=frame().assign(user_id=[None, *["u1"] * 11])),
            r"`data.test` must hold a user id \('user_id'\) in every row, received 1 missing",
        ),
        (
            with_(validation=frame().assign(label=[np.nan, *[1.0] * 11])),
            r"`data.validation` must have a label \('label'\) in every row, received 1 without",
        ),
        (
            with_(test=frame().assign(label=1.0)),
            r"`data.test` must have the labels 0 and 1 in column 'label', received \[1.0\]",
        ),
        (
            with_(train=frame().assign(label=[0.0, *[np.nan] * 11])),
            r"`data.train` must have two or more different labels in column 'label', received",
        ),
    ],
)
def test_data(data, message):
    with pytest.raises(ValueError, match=message):
        audit(make_student, make_teacher, data, verbose=0)


def with_lists(seed):
    return frame(seed=seed).assign(history=[np.array(["i1"] * (row % 2)) for row in range(12)])


LISTS = dataclasses.replace(SCHEMA, user=(*SCHEMA.user, Sequence("history", of="item_id")))


class TestTheSameRowsTwice:
    @pytest.mark.parametrize(
        ("first", "second"), [("validation", "test"), ("train", "test"), ("train", "validation")]
    )
    def test_one_frame_for_two_parts(self, first, second):
        one = getattr(DATA, first)
        message = f"`data.{first}` and `data.{second}` must hold different rows, received the same"
        # Itself, a copy, its rows in another order.
        for other in (one, one.copy(), one[::-1]):
            with pytest.raises(ValueError, match=f"{message} 12 rows in both"):
                audit(make_student, make_teacher, with_(**{second: other}), verbose=0)

    def test_rows_with_histories(self):
        data = Splits(with_lists(0), with_lists(1), with_lists(1), LISTS)
        with pytest.raises(ValueError, match=r"`data.validation` and `data.test` must hold"):
            audit(make_student, make_teacher, data, verbose=0)

    def test_most_rows(self):
        with_new = pd.concat([DATA.validation[:8], DATA.test[8:]], ignore_index=True)
        warned = r"`data.validation` and `data.test` should hold different rows: 67% of the rows"
        with (
            pytest.raises(AssertionError, match="trained"),
            pytest.warns(UserWarning, match=warned),
        ):
            audit(make_student, make_teacher, with_(test=with_new), seeds=2, verbose=0)

    def test_rows_may_repeat(self, recwarn):
        """Of few different values, which stand in every part, as ids without a moment do."""
        few = frame(48).assign(
            affinity=[0.0, 1.0] * 24, label=[float(n % 5 == 0) for n in range(48)]
        )
        parts = {"train": few, "validation": few[1:], "test": few[2:]}
        with pytest.raises(AssertionError, match="trained"):
            audit(make_student, make_teacher, with_(**parts), seeds=2, verbose=0)
        assert not [one for one in recwarn if "different rows" in str(one.message)]


class TestConstruction:
    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"train": [1, 2]}, r"`train` must be a pandas.DataFrame, received \[1, 2\]"),
            (
                {"test": "test.parquet"},
                "`test` must be a pandas.DataFrame, received 'test.parquet'",
            ),
            ({"validation": None}, "`validation` must be a pandas.DataFrame, received None"),
            ({"schema": frame()}, "`schema` must be a tfpfd.Schema, received a DataFrame"),
            ({"user_key": 3}, "`user_key` must be the name of a column, received 3"),
            ({"item_key": ""}, "`item_key` must be the name of a column, received ''"),
        ],
    )
    def test_of_rows(self, changed, message):
        with pytest.raises(TypeError, match=message):
            with_(**changed)

    def test_an_item_key_that_is_no_column(self):
        with pytest.raises(ValueError, match=r"`data.train` misses the columns \['shelf'\]"):
            audit(make_student, make_teacher, with_(item_key="shelf"), verbose=0)


class TestMakers:
    def test_a_teacher_that_sees_other_features(self):
        def always_all(schema, sees, student):
            return Ranker(schema, MLP([2], batch_norm=False), sees="all")

        message = (
            r"`make_teacher\(schema, 'served', student\)` must return a ranker with sees='served', "
            "received one with sees='all'"
        )
        with pytest.raises(ValueError, match=message):
            audit(make_student, always_all, DATA, verbose=0)

    def test_a_student_that_sees_privileged_features(self):
        def cheat(schema):
            return Ranker(schema, MLP([2], batch_norm=False), sees="all")

        with pytest.raises(ValueError, match=r"`make_student\(schema\)` must .* sees='served'"):
            audit(cheat, make_teacher, DATA, verbose=0)

    def test_the_student_as_its_own_teacher(self):
        def same(schema, sees, student):
            return student

        with pytest.raises(ValueError, match="must return another ranker than `student`"):
            audit(make_student, same, DATA, verbose=0)

    def test_no_function(self):
        with pytest.raises(TypeError, match=r"`make_teacher` must be a function.*received None"):
            audit(make_student, None, DATA, verbose=0)

    def test_other_arguments(self):
        expected = r"`make_student` must be a function of \(schema\) that returns a tfpfd.Ranker"
        with pytest.raises(TypeError, match=rf"{expected}, received <lambda>\(\)"):
            audit(lambda: None, make_teacher, DATA, verbose=0)
        with pytest.raises(TypeError, match=rf"{expected}, received Ranker\(schema, network, "):
            audit(Ranker, make_teacher, DATA, verbose=0)
        expected = r"`make_teacher` must be a function of \(schema, sees, student\)"
        with pytest.raises(TypeError, match=rf"{expected}.*received make_student\(schema\)"):
            audit(make_student, make_student, DATA, verbose=0)

    def test_a_network(self):
        with pytest.raises(TypeError, match=r"`make_student` must be a function.*received '<"):
            audit(MLP([2]), make_teacher, DATA, verbose=0)

    def test_swapped(self):
        with pytest.raises(TypeError, match=r"`make_student` must be a function of \(schema\)"):
            audit(make_teacher, make_student, DATA, verbose=0)

    def test_no_ranker(self):
        with pytest.raises(TypeError, match=r"`make_student\(schema\)` must return a tfpfd.Ranker"):
            audit(lambda schema: None, make_teacher, DATA, verbose=0)
        with pytest.raises(TypeError, match=r"`make_teacher\(.*\)` must return a tfpfd.Ranker"):
            audit(make_student, lambda *_: "teacher", DATA, verbose=0)
