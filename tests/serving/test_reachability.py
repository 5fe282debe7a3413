"""Outputs are a function of declared inputs alone: what else is smuggled in is found."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfpfd import (
    GRU,
    Categorical,
    FeatureEncoder,
    Ranker,
    Schema,
    SelfAttention,
    TwoTower,
    export,
    inspect_export,
)
from tfpfd._keras import keras
from tfpfd.layers import joined
from tfpfd.serving.reachability import unexplained


def graph_of(path):
    content = (path / "saved_model.pb").read_bytes()
    return saved_model_pb2.SavedModel.FromString(content).meta_graphs[0]


def call_of(graph, signature):
    """The node that computes a signature's outputs."""
    name = next(iter(graph.signature_def[signature].outputs.values())).name.split(":")[0]
    return next(node for node in graph.graph_def.node if node.name == name)


def body_of(graph, signature):
    """The function that computes a signature, under its wrapper."""
    bodies = {f.signature.name: f for f in graph.graph_def.library.function}
    (inner,) = {
        node.attr["f"].func.name
        for node in bodies[call_of(graph, signature).attr["f"].func.name].node_def
        if node.attr["f"].func.name
    }
    return bodies[inner]


@pytest.fixture(scope="module")
def student():
    schema = Schema(
        user=(Categorical("user_id", vocabulary=("u1", "u2")),),
        item=(Categorical("item_id", vocabulary=("i1", "i2")),),
    )
    return Ranker(schema, TwoTower([2]))


ITEMS = {"item_id": ["i1", "i2"]}


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", [None, SelfAttention(heads=1, dim=4), GRU(4)])
@pytest.mark.parametrize("base", [False, True])
def test_good_exports_are_explained(tmp_path, strings, behaviour, base):
    schema = strings.schema
    encoder = FeatureEncoder(schema, dim=4, behaviour=behaviour)
    if base:
        encoder = FeatureEncoder(schema, dim=4, base=Ranker(schema, TwoTower([2])).encoder)
    student = Ranker(schema, TwoTower([4, 2]), encoder=encoder)
    items = {"item_id": ["i1"], "genres": [["war"]], "price": [1.0]}
    path = export(student, items, tmp_path, verbose=0)
    assert unexplained(graph_of(path)) == []


# Outputs that depend on something else.


def test_the_input_of_another_signature(copied, change):
    def plant(graph):
        outputs = graph.signature_def["user_embedding"].outputs
        outputs["leak"].CopyFrom(graph.signature_def["top_k"].inputs["age"])

    change(copied, plant)
    assert inspect_export(copied).findings == [
        "signature 'user_embedding' depends on placeholder 'top_k_age', which is none of its inputs"
    ]


@pytest.mark.parametrize("through", ["", "^"])
def test_a_placeholder_behind_an_output(copied, change, through):
    """Through data, or through control alone."""

    def plant(graph):
        node = graph.graph_def.node.add(name="hidden", op="PlaceholderWithDefault")
        node.input.append("Const")
        call_of(graph, "top_k").input.append(f"{through}hidden")

    change(copied, plant)
    assert inspect_export(copied).findings == [
        "signature 'top_k' depends on placeholder 'hidden', which is none of its inputs"
    ]


def test_a_variable_that_is_not_restored(copied, change):
    def plant(graph):
        graph.graph_def.node.add(name="kernel", op="VarHandleOp")
        call_of(graph, "user_embedding").input.append("kernel")

    change(copied, plant)
    assert inspect_export(copied).findings == [
        "signature 'user_embedding' depends on 'kernel', which the checkpoint doesn't restore"
    ]


OPERATIONS = [
    "ReadFile",
    "RandomUniform",
    "PyFuncStateless",
    "EagerPyFunc",
    "VarHandleOp",
    "HashTableV2",
    "Unheard",
    # Without a state, as TensorFlow says; they read and write files, or end the process.
    "ImmutableConst",
    "GenerateVocabRemapping",
    "DebugIdentity",
    "Abort",
    "DecodeProtoV2",
    "WriteFile",
    "InplaceUpdate",
    "Send",
]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_whose_result_is_no_function_of_its_inputs(copied, change, operation):
    def plant(graph):
        body_of(graph, "item_embedding").node_def.add(name="x", op=operation)

    change(copied, plant)
    (finding,) = inspect_export(copied).findings
    assert finding.startswith(f"signature 'item_embedding' depends on operation {operation} ('x' ")


@pytest.mark.parametrize("operation", ["DebugIdentity", "WriteFile", "PyFunc"])
def test_an_operation_where_weights_are_restored(copied, change, operation):
    """It would run when a server loads the version."""

    def plant(graph):
        nodes = {node.name: node for node in graph.graph_def.node}
        restore = nodes[graph.saver_def.restore_op_name]
        bodies = {f.signature.name: f for f in graph.graph_def.library.function}
        if restore.attr["f"].func.name in bodies:
            bodies[restore.attr["f"].func.name].node_def.add(name="x", op=operation)
        else:
            graph.graph_def.node.add(name="x", op=operation)
            restore.input.append("^x")

    change(copied, plant)
    message = f"operation {operation} ('x') is none that saving and restoring need"
    assert inspect_export(copied).findings == [message]


def test_operations_of_ones_own_are_named(copied, change):
    def plant(graph):
        body_of(graph, "item_embedding").node_def.add(name="x", op="MyLibrary>Hash")

    change(copied, plant)
    assert inspect_export(copied, operations=["MyLibrary>Hash"]).findings == []
    (finding,) = inspect_export(copied, operations=["Other"]).findings
    assert "depends on operation MyLibrary>Hash ('x' " in finding


