"""Whatever was damaged or forged in an export or a version is one line, never a crash."""

import hashlib
import json
import random
import shutil
from pathlib import Path

import pytest
from tensorflow.core.protobuf import saved_model_pb2

from tfpfd import (
    Categorical,
    Numeric,
    Ranker,
    Schema,
    Sequence,
    TwoTower,
    Version,
    export,
    inspect_export,
    lineage,
    refresh,
    save_version,
    saved_scores,
)

ITEMS = {"item_id": ["i1", "i2"], "price": [1.0, 2.0]}
ODD = [None, True, -1, 10**400, 2.5, "", "x", [], [[]], {}, {"a": None}, [1, "a"], "\n"]


@pytest.fixture(scope="module")
def student():
    schema = Schema(
        user=(
            Categorical("user_id", vocabulary=("u1", "u2")),
            Categorical("kinds", of="user_id", length=2),
            Sequence("clicks", of="item_id", length=3),
        ),
        item=(
            Categorical("item_id", vocabulary=("i1", "i2")),
            Numeric("price", boundaries=(0.5,)),
        ),
        privileged={"cross": (Numeric("affinity", boundaries=(0.5,)),)},
    )
    return Ranker(schema, TwoTower([2]))


@pytest.fixture(scope="module")
def good(student, tmp_path_factory):
    base = tmp_path_factory.mktemp("good")
    return export(student, ITEMS, base, attributes=["price"], warmup_requests=False, verbose=0)


@pytest.fixture(scope="module")
def line(student, tmp_path_factory):
    base = tmp_path_factory.mktemp("line")
    save_version(base, student, {"auc": 0.5, "loss": float("nan")}, details={"rows": 3})
    return base


def one_line(call):
    """The message of a `ValueError`, or None if nothing was raised; any other error is raised."""
    try:
        call()
    except ValueError as error:
        assert str(error) and "\n" not in str(error), str(error)
        return str(error)
    return None


def replaced(plain, rng):
    """A plain value in which one part, wherever, is another, is gone, or is new."""
    places = []

    def walk(value):
        if isinstance(value, dict | list):
            for key in value if isinstance(value, dict) else range(len(value)):
                places.append((value, key))
                walk(value[key])

    changed = json.loads(json.dumps(plain))
    walk(changed)
    parent, key = rng.choice(places)
    what = rng.randrange(4)
    if what == 0:
        del parent[key]
    elif what == 1 and isinstance(parent, dict):
        parent["new"] = parent.pop(key)
    else:
        parent[key] = rng.choice(ODD)
    return changed


def flipped(content, rng):
    changed = bytearray(content)
    changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def test_schemas_of_other_forms(student):
    rng, refused = random.Random(0), 0
    text = student.schema.to_json()
    for _ in range(400):
        other = json.dumps(replaced(json.loads(text), rng))
        refused += one_line(lambda text=other: Schema.from_json(text)) is not None
    for _ in range(400):
        other = flipped(text.encode(), rng).decode("utf-8", "replace")
        refused += one_line(lambda text=other: Schema.from_json(text)) is not None
    assert refused > 500
    assert Schema.from_json(text) == student.schema


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda plain: [], "a schema must be an object, received list"),
        (lambda plain: {**plain, "format": 2}, "expected a schema of format 1, received 2"),
        (lambda plain: {**plain, "user": None}, "'user' must be a list of features, received None"),
        (lambda plain: {**plain, "user": ["x"]}, "a feature must be an object, received 'x'"),
        (
            lambda plain: {**plain, "privileged": []},
            r"'privileged' must be an object, received \[\]",
        ),
        (
            lambda plain: {k: v for k, v in plain.items() if k != "label"},
            r"received it without \['label'\], with \[\]",
        ),
        (
            lambda plain: {**plain, "user": [{"kind": "Numeric", "name": "a", "buckets": "9"}]},
            "'buckets' of a Numeric must be an integer, received '9'",
        ),
        (
            lambda plain: {**plain, "user": [{"kind": "Sequence", "name": "a"}]},
            r"a Sequence must hold \['name', 'of'\]",
        ),
    ],
)
def test_what_is_wrong_with_a_schema_is_named(student, change, message):
    with pytest.raises(ValueError, match=message):
        Schema.from_json(json.dumps(change(student.schema.to_dict())))


