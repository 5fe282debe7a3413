import numpy as np
import pytest
import tensorflow as tf

from tfpfd import GRU, Categorical, FeatureEncoder, Schema, SelfAttention, Sequence
from tfpfd._keras import keras, tf_variable
from tfpfd.layers import Tables


def table_of(encoder, name):
    """The rows of one table, out of the variable that holds it among others."""
    tables = encoder.tables[name]
    start = tables.offset[name]
    return np.asarray(tables.table)[start : start + tables.rows[name]]


def fill_row(tables, row, value):
    """Writes `value` into one row of a variable."""
    held = np.array(tables.table)
    held[row] = value
    tables.table.assign(held)


def test_one_table_a_vocabulary_and_one_variable_a_width(schema):
    encoder = FeatureEncoder(schema, schema.features(), dim=4, dims={"item_id": 6})
    assert set(encoder.tables) == {"user_id", "age", "item_id", "genres", "affinity"}
    widths = {name: tables.dim for name, tables in encoder.tables.items()}
    assert widths == {"user_id": 4, "age": 4, "item_id": 6, "genres": 4, "affinity": 4}
    shapes = sorted(tuple(weight.shape) for weight in encoder.weights)
    assert shapes == [(6, 6), (5 + 4 + 4 + 4, 4)]
    assert {name: encoder.width(name) for name in ("age", "clicks")} == {"age": 4, "clicks": 6}


def test_tables_lie_behind_each_other():
    tables = Tables({"a": 3, "b": 2, "c": 4}, dim=2)
    assert tables.offset == {"a": 0, "b": 3, "c": 5}
    assert tuple(tables.table.shape) == (9, 2)
    out = tables(tf.constant([[3, 8]]))
    np.testing.assert_array_equal(out[0], np.asarray(tables.table)[[3, 8]])


def test_only_served_features_by_default(schema):
    assert list(FeatureEncoder(schema).features) == list(schema.features("served"))
    assert "affinity" not in FeatureEncoder(schema).tables


def test_values_by_hand(schema, inputs_of):
    encoder = FeatureEncoder(schema, dim=3, dims={"item_id": 2})
    inputs = inputs_of(2)
    inputs["user_id"] = np.array([4, 1], np.int32)
    inputs["clicks"] = np.array([[2, 5, 2], [3, 0, 0]], np.int32)
    inputs["genres"] = np.array([[0, 0], [3, 2]], np.int32)
    out = encoder(inputs)
    assert list(out) == list(schema.features("served"))
    users, items, genres = (table_of(encoder, name) for name in ("user_id", "item_id", "genres"))
    np.testing.assert_array_equal(out["user_id"], users[[4, 1]])
    mean = [(items[2] + items[5] + items[2]) / 3, items[3]]
    np.testing.assert_allclose(out["clicks"], mean, rtol=1e-6)
    np.testing.assert_allclose(out["genres"], [np.zeros(3), (genres[3] + genres[2]) / 2], rtol=1e-6)
    np.testing.assert_array_equal(out["item_id"], items[inputs["item_id"]])


def test_a_feature_and_a_sequence_of_it_train_the_same_row(schema, inputs_of):
    encoder = FeatureEncoder(schema, dim=2)
    inputs = {**inputs_of(1), "item_id": [3], "clicks": [[3, 0, 0]]}
    inputs = {name: tf.constant(value) for name, value in inputs.items()}
    table = tf_variable(encoder.tables["item_id"].table)
    with tf.GradientTape() as tape:
        out = encoder(inputs)
        total = tf.reduce_sum(out["item_id"]) + 10 * tf.reduce_sum(out["clicks"])
    gradient = tf.convert_to_tensor(tape.gradient(total, table)).numpy()
    row = encoder.tables["item_id"].offset["item_id"] + 3
    np.testing.assert_allclose(gradient[row], [11.0, 11.0])
    assert np.count_nonzero(gradient) == 2


@pytest.fixture(params=["mean", "attention"])
def sequences(request):
    """An encoder of one sequence."""
    schema = Schema(
        user=(Sequence("clicks", of="item", length=4),),
        item=(Categorical("item", vocabulary=("a", "b", "c", "d")),),
    )
    behaviour = SelfAttention(heads=2, dim=6) if request.param == "attention" else None
    return FeatureEncoder(schema, ["clicks"], dim=5, behaviour=behaviour)


def clicks(encoder, ids):
    return encoder({"clicks": tf.constant(ids)})["clicks"].numpy()


def test_nothing_in_the_padding_row_is_seen(sequences):
    ids = [[2, 0, 3, 0], [0, 0, 0, 0], [5, 4, 3, 2]]
    before = clicks(sequences, ids)
    assert np.abs(before[[0, 2]]).min() > 0
    for value in (1e6, np.inf, np.nan):
        fill_row(sequences.tables["item"], 0, value)
        np.testing.assert_array_equal(clicks(sequences, ids), before)


def test_length_of_the_padding_does_not_matter(sequences):
    short = clicks(sequences, [[3, 5]])
    for ids in ([3, 5, 0], [3, 5, 0, 0, 0, 0], [0, 3, 0, 5]):
        np.testing.assert_allclose(clicks(sequences, [ids]), short, atol=1e-7)


def test_an_empty_sequence_is_zero(sequences):
    np.testing.assert_array_equal(
        clicks(sequences, [[0, 0, 0, 0], [0, 0, 0, 0]]), np.zeros((2, sequences.width("clicks")))
    )


