import doctest

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import GRU, MeanPooling, SelfAttention
from tfpfd._keras import keras
from tfpfd.layers import behaviour


def softmax(scores):
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return scores / scores.sum(axis=-1, keepdims=True)


def test_mean_by_hand():
    values = tf.constant([[[1.0, 2.0], [5.0, 4.0], [9.0, 9.0]]])
    out = MeanPooling()(values, valid=tf.constant([[True, True, False]]))
    np.testing.assert_allclose(out, [[3.0, 3.0]])


@pytest.mark.parametrize("layer", [MeanPooling(), SelfAttention(2, 4), GRU(3)])
def test_width_is_that_of_the_output(layer):
    out = layer(tf.ones([2, 3, 6]), valid=tf.ones([2, 3], tf.bool))
    assert out.shape == (2, layer.width(6))


def test_attention_equals_numpy():
    layer = SelfAttention(heads=2, dim=6)
    values = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    lengths = (4, 1, 3)
    valid = np.arange(4) < np.array(lengths)[:, None]
    out = layer(tf.constant(values), valid=tf.constant(valid)).numpy()
    for weight in layer.weights:  # Biases start at zero, so give them something to do.
        weight.assign(np.random.default_rng(1).normal(size=weight.shape))
    out = layer(tf.constant(values), valid=tf.constant(valid)).numpy()

    query, query_bias, key, key_bias, value, value_bias, last, last_bias = layer.get_weights()
    assert query.shape == (5, 2, 3)
    for row, length in enumerate(lengths):
        x = values[row, :length]
        heads = []
        for head in range(2):
            q = x @ query[:, head] + query_bias[head]
            k = x @ key[:, head] + key_bias[head]
            v = x @ value[:, head] + value_bias[head]
            heads.append(softmax(q @ k.T / np.sqrt(3)) @ v @ last[head])
        attended = sum(heads) + last_bias
        np.testing.assert_allclose(out[row], attended.mean(axis=0), rtol=1e-4, atol=1e-5)


def test_order_of_the_sequence_does_not_matter():
    layer = SelfAttention(2, 4)
    values = tf.random.normal([1, 3, 5])
    valid = tf.ones([1, 3], tf.bool)
    backwards = layer(values[:, ::-1], valid=valid)
    np.testing.assert_allclose(layer(values, valid=valid), backwards, atol=1e-6)


def test_gradients_are_finite_where_nothing_is_valid():
    layer = SelfAttention(2, 4)
    values = tf.random.normal([2, 3, 5])
    with tf.GradientTape() as tape:
        tape.watch(values)
        out = layer(values, valid=tf.constant([[False] * 3, [True] * 3]))
    gradient = tape.gradient(out, values).numpy()
    assert np.isfinite(gradient).all()
    assert np.abs(gradient[0]).max() == 0
    assert np.abs(gradient[1]).max() > 0


def test_settings_of_the_paper():
    layer = SelfAttention()
    assert (layer.heads, layer.dim) == (4, 32)


def test_dim_must_be_a_multiple_of_heads():
    with pytest.raises(ValueError, match=r"`dim` must be a multiple of `heads` \(3\), received 8"):
        SelfAttention(heads=3, dim=8)


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (SelfAttention, {"heads": 0}, "`heads` must be an integer of at least 1, received 0"),
        (SelfAttention, {"dim": 8.0}, "`dim` must be an integer of at least 1, received 8.0"),
        (GRU, {"dim": 0}, "`dim` must be an integer of at least 1, received 0"),
    ],
)
def test_widths_are_positive_integers(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        kind(**arguments)


@pytest.mark.parametrize("layer", [SelfAttention(np.int64(2), np.int64(4)), GRU(np.int64(4))])
def test_widths_of_numpy_are_those_of_python(layer):
    assert type(layer.get_config()["dim"]) is int
    assert layer(tf.ones([1, 2, 3]), valid=tf.constant([[True, False]])).shape == (1, 4)


def test_config_round_trip():
    layer = keras.utils.deserialize_keras_object(
        keras.utils.serialize_keras_object(SelfAttention(heads=3, dim=9, name="mine"))
    )
    assert (layer.heads, layer.dim, layer.name) == (3, 9, "mine")


def test_a_recurrent_encoder_knows_the_order_and_skips_the_padding():
    layer = GRU(4)
    values = tf.random.normal([1, 3, 5])
    valid = tf.constant([[True, True, False]])
    out = layer(values, valid=valid)
    assert np.abs(out - layer(values[:, 1::-1], valid=valid[:, :2])).max() > 1e-4
    spoiled = tf.concat([values[:, :2], tf.fill([1, 1, 5], np.nan)], axis=1)
    np.testing.assert_array_equal(out, layer(spoiled, valid=valid))
    np.testing.assert_allclose(out, layer(values[:, :2], valid=valid[:, :2]), atol=1e-6)
    nothing = layer(values, valid=tf.zeros([1, 3], tf.bool))
    np.testing.assert_array_equal(nothing, np.zeros([1, 4]))


def test_recurrence_by_hand():
    """With all weights at zero the gates are half open: h = (h + tanh(0)) / 2 stays 0."""
    layer = GRU(2)
    layer(tf.ones([1, 2, 3]), valid=tf.ones([1, 2], tf.bool))
    kernel, recurrent, bias = layer.get_weights()
    bias = np.zeros_like(bias)
    bias[0, 4:] = 1.0  # Of the candidate: tanh(1), entering by half at each step.
    layer.set_weights([kernel * 0, recurrent * 0, bias])
    out = layer(tf.ones([1, 2, 3]), valid=tf.ones([1, 2], tf.bool))
    np.testing.assert_allclose(out, np.full([1, 2], np.tanh(1) * 0.75), rtol=1e-5)


def test_a_file_from_before_it_had_its_name():
    saved = keras.utils.serialize_keras_object(GRU(3, name="mine"))
    saved |= {"class_name": "Recurrent", "registered_name": "tfpfd>Recurrent"}
    layer = keras.utils.deserialize_keras_object(saved)
    assert (type(layer), layer.dim, layer.name) == (GRU, 3, "mine")


def test_the_examples_run():
    runner = doctest.DocTestRunner()
    for example in doctest.DocTestFinder().find(behaviour):
        assert runner.run(example).failed == 0
    assert runner.tries > 0
