"""Numbers as their value, in buckets, or both: by hand, and what is learned and refused."""

import math

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tfpfd import MLP, AuxiliaryTasks, Categorical, FeatureEncoder, Numeric, Ranker, Schema
from tfpfd._keras import keras
from tfpfd.data import from_rows
from tfpfd.schema.batch_fingerprints import fingerprints
from tfpfd.schema.kinds import feature_of
from tfpfd.schema.moments import MomentsLearner

ITEM = Categorical("item", vocabulary=("a", "b"))


def schema_of(*numbers, **sides):
    return Schema(user=numbers or [Categorical("user", hash_buckets=2)], item=[ITEM], **sides)


def looked_up(feature, values):
    values = tf.constant(values, tf.float32)
    return schema_of(feature).lookup({feature.name: values})[feature.name].numpy()


@pytest.mark.parametrize("log", [False, True])
def test_mean_and_deviation_of_batches(log):
    random = np.random.default_rng(0)
    # Far from 0, where squares of the values themselves would lose every digit.
    values = (1e6 + random.normal(size=1000)).astype(np.float32)
    values[::10] = np.nan
    learner = MomentsLearner("x", log)
    for part in np.split(values, [1, 1, 300, 310]):
        learner.update(part)
    held = values[~np.isnan(values)].astype(np.float64)
    held = np.log1p(held) if log else held
    np.testing.assert_allclose(learner.learned(), (held.mean(), held.std()), rtol=1e-9)


