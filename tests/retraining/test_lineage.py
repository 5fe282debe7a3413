"""Versions on disk: whole or not there, readable later, and honest about damage."""

import dataclasses
import hashlib
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tfpfd
from tfpfd import Ranker, Version, lineage, save_version, score_rows
from tfpfd._keras import keras


def names(directory):
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture(scope="module")
def written(taught, tmp_path_factory):
    """Version 0 of a line, which tests copy."""
    return save_version(tmp_path_factory.mktemp("line"), taught.student, metrics={"auc": 0.75})


@pytest.fixture
def line(written, tmp_path):
    """The directory of a line with version 0."""
    return Path(shutil.copytree(written.path.parent, tmp_path / "films"))


@pytest.mark.slow
def test_a_version_is_what_was_written(taught, monday, tmp_path):
    details = {"from": "2022-04-25", "to": "2022-04-26", "counts": {"film": 5}}
    written = save_version(
        tmp_path / "films", taught.student, metrics={"auc": np.float32(0.5)}, details=details
    )
    assert written.path == tmp_path / "films" / "0"
    assert names(written.path) == ["schema.json", "student.keras", "version.json"]
    for version in (written, Version.read(tmp_path / "films"), Version.read(str(written.path))):
        assert version == written
        assert version.number == 0
        assert version.parent is None
        assert version.metrics == {"auc": 0.5}
        assert version.details == details
        assert version.schema == taught.student.schema
        assert version.packages["tfpfd"] == tfpfd.__version__
        assert pd.Timestamp(version.created).utcoffset() == pd.Timedelta(0)
    expected = score_rows(taught.student, monday)
    np.testing.assert_array_equal(score_rows(written.load(), monday), expected)


@pytest.mark.slow
def test_a_notebook_shows_what_a_version_says(written):
    assert repr(written) == f"Version(0, '{written.path}', auc 0.75)"
    later = dataclasses.replace(written, parent=7, metrics={}, details={"from": "<Monday>"})
    assert repr(later) == f"Version(0 of 7, '{written.path}')"
    html = later._repr_html_()
    for text in ("Version 0", "parent", ">7<", written.created, "&lt;Monday&gt;"):
        assert text in html


@pytest.mark.slow
def test_a_line_is_a_table(taught, tmp_path):
    save_version(tmp_path, taught.student, metrics={"auc": 0.7})
    save_version(tmp_path, taught.student, {"auc": 0.8, "loss": 0.5}, 0, {"rows": 10})
    save_version(tmp_path, taught.student, parent=0)
    frame = lineage(tmp_path)
    assert frame.index.tolist() == [0, 1, 2]
    assert frame["parent"].tolist() == [pd.NA, 0, 0]
    assert list(frame.columns) == ["parent", "created", "auc", "loss", "rows"]
    assert frame["auc"].tolist()[:2] == [0.7, 0.8]
    assert frame.loc[1, "rows"] == 10
    assert frame["created"].is_monotonic_increasing
    assert frame["created"].dt.tz is not None


@pytest.mark.slow
def test_metrics_that_are_not_finite_are_null_in_the_file(taught, tmp_path):
    metrics = {"auc": float("nan"), "loss": np.float32(np.inf), "rows": 3}
    written = save_version(tmp_path, taught.student, metrics)

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    text = (written.path / "version.json").read_text()
    assert json.loads(text, parse_constant=refuse)["metrics"] == {
        "auc": None,
        "loss": None,
        "rows": 3.0,
    }
    assert np.isnan([written.metrics["auc"], written.metrics["loss"]]).all()
    assert lineage(tmp_path)["auc"].isna().all()
    # As it was written before.
    (written.path / "version.json").write_text(text.replace('"auc": null', '"auc": NaN'))
    assert np.isnan(list(Version.read(tmp_path).metrics.values())).any()
    with pytest.raises(TypeError, match="`details` must be a mapping of what JSON can hold, rece"):
        save_version(tmp_path, taught.student, details={"auc": float("nan")})


@pytest.mark.slow
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_student_that_diverged_is_refused_by_its_weight(taught, tmp_path, number):
    student = Ranker.from_config(taught.student.get_config())
    weights = student.get_weights()
    weights[-1][0] = number
    student.set_weights(weights)
    name = re.escape(getattr(student.weights[-1], "path", student.weights[-1].name))
    with pytest.raises(ValueError, match=rf"diverged: its weight '{name}' isn't finite; expected"):
        save_version(tmp_path / "films", student)
    assert names(tmp_path) == []


