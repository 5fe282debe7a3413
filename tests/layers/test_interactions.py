"""DCN, DeepFM and DotInteraction against other implementations, and towers made of them."""

import doctest
import json

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import DCN, MLP, DeepFM, DotInteraction, TwoTower
from tfpfd._keras import keras
from tfpfd.layers import dcn, deep_fm, dot_interaction, mlp, two_tower

SHAPES = {
    "user": {"clicks": (None, 3), "age": (None, 2)},
    "item": {"film": (None, 3), "price": (None, 1)},
    "privileged": {"rating": (None, 3)},
}
ALL = ("item", "privileged", "user")


def encoded(rows=5, sides=ALL):
    random = np.random.default_rng(0)
    return {
        side: {
            name: random.normal(size=(rows, width)).astype("float32")
            for name, (_, width) in SHAPES[side].items()
        }
        for side in sides
    }


def built(network, sides=ALL):
    """The network with weights that are all away from their start."""
    network.build({side: SHAPES[side] for side in sides})
    random = np.random.default_rng(1)
    network.set_weights([random.uniform(0.1, 1, w.shape) - 0.4 for w in network.weights])
    return network


def vectors_of(x):
    """The features, sides by name."""
    return [x[side][name] for side in sorted(x) for name in x[side]]


def dense(x, layer):
    weights = layer.get_weights()
    return x @ weights[0] + (weights[1] if len(weights) > 1 else 0)


def deep(x, stack):
    for layer in stack.layers[::2]:
        x = dense(x, layer)
        x = np.where(x > 0, x, 0.3 * x)
    return x


def aligned(x, network):
    """Vectors of one width, `[rows, features, width]`."""
    projections = network.fields.projections
    found = [
        dense(v, projections[str(i)]) if str(i) in projections else v
        for i, v in enumerate(vectors_of(x))
    ]
    assert {v.shape[1] for v in found} == {3} and set(projections) == {"1", "4"}
    return np.stack(found, axis=1)


def cross_by_hand(network, x):
    """Every element for itself, as the paper's equation 1 says."""
    first = out = np.concatenate(vectors_of(x), axis=1)
    for cross in network.crosses:
        product = out
        for layer in cross.layers:
            product = dense(product, layer)
        out = first * product + out
    return out


