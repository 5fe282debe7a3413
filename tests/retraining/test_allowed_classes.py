"""A version from elsewhere: no class is made, and no module imported, because its file says so."""

import hashlib
import json
import sys
import zipfile

import numpy as np
import pytest

from tfpfd import FeatureEncoder, Ranker, SelfAttention, Version, save_version
from tfpfd._keras import keras
from tfpfd.layers.encoded import joined_width


@pytest.fixture
def version(taught, tmp_path):
    return save_version(tmp_path / "line", taught.student)


@pytest.fixture
def harmful(tmp_path, monkeypatch):
    """A module that leaves a file behind when it is imported."""
    (tmp_path / "harmful.py").write_text(
        f"open({str(tmp_path / 'imported')!r}, 'w').close()\n"
        "class Layer:\n    @classmethod\n    def from_config(cls, config): return cls()\n"
        "def act(x): return x\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "imported"
    sys.modules.pop("harmful", None)


def forge(version, change):
    """Rewrites the configuration of the student, and the hash with it."""
    file = version.path / "student.keras"
    aside = file.with_suffix(".aside")
    with zipfile.ZipFile(file) as held, zipfile.ZipFile(aside, "w") as made:
        for name in held.namelist():
            content = held.read(name)
            if name == "config.json":
                config = json.loads(content)
                content = json.dumps(change(config)).encode()
            made.writestr(name, content)
    aside.rename(file)
    record = json.loads((version.path / "version.json").read_text())
    record["files"]["student.keras"] = hashlib.sha256(file.read_bytes()).hexdigest()
    (version.path / "version.json").write_text(json.dumps(record))
    return Version.read(version.path)


def behaviour(entry):
    def change(config):
        config["config"]["encoder"]["config"]["behaviour"] = entry
        return config

    return change


def entry(module, name, config=None, registered=None):
    config = {} if config is None else config
    return {
        "module": module,
        "class_name": name,
        "config": config,
        "registered_name": registered,
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "forged, named",
    [
        (entry("harmful", "Layer"), "harmful.Layer"),
        (entry("harmful", "Layer", registered="mine>Layer"), "harmful.Layer"),
        (entry("harmful", "function", "act", "tfpfd>Ranker"), "harmful.act"),
        (entry("builtins", "function", "eval", "function"), "builtins.eval"),
        (entry("keras.layers", "Lambda"), "keras.layers.Lambda"),
        (entry("keras.layers", "TFSMLayer", {"filepath": "x"}), "keras.layers.TFSMLayer"),
        (entry("keras.utils", "get_file"), "keras.utils.get_file"),
        (entry("keras.layers", "serialize"), "keras.layers.serialize"),
        (entry("tfpfd", "X", {"path": "x"}, "tfpfd>SavedScorer"), "tfpfd.X"),
        (entry(None, "__lambda__", {"value": "x"}), "None.__lambda__"),
    ],
)
def test_what_is_not_registered_is_refused(version, harmful, forged, named):
    # Wherever it stands: in the place of a layer, and inside of one.
    inside = {"class_name": "SelfAttention", "config": {"deep": [{"er": forged}]}}
    inside |= {"module": "x", "registered_name": "tfpfd>SelfAttention"}
    for change in (behaviour(forged), behaviour(inside), lambda config: forged):
        with pytest.raises(ValueError) as caught:
            forge(version, change).load()
        assert "is whole but was not read: " in str(caught.value)
        assert f"it names '{named}', which aren't registered" in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not harmful.exists()
    assert "harmful" not in sys.modules


@pytest.mark.parametrize(
    "change", [lambda config: [], lambda config: {}, lambda config: entry("keras.layers", "ReLU")]
)
def test_what_is_no_student(version, change):
    with pytest.raises(ValueError, match="is whole but was not read: "):
        forge(version, change).load()


@pytest.mark.slow
def test_a_file_that_is_no_archive(version):
    file = version.path / "student.keras"
    file.write_bytes(b"not a model")
    record = json.loads((version.path / "version.json").read_text())
    record["files"]["student.keras"] = hashlib.sha256(b"not a model").hexdigest()
    (version.path / "version.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="it isn't what Keras saves: File is not a zip file"):
        Version.read(version.path).load()


@keras.utils.register_keras_serializable(package="tests.objectives")
class Own(keras.layers.Layer):
    """A registered network that holds layers and functions of Keras."""

    representation_width = 1

    def __init__(self, inner=None, activation="relu", **kwargs):
        super().__init__(**kwargs)
        layers = [
            keras.layers.Dense(2, "tanh", kernel_regularizer=keras.regularizers.L2(0.1)),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(1, activation=keras.layers.LeakyReLU()),
        ]
        self.inner = inner or keras.Sequential(layers)
        self.activation = keras.activations.get(activation)

    def build(self, shapes):
        self.inner.build((None, joined_width(shapes)))
        self.built = True

    def represent(self, encoded, training=None):
        vectors = [x for side in sorted(encoded) for x in encoded[side].values()]
        return self.inner(keras.layers.Concatenate()(vectors), training=training)

    def score(self, representation, training=None):
        return self.activation(representation)[:, 0]

    def call(self, inputs, training=None):
        return self.score(self.represent(inputs, training=training), training=training)

    def get_config(self):
        config = {
            "inner": keras.utils.serialize_keras_object(self.inner),
            "activation": keras.utils.serialize_keras_object(self.activation),
        }
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config):
        revive = keras.utils.deserialize_keras_object
        return cls(**{**config, **{k: revive(config[k]) for k in ("inner", "activation")}})


@pytest.mark.slow
def test_registered_classes_and_those_of_keras_are_loaded(taught, tmp_path):
    schema = taught.student.schema
    encoder = FeatureEncoder(schema, dim=4, behaviour=SelfAttention(2, 4))
    student = Ranker(schema, Own(), encoder=encoder)
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    student.compile(keras.optimizers.Adam(schedule))
    again = save_version(tmp_path, student).load()
    for one, other in zip(student.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
