"""Target attention: the candidate weighs the steps, however rows come."""

import doctest

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import op_callbacks

import tfpfd
from tfpfd import (
    MLP,
    Behaviour,
    Categorical,
    FeatureEncoder,
    Numeric,
    Ranker,
    Schema,
    Sequence,
    Transformer,
    TwoTower,
)
from tfpfd._keras import keras
from tfpfd.layers import TargetAttention, target_attention
from tfpfd.layers.row_blocks import RowBlocks

LENGTH, WIDTH = 4, 3


def built(units=(5, 2), candidate=WIDTH):
    """One whose weights are all away from their start."""
    layer = TargetAttention(units)
    x = tf.zeros([1, LENGTH, WIDTH])
    layer(x, valid=tf.ones([1, LENGTH], tf.bool), candidate=tf.zeros([1, candidate]))
    random = np.random.default_rng(0)
    layer.set_weights([random.normal(size=w.shape) for w in layer.weights])
    return layer


def steps_of(rows, seed=1):
    random = np.random.default_rng(seed)
    steps = random.normal(size=[rows, LENGTH, WIDTH]).astype("float32")
    return steps, np.arange(LENGTH) < random.integers(0, LENGTH + 1, [rows, 1])


def by_hand(layer, steps, valid, candidate):
    """As the paper draws it: of each step an MLP of both vectors and their product."""
    found = []
    if layer.projection.built:
        candidate = candidate @ layer.projection.get_weights()[0]
    kernel, bias = layer.of_step.get_weights()
    first = np.concatenate([kernel, *layer.of_candidate.get_weights(), layer.of_product])
    dense = [(first, bias), *(one.get_weights() for one in layer.hidden)]
    last, last_bias = layer.weight.get_weights()
    for row in range(len(steps)):
        total = np.zeros(WIDTH)
        for step in steps[row][valid[row]]:
            x = np.concatenate([step, candidate[row], step * candidate[row]])
            for (kernel, bias), activation in zip(dense, layer.activations, strict=True):
                x = x @ kernel + bias
                x = np.where(x > 0, x, activation.get_weights()[0].ravel() * x)
            total += (x @ last + last_bias) * step
        found.append(total)
    return np.array(found)


@pytest.mark.parametrize("width", [WIDTH, 2])
@pytest.mark.parametrize("units", [(5,), (5, 2)])
def test_it_equals_numpy(units, width):
    layer = built(units, width)
    steps, valid = steps_of(6)
    candidate = np.random.default_rng(2).normal(size=[6, width]).astype("float32")
    found = layer(steps, valid=valid, candidate=candidate)
    np.testing.assert_allclose(found, by_hand(layer, steps, valid, candidate), rtol=1e-4, atol=1e-5)


