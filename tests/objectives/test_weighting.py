import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tfpfd import Categorical, Ranker, Schema
from tfpfd._keras import keras
from tfpfd.data import from_rows
from tfpfd.distillation.losses import Term
from tfpfd.objectives.scalarised import Scalarised
from tfpfd.objectives.weighting import EpsilonConstraint, FixedWeights

SCHEMA = Schema(
    user=(Categorical("user", vocabulary=("u",)),),
    item=(Categorical("item", vocabulary=("i",)),),
    label="book",
)


@keras.utils.register_keras_serializable(package="tests_weighting")
class Constant(keras.layers.Layer):
    """The same logit for every row, so that a model has one parameter."""

    representation_width = 1

    def build(self, input_shape):
        start = keras.initializers.Constant(-3.0)
        self.logit = self.add_weight(name="logit", shape=(), initializer=start)
        self.built = True

    def represent(self, encoded, training=None):
        return 0.0 * encoded["user"]["user"][:, :1]

    def score(self, representation, training=None):
        return tf.convert_to_tensor(self.logit) + representation[:, 0]

    def call(self, inputs, training=None):
        return self.score(self.represent(inputs, training=training), training=training)


def constrained(bounds, rate=1.0):
    return Scalarised(Ranker(SCHEMA, Constant()), EpsilonConstraint(bounds, rate))


@pytest.fixture
def batches():
    """Ten rows again and again: 8 booked, 3 kept, 7 rated well."""
    shares = {"book": 8, "kept": 3, "rated": 7}
    labels = {name: (np.arange(10) < count).astype(float) for name, count in shares.items()}
    rows = pd.DataFrame({"user": "u", "item": "i", **labels})
    return from_rows(rows, SCHEMA, labels=["kept", "rated"]).repeat(250)


@pytest.mark.slow
def test_multipliers_reach_the_kkt_point(batches):
    """One parameter, p = σ(f), and cross entropies with shares of labels .8, .3 and .7.

    The bound CE(.3, p) ≤ ln 2 is kept with equality at p = 1/2, where the condition
    (p - .8) + μ·(p - .3) = 0 gives μ = .3 / .2 = 1.5. There CE(.7, p) = ln 2 is below 1, so
    that the multiplier of that bound, broken at the start (p = .047), is 0 in the end.
    """
    model = constrained({"kept": np.log(2), "rated": 1.0})
    assert model.objectives == ("book", "kept", "rated")
    model.compile(keras.optimizers.SGD(0.5), metrics=[])
    first = model.fit(batches.take(2), verbose=0).history
    assert first["rated_multiplier"][-1] > 0
    history = model.fit(batches, verbose=0).history
    logit, found = float(model.ranker.network.logit), model.weighting.multipliers()
    np.testing.assert_allclose(1 / (1 + np.exp(-logit)), 0.5, atol=1e-3)
    np.testing.assert_allclose(found["kept"], 1.5, atol=1e-3)
    assert float(found["rated"]) == 0
    np.testing.assert_allclose(history["kept_multiplier"], 1.5, atol=1e-3)
    assert history["rated_multiplier"] == [0]


def test_without_an_active_bound_it_is_the_primary_loss_alone(batches):
    model = constrained({"kept": 50.0})
    model.compile(keras.optimizers.SGD(4.0), metrics=[], run_eagerly=True)
    model.fit(batches.take(50), verbose=0)
    logit = float(model.ranker.network.logit)
    np.testing.assert_allclose(1 / (1 + np.exp(-logit)), 0.8, atol=1e-3)
    assert float(model.weighting.multipliers()["kept"]) == 0


def test_steps_by_hand():
    weighting = EpsilonConstraint({"a": 0.5, "b": 0.2}, rate=0.1)
    losses = {"y": tf.constant(1.0), "a": tf.constant(2.5), "b": tf.constant(0.1)}
    np.testing.assert_allclose(weighting.total(losses), 1.0)
    one = tf.constant(1.0)
    weighting.learn({k: Term(v, one) for k, v in losses.items()})
    # a: .1 · 2; b: below its bound, so 0.
    assert {k: float(v) for k, v in weighting.multipliers().items()} == pytest.approx(
        {"a": 0.2, "b": 0.0}
    )
    np.testing.assert_allclose(weighting.total(losses), 1.0 + 0.2 * 2.0, rtol=1e-6)
    weighting.learn({"a": Term(tf.zeros([]), tf.zeros([])), "b": Term(tf.constant(0.6), 2 * one)})
    # a says nothing in this batch; b: .1 · .1.
    assert {k: float(v) for k, v in weighting.multipliers().items()} == pytest.approx(
        {"a": 0.2, "b": 0.01}
    )


def test_validation_leaves_the_multipliers(batches):
    model = constrained({"kept": 0.1})
    model.compile("sgd", metrics=[], run_eagerly=True)
    model.evaluate(batches.take(3), verbose=0)
    assert float(model.weighting.multipliers()["kept"]) == 0
    model.fit(batches.take(1), verbose=0)
    assert float(model.weighting.multipliers()["kept"]) > 0


@pytest.mark.slow
def test_saving_keeps_the_multipliers(batches, tmp_path):
    model = constrained({"kept": 0.1, "rated": 0.2}, rate=0.3)
    model.compile("sgd", metrics=[], run_eagerly=True)
    model.fit(batches.take(3), verbose=0)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert again.weighting.rate == 0.3
    for name, value in model.weighting.multipliers().items():
        assert float(value) > 0
        np.testing.assert_array_equal(again.weighting.multipliers()[name], value)


def test_fixed_weights():
    weighting = FixedWeights({"a": 2, "b": 0.5})
    losses = {"b": tf.constant(4.0), "a": tf.constant(3.0)}
    np.testing.assert_allclose(weighting.total(losses), 2 * 3 + 0.5 * 4)
    assert FixedWeights.from_config(weighting.get_config()).values == {"a": 2.0, "b": 0.5}


def test_refusals():
    with pytest.raises(ValueError, match=r"`bounds` of losses must be above 0, received {'a': 0.0"):
        EpsilonConstraint({"a": 0})
    with pytest.raises(ValueError, match=r"`bounds` of '.*' must be a finite number"):
        EpsilonConstraint({"a": float("inf")})
    with pytest.raises(ValueError, match="`rate` must be above 0, received 0"):
        EpsilonConstraint({"a": 1}, rate=0)
    with pytest.raises(ValueError, match="at least one left to be minimised, received"):
        EpsilonConstraint({"a": 1, "b": 1}).check("c", ["a", "b"])
    with pytest.raises(ValueError, match="`bounds` name 'book', the primary objective: expected"):
        constrained({"book": 0.5, "kept": 0.5})