def test_values_by_hand():
    feature = Numeric("x", form="value", mean=2.0, deviation=4.0)
    found = looked_up(feature, [2.0, 6.0, -2.0, math.nan, math.inf, -3e38])
    np.testing.assert_array_equal(found[:, 0], [0.0, 1.0, -1.0, 0.0, 100.0, -100.0])
    feature = Numeric("x", form="value", log=True, mean=0.0, deviation=2.0, optional=True)
    found = looked_up(feature, [0.0, math.e - 1, 1 - math.e, math.nan])
    expected = [[0.0, 1.0], [0.5, 1.0], [-0.5, 1.0], [0.0, 0.0]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    feature = Numeric("x", form="both", boundaries=(1.0, 2.0), mean=1.0, deviation=1.0)
    found = looked_up(feature, [0.0, 1.0, 5.0, math.nan])
    np.testing.assert_array_equal(found, [[-1.0, 1.0], [0.0, 2.0], [4.0, 3.0], [0.0, 0.0]])


def test_a_deviation_that_float32_has_not():
    feature = Numeric("x", form="value", mean=0.0, deviation=1e-42)
    np.testing.assert_array_equal(looked_up(feature, [0.0, 1e-30]), [[0.0], [100.0]])


def test_vectors_of_each_form():
    edges = {"boundaries": (1.0, 2.0)}
    moments = {"mean": 1.0, "deviation": 2.0}
    schema = schema_of(
        Numeric("buckets", **edges),
        Numeric("value", form="value", **moments),
        Numeric("told", form="value", optional=True, **moments),
        Numeric("both", form="both", **edges, **moments),
    )
    encoder = FeatureEncoder(schema, ["buckets", "value", "told", "both"], dim=3)
    assert {n: encoder.width(n) for n in encoder.features} == {
        "buckets": 3,
        "value": 1,
        "told": 2,
        "both": 4,
    }
    assert list(encoder.tables) == ["buckets", "both"]
    assert [encoder.parameters(n) for n in encoder.features] == [12, 0, 0, 12]
    values = tf.constant([5.0, math.nan])
    vectors = encoder(schema.lookup({name: values for name in encoder.features}))
    tables = encoder.tables["both"]
    np.testing.assert_array_equal(vectors["value"], [[2.0], [0.0]])
    np.testing.assert_array_equal(vectors["told"], [[2.0, 1.0], [0.0, 0.0]])
    rows = np.array(tables.table)[[tables.offset["both"] + 3, tables.offset["both"]]]
    np.testing.assert_array_equal(vectors["both"], np.concatenate([[[2.0], [0.0]], rows], axis=1))


def test_learned_of_rows():
    rows = pd.DataFrame({"x": [1.0, 3.0, None], "y": [1.0, 3.0, 5.0], "item": "a", "label": 1.0})
    declared = schema_of(
        Numeric("x", form="value", optional=True), Numeric("y", form="both", buckets=2)
    )
    assert not declared.adapted
    x, y = declared.adapt(rows, verbose=0).user
    assert (x.mean, x.deviation, x.boundaries) == (2.0, 1.0, None)
    assert (y.mean, y.deviation) == (3.0, pytest.approx((8 / 3) ** 0.5))
    assert y.boundaries == (3.0,)
    # What is given stays.
    given = schema_of(Numeric("y", form="both", boundaries=(9.0,)))
    (y,) = given.adapt(rows, verbose=0).user
    assert (y.mean, y.boundaries) == (3.0, (9.0,))
    adapted = declared.adapt(rows, verbose=0)
    assert Schema.from_json(adapted.to_json()) == adapted
    with pytest.warns(UserWarning, match="column 'y': all values are 4.0"):
        found = schema_of(Numeric("y", form="value")).adapt(rows.assign(y=4.0), verbose=0)
    assert (found.user[0].mean, found.user[0].deviation) == (4.0, 1.0)


def test_settings_of_what_was_written_before():
    """A file with weights of a schema without the later arguments tells it as it did."""
    features = [Numeric("x", boundaries=(1.0,)), Categorical("c", vocabulary=("a",))]
    known = {feature.name: feature for feature in features}
    assert fingerprints(features, known) == {"x": "3d26a593", "c": "b4cc93dd"}
    other = Numeric("x", boundaries=(1.0,), form="both", mean=0.0, deviation=1.0)
    assert fingerprints([other], known)["x"] != "3d26a593"


REFUSED = [
    ({"form": "log"}, "`form` of feature 'x' must be one of"),
    ({"log": True}, "no use for `log` with form='buckets'"),
    ({"form": "value", "buckets": 5}, "no use for `buckets` with form='value'"),
    ({"form": "value", "boundaries": (1.0,)}, "no use for `boundaries` with form='value'"),
    ({"form": "value", "log": 1}, "`log` of feature 'x' must be True or False, received 1"),
    ({"form": "value", "mean": 1.0}, "`deviation` of feature 'x' must be a finite number above 0"),
    ({"form": "value", "mean": 1.0, "deviation": 0.0}, "a finite number above 0, .* received 0.0"),
    ({"form": "value", "mean": math.nan, "deviation": 1.0}, "`mean` of feature 'x' must be a"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Numeric("x", **arguments)


def test_refused_in_json():
    with pytest.raises(ValueError, match="'mean' of a Numeric must be a number, received 'x'"):
        feature_of({"kind": "Numeric", "name": "a", "form": "value", "mean": "x"})


def test_predicted():
    """The squared error of the value, where there is one."""
    value = Numeric("x", form="value", mean=2.0, deviation=4.0, optional=True)
    inputs = {"x": tf.constant([[1.0, 1.0], [0.0, 0.0], [-1.0, 1.0]])}
    output = tf.constant([[0.0], [5.0], [1.0]])
    np.testing.assert_array_equal(value.target_loss(inputs, output, {}), [1.0, 0.0, 4.0])
    both = Numeric("x", form="both", boundaries=(0.0,), mean=0.0, deviation=1.0)
    inputs = {"x": tf.constant([[1.0, 2.0], [0.0, 0.0], [-1.0, 1.0]])}
    np.testing.assert_array_equal(both.target_loss(inputs, output, {}), [1.0, 0.0, 1.0])
    schema = schema_of(privileged={"post_event": [value]})
    rows = {"user": ["u", "v"], "item": ["a", "b"], "x": [1.0, None], "label": [1.0, 0.0]}
    model = AuxiliaryTasks(Ranker(schema, MLP([2])))
    model.compile(keras.optimizers.SGD(0.01))
    assert np.isfinite(model.fit(from_rows(rows, schema), verbose=0).history["loss"]).all()


def test_zeroed_is_missing():
    feature = Numeric("x", form="value", mean=2.0, deviation=4.0, optional=True)
    found = looked_up(feature, [5.0, math.nan])
    zeroed = feature.zeroed({"x": found})["x"]
    np.testing.assert_array_equal(zeroed, found[[1, 1]])
