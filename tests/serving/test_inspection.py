"""`inspect`: quiet about good exports, loud about each thing planted in one."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import (
    GRU,
    Categorical,
    FeatureEncoder,
    Numeric,
    Ranker,
    Schema,
    SelfAttention,
    TwoTower,
    export,
    inspect_export,
)
from tfpfd._keras import tf_variable


def body(graph):
    """A function that serves."""
    return next(f for f in graph.graph_def.library.function if "top_k" in f.signature.name)


def test_a_good_export_is_clean(exported):
    found = inspect_export(exported.path)
    assert found.findings == []
    assert found.path == exported.path
    assert found.stripped == ["affinity", "later_clicks", "left_by"]
    assert found.schema == exported.schema.served()
    assert set(found.signatures) == {
        "serving_default",
        "top_k",
        "top_k_where",
        "user_embedding",
        "item_embedding",
        "score_candidates",
    }
    kind = "string" if exported.schema.item[0].dtype == "string" else "int64"
    assert found.signatures["top_k"] == (
        ["age: float32 [?]", f"clicks: {kind} [?, ?]", "hour: int64 [?]", "k: int32 of any shape"]
        + [f"user_id: {kind} [?]"],
        [f"item_ids: {kind} [?, ?]", "scores: float32 [?, ?]"],
    )
    files = [file for file in exported.path.rglob("*") if file.is_file()]
    assert found.bytes == sum(file.stat().st_size for file in files)


def test_a_model_is_inspected_by_its_newest_version(copied):
    assert inspect_export(copied.parent).path == copied
    shutil.copytree(copied, copied.parent / "10")
    shutil.copytree(copied, copied.parent / "9")
    assert inspect_export(copied.parent).path == copied.parent / "10"


# What the papers say can be checked: no input, variable or node of the teacher or of its features.


def served_variables(student):
    """The variables that a served request of `student` needs, by where they come from."""
    layers = {
        "encoder": student.encoder,
        "user_tower": student.network.user_tower,
        "item_tower": student.network.item_tower,
    }
    return {name: [tf_variable(v) for v in layer.weights] for name, layer in layers.items()}


def test_the_variables_are_the_students_served_ones(exported):
    """Every variable by name, and its values: nothing of the teacher is among them."""
    expected = {
        f"weights/{part}/{i}/.ATTRIBUTES/VARIABLE_VALUE": variable.numpy()
        for part, variables in served_variables(exported.student).items()
        for i, variable in enumerate(variables)
    }
    bias = exported.student.network.bias.numpy()
    assert bias != 0
    reader = tf.train.load_checkpoint(str(exported.path / "variables" / "variables"))
    held = {key for key in inspect_export(exported.path).variables if key.startswith("weights/")}
    assert held == set(expected)
    for key, values in expected.items():
        np.testing.assert_array_equal(reader.get_tensor(key), values)
    assert reader.get_tensor("bias/.ATTRIBUTES/VARIABLE_VALUE") == bias
    # Besides weights: bias, item table, and a lookup table for each vocabulary that is served.
    others = {key.split("/.")[0] for key in inspect_export(exported.path).variables} - {
        key.split("/.")[0] for key in expected
    }
    assert others == {
        "bias",
        "item_embeddings",
        "item_ids",
        "item_rows",
        "lookup/_tables/user_id",
        "lookup/_tables/item_id",
        "lookup/_tables/genres",
    }
    # As many variables as the loaded model has, and fewer than the training had.
    state = [variable for part in exported.loaded.weights.values() for variable in part]
    assert len(state) == len(expected) < len(exported.model.weights)


def test_no_value_of_the_teacher_is_in_the_checkpoint(exported):
    teacher = exported.model.teacher
    shared = {id(tf_variable(v)) for v in exported.student.weights}
    own = [np.asarray(v) for v in teacher.weights if id(tf_variable(v)) not in shared]
    # A few numbers, such as a bias near its start of zeros, may be anyone's.
    own = [values for values in own if np.unique(values).size > 10]
    assert len(own) >= 2
    content = (exported.path / "variables" / "variables.data-00000-of-00001").read_bytes()
    student = exported.student.network.user_tower.weights[0]
    assert np.asarray(student).tobytes() in content
    for values in own:
        assert values.tobytes() not in content
        # Nor behind other tables in a variable.
        assert values[-4:].tobytes() not in content


def test_no_byte_of_the_graph_names_a_privileged_feature_or_value(exported):
    names = ["affinity", "later_clicks", "left_by", "back_button", "purchase", "teacher"]
    for file in exported.path.rglob("*"):
        if file.is_file() and file.name != "tfpfd.json":
            content = file.read_bytes()
            assert not [name for name in names if name.encode() in content], file


# What is planted is found.


def test_a_privileged_input_of_a_signature_is_found(copied, change):
    def plant(graph):
        inputs = graph.signature_def["top_k"].inputs
        inputs["affinity"].CopyFrom(inputs["age"])

    change(copied, plant)
    assert inspect_export(copied).findings == [
        "signature 'top_k' takes ['affinity'], which are no served features",
        "privileged feature 'affinity' is named in signature 'top_k'",
    ]


def test_any_input_that_is_no_served_feature_is_found(copied, change):
    def plant(graph):
        inputs = graph.signature_def["user_embedding"].inputs
        inputs["other"].CopyFrom(inputs["age"])

    change(copied, plant)
    findings = ["signature 'user_embedding' takes ['other'], which are no served features"]
    assert inspect_export(copied).findings == findings


def test_a_placeholder_that_no_signature_names_is_found(copied, change):
    def plant(graph):
        node = graph.graph_def.node.add(name="top_k_affinity", op="Placeholder")
        node.attr["dtype"].type = 1

    change(copied, plant)
    findings = ["placeholder 'top_k_affinity' is no input of a signature"]
    assert inspect_export(copied).findings == findings


@pytest.mark.slow
def test_a_variable_that_was_not_declared_is_found(copied, tmp_path, seal):
    class Extended(tf.Module):
        def __init__(self):
            super().__init__()
            self.good = tf.saved_model.load(str(copied))
            self.teacher = tf.Variable([[1.0]], name="kernel")

    extended = tmp_path / "2"
    module = Extended()
    tf.saved_model.save(module, str(extended), signatures=dict(module.good.signatures))
    shutil.copytree(copied / "assets.extra", extended / "assets.extra")
    seal(extended)
    found = inspect_export(extended)
    key = "teacher/.ATTRIBUTES/VARIABLE_VALUE"
    assert found.variables[key] == [1, 1]
    assert f"variable '{key}' was not declared by the export" in found.findings


def test_a_variable_of_another_shape_is_found(copied):
    file = copied / "assets.extra" / "tfpfd.json"
    manifest = json.loads(file.read_text())
    key = "weights/user_tower/0/.ATTRIBUTES/VARIABLE_VALUE"
    manifest["variables"][key][0] -= 4
    file.write_text(json.dumps(manifest))
    assert inspect_export(copied).findings == [f"variable '{key}' was not declared by the export"]


@pytest.mark.slow
def test_a_lookup_table_of_a_privileged_feature_stops_the_export(strings, tmp_path, monkeypatch):
    # As if the module looked all features up: their vocabularies would be in its tables.
    all_of = Schema.lookup_of
    monkeypatch.setattr(Schema, "lookup_of", lambda self, _: all_of(self, self.features().values()))
    items = {"item_id": ["i1"], "genres": [["war"]], "price": [1.0]}
    with pytest.raises(RuntimeError, match="the lookup table of 'left_by' is of no served feature"):
        export(strings.student, items, tmp_path / "model", verbose=0)
    assert not (tmp_path / "model").exists()


def node(graph):
    graph.graph_def.node.add(name="cross/affinity/lookup", op="NoOp")


def inner_node(graph):
    body(graph).node_def.add(name="affinity", op="NoOp")


def shared_name(graph):
    graph.graph_def.node.add(name="x", op="NoOp").attr["shared_name"].s = b"table of affinity"


def string_constant(graph):
    values = body(graph).node_def.add(name="x", op="Const").attr["value"].tensor.string_val
    values.append(b"age,affinity,clicks")


def list_of_strings(graph):
    graph.graph_def.node.add(name="x", op="NoOp").attr["names"].list.s.append(b"affinity")


def argument(graph):
    body(graph).signature.input_arg.add(name="affinity", type=1)


def object_graph(graph):
    graph.object_graph_def.nodes[0].children.add(node_id=1, local_name="affinity")


def variable_name(graph):
    held = next(n for n in graph.object_graph_def.nodes if n.WhichOneof("kind") == "variable")
    held.variable.name = "affinity/table"


@pytest.mark.parametrize(
    "plant, where",
    [
        (node, "a node of the graph"),
        (inner_node, "a node of the graph"),
        (shared_name, "a string of the graph"),
        (string_constant, "a string of the graph"),
        (list_of_strings, "a string of the graph"),
        (argument, "a function's argument"),
        (object_graph, "the object graph"),
        (variable_name, "a variable's name"),
    ],
)
def test_a_privileged_name_in_the_graph_is_found(copied, plant, where, change):
    change(copied, plant)
    findings = [f for f in inspect_export(copied).findings if "belongs to no signature" not in f]
    assert findings == [f"privileged feature 'affinity' is named in {where}"]


def test_a_privileged_name_in_the_assets_is_found(copied, seal):
    assets = copied / "assets"
    assets.mkdir(exist_ok=True)
    (assets / "affinity.txt").write_text("a\nb\n")
    (assets / "words.txt").write_bytes(b"\xff\x00back\nleft_by\n")
    seal(copied)
    assert inspect_export(copied).findings == [
        "privileged feature 'affinity' is named in assets, as a file's name",
        "privileged feature 'left_by' is named in asset 'words.txt'",
    ]


def test_a_schema_with_privileged_features_is_found(copied, strings, seal):
    (copied / "assets.extra" / "schema.json").write_text(strings.schema.to_json())
    seal(copied)
    names = "['affinity', 'later_clicks', 'left_by']"
    assert inspect_export(copied).findings == [f"the schema holds privileged features {names}"]


@pytest.mark.parametrize("name", ["tfpfd.json", "schema.json"])
def test_a_missing_manifest_or_schema_is_found(copied, name):
    (copied / "assets.extra" / name).unlink()
    (finding,) = inspect_export(copied).findings
    assert finding.endswith("is missing: not an export")


def test_other_names_are_looked_for_on_demand(copied):
    found = inspect_export(copied, privileged=["clicks", "nowhere"])
    assert found.stripped == ["affinity", "clicks", "later_clicks", "left_by", "nowhere"]
    assert found.findings
    assert all("privileged feature 'clicks' is named in" in finding for finding in found.findings)


# No false alarm.

WORDS = """
    mul rank position concat scale step value key query attention dropout dense table
    weights bias gamma size length shape time score scores embedding index name features
    inputs k x y item user encoder lookup mean add sum range identity zeros shard unknown
    read part Read
