"""The examples in the docstrings of what users call first run, and give what they show."""

import doctest

import pytest

import tfpfd
from tfpfd.auditing import arm_trainings
from tfpfd.auditing.arms import Trained

pytestmark = pytest.mark.slow

SHOWN = [
    tfpfd.Schema,
    tfpfd.Categorical,
    tfpfd.Numeric,
    tfpfd.Vector,
    tfpfd.Behaviour,
    tfpfd.layers.set_vectors,
    tfpfd.Ranker,
    tfpfd.Distillation,
    tfpfd.data.from_rows,
    tfpfd.audit,
    tfpfd.export,
]


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown.__name__)
def test_its_example(shown, monkeypatch):
    def untrained(arm, recipe, schema, train, validation, seed, callbacks):
        student = recipe.student(schema)
        teacher = arm.teacher and recipe.teacher(schema, arm.teacher, student)
        return Trained(student, teacher, losses=(0.7, 0.6), steps=2)

    # What an audit trains is tested elsewhere, and takes minutes.
    monkeypatch.setattr(arm_trainings, "train", untrained)
    module = __import__(shown.__module__, fromlist=["_"])
    (example,) = doctest.DocTestFinder(recurse=False).find(
        shown, name=shown.__name__, globs=dict(vars(module))
    )
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0
