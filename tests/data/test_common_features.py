"""What rows of a list have in common is encoded once a list, and everything is as if it weren't."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tfpfd import MLP, Categorical, Distillation, Numeric, Ranker, Schema, TwoTower, losses
from tfpfd import Sequence as History
from tfpfd._keras import keras
from tfpfd.data import from_positives, from_rows
from tfpfd.data.common_features import ONCE, common_features_of
from tfpfd.layers import FeatureEncoder, SelfAttention

SCHEMA = Schema(
    [
        Categorical("user", dtype="int", vocabulary=tuple(range(9))),
        Categorical("device", vocabulary=("a", "b")),
        History("clicks", of="item", length=4),
    ],
    [Categorical("item", dtype="int", vocabulary=tuple(range(20)))],
    {"cross": [Numeric("score", boundaries=(-0.5, 0.5))]},
    list_key="request",
)
SIZES = [3, 1, 5, 2, 4, 3]


@pytest.fixture
def rows():
    """Lists of other sizes, their rows anywhere; the device changes within a list."""
    random = np.random.default_rng(0)
    requests = np.repeat(np.arange(len(SIZES)), SIZES)
    count = len(requests)
    clicks = [random.integers(0, 20, n).tolist() for n in (0, 1, 3, 4, 6, 2)]
    columns = {
        "request": requests,
        "user": requests % 4,
        "device": random.choice(["a", "b"], count),
        "clicks": [clicks[request] for request in requests],
        "item": random.integers(0, 20, count),
        "score": random.normal(size=count),
        "label": random.integers(0, 2, count).astype(float),
    }
    return pd.DataFrame(columns).sample(frac=1, random_state=0)


def without(batches):
    return batches.map(lambda x, y: ({k: v for k, v in x.items() if not k.startswith(ONCE)}, y))


def names_of(batches):
    (key,) = (name for name in batches.element_spec[0] if name.startswith(ONCE))
    return set(key[len(ONCE) :].split(","))


def test_which_features_rows_have_in_common(rows):
    assert names_of(from_rows(rows, SCHEMA, by_list=True)) == {"user", "clicks"}
    one_user = rows.assign(user=3, device="a")
    assert names_of(from_rows(one_user, SCHEMA, by_list=True)) == {"user", "clicks", "device"}
    apart = rows.assign(request=np.arange(len(rows)))
    for batches in (from_rows(rows, SCHEMA), from_rows(apart, SCHEMA, by_list=True)):
        assert not any(name.startswith(ONCE) for name in batches.element_spec[0])


@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_hold_what_they_held(rows, shuffle):
    ((whole, labels),) = from_rows(rows, SCHEMA, len(rows))
    names = list(SCHEMA.features())

    def set_of(inputs, labels):
        columns = [inputs[name].numpy().tolist() for name in names]
        return sorted(map(str, zip(*columns, labels.numpy().tolist(), strict=True)))

    found = []
    for inputs, part in from_rows(rows, SCHEMA, 7, shuffle, seed=3, by_list=True):
        assert {len(values) for values in inputs.values()} == {len(part)}
        found += set_of(inputs, part)
    assert sorted(found) == set_of(whole, labels)


def test_groups_in_any_order():
    numbers = tf.constant([7, -3, 7, 9, -3], tf.int64)
    one, other = common_features_of({ONCE + "b,c": -numbers[:4], "b": None, ONCE + "a,b": numbers})
    assert (one.names, other.names) == ({"a", "b"}, {"c"})
    assert one.first.numpy().tolist() == [0, 1, 3]
    assert one.place.numpy().tolist() == [0, 1, 0, 2, 1]
    assert other.place.numpy().tolist() == [0, 1, 0, 2]
    assert common_features_of({"a": None}) == []


def model(behaviour=None, kind="distillation"):
    keras.utils.set_random_seed(1)
    encoder = FeatureEncoder(SCHEMA, dim=3, behaviour=behaviour, l2=0.1)
    made = Ranker(SCHEMA, TwoTower([4, 2], batch_norm=False), encoder=encoder)
    if kind == "distillation":
        teacher = Ranker(SCHEMA, MLP([4], batch_norm=False), sees="all", encoder=encoder)
        made = Distillation(
            student=made, teacher=teacher, distillation_loss=losses.SoftListwiseSoftmax()
        )
    made.compile(keras.optimizers.SGD(0.1), loss=losses.ListwiseSoftmax())
    return made


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", [None, SelfAttention])
@pytest.mark.parametrize("kind", ["ranker", "distillation"])
def test_losses_predictions_and_steps_are_the_same(rows, behaviour, kind):
    """With unequal lists, the mean of `l2` over rows too."""
    batches = from_rows(rows, SCHEMA, 9, by_list=True)
    found = []
    for fed in (batches, without(batches)):
        made = model(behaviour and behaviour(), kind)
        shown = made.evaluate(fed, verbose=0, return_dict=True)
        logits = made.predict(fed, verbose=0)
        made.fit(fed, verbose=0)
        found.append((shown, logits, made.get_weights()))
    (shown, logits, weights), (other_shown, other_logits, other_weights) = found
    assert shown == pytest.approx(other_shown, rel=1e-5)
    np.testing.assert_allclose(logits, other_logits, rtol=1e-5, atol=1e-6)
    for one, other in zip(weights, other_weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_features_that_a_map_changed_are_not_taken_for_those_of_the_list(rows):
    def changed(inputs, labels):
        return {**inputs, "user": tf.reverse(inputs["user"], [0])}, labels

    batches = from_rows(rows, SCHEMA, 99, by_list=True).map(changed)
    made = model()
    with pytest.raises(tf.errors.InvalidArgumentError, match="feature user: expected the same in"):
        made.evaluate(batches, verbose=0)
    assert np.isfinite(made.evaluate(without(batches), verbose=0)).all()


@pytest.mark.slow
def test_batches_that_were_taken_apart(rows):
    batches = from_rows(rows, SCHEMA, 9, by_list=True)
    made = model()
    expected = made.evaluate(batches.unbatch().batch(99), verbose=0)
    shuffled = batches.unbatch().shuffle(99, seed=1).batch(99)
    assert made.evaluate(shuffled, verbose=0) == pytest.approx(expected, rel=1e-5)
    two = batches.concatenate(from_rows(rows, SCHEMA, 9, by_list=True)).rebatch(99)
    assert made.evaluate(two, verbose=0) == pytest.approx(expected, rel=1e-5)


@pytest.fixture
def drawn(rows):
    """Lists of five rows, of 20 items: more rows a batch than items."""
    catalogue = pd.DataFrame({"item": np.arange(20)})
    return from_positives(
        rows,
        catalogue,
        SCHEMA,
        user="user",
        item="item",
        drawn=4,
        privileged=lambda frame: pd.DataFrame({"score": np.sin(frame["item"] * frame["user"])}),
        batch_size=60,
    )


def test_an_item_that_stands_in_several_rows_is_encoded_once(drawn):
    groups = [key for key in drawn.element_spec[0] if key.startswith(ONCE)]
    assert {key[len(ONCE) :] for key in groups} == {"clicks,device,user", "item"}
    for inputs, _ in drawn:
        (items,) = (one for one in common_features_of(inputs) if "item" in one.names)
        assert len(items.first) == len(np.unique(inputs["item"])) < len(inputs["item"])
        of_groups = items.of_groups("item", inputs["item"][:, None])[:, 0]
        np.testing.assert_array_equal(tf.gather(of_groups, items.place), inputs["item"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ranker", "distillation"])
def test_items_encoded_once_change_nothing(drawn, kind):
    found = []
    for fed in (drawn, without(drawn)):
        made = model(kind=kind)
        made.fit(fed, verbose=0)
        found.append((made.evaluate(fed, verbose=0), made.get_weights()))
    (losses_once, weights), (losses_each, other_weights) = found
    assert losses_once == pytest.approx(losses_each, rel=1e-5)
    for one, other in zip(weights, other_weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def rows_of(features):
    (rows,) = {vectors.shape[0] for vectors in features.values()}
    return rows


class Seen(TwoTower):
    """Notes how many rows its towers are run for."""

    rows = None

    def user_embedding(self, encoded, training=None):
        Seen.rows = {**(Seen.rows or {}), "user": rows_of(encoded["user"])}
        return super().user_embedding(encoded, training=training)

    def item_embedding(self, encoded, training=None):
        Seen.rows = {**(Seen.rows or {}), "item": rows_of(encoded["item"])}
        return super().item_embedding(encoded, training=training)


class OwnWay(Seen):
    """Makes logits of sides in a way of its own, so it gets every row."""

    def call(self, inputs, training=None):
        assert rows_of(inputs["user"]) == rows_of(inputs["item"])
        return super().call(inputs, training=training)


class Scaled(MLP):
    """Has a way of its own, so it gets every row."""

    def represent(self, encoded, training=None):
        return 2 * super().represent(encoded, training=training)


@pytest.mark.parametrize("network", [MLP, Scaled])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_a_linear_layer_of_sides_is_the_sum_of_its_parts(drawn, network, batch_norm, training):
    """With batch normalisation too, which comes after the sum."""
    inputs, _ = next(iter(drawn))
    plain = {name: rows for name, rows in inputs.items() if not name.startswith(ONCE)}
    ranker = Ranker(SCHEMA, network([4, 3], batch_norm=batch_norm), sees="all")
    found = []
    for given in (inputs, plain):
        with tf.GradientTape() as tape:
            logits = ranker(given, training=training)
            loss = tf.reduce_sum(logits**2)
        found.append((logits, *tape.gradient(loss, ranker.network.trainable_variables)))
    for one, other in zip(*found, strict=True):
        # The gradient of a bias under batch normalisation is 0 but for rounding.
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_in_mixed_precision(drawn):
    inputs, _ = next(iter(drawn))
    plain = {name: rows for name, rows in inputs.items() if not name.startswith(ONCE)}
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        for network in (MLP([4, 3], batch_norm=False), TwoTower([4, 3], batch_norm=False)):
            ranker = Ranker(SCHEMA, network)
            assert ranker(inputs).dtype == tf.float32
            np.testing.assert_allclose(ranker(inputs), ranker(plain), rtol=0.02, atol=2e-3)
    finally:
        keras.mixed_precision.set_global_policy("float32")


@pytest.mark.parametrize("network", [Seen, OwnWay])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_tower_runs_once_for_rows_of_a_group(drawn, network, batch_norm):
    """Not under batch normalisation, whose statistics count rows."""
    inputs, _ = next(iter(drawn))
    ranker = Ranker(SCHEMA, network([4, 2], batch_norm=batch_norm))
    logits = ranker(inputs)
    groups = {"user": len(inputs["item"]) // 5, "item": len(np.unique(inputs["item"]))}
    every_row = dict.fromkeys(groups, len(inputs["item"]))
    assert Seen.rows == (groups if network is Seen and not batch_norm else every_row)
    plain = {name: rows for name, rows in inputs.items() if not name.startswith(ONCE)}
    np.testing.assert_allclose(logits, ranker(plain), rtol=1e-5, atol=1e-6)
