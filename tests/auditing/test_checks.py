"""What an audit refuses, before anything is trained."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from tfpfd import MLP, Categorical, Numeric, Ranker, Schema, Splits, audit

SCHEMA = Schema(
    user=(Categorical("user_id"),),
    item=(Categorical("item_id"),),
    privileged={"cross": (Numeric("affinity", buckets=2),)},
    list_key="user_id",
)


def frame(rows=12):
    return pd.DataFrame(
        {
            "user_id": [f"u{row % 3}" for row in range(rows)],
            "item_id": [f"i{row % 4}" for row in range(rows)],
            "affinity": np.linspace(0, 1, rows),
            "label": [float(row % 2) for row in range(rows)],
        }
    )


PARTS = ("train", "validation", "test")
DATA = Splits(frame(), frame(), frame(), SCHEMA)


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
        ({"multipliers": (0.3, 1.0)}, "`multipliers` must be above 0 and other than 1"),
        ({"multipliers": (-0.3,)}, "`multipliers` must be above 0 and other than 1"),
        ({"epochs": 0}, "`epochs` must be an integer of at least 1, received 0"),
        ({"patience": 1.5}, "`patience` must be an integer of at least 0, received 1.5"),
        ({"batch_size": "256"}, "`batch_size` must be an integer of at least 1, received '256'"),
        ({"warm_up": 5, "epochs": 5}, "`warm_up` must be below `epochs`.*received 5 of 5"),
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
            r"`data.train` misses the columns \['person'\].*schema or `user_key`",
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
        with pytest.raises(
            TypeError, match=r"`make_teacher` must be a function.*received a NoneType"
        ):
            audit(make_student, None, DATA, verbose=0)

    def test_no_ranker(self):
        with pytest.raises(TypeError, match=r"`make_student\(schema\)` must return a tfpfd.Ranker"):
            audit(lambda schema: None, make_teacher, DATA, verbose=0)
        with pytest.raises(TypeError, match=r"`make_teacher\(.*\)` must return a tfpfd.Ranker"):
            audit(make_student, lambda *_: "teacher", DATA, verbose=0)
