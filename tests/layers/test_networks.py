import json

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import MLP, TwoTower
from tfpfd._keras import keras

SHAPES = {
    "user": {"clicks": (None, 2), "age": (None, 1)},
    "item": {"film": (None, 2)},
    "privileged": {"rating": (None, 1), "later": (None, 3)},
}


def encoded(rows=5, sides=("user", "item"), seed=0):
    random = np.random.default_rng(seed)
    return {
        side: {
            name: random.normal(size=(rows, width)).astype("float32")
            for name, (_, width) in SHAPES[side].items()
        }
        for side in sides
    }


def side_by_side(x, sides):
    """The features of the sides in NumPy, in this order."""
    return np.concatenate([part for side in sides for part in x[side].values()], axis=1)


def built(network, sides=("user", "item")):
    """The network with weights that are all different from their start."""
    network.build({side: SHAPES[side] for side in sides})
    random = np.random.default_rng(1)
    # Variances must stay positive.
    network.set_weights(
        [
            random.uniform(0.1, 1, w.shape) - ("variance" not in w.name) * 0.5
            for w in network.weights
        ]
    )
    return network


def dense(x, layer):
    kernel, bias = layer.get_weights()
    return x @ kernel + bias


def hidden_layer(x, layers):
    """Dense, batch normalisation in inference mode, leaky ReLU."""
    linear, norm, _ = layers
    gamma, beta, mean, variance = norm.get_weights()
    x = gamma * (dense(x, linear) - mean) / np.sqrt(variance + 1e-3) + beta
    return np.where(x > 0, x, 0.3 * x)