def test_the_padding_row_gets_no_gradient(sequences):
    table = tf_variable(sequences.tables["item"].table)
    with tf.GradientTape() as tape:
        out = sequences({"clicks": tf.constant([[2, 0, 0, 0], [0, 0, 0, 0]])})["clicks"]
        loss = tf.reduce_sum(tf.square(out - 1))
    gradient = tf.convert_to_tensor(tape.gradient(loss, table)).numpy()
    np.testing.assert_array_equal(gradient[[0, 1, 3, 4, 5]], np.zeros((5, 5)))
    assert np.abs(gradient[2]).max() > 0


def test_l2_by_hand(schema, inputs_of):
    encoder = FeatureEncoder(schema, ["user_id", "genres"], dim=2, l2=0.1)
    fill_row(encoder.tables["user_id"], 2, [1.0, 2.0])
    fill_row(encoder.tables["user_id"], 3, [0.0, 3.0])
    offset = encoder.tables["genres"].offset["genres"]
    fill_row(encoder.tables["genres"], offset + 1, [1.0, 1.0])
    fill_row(encoder.tables["genres"], offset + 3, [2.0, 0.0])
    inputs = {"user_id": tf.constant([2, 3]), "genres": tf.constant([[1, 3], [3, 0]])}
    encoder(inputs, training=False)
    assert not encoder.losses
    encoder(inputs, training=True)
    # user_id: 1² + 2² = 5 and 3² = 9; genres: the mean of 2 and 4, and 4; averaged over the rows.
    (penalty,) = encoder.losses
    np.testing.assert_allclose(penalty, 0.1 * ((5 + 9) / 2 + (3 + 4) / 2), rtol=1e-6)


def test_l2_touches_only_the_rows_of_the_batch(schema):
    encoder = FeatureEncoder(schema, ["user_id"], dim=2, l2=1.0)
    with tf.GradientTape() as tape:
        encoder({"user_id": tf.constant([2, 2])}, training=True)
        penalty = encoder.losses[0]
    gradient = tape.gradient(penalty, tf_variable(encoder.tables["user_id"].table))
    assert isinstance(gradient, tf.IndexedSlices)
    assert set(gradient.indices.numpy()) == {2}


def test_base_lends_its_tables(schema, inputs_of):
    base = FeatureEncoder(schema, dim=3)
    extra = base.like(schema, ["affinity", "later_clicks"], base)
    assert extra.tables["item_id"] is base.tables["item_id"]
    assert [tables.rows for tables in extra._own] == [{"affinity": 4}]
    inputs = {**inputs_of(1), "later_clicks": np.array([[4, 0]], np.int32)}
    out = extra(inputs)
    np.testing.assert_array_equal(out["later_clicks"][0], table_of(base, "item_id")[4])
    alone = base.like(schema, ["later_clicks"], None)
    assert alone.tables["item_id"] is not base.tables["item_id"]


def test_each_sequence_has_a_behaviour_encoder_of_its_own(schema, inputs_of):
    encoder = FeatureEncoder(schema, schema.features(), behaviour=SelfAttention(2, 4))
    inputs = inputs_of(2)
    inputs["clicks"] = np.array([[2, 3, 0], [4, 0, 0]], np.int32)
    inputs["later_clicks"] = inputs["clicks"][:, :2]
    out = encoder(inputs)
    assert encoder.width("clicks") == 4
    assert not np.allclose(out["clicks"], out["later_clicks"])


@pytest.mark.parametrize("behaviour", [None, SelfAttention(heads=2, dim=8), GRU(5)])
def test_config_round_trip(schema, inputs_of, behaviour):
    encoder = FeatureEncoder(
        schema, ["clicks", "age"], dim=3, dims={"age": 5}, behaviour=behaviour, l2=0.5
    )
    again = keras.utils.deserialize_keras_object(keras.utils.serialize_keras_object(encoder))
    assert again.schema == schema
    assert again.l2 == 0.5
    again.set_weights(encoder.get_weights())
    for name, vector in encoder(inputs_of(3)).items():
        np.testing.assert_array_equal(again(inputs_of(3))[name], vector)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"features": ["agee"]}, r"`features` names \['agee'\]: expected names out of"),
        ({"dim": 0}, "`dim` must be an integer of at least 1, received 0"),
        ({"dims": {"age": 2.0}}, r"`dims\['age'\]` must be an integer of at least 1, received 2.0"),
        ({"dims": {"clicks": 4}}, r"`dims` names \['clicks'\]: expected names out of"),
    ],
)
def test_errors(schema, arguments, message):
    with pytest.raises(ValueError, match=message):
        FeatureEncoder(schema, **arguments)


def test_encodes_what_it_is_given(schema, inputs_of):
    encoder = FeatureEncoder(schema)
    inputs = inputs_of(2)
    whole = encoder(inputs)
    some = encoder({name: inputs[name] for name in ("genres", "age", "affinity")})
    assert set(some) == {"genres", "age"}
    for name in some:
        np.testing.assert_array_equal(some[name], whole[name])


def test_schema_must_be_adapted():
    schema = Schema(user=(Categorical("user"),), item=())
    with pytest.raises(ValueError, match="'user' has no vocabulary"):
        FeatureEncoder(schema)
