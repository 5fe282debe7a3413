"""What can't be a network is refused when a ranker gets it."""

import pytest
import tensorflow as tf

from tfpfd import Distillation, MultiTask, Ranker
from tfpfd._keras import keras


class Says(keras.layers.Layer):
    """Makes what a function makes of the joined sides, `[batch, width]`."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def build(self, input_shape):
        self.built = True

    def call(self, inputs, training=None):
        return self.function(tf.concat(list(inputs.values()), axis=1))


class Lazy(keras.layers.Layer):
    """Makes its weights when it is first called."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)

    def call(self, inputs, training=None):
        return self.dense(tf.concat(list(inputs.values()), axis=1))[:, 0]


@pytest.mark.parametrize(
    ("function", "made"),
    [
        (lambda x: x[:, :1], r"\(2, 1\)"),
        (lambda x: x, r"\(2, 80\)"),
        (lambda x: tf.reduce_sum(x), r"\(\)"),
        (lambda x: x[:1, 0], r"\(1,\)"),
        (lambda x: {"ctr": x[:, 0], "cvr": x[:, :1]}, r"\(2,\), \(2, 1\)"),
        (lambda x: [], r"\[\]"),
    ],
)
def test_other_shapes_than_a_logit_a_row(schema, function, made):
    message = rf"`network` must be .*\['user', 'item'\].*Says, which makes \[?{made}.* of 2 rows"
    with pytest.raises(ValueError, match=message):
        Ranker(schema, Says(function))


def test_a_network_that_fails_on_the_sides(schema):
    with pytest.raises(ValueError, match="received Says, which fails on them"):
        Ranker(schema, Says(lambda x: tf.matmul(x, x)))


def test_a_network_that_can_not_be_built_for_the_sides(schema):
    with pytest.raises(ValueError, match="received Dense, which fails on them"):
        Ranker(schema, keras.layers.Dense(1))


def functional():
    inputs = {side: keras.Input([8], name=side) for side in ("user", "item")}
    return keras.Model(inputs, keras.layers.Dense(1)(inputs["user"]))


@pytest.mark.parametrize(
    ("network", "received"),
    [
        (lambda: keras.Sequential([keras.layers.Dense(1)]), "a Sequential, which takes one"),
        (functional, "a functional model, .* put it into a layer"),
        (lambda: "mlp", "'mlp'"),
        (lambda: [64, 32], r".*\[64, 32\]"),
    ],
)
def test_what_is_no_network(schema, network, received):
    with pytest.raises(TypeError, match=f"`network` must be a layer .* received {received}"):
        Ranker(schema, network())


def test_weights_made_at_the_first_call_are_there_from_the_start(schema, inputs_of):
    ranker = Ranker(schema, Lazy())
    assert len(ranker.network.weights) == 2
    assert ranker(inputs_of(3)).shape == (3,)


@pytest.mark.parametrize("of", [MultiTask, "auxiliary"])
def test_heads_need_a_representation(schema, linear, of):
    student = Ranker(schema, linear())
    with pytest.raises(TypeError, match=r"auxiliary heads .* a Linear without \['represent', 's"):
        if of == "auxiliary":
            Distillation(student, Ranker(schema, linear(), sees="all"), auxiliary_head=True)
        else:
            of(student)