""".split()


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", [None, SelfAttention(heads=2, dim=4), GRU(4)])
def test_words_of_tensorflow_are_no_findings(tmp_path, strings, behaviour):
    words = tuple(Numeric(name, boundaries=(1.0,)) for name in WORDS)
    schema = dataclasses.replace(strings.schema, privileged={"post_event": words})
    encoder = FeatureEncoder(schema, dim=4, behaviour=behaviour)
    student = Ranker(schema, TwoTower([4, 2]), encoder=encoder)
    items = {"item_id": ["i1"], "genres": [["war"]], "price": [1.0]}
    found = inspect_export(export(student, items, tmp_path, verbose=0))
    assert found.findings == []
    assert found.stripped == sorted(WORDS)


@pytest.mark.parametrize("name", ["rank", "mul", "scores"])
def test_words_of_tensorflow_are_found_where_only_features_are_named(copied, name, change, seal):
    seal(copied, stripped=[name])
    (copied / "assets").mkdir(exist_ok=True)
    (copied / "assets" / "words.txt").write_text(name)

    def plant(graph):
        inputs = graph.signature_def["top_k"].inputs
        inputs[name].CopyFrom(inputs["age"])

    change(copied, plant)
    assert inspect_export(copied).findings == [
        f"signature 'top_k' takes ['{name}'], which are no served features",
        f"privileged feature '{name}' is named in asset 'words.txt'",
    ]


@pytest.mark.slow
def test_a_part_of_another_name_is_no_finding(tmp_path):
    schema = Schema(
        user=(Categorical("user_id", vocabulary=("u1",)), Numeric("dwell_time", boundaries=(1.0,))),
        item=(Categorical("item_id", vocabulary=("i1",)),),
        privileged={"post_event": (Numeric("dwell", boundaries=(1.0,)),)},
    )
    path = export(Ranker(schema, TwoTower([2])), {"item_id": ["i1"]}, tmp_path, verbose=0)
    assert inspect_export(path).findings == []


def test_a_notebook_shows_verdict_signatures_and_variables(strings):
    found = inspect_export(strings.path)
    size = f"6 signatures, {found.bytes / 1e6:.1f} MB"
    assert repr(found) == (f"Inspection('{found.path}', {size}: nothing privileged is inside)")
    html = found._repr_html_()
    assert f"{size}: nothing privileged is inside" in html
    for text in (*found.signatures, "candidate_ids: string [?, ?]", *found.variables):
        assert text in html
    doubtful = dataclasses.replace(found, findings=["<b>affinity</b>"])
    assert "not clean: &lt;b&gt;affinity&lt;/b&gt;" in doubtful._repr_html_()


# What is no export at all.


def test_nothing_there_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(FileNotFoundError, match="holds no SavedModel"):
            inspect_export(path)


def test_a_version_without_a_model_is_refused(tmp_path):
    (tmp_path / "1").mkdir()
    with pytest.raises(FileNotFoundError, match=r"saved_model\.pb: expected an export"):
        inspect_export(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a model", "half"])
def test_a_damaged_model_is_refused(copied, content):
    file = copied / "saved_model.pb"
    held = file.read_bytes()
    file.write_bytes(held[: len(held) // 2] if content == "half" else content)
    with pytest.raises(ValueError, match=f"'{copied}' can't be read as a SavedModel"):
        inspect_export(copied)


def test_missing_variables_are_refused(copied):
    shutil.rmtree(copied / "variables")
    with pytest.raises(ValueError, match="can't be read as a SavedModel"):
        inspect_export(copied)
