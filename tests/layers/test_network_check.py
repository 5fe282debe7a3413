"""What can't be a network is refused when a ranker gets it."""

import pytest
import tensorflow as tf

from tfpfd import Ranker
from tfpfd._keras import keras
from tfpfd.layers import joined
from tfpfd.layers.encoded import joined_width


class Says(keras.layers.Layer):
    """Makes what a function makes of the joined sides, `[batch, width]`."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def build(self, input_shape):
        self.representation_width = joined_width(input_shape)
        self.built = True

    def represent(self, encoded, training=None):
        return joined(encoded)

    def score(self, representation, training=None):
        return self.function(representation)

    def call(self, inputs, training=None):
        return self.score(self.represent(inputs))


class Lazy:
    """Makes its weights when it is first called."""

    representation_width = 3

    def __init__(self):
        super().__init__()
        self.hidden, self.logit = keras.layers.Dense(3), keras.layers.Dense(1)

    def represent(self, encoded, training=None):
        return self.hidden(joined(encoded))

    def score(self, representation, training=None):
        return self.logit(representation)[:, 0]

    def call(self, inputs, training=None):
        return self.score(self.represent(inputs))


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


class Unbuildable(Says):
    """Takes another shape than those of features by side."""

    def build(self, input_shape):
        self.representation_width = input_shape[-1]


def test_a_network_that_can_not_be_built_for_the_sides(schema):
    with pytest.raises(ValueError, match="received Unbuildable, which fails on them"):
        Ranker(schema, Unbuildable(lambda x: x[:, 0]))


def test_a_layer_without_the_methods_of_a_network(schema):
    message = r"`tfpfd.layers.Network`\), received Dense without \['represent', 'score'\]$"
    with pytest.raises(TypeError, match=message):
        Ranker(schema, keras.layers.Dense(1))


class Other(Says):
    """Says another width, or represents rows in another way."""

    def __init__(self, width, function=joined):
        super().__init__(lambda x: tf.reduce_sum(x, axis=1))
        self.width, self.of = width, function

    def build(self, input_shape):
        self.representation_width = self.width

    def represent(self, encoded, training=None):
        return self.of(encoded)


@pytest.mark.parametrize(
    ("width", "function", "message"),
    [
        (None, joined, "received Other whose `representation_width` is None"),
        (0, joined, "received Other whose `representation_width` is 0"),
        (79, joined, r"Other of `representation_width` 79, whose `represent` makes \[\(2, 80\)\]"),
        (80, lambda x: joined(x)[:1], r"Other, which makes \[\(1,\)\] of 2 rows"),
    ],
)
def test_a_representation_of_another_shape(schema, width, function, message):
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        Ranker(schema, Other(width, function))
    assert "\n" not in str(caught.value)


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


class LazyLayer(Lazy, keras.layers.Layer):
    pass


class LazyModel(Lazy, keras.Model):
    pass


@pytest.mark.parametrize("network", [LazyLayer, LazyModel])
def test_weights_made_at_the_first_call_are_there_from_the_start(schema, inputs_of, network):
    ranker = Ranker(schema, network())
    assert len(ranker.network.weights) == 4
    assert ranker(inputs_of(3)).shape == (3,)