@pytest.mark.parametrize("rank", [None, 2])
def test_dcn_equals_numpy(rank):
    network = built(DCN(2, [4, 3], rank=rank, batch_norm=False))
    x = encoded()
    hidden = deep(cross_by_hand(network, x), network.hidden)
    np.testing.assert_allclose(network.represent(x), hidden, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(network(x), dense(hidden, network.logit)[:, 0], rtol=1e-4)
    kernels = [w.shape for cross in network.crosses for w in cross.get_weights()]
    assert kernels == ([(12, 12), (12,)] if rank is None else [(12, 2), (2, 12), (12,)]) * 2


@pytest.mark.parametrize("rank", [None, 2])
def test_a_cross_layer_equals_that_of_tfrs(rank):
    tfrs = pytest.importorskip("tensorflow_recommenders")
    network = built(DCN(3, [4], rank=rank, batch_norm=False))
    first = out = np.concatenate(vectors_of(encoded()), axis=1)
    for cross in network.crosses:
        theirs = tfrs.layers.feature_interaction.Cross(projection_dim=rank)
        theirs(first, out)
        theirs.set_weights(cross.get_weights())
        out = theirs(first, out).numpy()
    np.testing.assert_allclose(
        network.represent(encoded()), deep(out, network.hidden), rtol=1e-4, atol=1e-5
    )


def test_deep_fm_equals_numpy():
    network = built(DeepFM([4, 3], batch_norm=False))
    x = encoded()
    joined, vectors = np.concatenate(vectors_of(x), axis=1), aligned(x, network)
    pairs = sum(
        (vectors[:, i] * vectors[:, j]).sum(1) for i in range(vectors.shape[1]) for j in range(i)
    )
    linear = dense(joined, network.linear)[:, 0]
    logits = linear + pairs + dense(deep(joined, network.hidden), network.logit)[:, 0]
    np.testing.assert_allclose(network(x), logits, rtol=1e-4, atol=1e-5)
    assert network.represent(x).shape == (5, network.representation_width)


def test_dot_interaction_equals_numpy():
    network = built(DotInteraction([4, 3], batch_norm=False))
    x = encoded()
    vectors = aligned(x, network)
    pairs = [
        (vectors[:, i] * vectors[:, j]).sum(1)
        for i in range(vectors.shape[1])
        for j in range(i + 1, vectors.shape[1])
    ]
    joined = np.concatenate([*vectors_of(x), np.stack(pairs, axis=1)], axis=1)
    hidden = deep(joined, network.hidden)
    np.testing.assert_allclose(network.represent(x), hidden, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(network(x), dense(hidden, network.logit)[:, 0], rtol=1e-4)


def test_pairs_by_hand():
    """⟨(1, 2), (3, 4)⟩ = 11, and weights of 0 elsewhere."""
    shapes = {"user": {"a": (None, 2)}, "item": {"b": (None, 2)}}
    x = {"user": {"a": np.float32([[1, 2]])}, "item": {"b": np.float32([[3, 4]])}}
    network = DeepFM([2], batch_norm=False)
    network.build(shapes)
    network.set_weights([np.zeros(w.shape) for w in network.weights])
    np.testing.assert_allclose(network(x), [11.0])
    dots = DotInteraction([1], batch_norm=False)
    dots.build(shapes)
    dots.hidden.set_weights([np.array([[0.0]] * 4 + [[2.0]]), np.array([0.0])])
    np.testing.assert_allclose(dots.represent(x), [[22.0]])


@pytest.mark.parametrize("kind", [DeepFM, DotInteraction])
def test_pairs_need_two_features(kind):
    with pytest.raises(ValueError, match=rf"{kind.__name__} needs two features .* \['rating'\]"):
        kind([2]).build({"privileged": SHAPES["privileged"]})


@pytest.mark.parametrize("kind", [DCN, DeepFM, DotInteraction])
@pytest.mark.parametrize("units", [(), (0,), 32])
def test_units_are_checked(kind, units):
    with pytest.raises(ValueError, match="`units` must be one or more positive integers"):
        kind(units=units)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cross_layers": 0}, "`cross_layers` must be an integer of at least 1, received 0"),
        ({"rank": 0}, "`rank` must be an integer of at least 1, received 0"),
        ({"l2": -1}, "`l2` must be a finite number from 0 on, received -1"),
    ],
)
def test_settings_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        DCN(**arguments)


@pytest.mark.parametrize("rank", [None, 2])
def test_l2_is_that_of_the_kernels(rank):
    network = built(DCN(1, [3], rank=rank, l2=0.5, batch_norm=False))
    stacks = [*network.crosses, network.hidden]
    kernels = [w for stack in stacks for w in stack.get_weights() if w.ndim == 2]
    total = float(tf.add_n(network.losses))
    np.testing.assert_allclose(total, 0.5 * sum((k**2).sum() for k in kernels), rtol=1e-5)


@pytest.mark.parametrize(
    "network",
    [
        DCN(np.int64(3), [np.int64(4)], rank=np.int32(2), l2=0.5),
        DeepFM([4, 3], batch_norm=False),
        DotInteraction([3], l2=0.1),
        TwoTower([3], scale=2.0, learned_scale=True, user_network=DCN(1, [4], batch_norm=False)),
        TwoTower([3], normalize=False, item_network=DeepFM([4]), user_network=MLP([2])),
    ],
)
def test_config_round_trip(network):
    config = json.loads(json.dumps(keras.utils.serialize_keras_object(network)))
    again = keras.utils.deserialize_keras_object(config)
    assert again.get_config() == network.get_config()
    built(again).set_weights(built(network).get_weights())
    np.testing.assert_array_equal(again(encoded()), network(encoded()))


@pytest.mark.parametrize("module", [dcn, deep_fm, dot_interaction, mlp, two_tower])
def test_the_examples_run(module):
    runner = doctest.DocTestRunner()
    for example in doctest.DocTestFinder().find(module):
        assert runner.run(example).failed == 0
    assert runner.tries > 0


# Towers.


