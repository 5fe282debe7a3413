"""Trained teachers, a student and batches of lists, small enough to work out by hand."""

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import MLP, FeatureEncoder, Ranker, TwoTower
from tfpfd._keras import keras
from tfpfd.data import LIST

COLUMNS = ("book", "cancel")


@keras.utils.register_keras_serializable(package="tests")
class Joint(keras.layers.Layer):
    """One model of several objectives: a factor of the age for each."""

    def __init__(self, factors, **kwargs):
        super().__init__(**kwargs)
        self.factors = dict(factors)
        self.objectives = list(factors)

    def build(self, input_shape):
        self.scale = self.add_weight(name="scale", shape=(), initializer="ones")
        self.built = True

    def call(self, inputs, training=None):
        age = self.scale * tf.cast(inputs["age"], tf.float32)
        return {objective: factor * age[:, None] for objective, factor in self.factors.items()}

    def get_config(self):
        return {**super().get_config(), "factors": dict(self.factors)}


@pytest.fixture
def joint():
    """The class of a tiny model of several objectives."""
    return Joint


@pytest.fixture
def ranker(schema):
    """A function that makes a teacher with batch normalisation; see `fitted` for a trained one."""

    def ranker(encoder=None, sees="all", schema=schema, **kwargs):
        encoder = encoder or FeatureEncoder(schema, schema.features(sees), dim=3)
        return Ranker(schema, MLP([4]), sees=sees, encoder=encoder, **kwargs)

    return ranker


@pytest.fixture
def student(schema):
    """A student that can be exported."""
    encoder = FeatureEncoder(schema, schema.features("served"), dim=3)
    return Ranker(schema, TwoTower([4, 2], batch_norm=False), encoder=encoder)


@pytest.fixture
def listed(inputs_of):
    """A function from rows to inputs with lists of about three rows and columns of scores."""

    def listed(rows, seed=0):
        random = np.random.default_rng(seed)
        scores = {name: random.normal(size=rows).astype(np.float32) for name in COLUMNS}
        return {
            **inputs_of(rows, seed),
            LIST: random.integers(0, max(rows // 3, 1), rows),
            **scores,
        }

    return listed


@pytest.fixture
def lists_of(listed):
    """A function from rows and batch size to batches of lists with labels."""

    def lists_of(rows, size, seed=0):
        inputs = listed(rows, seed)
        labels = (inputs["affinity"] + inputs["user_id"] % 2 > 2).astype(np.float32)
        return tf.data.Dataset.from_tensor_slices((inputs, labels)).batch(size)

    return lists_of


@pytest.fixture
def fitted(lists_of):
    """A function that trains a ranker a little, so that its statistics aren't the initial ones."""

    def fitted(ranker, seed=1):
        ranker.compile(keras.optimizers.Adagrad(0.1), run_eagerly=True)
        ranker.fit(lists_of(12, 6, seed), verbose=0)
        return ranker

    return fitted