PLACES = {
    "even": [0, 0, 1, 1, 2, 2],
    "uneven": [2, 0, 0, 0, 1, 0, 0, 0, 2, 0],
    "one": [0, 0, 0],
    "each": [2, 0, 1],
    "none": [],
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_rows_of_a_group_are_as_rows_alone(place):
    layer = built()
    place = np.array(place, np.int32)
    steps, valid = (tf.constant(x) for x in steps_of(max(place, default=0) + 1))
    candidate = tf.random.normal([len(place), WIDTH])

    def run(*arguments, **more):
        with tf.GradientTape() as tape:
            tape.watch([steps, candidate])
            found = layer(*arguments, **more)
            total = tf.reduce_sum(found**2)
        return found, tape.gradient(total, [steps, candidate, *layer.trainable_weights])

    found, slopes = run(steps, valid=valid, candidate=candidate, place=tf.constant(place))
    with tf.GradientTape() as tape:
        tape.watch([steps, candidate])
        expected = layer(
            tf.gather(steps, place), valid=tf.gather(valid, place), candidate=candidate
        )
        total = tf.reduce_sum(expected**2)
    assert found.shape == [len(place), WIDTH]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    expected = tape.gradient(total, [steps, candidate, *layer.trainable_weights])
    for one, other in zip(slopes, expected, strict=True):
        other = np.zeros(one.shape) if other is None else tf.convert_to_tensor(other)
        np.testing.assert_allclose(tf.convert_to_tensor(one), other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_rows_in_blocks(place):
    place = np.array(place, np.int32)
    groups = max(place, default=-1) + 1
    found = RowBlocks(tf.constant(place), tf.constant(int(groups)))
    values = np.arange(1.0, len(place) + 1)[:, None]
    blocks = found.blocks(tf.constant(values)).numpy()
    np.testing.assert_array_equal(found.rows(blocks), values)
    assert sorted(blocks[blocks > 0]) == values[:, 0].tolist()
    for block, group in zip(blocks, found.of.numpy(), strict=True):
        assert {place[int(x) - 1] for x in block[block > 0]} == {group}
    assert len(blocks) <= 2 * groups


def test_a_history_is_not_repeated_for_the_rows_of_a_list():
    groups, rows, length, width = 4, 64, 50, 16
    layer = TargetAttention([2])
    steps, valid = tf.random.normal([groups, length, width]), tf.ones([groups, length], tf.bool)
    candidate = tf.random.normal([rows, width])
    place = tf.constant(np.random.default_rng(0).integers(0, groups, rows), tf.int32)
    layer(steps, valid=valid, candidate=candidate, place=place)
    largest = []

    def note(op, inputs, attributes, outputs, name=None, graph=None):
        largest.extend(int(tf.size(one)) for one in outputs if one.dtype.is_floating)

    op_callbacks.add_op_callback(note)
    try:
        layer(steps, valid=valid, candidate=candidate, place=place)
    finally:
        op_callbacks.remove_op_callback(note)
    # The hidden layer has a number a row, step and unit, on up to twice as many places.
    assert largest and max(largest) < rows * length * width / 3


def test_config_round_trip():
    layer = TargetAttention([np.int64(4), 2], name="mine")
    again = keras.utils.deserialize_keras_object(keras.utils.serialize_keras_object(layer))
    assert (again.units, again.name) == ((4, 2), "mine")
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize("units", [(), (0,), 32])
def test_units_are_checked(units):
    with pytest.raises(ValueError, match="`units` must be one or more positive integers"):
        TargetAttention(units)


# In a ranker.

SCHEMA = Schema(
    user=[
        Categorical("user", vocabulary=("ann", "bob", "cid")),
        Sequence("seen", of="film", length=LENGTH),
    ],
    item=[
        Categorical("film", vocabulary=("alien", "brazil", "cube")),
        Numeric("price", boundaries=(1.0,)),
    ],
    privileged={"post_event": [Sequence("later", of="film", length=2)]},
    list_key="request",
)
ROWS = {
    "request": [0, 0, 0, 1, 1, 2, 2],
    "user": ["ann", "ann", "ann", "bob", "bob", "cid", "cid"],
    "seen": [*[["alien", "cube"]] * 3, *[[]] * 2, *[["brazil", "never", "cube", "alien"]] * 2],
    "film": ["alien", "brazil", "cube", "alien", "cube", "brazil", "never"],
    "price": [0.5, 2.0, 0.5, 2.0, 0.5, 2.0, 0.5],
    "later": [["cube"], [], ["alien"], [], ["brazil", "cube"], [], []],
    "label": [0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0],
}


def encoder_of(features=None, **arguments):
    features = SCHEMA.features() if features == "all" else features
    return FeatureEncoder(SCHEMA, features, dim=3, behaviour=TargetAttention([4]), **arguments)


def batch(by_list=False):
    ((inputs, _),) = tfpfd.data.from_rows(ROWS, SCHEMA, 99, by_list=by_list)
    return inputs


def test_the_example_runs():
    runner = doctest.DocTestRunner()
    for example in doctest.DocTestFinder().find(target_attention):
        assert runner.run(example).failed == 0
    assert runner.tries > 0


def test_the_candidate_is_the_vector_of_the_item():
    encoder = encoder_of()
    vectors = encoder(batch())
    assert encoder.candidates("seen") == ["film"]
    assert encoder.candidates("user") == encoder.candidates("film") == []
    table = encoder.tables["film"](encoder.tables["film"].offset["film"] + batch()["seen"])
    expected = encoder._poolers["seen"](table, valid=batch()["seen"] > 0, candidate=vectors["film"])
    np.testing.assert_allclose(vectors["seen"], expected, rtol=1e-5, atol=1e-7)
    assert np.abs(vectors["seen"][0] - vectors["seen"][1]).max() > 0


@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_lists_are_as_rows(l2):
    encoder = encoder_of("all", l2=l2)
    apart, together = batch(), batch(by_list=True)
    assert set(together) - set(apart)
    found = []
    for inputs in (apart, together):
        order = np.lexsort([inputs["film"], inputs["user"]])
        with tf.GradientTape() as tape:
            vectors = encoder(inputs, training=True)
            total = sum(tf.reduce_sum(x**2) for x in vectors.values()) + sum(encoder.losses)
        found.append([*(np.asarray(x)[order] for x in vectors.values())])
        slopes = tape.gradient(total, encoder.trainable_weights)
        found[-1] += [np.asarray(tf.convert_to_tensor(x)) for x in slopes]
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_a_shared_item_is_encoded_once_a_group():
    """Rows of a group that have the item in common as well."""
    rows = {**ROWS, "film": [ROWS["film"][3 * (i > 2)] for i in range(7)]}
    rows["seen"] = [["alien"]] * 7
    ((inputs, _),) = tfpfd.data.from_rows(rows, SCHEMA, 99, by_list=True)
    encoder = encoder_of()
    once, every = encoder(inputs, repeated=True), encoder(inputs)
    assert once["seen"].place is once["film"].place and len(once["seen"].values) == 3
    np.testing.assert_array_equal(tf.gather(*once["seen"]), every["seen"])
    plain = {name: x for name, x in inputs.items() if not name.startswith("__once")}
    np.testing.assert_allclose(encoder(plain)["seen"], every["seen"], rtol=1e-5, atol=1e-7)


def test_a_layer_of_ones_own_may_attend_row_by_row():
    @keras.utils.register_keras_serializable("tests")
    class Alike(keras.layers.Layer):
        """The mean of the steps, weighted by their inner product with the candidate."""

        attends = True

        def call(self, inputs, valid, candidate):
            weights = tf.einsum("bld,bd->bl", inputs, candidate) * tf.cast(valid, inputs.dtype)
            return tf.einsum("bl,bld->bd", weights, inputs)

        def width(self, dim):
            return dim

    encoder = FeatureEncoder(SCHEMA, dim=3, behaviour=Alike())
    apart, together = encoder(batch()), encoder(batch(by_list=True))
    np.testing.assert_allclose(apart["seen"], together["seen"], rtol=1e-5)


def test_what_a_feature_alone_brings_of_the_candidate():
    """An encoder of the sequence alone has the item's table, not its vector."""
    encoder = encoder_of(["seen"], l2=0.5)
    vectors = encoder(batch(), training=True)
    assert list(vectors) == ["seen"]
    rows = encoder.tables["film"](batch()["seen"] + encoder.tables["film"].offset["film"]).numpy()
    valid = (batch()["seen"] > 0).numpy()
    counted = (rows**2).sum(2) * valid
    mean = (counted.sum(1) / np.maximum(valid.sum(1), 1)).mean()
    np.testing.assert_allclose(sum(encoder.losses), 0.5 * mean, rtol=1e-5)


def test_a_teacher_attends_for_a_two_tower_student(tmp_path):
    student = Ranker(SCHEMA, TwoTower([4, 2]))
    teacher = Ranker(SCHEMA, MLP([4]), sees="all", encoder=encoder_of("all"))
    model = tfpfd.Distillation(student=student, teacher=teacher)
    model.compile("adam")
    model.fit(tfpfd.data.from_rows(ROWS, SCHEMA, 4), verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for one in ("student", "teacher"):
        found, expected = (tfpfd.score_rows(getattr(m, one), ROWS) for m in (again, model))
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    path = tfpfd.export(student, {"film": ["alien"], "price": [2.0]}, tmp_path / "x", verbose=0)
    assert tfpfd.inspect_export(path).findings == []


# Refusals.


def test_a_two_tower_student_is_refused():
    message = (
        r"`network` TwoTower runs the item side ahead .* received \['seen'\] that do: expected"
    )
    with pytest.raises(ValueError, match=message):
        Ranker(SCHEMA, TwoTower([4]), encoder=encoder_of())
    # Its item side may hold such a sequence: it depends on the item alone.
    film = Categorical("film", vocabulary=("alien",))
    item = Schema([Categorical("user", vocabulary=("ann",))], [film, Sequence("like", of="film")])
    encoder = FeatureEncoder(item, behaviour=TargetAttention([4]))
    assert Ranker(item, TwoTower([4]), encoder=encoder).count_params() > 0


def test_a_two_tower_teacher_may_attend():
    teacher = Ranker(SCHEMA, TwoTower([4]), sees="all", encoder=encoder_of("all"))
    assert teacher(batch()).shape == (7,)
    users = {name: x for name, x in batch().items() if name not in ("film", "price")}
    message = r"feature 'seen' attends .* expected inputs \['film'\] beside it, received"
    with pytest.raises(ValueError, match=message):
        teacher.encode(users, sides=["user"])


def test_a_ranker_that_does_not_see_the_item():
    message = r"features \['later'\] attend with \['film'\], which sees='privileged' doesn't see"
    with pytest.raises(ValueError, match=message):
        Ranker(SCHEMA, MLP([2]), sees="privileged", encoder=encoder_of("all"))


def test_steps_of_no_feature_of_the_item():
    user = [Categorical("city", vocabulary=("rome",)), Sequence("visited", of="city")]
    schema = Schema(user, [Categorical("film", vocabulary=("alien",))])
    message = r"`behaviour` TargetAttention attends .* received feature 'visited', whose are of"
    with pytest.raises(ValueError, match=message):
        FeatureEncoder(schema, behaviour=TargetAttention())


def test_steps_that_say_their_time():
    """A step is of film, genre and hours; the candidate has the first two of them."""
    seen = Behaviour(
        "seen",
        length=2,
        steps=[
            Categorical("seen", of="film"),
            Categorical("seen_genre", of="genre"),
            Numeric("hours_ago", form="value"),
        ],
    )
    item = [Categorical("film"), Categorical("genre")]
    schema = Schema([seen], item, list_key="request")
    rows = {
        "request": [0, 0, 1],
        "seen": [["alien", "cube"], ["alien", "cube"], []],
        "seen_genre": [["horror", "puzzle"], ["horror", "puzzle"], []],
        "hours_ago": [[5.0, 2.0], [5.0, 2.0], []],
        "film": ["cube", "alien", "cube"],
        "genre": ["puzzle", "horror", "puzzle"],
        "label": [1.0, 0.0, 1.0],
    }
    schema = schema.adapt(rows, verbose=0)
    changed = {**rows, "hours_ago": [[1.0, 9.0], [1.0, 9.0], []]}
    for behaviour in (TargetAttention([4]), Transformer(1, 2, 4, positions=0, candidate=True)):
        encoder = FeatureEncoder(schema, dim=3, behaviour=behaviour)
        assert encoder.candidates("seen") == ["film", "genre"]

        def vectors(of, by_list=False, encoder=encoder):
            ((inputs, _),) = tfpfd.data.from_rows(of, schema, 9, shuffle=False, by_list=by_list)
            order = np.lexsort([inputs["film"], inputs["seen"][:, 0]])
            return np.asarray(encoder(inputs)["seen"])[order]

        found = vectors(rows)
        np.testing.assert_allclose(vectors(rows, by_list=True), found, rtol=1e-4, atol=1e-6)
        # Their time is in their vectors; a row without steps has none.
        differs = np.abs(vectors(changed) - found).max(axis=1) > 1e-6
        assert differs.tolist() == [False, True, True]
