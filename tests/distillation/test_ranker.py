import numpy as np
import pytest
import tensorflow as tf

from tfpfd import MLP, Categorical, FeatureEncoder, Ranker, Schema, TwoTower
from tfpfd._keras import keras
from tfpfd.layers import joined


@pytest.mark.parametrize(
    ("sees", "widths"),
    [
        ("served", {"user": 3 * 16, "item": 2 * 16}),
        ("all", {"user": 3 * 16, "item": 2 * 16, "privileged": 2 * 16}),
        ("privileged", {"privileged": 2 * 16}),
    ],
)
def test_sees(schema, inputs_of, linear, sees, widths):
    ranker = Ranker(schema, linear(), sees=sees)
    assert set(ranker.encoder.features) == set(schema.features(sees))
    encoded = ranker.encode(inputs_of(4))
    assert {side: joined(encoded, [side]).shape for side in encoded} == {
        side: (4, width) for side, width in widths.items()
    }
    assert ranker(inputs_of(4)).shape == (4,)


@pytest.mark.parametrize("sees", ["served", "all", "privileged"])
def test_reacts_to_what_it_sees_alone(schema, inputs_of, linear, sees):
    ranker = Ranker(schema, linear(), sees=sees)
    inputs = inputs_of(1)
    before = ranker(inputs).numpy()
    for name, feature in schema.features().items():
        rows = np.arange(schema.table_rows(feature), dtype=np.int32)
        others = np.stack([rows] * feature.length, 1)[:, None] if feature.length else rows[:, None]
        changed = [ranker({**inputs, name: other}).numpy() != before for other in others]
        assert np.any(changed) == (name in schema.features(sees))


def test_sides_are_the_vectors_of_their_features_in_order(schema, inputs_of, linear):
    ranker = Ranker(schema, linear(), sees="all")
    inputs = inputs_of(3)
    vectors = ranker.encoder(inputs)
    for side, encoded in ranker.encode(inputs).items():
        assert list(encoded) == [feature.name for feature in schema.sides[side]]
        expected = np.concatenate([vectors[f.name] for f in schema.sides[side]], axis=1)
        np.testing.assert_array_equal(joined({side: encoded}), expected)


@pytest.mark.parametrize("network", [TwoTower([3, 2]), MLP([3])])
def test_weights_exist_from_the_start(schema, inputs_of, network):
    ranker = Ranker(schema, network)
    before = [id(weight) for weight in ranker.weights]
    assert ranker.built
    ranker(inputs_of(2))
    assert [id(weight) for weight in ranker.weights] == before


def test_sharing_is_the_same_variables(schema, linear):
    student = Ranker(schema, linear())
    teacher = Ranker(schema, linear(), sees="all", encoder=student.encoder)
    assert teacher.encoder is student.encoder
    mine = {id(weight) for weight in teacher.trainable_weights}
    assert {id(weight) for weight in student.encoder.trainable_weights} < mine
    # One table more, that of affinity, and a network; later_clicks uses the shared item_id table.
    shapes = [tuple(w.shape) for w in teacher.trainable_weights]
    assert sorted(shapes) == sorted(
        [tuple(w.shape) for w in student.encoder.weights] + [(4, 16), (7 * 16,), ()]
    )


def test_own_features_are_not_shared(schema, inputs_of, linear):
    student = Ranker(schema, linear())
    teacher = Ranker(schema, linear(), sees="all", encoder=student.encoder, unshared=["user_id"])
    inputs = inputs_of(3)
    vectors, mine = (joined(one.encode(inputs), ["user"]) for one in (student, teacher))
    assert not np.allclose(vectors[:, :16], mine[:, :16])
    np.testing.assert_array_equal(vectors[:, 16:], mine[:, 16:])
    with tf.GradientTape() as tape:
        logits = teacher(inputs)
    shared = student.encoder.tables["user_id"]
    gradient = tape.gradient(logits, getattr(shared.table, "_value", shared.table))
    start = shared.offset["user_id"]
    gradient = tf.convert_to_tensor(gradient).numpy()[start : start + 5]
    np.testing.assert_array_equal(gradient, np.zeros((5, 16)))


def test_a_smaller_view_of_a_larger_encoder(schema, inputs_of, linear):
    teacher = Ranker(schema, linear(), sees="all")
    student = Ranker(schema, linear(), encoder=teacher.encoder)
    inputs = inputs_of(3)
    served = {name: inputs[name] for name in schema.features("served")}
    np.testing.assert_array_equal(student(served), student(inputs))


def test_missing_input(schema, inputs_of, linear):
    inputs = inputs_of(2)
    del inputs["age"]
    message = r"missing inputs \['age'\]: ranker '\w+' with sees='served' needs table rows"
    with pytest.raises(ValueError, match=message):
        Ranker(schema, linear())(inputs)


