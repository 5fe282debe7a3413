"""A line of versions of a tiny student, of a log whose ids change from day to day."""

import numpy as np
import pandas as pd
import pytest

from tfpfd import (
    MLP,
    Categorical,
    Distillation,
    FeatureEncoder,
    Numeric,
    Ranker,
    Schema,
    Sequence,
    TwoTower,
    save_version,
)
from tfpfd._keras import keras
from tfpfd.data import from_rows

DECLARED = Schema(
    user=[
        Categorical("user_id", dtype="int"),
        Numeric("age", boundaries=(20.0, 40.0)),
        Sequence("history", of="film_id", length=3),
    ],
    item=[Categorical("film_id"), Categorical("genres", vocabulary=("war", "love"), length=2)],
    privileged={"cross": [Numeric("affinity", boundaries=(0.3, 0.6))]},
    label="liked",
)


@pytest.fixture(scope="session")
def log():
    """A function from ids and a seed to rows that hold each of the ids."""

    def log(users, films, rows=60, seed=0):
        random = np.random.default_rng(seed)
        names = [f"f{film}" for film in films]
        chosen = [names[i % len(names)] for i in range(rows)]
        affinity = random.random(rows)
        return pd.DataFrame(
            {
                "user_id": random.permutation([users[i % len(users)] for i in range(rows)]),
                "age": random.choice([18.0, 30.0, 50.0], rows),
                "history": [list(random.choice(names, 2)) for _ in range(rows)],
                "film_id": chosen,
                "genres": [["war"] if i % 2 else ["love", "war"] for i in range(rows)],
                "affinity": affinity,
                "liked": (affinity + random.normal(0, 0.2, rows) > 0.5).astype(float),
            }
        )

    return log


@pytest.fixture(scope="session")
def monday(log):
    """Users 1 to 4, films 1 to 5."""
    return log([1, 2, 3, 4], [1, 2, 3, 4, 5])


@pytest.fixture(scope="session")
def tuesday(log):
    """User 5 and films 6 and 7 are new, user 1 and film 1 are gone."""
    return log([2, 3, 4, 5], [2, 3, 4, 5, 6, 7], seed=1)


@pytest.fixture(scope="session")
def two_tower():
    """Makes a student that can be exported."""

    def two_tower(schema):
        return Ranker(schema, TwoTower([4, 3]), encoder=FeatureEncoder(schema, dim=3))

    return two_tower


@pytest.fixture(scope="session")
def linear(linear):
    """Makes a student whose rows of a batch don't touch each other."""

    def make(schema):
        return Ranker(schema, linear(), encoder=FeatureEncoder(schema, dim=3))

    return make


@pytest.fixture(scope="session")
def first(monday, linear, tmp_path_factory):
    """Version 0 of linear students, whose weights are large enough to tell rows apart."""
    keras.utils.set_random_seed(0)
    student = linear(DECLARED.adapt(monday, verbose=0))
    student.set_weights([40 * weight for weight in student.get_weights()])
    return save_version(tmp_path_factory.mktemp("first"), student)


@pytest.fixture(scope="session")
def taught(monday, two_tower):
    """A distillation of monday's rows after an epoch."""
    keras.utils.set_random_seed(0)
    schema = DECLARED.adapt(monday, verbose=0)
    student = two_tower(schema)
    teacher = Ranker(schema, MLP([4]), sees="all", encoder=student.encoder)
    model = Distillation(student=student, teacher=teacher)
    model.compile(optimizer=keras.optimizers.SGD(0.1), metrics=[], run_eagerly=True)
    model.fit(from_rows(monday, schema, batch_size=20), verbose=0)
    return model