class Everything(keras.layers.Layer):
    """A network of ordinary layers and functions."""

    representation_width = 1

    def build(self, shapes):
        layers = keras.layers
        self.activations = [
            layers.Dense(4, activation=name)
            for name in ("gelu", "swish", "elu", "selu", "softplus", "tanh", "softmax", "sigmoid")
        ]
        self.attention, self.dot = layers.MultiHeadAttention(2, 4), layers.Attention()
        self.norms = [layers.LayerNormalization(), layers.BatchNormalization(), layers.Dropout(0.3)]
        self.recurrent = [layers.GRU(3), layers.LSTM(3), layers.Bidirectional(layers.GRU(2))]
        self.convolution, self.table = layers.Conv1D(3, 2), layers.Embedding(10, 3)
        self.logit = layers.Dense(1)
        self.built = True

    def represent(self, encoded, training=None):
        x = joined(encoded)
        steps = tf.stack([layer(x) for layer in self.activations], axis=1)
        steps = self.attention(steps, steps) + self.dot([steps, steps])
        for layer in self.norms:
            steps = layer(steps, training=training)
        parts = [layer(steps) for layer in self.recurrent]
        parts += [
            tf.reduce_max(self.convolution(steps), axis=1),
            tf.reduce_mean(self.table(tf.argsort(x, axis=1) % 10), axis=1),
            tf.math.top_k(x, 2).values,
            tf.linalg.normalize(tf.cumsum(x, axis=1), axis=1)[0],
            tf.map_fn(lambda row: row * 2, x),
            tf.einsum("bi,bj->bij", x, x)[:, 0],
        ]
        return self.logit(tf.concat(parts, axis=1))

    def score(self, representation, training=None):
        return representation[:, 0]

    def call(self, inputs, training=None):
        return self.score(self.represent(inputs, training=training), training=training)


@pytest.mark.slow
def test_a_network_of_ordinary_layers_is_explained(student, marked, tmp_path):
    one = Ranker(student.schema, Everything())
    inputs = {name: np.ones(2, np.int32) for name in ("user_id", "item_id")}
    one.predict(marked(student.schema, inputs), verbose=0)
    assert (
        inspect_export(export(one, None, tmp_path, warmup_requests=False, verbose=0)).findings == []
    )


def test_an_operation_outside_of_functions(copied, change):
    def plant(graph):
        graph.graph_def.node.add(name="x", op="ReadFile")
        call_of(graph, "top_k").input.append("x")

    change(copied, plant)
    message = "signature 'top_k' depends on operation ReadFile ('x')"
    assert inspect_export(copied).findings == [message]


def test_a_node_or_a_function_that_does_not_exist(copied, change):
    def plant(graph):
        call_of(graph, "top_k").input.append("nowhere")
        call_of(graph, "user_embedding").attr["f"].func.name = "nothing"

    change(copied, plant)
    findings = inspect_export(copied).findings
    assert "signature 'top_k' depends on node 'nowhere', which doesn't exist" in findings
    message = "signature 'user_embedding' depends on function 'nothing', which doesn't exist"
    assert message in findings


# Leftovers: what no signature needs.


def test_a_node_of_no_signature(copied, change):
    change(copied, lambda graph: graph.graph_def.node.add(name="auxiliary", op="NoOp"))
    assert inspect_export(copied).findings == ["node 'auxiliary' belongs to no signature"]


def test_a_function_that_is_never_called(copied, change):
    def plant(graph):
        graph.graph_def.library.function.add().signature.name = "auxiliary_head"

    change(copied, plant)
    assert inspect_export(copied).findings == [
        "function 'auxiliary_head' is called by no signature"
    ]


def test_a_second_graph(copied, seal):
    file = copied / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    saved.meta_graphs.add().meta_info_def.tags.append("teacher")
    file.write_bytes(saved.SerializeToString())
    seal(copied)
    assert inspect_export(copied).findings == ["the SavedModel holds 2 graphs: expected one"]


def test_variables_of_an_optimizer(copied, change):
    def plant(graph):
        graph.object_graph_def.nodes[0].slot_variables.add(slot_name="momentum")

    change(copied, plant)
    assert inspect_export(copied).findings == ["the object graph holds variables of an optimizer"]


# The same by an export whose module holds too much: nothing is published.


def teacher(module):
    # Of a name that says nothing.
    module.more = [tf.Variable([[1.0]], name="kernel")]


def optimizer(module):
    module.more = keras.optimizers.Adam()
    variables = module.weights["user_tower"][:1]
    if hasattr(module.more, "_variables"):
        module.more.build(variables)
    module.rate = tf.Variable(0.1, name="bias")


def head(module):
    kernel = module.weights["user_tower"][0]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def second_objective(x):
        return x + tf.reduce_sum(kernel)

    module.head = second_objective


def lookup(module):
    keys = tf.lookup.KeyValueTensorInitializer(["a"], tf.constant([1], tf.int64))
    module.more = tf.lookup.StaticHashTable(keys, -1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "smuggle, message",
    [
        (teacher, r"variable or table 'kernel\w*' is read by no signature"),
        (optimizer, r"variable or table 'bias\w*' is read by no signature"),
        (head, r"function '__inference_second_objective\w*' is called by no signature"),
        (lookup, "table 'more' isn't restored by the checkpoint"),
    ],
)
def test_what_a_module_holds_besides_is_found(student, tmp_path, monkeypatch, smuggle, message):
    save = tf.saved_model.save

    def leaky(module, directory, signatures):
        smuggle(module)
        save(module, directory, signatures=signatures)

    monkeypatch.setattr(tf.saved_model, "save", leaky)
    with pytest.raises(RuntimeError, match=message):
        export(student, ITEMS, tmp_path, verbose=0)
    assert list(tmp_path.iterdir()) == []