def test_errors(schema, linear):
    encoder = FeatureEncoder(schema)
    with pytest.raises(
        ValueError, match=r"`unshared` names \['affinity'\]: expected features that"
    ):
        Ranker(schema, linear(), sees="all", encoder=encoder, unshared=["affinity"])
    with pytest.raises(ValueError, match=r"`unshared` names \['usr'\]"):
        Ranker(schema, linear(), encoder=encoder, unshared=["usr"])
    with pytest.raises(ValueError, match=r"`sees` must be one of .* received 'some'"):
        Ranker(schema, linear(), sees="some")
    other = Schema(
        user=(Categorical("user_id", vocabulary=("a",)),),
        item=(Categorical("item_id", vocabulary=("b",)),),
    )
    with pytest.raises(ValueError, match=r"another schema: \['user_id', 'item_id'\] differ"):
        Ranker(other, linear(), encoder=encoder)
    with pytest.raises(ValueError, match="fails on them: TwoTower needs a user and an item side"):
        Ranker(schema, TwoTower([2]), sees="privileged")
    network = linear()
    Ranker(schema, network)
    with pytest.raises(ValueError, match="`network` is in use by another ranker"):
        Ranker(schema, network)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": "mse"}, "`loss` must be a keras.losses.Loss of labels and logits"),
        ({"metrics": ["auc"]}, "`metrics` must hold keras.metrics.Metric, received 'auc'"),
        ({"loss_weights": [1.0]}, "`loss_weights`"),
        ({"weighted_metrics": ["auc"]}, "`weighted_metrics`"),
    ],
)
def test_compile_refuses(schema, linear, arguments, message):
    with pytest.raises(TypeError, match=message):
        Ranker(schema, linear()).compile("sgd", **arguments)


def stock_model(ranker, inputs):
    """A Keras model of the same weights: one Embedding of all tables, and a Dense layer."""
    tables = ranker.encoder.tables["user_id"]
    columns = []
    for name, feature in ranker.encoder.features.items():
        ids = inputs[name].reshape(len(inputs["age"]), -1)
        columns.append(np.where(ids > 0, ids + tables.offset[feature.table], 0))
    ids = np.concatenate(columns, axis=1)
    place = keras.layers.Input((ids.shape[1],), dtype="int32")
    embedding = keras.layers.Embedding(*tables.table.shape, name="table")
    vectors, start, parts = embedding(place), 0, []
    for column, feature in zip(columns, ranker.encoder.features.values(), strict=True):
        width = column.shape[1]
        take = keras.layers.Lambda(lambda x, a=start, b=start + width: x[:, a:b])
        part, held = take(vectors), take(place)
        if feature.length is not None:
            mean = keras.layers.Lambda(
                lambda v: (
                    tf.reduce_sum(v[0] * tf.cast(v[1] > 0, tf.float32)[..., None], 1)
                    / tf.maximum(tf.reduce_sum(tf.cast(v[1] > 0, tf.float32), 1, keepdims=True), 1)
                ),
                output_shape=(16,),
            )
            part = mean([part, held])
        else:
            part = keras.layers.Flatten()(part)
        parts.append(part)
        start += width
    # Linear concatenates the sides in order of their names.
    parts = parts[3:] + parts[:3]
    logit = keras.layers.Dense(1, name="logit")(keras.layers.Concatenate()(parts))
    model = keras.Model(place, logit)
    embedding.set_weights([np.array(tables.table)])
    kernel, bias = ranker.network.get_weights()
    model.get_layer("logit").set_weights([kernel[:, None], bias[None]])
    return model, ids


@pytest.mark.slow
def test_fit_equals_a_stock_model(schema, inputs_of, linear):
    inputs, weights = inputs_of(40), np.random.default_rng(2).uniform(0, 2, 40).astype("float32")
    for name in ("clicks", "genres"):  # The stock model has no other place for padding than row 0.
        inputs[name] = np.maximum(inputs[name], 1)
    labels = np.random.default_rng(1).integers(0, 2, 40).astype("float32")
    ranker = Ranker(schema, linear())
    stock, ids = stock_model(ranker, inputs)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    stock.compile(keras.optimizers.Adagrad(0.5), loss=loss)
    ranker.compile(keras.optimizers.Adagrad(0.5))
    settings = {"batch_size": 8, "epochs": 3, "shuffle": False, "verbose": 0}
    ours = ranker.fit(inputs, labels, sample_weight=weights, **settings).history
    theirs = stock.fit(ids, labels[:, None], sample_weight=weights, **settings).history
    np.testing.assert_allclose(ours["loss"], theirs["loss"], rtol=1e-5)
    assert ours["loss"][-1] < ours["loss"][0]
    assert set(ours) == {"loss", "auc"}


