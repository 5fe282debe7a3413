"""Transformer blocks against NumPy, and what their settings mean."""

import doctest

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import Transformer
from tfpfd._keras import keras
from tfpfd.layers import transformer

STEPS = np.random.default_rng(0).normal(size=[3, 4, 5]).astype("float32")
VALID = np.arange(4) < np.array([[4], [2], [1]])
CANDIDATE = np.random.default_rng(1).normal(size=[3, 2]).astype("float32")


def run(layer, steps=STEPS, valid=VALID, candidate=CANDIDATE):
    beside = {"candidate": tf.constant(candidate)} if layer.attends else {}
    return layer(tf.constant(steps), valid=tf.constant(valid), **beside).numpy()


def built(*arguments, **more):
    layer = Transformer(*arguments, **more)
    run(layer)
    random = np.random.default_rng(2)
    layer.set_weights([random.normal(size=w.shape) for w in layer.weights])
    return layer


def norm(x, layer):
    gamma, beta = layer.get_weights()
    centred = x - x.mean(-1, keepdims=True)
    return gamma * centred / np.sqrt(x.var(-1, keepdims=True) + 1e-3) + beta


def dense(x, layer):
    kernel, bias = layer.get_weights()
    return x @ kernel + bias


def attention(x, layer, causal):
    """As in "Attention Is All You Need", of one sequence `[length, dim]`."""
    query, query_bias, key, key_bias, value, value_bias, last, bias = layer.get_weights()
    total = np.zeros_like(x)
    for head in range(query.shape[1]):
        q = x @ query[:, head] + query_bias[head]
        k = x @ key[:, head] + key_bias[head]
        scores = q @ k.T / np.sqrt(q.shape[1])
        if causal:
            scores[np.triu_indices(len(x), 1)] = -np.inf
        shares = np.exp(scores - scores.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        total += shares @ (x @ value[:, head] + value_bias[head]) @ last[head]
    return total + bias


def by_hand(layer, steps, candidate):
    x = dense(steps, layer.of_step)
    if layer.candidate:
        x = np.concatenate([x, dense(candidate[None], layer.of_candidate)])
    if layer.positions:
        rows = np.minimum(np.arange(len(x))[::-1], layer.positions - 1)
        x = x + np.asarray(layer.position)[rows]
    for block in layer.blocks:
        x = x + attention(norm(x, block.attention_norm), block.attention, layer.causal)
        inner = np.maximum(dense(norm(x, block.forward_norm), block.inner), 0)
        x = x + dense(inner, block.outer)
    x = norm(x, layer.norm)
    return x[-1] if layer.causal or layer.candidate else x.mean(0)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: built(2, 2, 4),
        lambda: built(2, 1, 4, causal=True, positions=2),
        lambda: built(1, 2, 6, candidate=True),
        lambda: built(1, 1, 3, positions=0),
        lambda: built(2, 2, 4, causal=True, candidate=True),
    ],
    ids=["plain", "SASRec", "BST", "no positions", "both"],
)
def test_it_equals_numpy(layer):
    layer = layer()
    found = run(layer)
    for row, valid in enumerate(VALID):
        expected = by_hand(layer, STEPS[row, valid].astype("float64"), CANDIDATE[row])
        np.testing.assert_allclose(found[row], expected, rtol=1e-3, atol=1e-4)
    assert found.shape == (3, layer.width(5))


def test_the_order_matters_with_positions_alone():
    valid = np.ones_like(VALID)
    for positions, differs in ((4, True), (0, False)):
        layer = built(1, 2, 4, positions=positions)
        forth, back = run(layer, valid=valid), run(layer, STEPS[:, ::-1].copy(), valid)
        assert (np.abs(forth - back).max() > 1e-3) == differs


def test_a_position_is_how_many_steps_came_after():
    """What one user did last has the position of what another did last."""
    layer = built(1, 1, 4, positions=2)
    x = np.repeat(STEPS[:, :1], 4, axis=1)
    one = run(layer, x, np.arange(4) < np.array([[1], [1], [1]]))
    late = run(layer, x, np.arange(4) == np.array([[3], [3], [3]]))
    np.testing.assert_allclose(one, late, atol=1e-5)
    # Those before the last two share a position.
    swapped = STEPS[:, [1, 0, 2, 3]]
    valid = np.ones_like(VALID)
    np.testing.assert_allclose(run(layer, valid=valid), run(layer, swapped, valid), atol=1e-4)


def test_the_example_runs():
    runner = doctest.DocTestRunner()
    for example in doctest.DocTestFinder().find(transformer):
        assert runner.run(example).failed == 0
    assert runner.tries > 0


def test_config_round_trip():
    layer = Transformer(np.int64(2), 1, np.int64(6), causal=True, positions=7, name="mine")
    again = keras.utils.deserialize_keras_object(keras.utils.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
    run(layer)
    run(again)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(run(layer), run(again))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"layers": 0}, ValueError, "`layers` must be an integer of at least 1, received 0"),
        ({"heads": 3}, ValueError, r"`dim` must be a multiple of `heads` \(3\), received 32"),
        ({"heads": 0}, ValueError, "`heads` must be an integer of at least 1, received 0"),
        ({"dim": 2.5}, ValueError, "`dim` must be an integer of at least 1, received 2.5"),
        ({"positions": -1}, ValueError, "`positions` must be an integer of at least 0"),
        ({"causal": "no"}, TypeError, "`causal` must be True or False, received 'no'"),
        ({"candidate": 1}, TypeError, "`candidate` must be True or False, received 1"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        Transformer(**arguments)