@pytest.mark.slow
def test_a_link_to_a_version_is_read_as_that_version(line, tmp_path):
    (tmp_path / "in_service").symlink_to(line / "0")
    assert Version.read(tmp_path / "in_service") == Version.read(line)


@pytest.mark.slow
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_interruption_leaves_no_version(line, taught, monkeypatch, error):
    """Whatever is written before the interruption: the record, which is last, never is."""

    def interrupted(*_, **__):
        raise error("interrupted")

    monkeypatch.setattr(sys.modules[Version.__module__], "digest_of", interrupted)
    with pytest.raises(error, match="interrupted"):
        save_version(line, taught.student, parent=0)
    monkeypatch.undo()
    assert names(line) == ["0"]
    assert save_version(line, taught.student, parent=0).number == 1


def cut(file):
    file.write_bytes(file.read_bytes()[:-100])


def change(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, change])
@pytest.mark.parametrize("name", ["student.keras", "schema.json"])
def test_a_damaged_file_is_named(line, name, damage):
    damage(line / "0" / name)
    version = Version.read(line)
    with pytest.raises(ValueError, match=rf"films/0/{name}' isn't the file that was written"):
        version.load() if name == "student.keras" else version.schema


@pytest.mark.parametrize("name", ["student.keras", "schema.json"])
def test_a_missing_file_is_named(line, name):
    (line / "0" / name).unlink()
    version = Version.read(line)
    with pytest.raises(FileNotFoundError, match=rf"films/0/{name}' is missing"):
        version.load() if name == "student.keras" else version.schema


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"films/0/version.json' is no record of a version: Expecting"),
        ("[]", r"films/0/version.json' is no record of a version: expected an object, received l"),
        ('{"format": 1}', r"films/0/version.json' is no record of a version: expected .* without"),
        ('{"format": 9}', r"expected format 1, received 9"),
    ],
)
def test_a_bad_record_is_named(line, content, message):
    (line / "0" / "version.json").write_text(content)
    for read in (Version.read, lineage):
        with pytest.raises(ValueError, match=message):
            read(line)


def test_what_holds_no_version_is_refused(line, tmp_path):
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "nowhere"):
        for read in (Version.read, lineage):
            with pytest.raises(FileNotFoundError, match=f"'{path}' holds no version: expected"):
                read(path)
    (line / "0" / "version.json").unlink()
    for read in (Version.read, lineage):
        with pytest.raises(FileNotFoundError, match=r"films/0/version.json' is missing: .* export"):
            read(line)


def test_a_version_under_another_name_is_refused(line):
    (line / "0").rename(line / "best")
    with pytest.raises(ValueError, match="films/best' must be named by its number"):
        Version.read(line / "best")


class Unregistered(keras.layers.Layer):
    def call(self, inputs):
        return inputs


@pytest.mark.slow
def test_a_layer_that_keras_does_not_know_is_explained(line):
    """The file is whole, so its digest is right, but names a class that is nowhere."""
    directory = line / "0"
    inputs = keras.Input((1,))
    keras.Model(inputs, Unregistered()(inputs)).save(directory / "student.keras")
    record = json.loads((directory / "version.json").read_text())
    content = (directory / "student.keras").read_bytes()
    record["files"]["student.keras"] = hashlib.sha256(content).hexdigest()
    (directory / "version.json").write_text(json.dumps(record))
    message = r"student.keras' is whole but was not read: expected Keras .*register_keras"
    with pytest.raises(ValueError, match=message):
        Version.read(line).load()


@pytest.mark.slow
def test_refusals(taught, tmp_path):
    with pytest.raises(TypeError, match=r"must be a Ranker, received Distillation; pass `model.st"):
        save_version(tmp_path, taught)
    with pytest.raises(ValueError, match="sees='all': are student and teacher swapped"):
        save_version(tmp_path, taught.teacher)
    with pytest.raises(ValueError, match=r"one of \[\], received 3"):
        save_version(tmp_path, taught.student, parent=3)
    with pytest.raises(ValueError, match=r"name \['auc'\]: expected names used once"):
        save_version(tmp_path, taught.student, metrics={"auc": 1}, details={"auc": 1})
    with pytest.raises(ValueError, match=r"name \['parent'\]: expected"):
        save_version(tmp_path, taught.student, metrics={"parent": 1})
    with pytest.raises(TypeError, match="`details` must be a mapping of what JSON can hold, rece"):
        save_version(tmp_path, taught.student, details={"when": pd.Timestamp(0)})
    assert names(tmp_path) == []
    (tmp_path / "film").touch()
    with pytest.raises(OSError, match=r"`path` must be a directory or lie in one, .*film"):
        save_version(tmp_path / "film", taught.student)
