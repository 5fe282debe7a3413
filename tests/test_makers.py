"""Functions that make something: of other arguments, of another kind, or no functions."""

import numpy as np
import pandas as pd
import pytest

import tfpfd
from tfpfd import Categorical, Numeric, Ranker, Schema, TwoTower
from tfpfd._arguments import check_takes
from tfpfd.datasets import Registered, register

SCHEMA = Schema(
    [Categorical("u", vocabulary=("a", "b"))],
    [Categorical("i", vocabulary=("x", "y", "z"))],
    {"cross": [Numeric("p", boundaries=(0.0,))]},
)
ROWS = pd.DataFrame({"u": ["a", "b"] * 3, "i": ["x", "y"] * 3, "label": [1.0, 0.0] * 3})
ITEMS = pd.DataFrame({"i": ["x", "y", "z"]})


def from_positives(make):
    return tfpfd.data.from_positives(ROWS, ITEMS, SCHEMA, user="u", item="i", privileged=make)


def retrained(tmp_path):
    served = SCHEMA.served()
    tfpfd.save_version(tmp_path, Ranker(served, TwoTower([2])))
    return lambda make: tfpfd.retrain(tmp_path, ROWS, make, epochs=1, verbose=0)


USES = {
    "privileged": from_positives,
    "fit": lambda make: tfpfd.out_of_fold(make, lambda rows: rows, ROWS, SCHEMA, folds=2),
    "batches": lambda make: tfpfd.out_of_fold(lambda rows: None, make, ROWS, SCHEMA, folds=2),
    "value": lambda make: tfpfd.search_weights(make, {"a": (0, 1)}),
    "load": lambda make: Registered("shop", make),
    "make_student": lambda make: tfpfd.retrain("nowhere", ROWS, make),
}


@pytest.mark.parametrize("use", USES)
def test_what_can_not_be_called_so(use):
    if use == "value":
        pytest.importorskip("scipy")
    expected = rf"^`{use}` must be a function of \(\w+\) that returns .*, received"
    with pytest.raises(TypeError, match=rf"{expected} 3$"):
        USES[use](3)
    with pytest.raises(TypeError, match=rf"{expected} <lambda>\(\)$"):
        USES[use](lambda: None)
    with pytest.raises(TypeError, match=rf"{expected} <lambda>\(one, other, third\)$"):
        USES[use](lambda one, other, third: None)


def test_what_is_returned(tmp_path):
    with pytest.raises(
        TypeError, match=r"^`privileged\(frame\)` must be a pandas.DataFrame, received"
    ):
        from_positives(lambda frame: np.zeros(len(frame)))
    with pytest.raises(
        TypeError, match=r"^`fit\(rows\)` must return a Keras model, received a Data"
    ):
        USES["fit"](lambda rows: rows)
    with pytest.raises(
        TypeError, match=r"^`make_student\(schema\)` must return a tfpfd.Ranker, received a? ?"
    ):
        retrained(tmp_path)(lambda schema: TwoTower([2]))


def test_arguments_are_bound_as_python_does():
    class Called:
        def __call__(self, schema, size=3):
            return None

    for function in (Called(), lambda *every: None, lambda schema, *, size=3: None, dict.fromkeys):
        check_takes("make", function, "schema", makes="it")
    with pytest.raises(
        TypeError, match=r"^`make` must be .*, received <lambda>\(schema, \*, size\)$"
    ):
        check_takes("make", lambda schema, *, size: None, "schema", makes="it")


def test_no_entry():
    with pytest.raises(TypeError, match=r"^`entry` must be a Registered, received 'shop'$"):
        register("shop")
