"""Batches that another schema looked up are refused, and so are rows that none did."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tfpfd
from tfpfd import Categorical, Distillation, Numeric, Ranker, Schema, TwoTower
from tfpfd._keras import KERAS_3, keras
from tfpfd.data import from_rows, from_stream
from tfpfd.layers import FeatureEncoder
from tfpfd.schema.weights_fingerprint import WeightsFingerprint


def rows(first=0, count=64):
    """Rows of one day; another first id is another day."""
    ids = np.arange(count) % 8 + first
    return pd.DataFrame(
        {
            "user": ids,
            "item": [f"i{one}" for one in ids[::-1]],
            "dwell": ids / 8,
            "label": (np.arange(count) % 2).astype(np.float32),
        }
    )


DECLARED = Schema(
    user=(Categorical("user", dtype="int", max_size=8),),
    item=(Categorical("item", max_size=8),),
    privileged={"post_event": (Numeric("dwell", buckets=4),)},
)


@pytest.fixture
def today():
    return DECLARED.adapt(rows(), verbose=0)


@pytest.fixture
def tomorrow():
    return DECLARED.adapt(rows(first=5), verbose=0)


def model_of(schema, kind, **settings):
    encoder = FeatureEncoder(schema, dim=2)
    student = Ranker(schema, TwoTower([2]), encoder=encoder, name="student")
    model = student
    if kind == "distillation":
        teacher = Ranker(schema, tfpfd.MLP([2]), sees="all", encoder=encoder, name="teacher")
        model = Distillation(student=student, teacher=teacher)
    model.compile(optimizer="sgd", **settings)
    return model


USES = {
    "fit": lambda model, batches: model.fit(batches, verbose=0),
    "evaluate": lambda model, batches: model.evaluate(batches, verbose=0),
    "predict": lambda model, batches: model.predict(batches, verbose=0),
    "train_on_batch": lambda model, batches: model.train_on_batch(*next(iter(batches))),
    "test_on_batch": lambda model, batches: model.test_on_batch(*next(iter(batches))),
    "predict_on_batch": lambda model, batches: model.predict_on_batch(next(iter(batches))[0]),
    "call": lambda model, batches: model(next(iter(batches))[0]),
}


@pytest.mark.parametrize("kind", ["ranker", "distillation"])
@pytest.mark.parametrize("use", USES)
def test_rows_of_another_day_are_refused(today, tomorrow, use, kind):
    # Batches in graphs, single ones without: each is checked.
    model = model_of(today, kind, run_eagerly=use.endswith("on_batch"))
    before = [weight.numpy() for weight in model.weights]
    with pytest.raises(Exception, match=r"another schema.*'user'") as refused:
        USES[use](model, from_rows(rows(first=5), tomorrow))
    assert "retrain" in str(refused.value)
    for weight, was in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), was)
    USES[use](model, from_rows(rows(first=5), today))


@pytest.mark.parametrize("kind", ["ranker", "distillation"])
def test_validation_rows_of_another_day_are_refused_before_training(today, tomorrow, kind):
    model = model_of(today, kind)
    with pytest.raises(ValueError, match=r"another schema.*'user'"):
        model.fit(from_rows(rows(), today), validation_data=from_rows(rows(), tomorrow), verbose=0)


@pytest.mark.slow
@pytest.mark.parametrize("use", [use for use in USES if use != "call"])
def test_raw_columns_are_refused(today, use):
    table = rows()
    raw = {"user": table["user"].to_numpy(), "item": np.arange(64)}
    batches = tf.data.Dataset.from_tensor_slices((raw, table["label"].to_numpy())).batch(8)
    with pytest.raises(Exception, match=r"rows that its schema looked up.*\['item', 'user'\]"):
        USES[use](model_of(today, "ranker"), batches)
    if use == "predict":
        with pytest.raises(ValueError, match="rows that its schema looked up"):
            model_of(today, "ranker").predict(raw, verbose=0)


@pytest.mark.parametrize("raw", [np.arange(8), np.arange(8.0, dtype=np.float32)])
def test_a_call_on_raw_columns_is_refused(today, raw):
    model = model_of(today, "ranker")
    with pytest.raises(
        ValueError, match=r"input 'user': expected table rows, int32.* (int64|float32)"
    ):
        model({"user": raw, "item": np.arange(8, dtype=np.int32)})


def test_a_generator_is_checked_too(today, tomorrow):
    batches = from_rows(rows(), tomorrow, batch_size=8)

    def generator():
        yield from batches

    with pytest.raises(Exception, match="another schema"):
        model_of(today, "ranker").fit(generator(), verbose=0)


def test_a_stream_says_its_schema_as_rows_do(today, tomorrow):
    raw = tf.data.Dataset.from_tensor_slices(dict(rows())).batch(8)
    model = model_of(today, "distillation")
    model.fit(from_stream(raw, today), verbose=0)
    with pytest.raises(ValueError, match="another schema"):
        model.fit(from_stream(raw, tomorrow), verbose=0)


def test_only_the_features_that_differ_are_named(today):
    edges = dataclasses.replace(today.features()["dwell"], boundaries=(0.1, 0.2, 0.3))
    other = from_rows(rows(), today.replacing({"dwell": edges}))
    with pytest.raises(ValueError, match=r"ranker 'teacher': features \['dwell'\]"):
        model_of(today, "distillation").fit(other, verbose=0)
    # The student doesn't read it.
    model_of(today, "ranker").fit(other, verbose=0)


@pytest.mark.slow
def test_a_schema_read_from_json_is_the_same(today):
    again = Schema.from_json(today.to_json())
    model_of(today, "distillation").fit(from_rows(rows(), again), verbose=0)
    model_of(again, "ranker").fit(from_rows(rows(), today.served()), verbose=0)


def test_a_batch_of_two_schemas_is_refused_by_both(today, tomorrow):
    ((one, _),) = from_rows(rows(), today)
    ((other, _),) = from_rows(rows(first=5), tomorrow)
    for schema in (today, tomorrow):
        with pytest.raises(ValueError, match="another schema"):
            model_of(schema, "ranker").predict({**one, **other}, verbose=0)


def test_a_batch_of_two_lookups_of_one_schema(today):
    columns = {"user": np.arange(4), "item": np.array([f"i{n}" for n in range(4)])}
    sides = [today.lookup({name: tf.constant(values)}) for name, values in columns.items()]
    whole = today.lookup({name: tf.constant(values) for name, values in columns.items()})
    model = model_of(today, "ranker")
    np.testing.assert_array_equal(model({**sides[0], **sides[1]}), model(whole))
    np.testing.assert_array_equal(model({**sides[0], **whole}), model(whole))


@pytest.mark.slow
def test_batches_can_be_taken_apart_and_made_anew(today):
    batches = from_rows(rows(), today, 8)
    again = batches.unbatch().shuffle(64).batch(16)
    model = model_of(today, "distillation")
    assert model.evaluate(again, verbose=0) == pytest.approx(model.evaluate(batches, verbose=0))


def test_the_batch_carries_hardly_more_than_a_name(today):
    inputs, _ = next(iter(from_rows(rows(), today)))
    (mark,) = set(inputs) - {"user", "item", "dwell"}
    assert inputs[mark].dtype == tf.int8
    assert not inputs[mark].numpy().any()
    with pytest.raises(ValueError, match="`extra_columns` names '__schema__"):
        from_rows(rows().assign(**{mark: 0.0}), today, extra_columns=[mark])


def test_what_is_learned_is_not_learned_again(today):
    with pytest.raises(ValueError, match=r"nothing to learn.*'user', 'item', 'dwell'.*retrain"):
        today.adapt(rows(first=5), verbose=1)
    half = today.replacing({"item": Categorical("item")})
    assert half.adapt(rows(first=5), verbose=0).vocabularies["user"] == today.vocabularies["user"]


FORMATS = [".weights.h5"] + [""] * (not KERAS_3)  # Keras 2 writes TensorFlow's checkpoints too.


@pytest.mark.parametrize("ending", FORMATS)
def test_weights_of_another_vocabulary_are_refused(today, tomorrow, tmp_path, ending):
    path, other_path = str(tmp_path / f"day{ending}"), str(tmp_path / f"next{ending}")
    model = model_of(today, "distillation")
    model.save_weights(path)
    other = model_of(tomorrow, "distillation")
    other.save_weights(other_path)
    with pytest.raises(ValueError, match=r"the weights of .* are of another schema"):
        other.load_weights(path)
    other.load_weights(other_path)
    keras.utils.set_random_seed(1)
    again = model_of(today, "distillation")
    again.load_weights(path)
    for one, held in zip(again.weights, model.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), held.numpy())


def test_a_refused_file_changes_no_weight(today, tomorrow, tmp_path):
    path = str(tmp_path / "day.weights.h5")
    for kind in ("ranker", "distillation"):
        model_of(today, kind).save_weights(path)
        other = model_of(tomorrow, kind)
        before = other.get_weights()
        with pytest.raises(ValueError, match=r"the weights of .* are of another schema"):
            other.load_weights(path)
        for one, held in zip(other.get_weights(), before, strict=True):
            np.testing.assert_array_equal(one, held)


USER, AGE, ITEM = (
    Categorical("user", dtype="int", vocabulary=(1, 2, 3)),
    Categorical("age", dtype="int", vocabulary=(4, 5, 6)),
    Categorical("item", dtype="int", vocabulary=(7, 8, 9)),
)
LAYOUTS = {
    "order": Schema([AGE, USER], [ITEM]),
    "sides": Schema([USER], [ITEM, AGE]),
    "swapped": Schema([ITEM], [USER, AGE]),
}


@pytest.mark.slow
@pytest.mark.parametrize("network", [lambda: TwoTower([2]), lambda: tfpfd.MLP([2])])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_of_the_same_features_elsewhere_are_refused(layout, network, tmp_path):
    """Rows of tables and columns of kernels have the order of the features."""
    one, other = Ranker(Schema([USER, AGE], [ITEM]), network()), Ranker(LAYOUTS[layout], network())
    path = str(tmp_path / "one.weights.h5")
    one.save_weights(path)
    if layout != "order" and "TwoTower" in type(one.network).__name__:
        pytest.skip("shapes differ, of which Keras speaks")
    with pytest.raises(ValueError, match="another schema"):
        other.load_weights(path)
    saved = tf.train.Checkpoint(model=one).save(str(tmp_path / "one"))
    with pytest.raises(ValueError, match="another schema"):
        tf.train.Checkpoint(model=other).restore(saved)


@pytest.mark.slow
def test_an_encoder_alone_and_own_features_have_an_order_too(tmp_path):
    schema = Schema([USER, AGE], [ITEM])
    names = ["user", "age", "item"]
    one, other = FeatureEncoder(schema, names), FeatureEncoder(schema, names[::-1])
    saved = tf.train.Checkpoint(encoder=one).save(str(tmp_path / "encoder"))
    with pytest.raises(ValueError, match="another schema"):
        tf.train.Checkpoint(encoder=other).restore(saved)
    shared = FeatureEncoder(schema, names)
    path = str(tmp_path / "own.weights.h5")
    Ranker(schema, tfpfd.MLP([2]), encoder=shared, unshared=["user", "age"]).save_weights(path)
    with pytest.raises(ValueError, match="another schema"):
        Ranker(schema, tfpfd.MLP([2]), encoder=shared, unshared=["age", "user"]).load_weights(path)


def test_weights_of_objectives_in_another_order_are_refused(tmp_path):
    schema = Schema([USER, AGE], [ITEM])
    path = str(tmp_path / "objectives.weights.h5")
    orders = (["label", "kept"], ["kept", "label"])
    networks = [lambda names: tfpfd.MMoE([2], names), lambda names: tfpfd.SharedBottom([2], names)]
    for network in networks:
        one, other = (tfpfd.MultiTaskRanker(schema, network(names)) for names in orders)
        one.save_weights(path)
        with pytest.raises(ValueError, match="the order of objectives"):
            other.load_weights(path)
    one, other = (
        tfpfd.SeparateRankers({name: Ranker(schema, tfpfd.MLP([2])) for name in names})
        for names in orders
    )
    one.save_weights(path)
    with pytest.raises(ValueError, match="the order of objectives"):
        other.load_weights(path)


def test_a_checkpoint_of_tensorflow_too(today, tomorrow, tmp_path):
    path = tf.train.Checkpoint(model=model_of(today, "ranker")).save(str(tmp_path / "day"))
    with pytest.raises(ValueError, match=r"the weights of .* are of another schema"):
        tf.train.Checkpoint(model=model_of(tomorrow, "ranker")).restore(path)
    tf.train.Checkpoint(model=model_of(today, "ranker")).restore(path).assert_consumed()


def test_weights_from_before_they_said_their_schema_are_taken(
    today, tomorrow, tmp_path, monkeypatch
):
    path, old = str(tmp_path / "day.weights.h5"), str(tmp_path / "old.weights.h5")
    model_of(today, "ranker").save_weights(path)
    with monkeypatch.context() as patched:
        patched.setattr(WeightsFingerprint, "write", lambda self, store: None)
        model_of(today, "ranker").save_weights(old)
    model = model_of(tomorrow, "ranker")
    with pytest.raises(ValueError, match="another schema"):
        model.load_weights(path)
    model.load_weights(old)


@pytest.mark.parametrize("ending", [".h5", ".hdf5", ".keras"])
def test_formats_that_do_not_say_a_schema_are_refused(today, tmp_path, ending):
    path = tmp_path / f"day{ending}"
    model = model_of(today, "ranker")
    with pytest.raises(ValueError, match=rf"end in '.weights.h5'.*received 'day{ending}'"):
        model.save_weights(path)
    assert not path.exists()
    path.touch()
    with pytest.raises(ValueError, match=r"end in '\.weights\.h5'"):
        model.load_weights(path)


@pytest.mark.slow
def test_tensorflow_itself_saves_and_loads_a_ranker(today, tmp_path):
    model = model_of(today, "ranker")
    spec = {name: tf.TensorSpec([None], tf.int32, name=name) for name in ("user", "item")}
    serve = tf.function(lambda inputs: model(inputs), input_signature=[spec])
    tf.saved_model.save(model, str(tmp_path / "saved"), signatures=serve)
    inputs = {name: tf.constant([1, 2]) for name in spec}
    found = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"](**inputs)
    np.testing.assert_allclose(next(iter(found.values())), model(inputs), rtol=1e-6)