def normalized(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize("sides", [("user", "item"), ("user", "item", "privileged")])
def test_two_tower_equals_numpy(sides):
    network = built(TwoTower([4, 3], scale=2.0), sides)
    x = encoded(sides=sides)
    user = side_by_side(x, [side for side in sides if side != "item"])

    def tower(x, stack):
        return normalized(dense(hidden_layer(x, stack.layers[:3]), stack.layers[3]))

    user, item = tower(user, network.user_tower), tower(x["item"]["film"], network.item_tower)
    logits = 2 * (user * item).sum(1) + np.array(network.bias)
    np.testing.assert_allclose(network(x), logits, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(network.user_embedding(x), 2 * user, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(network.item_embedding(x), item, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bias", [None, 0.0, -4.0])
def test_two_tower_logits_lie_within_the_scale_of_the_bias(bias):
    network = built(TwoTower([8, 1], scale=3.0, use_bias=bias is not None))
    if bias is not None:
        network.bias.assign(bias)
    logits = network(encoded(rows=50)).numpy()
    # With an embedding of one number every cosine is 1 or -1, so the bounds are reached.
    np.testing.assert_allclose(np.abs(logits - (bias or 0.0)), 3.0, rtol=1e-5)


def test_a_bias_by_hand():
    """u = (3, 4) / 5 and v = (1, 0): 5 · .6 = 3 without it."""
    network = TwoTower([2])
    network.build({"user": {"age": (None, 2)}, "item": {"film": (None, 2)}})
    for tower in (network.user_tower, network.item_tower):
        tower.set_weights([np.eye(2), np.zeros(2)])
    x = {"user": {"age": np.float32([[3, 4]])}, "item": {"film": np.float32([[2, 0]])}}
    np.testing.assert_allclose(network(x), [3.0], rtol=1e-6)
    network.bias.assign(-7.5)
    np.testing.assert_allclose(network(x), [-4.5], rtol=1e-6)
    np.testing.assert_allclose(network.score(network.represent(x)), [-4.5], rtol=1e-6)
    # It is trained: each logit's slope in it is 1.
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(network(tf.nest.map_structure(lambda v: np.repeat(v, 3, axis=0), x)))
    assert float(tape.gradient(total, network.bias)) == 3


def test_the_bias_is_one_float32_weight():
    biased, plain = built(TwoTower([4, 3])), built(TwoTower([4, 3], use_bias=False))
    assert plain.bias is None
    assert len(biased.trainable_weights) == len(plain.trainable_weights) + 1
    assert len(biased.weights) == len(plain.weights) + 1
    assert biased.count_params() == plain.count_params() + 1
    assert biased.bias.shape == () and biased.bias.dtype == tf.float32
    start = TwoTower([2])
    assert start.bias is None  # Not built.
    start.build(SHAPES)
    assert float(start.bias) == 0


def test_a_config_from_before_the_bias_has_none():
    config = TwoTower([3, 2], scale=2.0).get_config()
    assert config.pop("use_bias") is True
    old = TwoTower.from_config(config)
    assert old.use_bias is False and old.get_config()["use_bias"] is False
    towers = built(old)
    assert towers.bias is None
    x = encoded()
    inner = tf.reduce_sum(towers.user_embedding(x) * towers.item_embedding(x), axis=1)
    np.testing.assert_array_equal(towers(x), inner)


def test_two_tower_of_the_paper():
    network = TwoTower()
    network.build({side: SHAPES[side] for side in ("user", "item")})
    assert network.scale == 5
    for tower in (network.user_tower, network.item_tower):
        kinds = [type(layer).__name__ for layer in tower.layers]
        assert kinds == ["Dense", "BatchNormalization", "LeakyReLU"] * 2 + ["Dense"]
        assert [layer.units for layer in tower.layers[::3]] == [512, 256, 128]


def test_only_the_user_side_of_two_tower_sees_privileged_features():
    sides = ("user", "item", "privileged")
    network = built(TwoTower([4, 3]), sides)
    x = encoded(sides=sides)
    other = {**x, "privileged": {n: v + 1 for n, v in x["privileged"].items()}}
    np.testing.assert_array_equal(network.item_embedding(x), network.item_embedding(other))
    assert not np.allclose(network.user_embedding(x), network.user_embedding(other))


@pytest.mark.parametrize("sides", [("user",), ("item",), ("privileged",)])
def test_two_tower_needs_both_sides(sides):
    with pytest.raises(ValueError, match="TwoTower needs a user and an item side, received"):
        TwoTower([2]).build({side: SHAPES[side] for side in sides})


@pytest.mark.parametrize("sides", [("user", "item"), ("privileged",)])
def test_mlp_equals_numpy(sides):
    network = built(MLP([4, 3]), sides)
    x = encoded(sides=sides)
    out = side_by_side(x, sorted(sides))
    layers = network.hidden.layers
    out = hidden_layer(hidden_layer(out, layers[:3]), layers[3:])
    np.testing.assert_allclose(network(x), dense(out, network.logit)[:, 0], rtol=1e-4, atol=1e-5)


def test_mlp_of_the_paper():
    network = MLP()
    network.build({"user": SHAPES["user"]})
    kinds = [type(layer).__name__ for layer in network.hidden.layers]
    assert kinds == ["Dense", "BatchNormalization", "LeakyReLU"] * 3
    assert [layer.units for layer in network.hidden.layers[::3]] == [512, 256, 128]
    assert network.logit.units == 1


@pytest.mark.parametrize("network", [MLP([3]), TwoTower([3, 2])])
def test_training_normalizes_by_the_batch(network):
    built(network)
    x = encoded()
    before = [w for w in network.non_trainable_weights]
    start = [np.array(w) for w in before]
    network(x, training=False)
    for weight, value in zip(before, start, strict=True):
        np.testing.assert_array_equal(weight, value)
    assert not np.allclose(network(x, training=True), network(x, training=False))
    assert any(not np.allclose(w, v) for w, v in zip(before, start, strict=True))


def test_l2_is_that_of_the_kernels():
    network = built(MLP([3, 2], l2=0.5))
    kernels = [layer.get_weights()[0] for layer in network.hidden.layers[::3]]
    total = float(tf.add_n(network.losses))
    np.testing.assert_allclose(total, 0.5 * sum((kernel**2).sum() for kernel in kernels), rtol=1e-5)
    assert not built(MLP([3, 2])).losses


@pytest.mark.parametrize("units", [(), (0,), (3, -1), (2.5,), (True,), 32, "32", None])
@pytest.mark.parametrize("kind", [MLP, TwoTower])
def test_units_are_checked(kind, units):
    with pytest.raises(ValueError, match="`units` must be one or more positive integers"):
        kind(units)


@pytest.mark.parametrize(
    "network",
    [MLP([np.int64(3)]), TwoTower([np.int32(3), np.uint8(2)])],
)
def test_widths_of_numpy_are_those_of_python(network):
    assert json.loads(json.dumps(network.get_config()["units"])) == list(network.units)
    assert built(network)(encoded()).shape == (5,)


@pytest.mark.parametrize(
    "network",
    [
        MLP([3], l2=0.5),
        TwoTower([3, 2], scale=2.0, l2=0.5),
        TwoTower([3, 2], use_bias=False),
    ],
)
def test_config_round_trip(network):
    again = type(network).from_config(network.get_config())
    assert isinstance(again, keras.layers.Layer)
    assert again.get_config() == network.get_config()
    built(again).set_weights(built(network).get_weights())
    np.testing.assert_array_equal(again(encoded()), network(encoded()))
