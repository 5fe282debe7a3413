"""The names of what must not be served last through a line of versions, to every export."""

import json

import pytest

from tfpfd import (
    Categorical,
    Numeric,
    Ranker,
    Schema,
    TwoTower,
    Version,
    export,
    inspect_export,
    refresh,
    retrain,
    save_version,
)
from tfpfd._keras import keras

FILMS = {"film_id": ["f2"], "genres": [["war"]]}


@keras.utils.register_keras_serializable(package="tests.objectives")
class Sum(keras.layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(trainable=False, **kwargs)

    def call(self, inputs, training=None):
        return inputs["previous"] + inputs["other"]


def compiled():
    return {"optimizer": keras.optimizers.SGD(0.1), "run_eagerly": True, "metrics": []}


def exported(student, path):
    return inspect_export(export(student, FILMS, path, warmup_requests=False, verbose=0))


@pytest.mark.slow
def test_through_retraining_and_refresh(taught, tuesday, two_tower, tmp_path):
    save_version(tmp_path / "line", taught.student)
    retrain(tmp_path / "line", tuesday, two_tower, compile=compiled(), verbose=0)
    last = retrain(tmp_path / "line", tuesday, two_tower, compile=compiled(), verbose=0)
    assert last.number == 2
    assert last.schema.sides["privileged"] == ()
    for version in (last, Version.read(tmp_path / "line")):
        assert list(version.stripped) == ["affinity"]
        assert version.schema.stripped == ("affinity",)
        assert version.load().schema.unserved == ("affinity",)
    found = exported(last.load(), tmp_path / "films")
    assert (found.stripped, found.findings) == (["affinity"], [])
    assert found.verdict == "nothing privileged is inside"
    again = inspect_export(refresh(tmp_path / "films", FILMS, warmup_requests=False, verbose=0))
    assert (again.path.name, again.stripped, again.findings) == ("2", ["affinity"], [])


@pytest.mark.slow
def test_through_schemas_made_by_hand(taught, two_tower, tuesday, tmp_path):
    """Neither knows of privileged features; their version's parent does."""
    save_version(tmp_path / "line", taught.student)
    user, item = taught.student.schema.user, taught.student.schema.item
    own = Schema(user=user, item=item, label="liked")
    save_version(tmp_path / "line", two_tower(own), parent=0)
    last = retrain(tmp_path / "line", tuesday, two_tower, schema=own, compile=compiled(), verbose=0)
    for number in (1, 2):
        version = Version.read(tmp_path / "line" / str(number))
        assert list(version.stripped) == ["affinity"]
        assert version.load().schema.unserved == ("affinity",)
    assert exported(last.load(), tmp_path / "films").stripped == ["affinity"]


@pytest.mark.slow
def test_names_of_teachers_that_are_plugged_in(taught, two_tower, monday, tmp_path):
    first = save_version(tmp_path, taught.student)
    known = taught.student.schema
    wider = Schema(
        user=known.user,
        item=known.item,
        label="liked",
        privileged={"cross": [Numeric("age_gap", boundaries=(1.0,))]},
    )
    teacher = Ranker(wider, TwoTower([2]))
    version = retrain(
        first,
        monday,
        two_tower,
        teachers={"other": teacher},
        scorer=Sum(),
        compile=compiled(),
        verbose=0,
    )
    assert version.schema.unserved == ("affinity", "age_gap")


@pytest.mark.slow
def test_a_version_from_before_the_names_were_kept(taught, tmp_path):
    version = save_version(tmp_path / "line", taught.student)
    record = json.loads((version.path / "version.json").read_text())
    del record["stripped"]
    (version.path / "version.json").write_text(json.dumps(record))
    assert Version.read(tmp_path / "line").schema.unserved == ("affinity",)


@pytest.mark.slow
def test_a_student_of_the_served_schema(taught, two_tower, tmp_path):
    schema = taught.student.schema
    served = schema.served()
    assert served.stripped == served.served().stripped == ("affinity",)
    assert Schema.from_json(served.to_json()).stripped == ("affinity",)
    # Of the same features: equal, and a plain schema's JSON is as it was.
    plain = Schema(user=schema.user, item=schema.item, label="liked")
    assert served == plain
    assert "stripped" not in json.loads(plain.to_json())
    found = exported(two_tower(served), tmp_path)
    assert (found.stripped, found.findings) == (["affinity"], [])
    # In the manifest alone.
    text = (found.path / "assets.extra" / "schema.json").read_text()
    assert "affinity" not in text


@pytest.mark.slow
def test_of_several_rankers_all_names_are_looked_for(taught, two_tower, tmp_path):
    schema = taught.student.schema
    other = Schema(
        user=schema.user,
        item=schema.item,
        label="liked",
        privileged={"post_event": [Categorical("left_by", vocabulary=("x",))]},
    )
    rankers = {"ctr": two_tower(schema), "cvr": two_tower(other)}
    path = export(rankers, None, tmp_path, warmup_requests=False, verbose=0)
    assert inspect_export(path).stripped == ["affinity", "left_by"]


@pytest.mark.slow
def test_a_feature_that_is_served_by_now_is_not_looked_for(taught, two_tower, tmp_path):
    schema = taught.student.schema.served()
    user = [*schema.user, Numeric("affinity", boundaries=(0.5,))]
    now = Schema(user=user, item=schema.item, label="liked", stripped=schema.stripped)
    assert now.unserved == ()
    assert exported(two_tower(now), tmp_path).findings == []


@pytest.mark.slow
def test_with_nothing_to_look_for_nothing_is_said(taught, two_tower, tmp_path):
    schema = taught.student.schema
    plain = Schema(user=schema.user, item=schema.item, label="liked")
    found = exported(two_tower(plain), tmp_path)
    assert (found.stripped, found.findings) == ([], [])
    assert found.verdict.startswith("not checked: no privileged feature is known")
    with pytest.raises(TypeError, match="`privileged` must be names in a list, received 'affinit"):
        inspect_export(found.path, privileged="affinity")
    with pytest.raises(ValueError, match="`stripped` must be names in a tuple, received 'affinit"):
        Schema(user=schema.user, item=schema.item, stripped="affinity")
    named = inspect_export(found.path, privileged=["affinity"])
    assert named.verdict == "nothing privileged is inside"
    assert inspect_export(found.path, privileged=["age"]).verdict.startswith("not clean: ")
    pytest.importorskip("typer")
    from typer.testing import CliRunner

    from tfpfd_cli import app

    result = CliRunner().invoke(app, ["inspect", str(found.path)], env={"COLUMNS": "500"})
    assert result.exit_code == 0
    assert "not checked: no privileged feature is known" in result.output
    assert "nothing privileged" not in result.output