@pytest.fixture
def copied(good, tmp_path):
    return Path(shutil.copytree(good, tmp_path / "model" / "1"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["assets.extra/schema.json", "saved_model.pb", "variables/variables.index"]
)
def test_a_flipped_bit_is_told_before_anything_is_read(copied, name):
    rng, file = random.Random(1), copied / name
    content = file.read_bytes()
    for _ in range(10):
        file.write_bytes(flipped(content, rng))
        message = f"'{copied}' can't be read as a SavedModel: file '{name}' was changed after"
        for call in (
            lambda: inspect_export(copied),
            lambda: refresh(copied.parent, ITEMS, verbose=0),
        ):
            assert (one_line(call) or "").startswith(message)
    file.write_bytes(content)
    assert inspect_export(copied).findings == []


@pytest.mark.slow
def test_a_flipped_bit_of_the_manifest(copied):
    rng, file = random.Random(2), copied / "assets.extra/tfpfd.json"
    content = file.read_bytes()
    for _ in range(40):
        file.write_bytes(flipped(content, rng))
        one_line(lambda: inspect_export(copied))


@pytest.mark.slow
def test_manifests_of_other_forms(copied):
    rng, file = random.Random(3), copied / "assets.extra/tfpfd.json"
    plain, refused = json.loads(file.read_text()), 0
    for name in plain:
        for value in ODD:
            file.write_text(json.dumps({**plain, name: value}))
            refused += one_line(lambda: inspect_export(copied)) is not None
    assert refused > 60
    for _ in range(40):
        file.write_text(json.dumps(replaced(plain, rng)))
        one_line(lambda: inspect_export(copied))


def test_schemas_that_were_forged_with_their_hash(copied, seal):
    rng, file = random.Random(4), copied / "assets.extra/schema.json"
    text = file.read_text()
    for _ in range(40):
        file.write_text(json.dumps(replaced(json.loads(text), rng)))
        seal(copied)
        one_line(lambda: inspect_export(copied))


@pytest.mark.slow
def test_graphs_that_were_forged_with_their_hash(copied, seal):
    rng, file = random.Random(5), copied / "saved_model.pb"
    content, refused = file.read_bytes(), 0
    for _ in range(40):
        file.write_bytes(flipped(content, rng))
        seal(copied)
        try:
            refused += bool(inspect_export(copied).findings)
        except ValueError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused


def no_nodes(graph):
    graph.object_graph_def.ClearField("nodes")


def wrong_ids(graph):
    for node in graph.object_graph_def.nodes:
        for child in node.children:
            child.node_id = 10**6


def no_inputs(graph):
    for node in graph.graph_def.node:
        if node.op == "ReadVariableOp":
            node.ClearField("input")


def odd_types(graph):
    for signature in graph.signature_def.values():
        for info in signature.inputs.values():
            info.dtype = 999


def nothing(graph):
    graph.Clear()


@pytest.mark.slow
@pytest.mark.parametrize("forge", [no_nodes, wrong_ids, no_inputs, odd_types, nothing])
def test_a_graph_that_is_none_of_an_export(copied, seal, forge):
    file = copied / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    forge(saved.meta_graphs[0])
    file.write_bytes(saved.SerializeToString())
    seal(copied)
    message = one_line(lambda: inspect_export(copied))
    assert message is not None or inspect_export(copied).findings


@pytest.mark.slow
def test_the_command_line_exits_with_2(copied):
    pytest.importorskip("typer")
    from typer.testing import CliRunner

    from tfpfd_cli import app

    file = copied / "assets.extra/schema.json"
    file.write_text(file.read_text().replace("user_id", "user_ix"))
    (copied.parent / "items.parquet").touch()
    for command in (
        ["inspect", str(copied)],
        ["refresh", str(copied.parent), "--items", str(copied.parent / "items.parquet")],
    ):
        result = CliRunner().invoke(app, command, env={"COLUMNS": "500"})
        assert result.exit_code == 2, result.output
        assert "error: " in result.output
        assert "file 'assets.extra/schema.json' was changed after the export" in result.output


@pytest.mark.slow
def test_records_of_other_forms(line, tmp_path):
    rng, file = random.Random(6), tmp_path / "line" / "0" / "version.json"
    shutil.copytree(line, tmp_path / "line")
    content, refused = file.read_text(), 0

    def read():
        frame = lineage(tmp_path / "line")
        assert len(frame) == 1
        assert Version.read(tmp_path / "line").schema

    assert one_line(read) is None
    for name in json.loads(content):
        for value in ODD:
            file.write_text(json.dumps({**json.loads(content), name: value}))
            refused += one_line(read) is not None
    assert refused > 60
    for _ in range(200):
        file.write_text(json.dumps(replaced(json.loads(content), rng)))
        one_line(read)
        file.write_bytes(flipped(content.encode(), rng))
        one_line(read)


@pytest.mark.slow
def test_schemas_of_a_version_that_were_forged(line, tmp_path):
    rng, directory = random.Random(7), tmp_path / "line" / "0"
    shutil.copytree(line, tmp_path / "line")
    text = (directory / "schema.json").read_text()
    record = json.loads((directory / "version.json").read_text())
    for _ in range(60):
        other = json.dumps(replaced(json.loads(text), rng)).encode()
        (directory / "schema.json").write_bytes(other)
        record["files"]["schema.json"] = hashlib.sha256(other).hexdigest()
        (directory / "version.json").write_text(json.dumps(record))
        one_line(lambda: Version.read(directory).schema)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["saved_model.pb", "variables/variables.data-00000-of-00001"])
def test_rows_are_not_scored_by_what_was_damaged(good, tmp_path, name):
    rows = {
        "user_id": ["u1"],
        "kinds": [["u2"]],
        "clicks": [["i1"]],
        **{k: v[:1] for k, v in ITEMS.items()},
    }
    copy = tmp_path / "1"
    shutil.copytree(good, copy)
    assert saved_scores(copy, rows).shape == (1,)
    damaged = bytearray((copy / name).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (copy / name).write_bytes(damaged)
    with pytest.raises(ValueError, match=f"isn't what was exported: file '{name}' was changed"):
        saved_scores(copy, rows)
