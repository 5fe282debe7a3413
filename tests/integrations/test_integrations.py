import sys

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import Categorical, Ranker, Schema, TwoTower
from tfpfd._keras import KERAS_3
from tfpfd.integrations.packages import require
from tfpfd.integrations.tfrs import brute_force
from tfpfd.serving import embed_items

SCHEMA = Schema(
    user=(Categorical("user", vocabulary=("a", "b", "c")),),
    item=(Categorical("item", vocabulary=tuple(f"i{n}" for n in range(20))),),
)
ITEMS = {"item": [f"i{n}" for n in range(20)]}


@pytest.fixture
def student():
    return Ranker(SCHEMA, TwoTower([4]))


@pytest.mark.skipif(not KERAS_3, reason="Keras 2 can use it")
@pytest.mark.parametrize(
    ("package", "stack"),
    [("tensorflow_recommenders", "TF_USE_LEGACY_KERAS=1"), ("tensorflow_ranking", "stack A")],
)
def test_keras_3_is_told_which_stack_can(package, stack):
    with pytest.raises(ImportError, match=f"{package} can't be used here.*Keras 3.*{stack}"):
        require(package)


@pytest.mark.skipif(KERAS_3, reason="refused on Keras 3")
def test_a_missing_package_is_explained(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_ranking", None)
    with pytest.raises(ImportError, match=r"tensorflow_ranking can't be used.*stack A"):
        require("tensorflow_ranking")


@pytest.mark.skipif(not KERAS_3, reason="works on Keras 2")
def test_brute_force_is_refused_on_keras_3(student):
    with pytest.raises(ImportError, match="stacks A and C"):
        brute_force(student, ITEMS)


@pytest.mark.skipif(KERAS_3, reason="TensorFlow Recommenders needs Keras 2 or tf_keras")
def test_brute_force_finds_what_the_table_says(student):
    pytest.importorskip("tensorflow_recommenders")
    student.network.bias.assign(2.0)  # Which the scores, inner products, go without.
    users = SCHEMA.lookup({"user": tf.constant(["a", "b", "c", "unknown"])})
    scores, found = brute_force(student, ITEMS, k=5)(users)
    ids, table = embed_items(student, ITEMS, verbose=0)
    encoded = student.encode(users, sides=["user"])
    expected = student.network.user_embedding(encoded).numpy() @ table.T
    order = np.argsort(-expected, axis=1, kind="stable")[:, :5]
    assert (found.numpy().astype(str) == ids[order].astype(str)).all()
    np.testing.assert_allclose(scores, np.take_along_axis(expected, order, 1), atol=1e-6)


def test_parameter_servers_need_keras_2(student, monkeypatch):
    strategy = object.__new__(tf.distribute.ParameterServerStrategy)
    monkeypatch.setattr(tf.distribute, "get_strategy", lambda: strategy)
    if KERAS_3:
        with pytest.raises(NotImplementedError, match=r"TF_USE_LEGACY_KERAS=1.*stacks A and C"):
            student.compile(optimizer="sgd")
    else:
        student.compile(optimizer="sgd")
        assert student.optimizer is not None