def test_a_tower_of_a_network_equals_numpy():
    settings = dict(batch_norm=False)
    network = built(TwoTower([4, 2], 2.0, **settings, user_network=DCN(1, [3], **settings)))
    x = encoded()
    tower = network.user_tower
    crossed = cross_by_hand(tower.network, {side: x[side] for side in ("user", "privileged")})
    # Its sides come in the order of their names.
    first, last = tower.dense.layers[0], tower.dense.layers[-1]
    assert [type(layer).__name__ for layer in tower.dense.layers] == ["Dense", "LeakyReLU", "Dense"]
    user = dense(deep(deep(crossed, tower.network.hidden), _of(first)), last)
    item_layers = network.item_tower.layers
    item = np.concatenate(list(x["item"].values()), axis=1)
    item = dense(deep(item, _of(item_layers[0])), item_layers[-1])
    cosine = (user * item).sum(1) / np.linalg.norm(user, axis=1) / np.linalg.norm(item, axis=1)
    expected = 2 * cosine + np.asarray(network.bias)
    np.testing.assert_allclose(network(x), expected, rtol=1e-4, atol=1e-5)
    # Nothing that no logit is made of.
    names = [w.name for w in tower.weights]
    assert len(names) == 2 + 2 + 4
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(network(x))
    assert all(slope is not None for slope in tape.gradient(total, network.trainable_weights))


class _of:
    """A stack of one layer."""

    def __init__(self, layer):
        self.layers = [layer]


def test_towers_have_networks_of_their_own():
    shared = DCN(1, [3], batch_norm=False)
    network = built(TwoTower([2], user_network=shared, item_network=shared, batch_norm=False))
    assert not shared.built
    assert network.user_tower.network is not network.item_tower.network
    assert not network.takes_repeated
    x = encoded()
    other = {**x, "privileged": {n: v + 1 for n, v in x["privileged"].items()}}
    np.testing.assert_array_equal(network.item_embedding(x), network.item_embedding(other))
    assert np.abs(network.user_embedding(x) - network.user_embedding(other)).max() > 0


def test_a_learned_scale_starts_where_it_is_said_and_is_trained():
    learned, fixed = (
        TwoTower([2], scale=3.0, learned_scale=flag, batch_norm=False) for flag in (True, False)
    )
    for network in (fixed, learned):
        network.build(SHAPES)
    assert len(learned.weights) == len(fixed.weights) + 1
    for side in ("user_tower", "item_tower"):
        getattr(learned, side).set_weights(getattr(fixed, side).get_weights())
    np.testing.assert_allclose(learned(encoded()), fixed(encoded()), rtol=1e-6)
    assert fixed.factor == 3.0
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(learned(encoded()))
    (weight,) = (w for w in learned.trainable_weights if "log_scale" in w.name)
    # d/dθ of e^θ · cosines is the logits themselves.
    np.testing.assert_allclose(tape.gradient(total, weight), total, rtol=1e-5)
    weight.assign(np.log(6.0))
    np.testing.assert_allclose(learned(encoded()), 2 * fixed(encoded()), rtol=1e-5)


def test_without_normalisation_it_is_the_inner_product():
    network = built(TwoTower([2], scale=0.5, normalize=False))
    x = encoded()
    item = dense(np.concatenate(list(x["item"].values()), axis=1), network.item_tower.layers[0])
    sides = [v for side in ("user", "privileged") for v in x[side].values()]
    user = dense(np.concatenate(sides, axis=1), network.user_tower.layers[0])
    expected = 0.5 * (user * item).sum(1) + np.asarray(network.bias)
    np.testing.assert_allclose(network(x), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(network.item_embedding(x), item, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"user_network": "dcn"}, TypeError, "`user_network` must be a network .* received str"),
        (
            {"item_network": TwoTower([2])},
            TypeError,
            r"`item_network` must be .* TwoTower without \['build_body'\]",
        ),
        ({"learned_scale": "yes"}, TypeError, "`learned_scale` must be True or False"),
        ({"normalize": None}, TypeError, "`normalize` must be True or False"),
    ],
)
def test_towers_that_make_no_sense_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        TwoTower([2], **arguments)


def test_a_network_that_does_not_fit_a_side():
    shapes = {"user": SHAPES["user"], "item": {"film": (None, 3)}}
    with pytest.raises(ValueError, match=r"`item_network` can't be built of \['item'\]: DeepFM"):
        TwoTower([2], item_network=DeepFM([2])).build(shapes)
