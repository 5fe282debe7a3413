"""Numbers that are none, strings for truth values, and what NumPy has in their place."""

import numpy as np
import pytest

import tfpfd
from tfpfd import MLP, Categorical, Distillation, Ranker, Schema, TwoTower, WarmUp
from tfpfd.data import from_rows
from tfpfd.layers import FeatureEncoder
from tfpfd.optimizers import RowWiseAdagrad

SCHEMA = Schema(
    [Categorical("u", vocabulary=("a", "b"))],
    [Categorical("i", vocabulary=("x", "y"))],
    {"cross": [Categorical("p", vocabulary=("s",))]},
)
ROWS = {"u": ["a", "b"], "i": ["x", "y"], "p": ["s", "s"], "label": [1.0, 0.0]}


def student():
    return Ranker(SCHEMA, TwoTower([2]))


def taught(**settings):
    return Distillation(student=student(), teacher=Ranker(SCHEMA, MLP([2]), sees="all"), **settings)


NUMBERS = {
    "scale": lambda value: TwoTower([2], scale=value),
    "l2": lambda value: FeatureEncoder(SCHEMA, l2=value),
    "learning_rate": lambda value: RowWiseAdagrad(value),
    "task_weight": lambda value: tfpfd.AuxiliaryTasks(student(), task_weight=value),
    "temperature": lambda value: tfpfd.losses.SoftCrossEntropy(value),
}


ABOVE_0 = ["scale", "temperature"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -1, "2", None, True])
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers(name, value):
    if (name, value) == ("learning_rate", "2"):
        pytest.skip("Keras speaks of it")
    if name == "learning_rate" and (value is None or value is True):
        pytest.skip("Keras speaks of it")
    expected = "above 0" if name in ABOVE_0 else "a finite number from 0 on"
    with pytest.raises(ValueError, match=f"`{name}` must be {expected}, received"):
        NUMBERS[name](value)


@pytest.mark.parametrize("name", ABOVE_0)
def test_numbers_by_which_all_is_divided(name):
    with pytest.raises(ValueError, match=f"`{name}` must be above 0"):
        NUMBERS[name](0)


FLAGS = {
    "use_bias": lambda value: TwoTower([2], use_bias=value),
    "batch_norm": lambda value: MLP([2], batch_norm=value),
    "mutual": lambda value: taught(mutual=value),
    "auxiliary_head": lambda value: taught(auxiliary_head=value),
    "shuffle": lambda value: from_rows(ROWS, SCHEMA, shuffle=value),
    "by_list": lambda value: from_rows(ROWS, SCHEMA, by_list=value),
}


@pytest.mark.parametrize("name", FLAGS)
def test_truth_values(name):
    with pytest.raises(TypeError, match=f"`{name}` must be True or False, received 'no'"):
        FLAGS[name]("no")
    FLAGS[name](np.bool_(False))


def test_numbers_of_numpy():
    assert taught(distillation_weight=np.int64(1)).distillation_weight.distillation_weight == 1.0
    assert WarmUp(np.float32(0.5), np.int64(3)).steps == 3
    assert tfpfd.PLE(np.array([[4], [4]]), ["a", "b"]).levels == ((4,), (4,))
    assert TwoTower(np.array([4, 2]).tolist(), scale=np.float32(2)).scale == 2.0


def test_names():
    for names in (None, [3], "p"):
        with pytest.raises(TypeError, match="`extra_columns` must be names in a list, received"):
            from_rows(ROWS, SCHEMA, extra_columns=names)
    ((inputs, _),) = from_rows(
        {**ROWS, "k": [1.0, 2.0]}, SCHEMA, extra_columns=(name for name in ["k"])
    )
    assert inputs["k"].numpy().tolist() == [1, 2]
    ((inputs, _),) = from_rows({**ROWS, "k": [1.0, 0.0]}, SCHEMA, labels=(name for name in ["k"]))
    assert inputs["k"].numpy().tolist() == [1, 0]


@pytest.mark.parametrize("seed", [3.5, "a", -1])
def test_seeds(seed):
    with pytest.raises(ValueError, match="`seed` must be an integer of at least 0, received"):
        from_rows(ROWS, SCHEMA, shuffle=True, seed=seed)


def test_other_objects():
    with pytest.raises(TypeError, match=r"`schema` must be a tfpfd.Schema, received None"):
        Ranker(None, TwoTower([2]))
    with pytest.raises(TypeError, match=r"`encoder` must be a FeatureEncoder.*pass `ranker.enc"):
        Ranker(SCHEMA, TwoTower([2]), encoder=student())
