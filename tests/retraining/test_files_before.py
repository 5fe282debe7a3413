"""Files that were written before names changed: models, a version and a schema load, and go on."""

import tarfile
from pathlib import Path

import numpy as np
import pytest

import tfpfd
from tfpfd._keras import KERAS_3, keras
from tfpfd.data import from_rows
from tfpfd.optimizers import LinearWarmup

FILE = Path(__file__).parent / "before" / "before_names.tar.xz"
"""Of stack A: `distillation.keras` and `tasks.keras`, compiled; `models`, a line of one version;
`schema.json`. The names were `WarmUp(weight)`, `LinearWarmUp`, `AuxiliaryTasks(weight)` and
`Schema(weight)`."""

ROWS = {
    "user": ["ann", "bob", "cid", "ann"],
    "film": ["alien", "brazil", "cube", "cube"],
    "stayed": [0.1, 0.9, 0.7, 0.2],
    "label": [0.0, 1.0, 1.0, 0.0],
    "w": [1.0, 2.0, 1.0, 1.0],
}
LOGITS = [-1.5422187, -1.3098921, 0.7529564, -1.4378855]
"""Of the student of `models`."""

of_keras_2 = pytest.mark.skipif(KERAS_3, reason="they are files of Keras 2")


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    folder = tmp_path_factory.mktemp("before")
    with tarfile.open(FILE) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def schema(before):
    return tfpfd.Schema.from_json((before / "schema.json").read_text())


def test_a_schema(schema):
    assert schema.sample_weight == "w"
    assert schema.to_json() == tfpfd.Schema.from_json(schema.to_json()).to_json()


@of_keras_2
def test_a_distillation_goes_on(before, schema):
    model = keras.models.load_model(before / "distillation.keras")
    assert model.distillation_weight.get_config() == {"distillation_weight": 0.3, "steps": 1}
    rate = model.optimizer.get_config()["learning_rate"]
    assert LinearWarmup.from_config(rate["config"]).steps == 2
    shown = model.fit(from_rows(ROWS, schema, batch_size=4), verbose=0).history
    assert np.isfinite(shown["loss"][0])


@of_keras_2
def test_auxiliary_tasks_go_on(before, schema):
    model = keras.models.load_model(before / "tasks.keras")
    assert model.task_weight == 0.7
    assert np.isfinite(model.fit(from_rows(ROWS, schema, batch_size=4), verbose=0).history["loss"])


@of_keras_2
def test_a_version(before):
    version = tfpfd.Version.read(before / "models" / "0")
    student = version.load()
    logits = student.predict(from_rows(ROWS, student.schema, batch_size=4), verbose=0)
    np.testing.assert_allclose(np.ravel(logits), LOGITS, rtol=1e-5)
