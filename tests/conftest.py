"""A tiny schema, rows of it and a network, for all tests."""

import gc
import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import Categorical, Numeric, Schema, Sequence
from tfpfd._keras import keras
from tfpfd.datasets import movielens_100k
from tfpfd.layers import joined
from tfpfd.schema.batch_fingerprints import fingerprint_key, fingerprints

OUTSIDE = {"movielens", "outside_data"}
"""Fixtures that need data from elsewhere: a test that uses one is marked `outside_data`."""


def pytest_collection_modifyitems(items):
    for item in items:
        if OUTSIDE.intersection(item.fixturenames):
            item.add_marker("outside_data")
    # So that no process is alone with a long file at the end.
    long = {item.path for item in items if item.get_closest_marker("long")}
    items.sort(key=lambda item: item.path not in long)


def pytest_collection_finish():
    # What was imported stays: looking through it for garbage again and again takes time.
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(0)


@keras.utils.register_keras_serializable(package="tests")
class Linear(keras.layers.Layer):
    """A network without batch normalisation: rows of a batch don't touch each other."""

    def build(self, input_shape):
        width = sum(shape[-1] for side in input_shape.values() for shape in side.values())
        self.representation_width = width
        self.kernel = self.add_weight(name="kernel", shape=(width,), initializer="normal")
        self.bias = self.add_weight(name="bias", shape=(), initializer="zeros")
        self.built = True

    def represent(self, encoded, training=None):
        return joined(encoded)

    def score(self, representation, training=None):
        return tf.linalg.matvec(representation, tf.convert_to_tensor(self.kernel)) + self.bias

    def call(self, inputs, training=None):
        return self.score(self.represent(inputs, training=training), training=training)


@pytest.fixture(scope="session")
def means_of():
    """A function from a compiled model and a batch to the mean of each term, and the loss."""

    def means_of(model, outputs, targets):
        means = {name: term.mean for name, term in model._costs(outputs, targets).items()}
        return {"loss": model._loss_of(means), **means, **model._values()}

    return means_of


@pytest.fixture(scope="session")
def linear():
    """The class of a network `logit = ⟨w, x⟩ + b`."""
    return Linear


@pytest.fixture
def schema():
    """Tables (rows): user_id (5), age (4), item_id (6), genres (4), affinity (4)."""
    return Schema(
        user=(
            Categorical("user_id", vocabulary=("u1", "u2", "u3")),
            Numeric("age", boundaries=(20.0, 40.0)),
            Sequence("clicks", of="item_id", length=3),
        ),
        item=(
            Categorical("item_id", vocabulary=("i1", "i2", "i3", "i4")),
            Categorical("genres", vocabulary=("g1", "g2"), length=2),
        ),
        privileged={
            "cross": (Numeric("affinity", boundaries=(0.3, 0.6)),),
            "post_event": (Sequence("later_clicks", of="item_id", length=2),),
        },
    )


@pytest.fixture(scope="session")
def marked():
    """A function from a schema and table rows by feature to inputs that say the schema."""

    def marked(schema, columns):
        count = len(next(iter(columns.values())))
        mark = fingerprint_key(fingerprints(schema.features().values(), schema.vocabularies))
        return {**columns, mark: np.zeros([count, 0], np.int32)}

    return marked


@pytest.fixture
def inputs_of(schema, marked):
    """A function from a number of rows to looked-up inputs, as int32 arrays by feature."""

    def inputs_of(rows, seed=0):
        random = np.random.default_rng(seed)
        columns = {
            name: random.integers(
                0 if feature.length else 1,
                schema.table_rows(feature),
                (rows,) if feature.length is None else (rows, feature.length),
                dtype=np.int32,
            )
            for name, feature in schema.features().items()
        }
        return marked(schema, columns)

    return inputs_of


@pytest.fixture
def batches_of(inputs_of):
    """A function from rows and batch size to batches whose labels depend on the inputs."""

    def batches_of(rows, size, seed=0, weights=None):
        inputs = inputs_of(rows, seed)
        labels = (inputs["affinity"] + inputs["user_id"] % 2 > 2).astype(np.float32)
        columns = (inputs, labels) if weights is None else (inputs, labels, weights)
        return tf.data.Dataset.from_tensor_slices(columns).batch(size)

    return batches_of


@pytest.fixture(scope="session")
def movielens():
    """MovieLens-100K itself."""
    try:
        return movielens_100k()
    except ConnectionError as error:
        pytest.skip(f"MovieLens-100K can't be reached: {error}")


@pytest.fixture(scope="session")
def outside_data():
    """A function from the name of a folder below $TFPFD_TEST_DATA to its path."""

    def outside_data(name):
        if not (root := os.environ.get("TFPFD_TEST_DATA")):
            pytest.skip(f"needs {name}: set TFPFD_TEST_DATA to the folder that holds it")
        if not (folder := Path(root).resolve() / name).is_dir():
            pytest.skip(f"needs {name}, which isn't in TFPFD_TEST_DATA, {root}")
        return folder

    return outside_data


@pytest.fixture(scope="session")
def kuairand_folder(outside_data):
    """The files of a part of KuaiRand-Pure."""
    return outside_data("kuairand-pure")