@pytest.mark.slow
def test_rows_without_a_label_do_not_count(schema, inputs_of, linear, assert_same):
    inputs = inputs_of(12)
    labels = np.array([0, 1, np.nan] * 4, np.float32)
    held = ~np.isnan(labels)
    whole, part = Ranker(schema, linear()), Ranker(schema, linear())
    part.set_weights(whole.get_weights())
    histories = []
    for ranker, rows in ((whole, slice(None)), (part, held)):
        ranker.compile(keras.optimizers.SGD(0.5))
        batch = {name: ids[rows] for name, ids in inputs.items()}
        fit = ranker.fit(batch, labels[rows], batch_size=12, epochs=3, shuffle=False, verbose=0)
        histories.append(fit.history)
    assert_same(whole, part, atol=1e-6)
    for name in ("loss", "auc"):
        np.testing.assert_allclose(histories[0][name], histories[1][name], rtol=1e-5)


@pytest.mark.slow
def test_loss_of_an_epoch_is_the_mean_over_rows_with_a_label(schema, inputs_of, linear):
    ranker = Ranker(schema, linear())
    ranker.compile("sgd")
    inputs = inputs_of(10)
    labels = np.array([1, *[np.nan] * 4, 0, 0, 1, 0, 1], np.float32)
    held = ~np.isnan(labels)
    expected = ranker.evaluate({n: i[held] for n, i in inputs.items()}, labels[held], verbose=0)
    # Batches with 1, 0 and 5 labels.
    batches = tf.data.Dataset.from_tensor_slices((inputs, labels))
    uneven = batches.take(2).batch(2).concatenate(batches.skip(2).take(3).batch(3))
    uneven = uneven.concatenate(batches.skip(5).batch(5))
    np.testing.assert_allclose(ranker.evaluate(uneven, verbose=0), expected, rtol=1e-5)


def test_features_alone_are_refused(schema, inputs_of, linear):
    ranker = Ranker(schema, linear())
    ranker.compile("sgd")
    with pytest.raises(ValueError, match="expected batches \\(features, labels\\)"):
        ranker.fit(inputs_of(4), verbose=0)


@pytest.mark.slow
def test_l2_counts_in_the_loss(schema, inputs_of, linear):
    losses = {}
    for l2 in (0.0, 0.5):
        ranker = Ranker(schema, linear(), encoder=FeatureEncoder(schema, l2=l2))
        keras.utils.set_random_seed(1)
        ranker.set_weights([np.full(weight.shape, 0.1) for weight in ranker.weights])
        ranker.compile(keras.optimizers.SGD(0.0))
        labels = np.ones(4, np.float32)
        inputs = {name: np.maximum(ids, 1) for name, ids in inputs_of(4).items()}
        losses[l2] = ranker.fit(inputs, labels, verbose=0).history["loss"][0]
    # 5 features, each a vector (or a mean over vectors) of 16 times .1, so of squared norm .16.
    np.testing.assert_allclose(losses[0.5] - losses[0.0], 0.5 * 5 * 0.16, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("trainable", [True, False])
def test_load_model(schema, inputs_of, small_mlp, tmp_path, trainable):
    ranker = Ranker(
        schema, small_mlp(), sees="all", encoder=FeatureEncoder(schema), unshared=["age"]
    )
    ranker.trainable = trainable
    ranker.save(tmp_path / "ranker.keras")
    again = keras.models.load_model(tmp_path / "ranker.keras")
    assert again.schema == schema
    assert (again.sees, again.unshared, again.trainable) == ("all", ["age"], trainable)
    assert len(again.trainable_weights) == len(ranker.trainable_weights)
    np.testing.assert_array_equal(again(inputs_of(5)), ranker(inputs_of(5)))


@pytest.mark.slow
def test_a_frozen_network_stays_frozen_when_loaded(schema, small_mlp, tmp_path):
    ranker = Ranker(schema, small_mlp())
    ranker.network.trainable = False
    ranker.save(tmp_path / "ranker.keras")
    again = keras.models.load_model(tmp_path / "ranker.keras")
    assert len(ranker.trainable_weights) == len(again.trainable_weights) == 1


@pytest.mark.slow
def test_a_frozen_encoder_stays_frozen_when_loaded(schema, linear, tmp_path):
    ranker = Ranker(schema, linear())
    ranker.encoder.trainable = False
    ranker.save(tmp_path / "ranker.keras")
    again = keras.models.load_model(tmp_path / "ranker.keras")
    assert len(ranker.trainable_weights) == len(again.trainable_weights) == 2


class Unrepeatable(keras.layers.Layer):
    """A behaviour encoder that doesn't say what it was made of."""

    def __init__(self, inner, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner

    def width(self, dim):
        return dim


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: keras.layers.GlobalAveragePooling1D(), r"`behaviour` must be .*width\(dim\)"),
        (lambda: Unrepeatable(keras.Sequential()), "`behaviour` must be .*from_config"),
        (lambda: "mean", "`behaviour` must be .*received 'mean'"),
    ],
)
def test_what_is_no_behaviour_encoder(schema, make, message):
    with pytest.raises(TypeError, match=message):
        FeatureEncoder(schema, behaviour=make())
