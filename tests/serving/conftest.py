"""A student trained a step beside a teacher, and its export: of string ids and of integer ids."""

import functools
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfpfd import (
    MLP,
    Categorical,
    Distillation,
    FeatureEncoder,
    Numeric,
    Ranker,
    Schema,
    SelfAttention,
    Sequence,
    TwoTower,
    export,
)
from tfpfd._keras import keras
from tfpfd.schema.batch_fingerprints import fingerprint_key, fingerprints
from tfpfd.serving.manifest import digests

USERS, ITEMS = 4, 9


def schema_of(kind):
    """Every kind of feature on every side; ids are of `kind`."""

    def ids(letter, count):
        numbers = range(1, count + 1)
        return tuple(numbers) if kind == "int" else tuple(f"{letter}{i}" for i in numbers)

    return Schema(
        user=(
            Categorical("user_id", dtype=kind, vocabulary=ids("u", USERS), optional=True),
            Numeric("age", boundaries=(20.0, 40.0), optional=True),
            Categorical("hour", dtype="int", hash_buckets=7),
            Sequence("clicks", of="item_id", length=3),
        ),
        item=(
            Categorical("item_id", dtype=kind, vocabulary=ids("i", ITEMS)),
            Categorical("genres", vocabulary=("war", "love"), length=2),
            Numeric("price", boundaries=(1.0, 5.0)),
        ),
        privileged={
            "cross": (Numeric("affinity", boundaries=(0.3, 0.6)),),
            "post_event": (
                Sequence("later_clicks", of="item_id", length=2),
                Categorical("left_by", vocabulary=("back_button", "purchase")),
            ),
        },
    )


def users_of(schema):
    """Raw rows of users: known, unknown and missing values."""
    kind = schema.item[0].dtype
    unknown = 77 if kind == "int" else "ünknown"
    ids = schema.item[0].vocabulary
    return {
        "user_id": [*schema.user[0].vocabulary[:3], unknown, None],
        "age": [19.0, 20.0, 63.0, np.nan, 41.0],
        "hour": [0, 5, 23, 10**15, 3],
        "clicks": [[], [ids[0]], [ids[2], unknown], list(ids[:5]), [ids[8]] * 3],
    }


def items_of(schema):
    """The catalogue, with two items that the student has never seen, and an exact tie."""
    kind = schema.item[0].dtype
    new = [40, 50] if kind == "int" else ["n40", "n50"]
    # New ids share one out-of-vocabulary row, so these two, equal in all else, get equal scores.
    ids = [*schema.item[0].vocabulary, *new]
    genres = [[["war"], ["love", "war"], []][i % 3] for i in range(ITEMS)]
    prices = [float(i) for i in range(ITEMS)]
    columns = {"item_id": ids, "genres": [*genres, [], []], "price": [*prices, 2.0, 2.0]}
    return pd.DataFrame(columns).iloc[::-1].reset_index(drop=True)


def train(schema, **kwargs):
    """A distillation after one step, its student away from its start."""
    keras.utils.set_random_seed(1)
    student = Ranker(schema, TwoTower([6, 4]), **kwargs)
    model = Distillation(
        student=student, teacher=Ranker(schema, MLP([4]), sees="all", encoder=student.encoder)
    )
    model.compile(optimizer=keras.optimizers.SGD(1.0), metrics=[])
    random = np.random.default_rng(0)
    inputs = {
        name: random.integers(
            1, schema.table_rows(f), (32,) if f.length is None else (32, f.length), dtype=np.int32
        )
        for name, f in schema.features().items()
    }
    inputs[fingerprint_key(fingerprints(schema.features().values(), schema.vocabularies))] = (
        np.zeros([32, 0], np.int32)
    )
    labels = (random.random(32) < 0.5).astype("float32")
    model.fit(inputs, labels, batch_size=32, epochs=1, verbose=0)
    return model


@dataclass(frozen=True)
class Exported:
    """An export, what it was made of, and what it must answer."""

    model: Distillation
    path: Path

    @property
    def student(self):
        return self.model.student

    @property
    def schema(self):
        return self.student.schema

    @functools.cached_property
    def loaded(self):
        return tf.saved_model.load(str(self.path))

    def answer(self, signature, inputs, **more):
        """What a signature returns, as arrays by name."""
        tensors = {name: tf.constant(values) for name, values in {**inputs, **more}.items()}
        answer = self.loaded.signatures[signature](**tensors)
        return {name: values.numpy() for name, values in answer.items()}

    def users(self):
        """What a request holds, by name: `[users]`, or `[users, width]`."""
        return self.schema.columns(users_of(self.schema), self.schema.user)

    def catalogue(self):
        """The rows that the export was made of."""
        return items_of(self.schema)

    def items(self):
        return self.schema.columns(items_of(self.schema), self.schema.item)

    @property
    def ids(self):
        return self.items()["item_id"].tolist()

    def logits(self):
        """The student's own predictions, `[users, items]`."""
        users, items = self.users(), self.items()
        rows, columns = len(users["user_id"]), len(items["item_id"])
        pairs = {name: np.repeat(values, columns, axis=0) for name, values in users.items()}
        pairs |= {
            name: np.tile(values, (rows, *[1] * (values.ndim - 1)))
            for name, values in items.items()
        }
        inputs = self.schema.lookup({name: tf.constant(values) for name, values in pairs.items()})
        return self.student.predict(inputs, verbose=0).reshape(rows, columns)


def make(kind, base, **kwargs):
    schema = schema_of(kind)
    model = train(schema, **kwargs)
    return Exported(model, export(model.student, items_of(schema), base, k=3, verbose=0))


@pytest.fixture(scope="session")
def strings(tmp_path_factory):
    schema = schema_of("string")
    encoder = FeatureEncoder(schema, dim=4, behaviour=SelfAttention(heads=2, dim=4))
    return make("string", tmp_path_factory.mktemp("strings"), encoder=encoder)


@pytest.fixture(scope="session")
def integers(tmp_path_factory):
    return make("int", tmp_path_factory.mktemp("integers"))


@pytest.fixture(scope="session", params=["strings", "integers"])
def exported(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def served(exported):
    """Answers of the export, loaded."""
    return exported.answer


# Exports to be damaged, and forged.


@pytest.fixture
def copied(strings, tmp_path):
    """A copy of a good export, to plant things in."""
    return shutil.copytree(strings.path, tmp_path / "1")


def _seal(path, **facts):
    file = path / "assets.extra" / "tfpfd.json"
    manifest = {**json.loads(file.read_text()), "files": digests(path), **facts}
    file.write_text(json.dumps(manifest))


def _change(path, edit):
    file = path / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    edit(saved.meta_graphs[0])
    file.write_bytes(saved.SerializeToString())
    _seal(path)


@pytest.fixture
def seal():
    """Makes a manifest fit the files again, as one would who hides what was planted."""
    return _seal


@pytest.fixture
def change():
    """Rewrites saved_model.pb after a function was given its graph, and the manifest with it."""
    return _change
