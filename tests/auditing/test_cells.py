"""Audits that were killed and go on, and folders that aren't theirs."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tfpfd import MLP, Categorical, FeatureEncoder, Numeric, Ranker, Schema, Splits, audit
from tfpfd.auditing import arm_trainings, row_trainings

ARMS = ["base", "self", "shuffled", "zeroed", "distilled"]


class Killed(BaseException):
    """Not an `Exception`: nothing may catch it."""


def rows(seed, count=200):
    random = np.random.default_rng(seed)
    affinity = random.random(count)
    return pd.DataFrame(
        {
            "user_id": random.integers(0, 20, count),
            "item_id": random.integers(0, 10, count),
            "affinity": affinity,
            "label": (random.random(count) < affinity).astype(float),
        }
    )


@pytest.fixture(scope="module")
def data():
    schema = Schema(
        user=[Categorical("user_id", dtype="int")],
        item=[Categorical("item_id", dtype="int")],
        privileged={"cross": [Numeric("affinity", buckets=4)]},
        list_key="user_id",
    )
    return Splits(rows(0), rows(1), rows(2), schema)


def make_student(schema):
    return Ranker(schema, MLP([4], batch_norm=False), encoder=FeatureEncoder(schema, dim=2))


def make_wide_student(schema):
    return Ranker(schema, MLP([5], batch_norm=False), encoder=FeatureEncoder(schema, dim=2))


def make_teacher(schema, sees, student):
    encoder = FeatureEncoder(schema, schema.features(sees), dim=2)
    return Ranker(schema, MLP([4], batch_norm=False), sees=sees, encoder=encoder)


@pytest.fixture
def trained(monkeypatch):
    """The trainings, arm and seed; those after `trained.stop_after` are killed."""

    class Trainings(list):
        stop_after = None

    done, train = Trainings(), arm_trainings.train

    def counted(arm, recipe, schema, train_rows, validation, seed, callbacks):
        if len(done) == done.stop_after:
            raise Killed
        done.append((arm.name, seed))
        return train(arm, recipe, schema, train_rows, validation, seed, callbacks)

    monkeypatch.setattr(arm_trainings, "train", counted)
    # A step is traced for longer than it would run.
    tf.config.run_functions_eagerly(True)
    yield done
    tf.config.run_functions_eagerly(False)


def run(data, out, student=make_student, **settings):
    budget = {"epochs": 2, "resamples": 5, "multipliers": (3.0,), "batch_size": 100}
    settings = {"seeds": 2, "verbose": 0, **budget, **settings}
    return audit(student, make_teacher, data, out=out, **settings)


@pytest.mark.slow
def test_a_killed_audit_goes_on_and_reports_the_same(data, trained, tmp_path):
    whole = run(data, None)
    plan = [("base", 0)] * 2 + [(arm, seed) for seed in (0, 1) for arm in ARMS]
    assert trained == plan
    trained.clear()
    trained.stop_after = 8
    with pytest.raises(Killed):
        run(data, tmp_path)
    cells = tmp_path / "cells"
    assert len(list(cells.glob("*.npz"))) == 8 + 1  # The rivals, too.
    # What a kill in the middle of writing leaves.
    (cells / "size=1.0,seed=1,arm=self.npz.part").write_bytes(b"half")
    before = {path: path.read_bytes() for path in cells.glob("*.npz")}
    trained.stop_after = None
    report = run(data, tmp_path)
    assert trained == plan
    assert before.items() <= {path: path.read_bytes() for path in cells.glob("*.npz")}.items()
    same(report, whole)
    same(run(data, tmp_path), whole)
    assert len(trained) == len(plan)
    # Its report stands beside the cells.
    pytest.importorskip("matplotlib").use("Agg")
    report.save(tmp_path)
    same(run(data, tmp_path), whole)


def same(report, other):
    pd.testing.assert_frame_equal(report.to_frame(), other.to_frame(), check_exact=True)
    assert str(report) == str(other)
    assert report.results.tuning == other.results.tuning
    size, expected = report.results.largest, other.results.largest
    for arm, points in expected.reliability.items():
        pd.testing.assert_frame_equal(size.reliability[arm], points, check_exact=True)
    for name in ("epochs", "steps", "best_epochs", "permuted"):
        np.testing.assert_equal(getattr(size, name), getattr(expected, name))


def idle(done):
    """A training that does nothing, and notes its arm and seed."""

    def train(arm, recipe, schema, rows, validation, seed, callbacks):
        done.append((arm.name, seed))
        student = recipe.student(schema)
        teacher = arm.teacher and recipe.teacher(schema, arm.teacher, student)
        return arm_trainings.Trained(student, teacher, losses=(0.7, 0.6), steps=2)

    return train


@pytest.fixture
def untrained(monkeypatch):
    """Trainings that do nothing, by arm and seed."""
    done = []
    monkeypatch.setattr(arm_trainings, "train", idle(done))
    return done


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """The folder of an audit that is done."""
    out = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(arm_trainings, "train", idle([]))
        run(data, out)
    return out


@pytest.fixture
def folder(finished, tmp_path):
    """One to be changed."""
    return Path(shutil.copytree(finished, tmp_path / "audit"))


@pytest.mark.slow
def test_more_seeds_and_sizes_train_what_they_add(data, untrained, folder):
    run(data, folder, seeds=3)
    assert untrained == [(arm, 2) for arm in ARMS]
    untrained.clear()
    run(data, folder, sizes=(0.5, 1))
    assert untrained == [(arm, seed) for seed in (0, 1) for arm in ARMS]


def other_rows(data):
    test = data.test.assign(label=1 - data.test["label"])
    return {"data": dataclasses.replace(data, test=test)}


def other_users(data):
    test = data.test.assign(page=np.arange(len(data.test)) // 4)
    parts = {part: getattr(data, part).assign(page=0) for part in ("train", "validation")}
    return {"data": dataclasses.replace(data, **parts, test=test, user_key="page")}


def other_schema(data):
    schema = dataclasses.replace(
        data.schema, privileged={"cross": [Numeric("affinity", buckets=3)]}
    )
    return {"data": dataclasses.replace(data, schema=schema)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (other_rows, "`rows`"),
        (other_users, "`rows`"),
        (other_schema, "`schema`"),
        (lambda data: {"student": make_wide_student}, "`networks`"),
        (lambda data: {"epochs": 3}, "`epochs`: expected 3, found 2"),
        (
            lambda data: {"distillation_weight": 0.7},
            "`distillation_weight`: expected 0.7, found 0.5",
        ),
        (lambda data: {"metric": "log_loss"}, "`metric`"),
        (lambda data: {"sees": "privileged"}, "`sees`"),
        (lambda data: {"multipliers": (4.0,)}, "`multipliers`"),
    ],
)
def test_cells_of_another_audit_are_refused_before_training(
    data, untrained, folder, changed, named
):
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    with pytest.raises(ValueError, match="holds cells of an audit with another") as refused:
        run(**{"data": data, "out": folder, **changed(data)})
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)
    assert untrained == []
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [
        lambda content, other: b"",
        lambda content, other: content[: len(content) // 2],
        lambda content, other: content[:90] + bytes([content[90] ^ 255]) + content[91:],
        lambda content, other: other,
        lambda content, other: b"text",
    ],
    ids=["empty", "half", "a changed byte", "another cell's", "text"],
)
def test_a_damaged_cell_is_refused_before_training(data, untrained, folder, damage):
    cell, other = (folder / "cells" / f"size=1.0,seed={s},arm=self.npz" for s in (0, 1))
    cell.write_bytes(damage(cell.read_bytes(), other.read_bytes()))
    with pytest.raises(ValueError, match=r"arm=self.npz' can't be read as a cell .*: delete it"):
        run(data, folder)
    assert untrained == []
    cell.unlink()
    run(data, folder)
    assert untrained == [("self", 0)]


@pytest.mark.slow
def test_a_folder_without_its_manifest_or_with_a_damaged_one_is_refused(data, untrained, folder):
    manifest = folder / "cells" / "audit.json"
    manifest.write_text("{")
    with pytest.raises(ValueError, match=r"audit.json' can't be read"):
        run(data, folder)
    manifest.unlink()
    with pytest.raises(ValueError, match=r"holds cells without the audit.json"):
        run(data, folder)
    assert untrained == []


def test_a_folder_from_before_a_name_changed_goes_on(data, untrained, folder):
    manifest = folder / "cells" / "audit.json"
    described = json.loads(manifest.read_text())
    described["weight"] = described.pop("distillation_weight")
    manifest.write_text(json.dumps(described))
    run(data, folder)
    assert untrained == []


def test_nothing_is_left_behind_where_nothing_ended(data, trained, tmp_path, monkeypatch):
    def killed(*rows):
        raise Killed

    monkeypatch.setattr(row_trainings, "row_rivals", killed)
    with pytest.raises(Killed):
        run(data, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_same_networks_are_made_twice_without_being_others(data, untrained, tmp_path):
    run(data, tmp_path)
    make_student(data.schema.adapt(data.train, verbose=0))  # Keras numbers its layers.
    run(data, tmp_path)
    assert len(untrained) == 2 + 2 * 5
