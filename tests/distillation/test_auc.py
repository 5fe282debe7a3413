"""The AUC of logits, beside scikit-learn's."""

import math

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics
import tensorflow as tf

from tfpfd import AUC, Categorical, Ranker, Schema, TwoTower, data
from tfpfd._keras import keras


def area(labels, logits, weights=None, size=1000):
    metric = AUC()
    for at in range(0, len(labels), size):
        part = slice(at, at + size)
        given = None if weights is None else weights[part]
        metric.update_state(labels[part], logits[part], given)
    return float(metric.result())


def test_by_hand():
    assert area([1.0, 0, 0, 1], [2.0, 1, 3, 3]) == pytest.approx(0.625)
    # A row of label .25 is a quarter of a positive one, and three quarters of a negative one.
    assert area([0.25, 1.0], [1.0, 2.0]) == pytest.approx((1 * 0.75 + 0.25 * 0.75 / 2) / 0.9375)


@pytest.mark.parametrize(
    ("rate", "mean", "spread"),
    [
        (0.5, 0, 1),
        (0.01, -4.6, 0.5),
        (0.001, -6.9, 0.3),
        (0.001, 0, 0.01),
        (0.01, 0, 1e-3),
        (0.01, -7, 0.1),
    ],
)
def test_rare_labels_and_narrow_logits(rate, mean, spread):
    random = np.random.default_rng(0)
    labels = (random.random(300_000) < rate).astype("f4")
    logits = (mean + spread * (random.normal(size=len(labels)) + 0.8 * labels)).astype("f4")
    weights = random.uniform(0, 2, len(labels)).astype("f4")
    for given in (None, weights):
        exact = sklearn.metrics.roc_auc_score(labels, logits, sample_weight=given)
        assert area(labels, logits, given) == pytest.approx(exact, abs=5e-4)


@pytest.mark.slow
def test_it_is_the_default_and_right_from_the_first_epoch_on():
    """Of 1 % positives, the Keras metric shows .5 to .6 where the area is .7."""
    random = np.random.default_rng(0)
    users, items = random.integers(0, 20, 20_000), random.integers(0, 20, 20_000)
    chance = 0.02 * ((users + items) % 4 == 0) + 0.005
    frame = pd.DataFrame({"u": users, "i": items, "label": random.random(20_000) < chance})
    schema = Schema([Categorical("u", dtype="int")], [Categorical("i", dtype="int")]).adapt(
        frame, verbose=0
    )
    model = Ranker(schema, TwoTower([8], batch_norm=False))
    model.compile(keras.optimizers.Adam(0.01))
    batches = data.from_rows(frame, schema, 500)
    for _ in range(2):
        model.fit(batches, verbose=0)
        shown = model.evaluate(batches, verbose=0, return_dict=True)["auc"]
        exact = sklearn.metrics.roc_auc_score(frame["label"], model.predict(batches, verbose=0))
        assert shown == pytest.approx(exact, abs=1e-3)


@pytest.mark.parametrize(("label", "weight"), [(-1.0, 1.0), (2.0, 1.0), (1.0, -1.0)])
def test_labels_and_weights_that_are_none_show(label, weight):
    assert math.isnan(area([1, 0, label], [1.0, 0, 2], [1.0, 1, weight]))


def test_state():
    metric = AUC(name="area")
    metric.update_state([0.0, 1.0], [0.0, 1.0])
    metric.reset_state()
    assert math.isnan(float(metric.result()))  # Nothing, and later negatives alone.
    metric.update_state([0.0], [0.0])
    assert math.isnan(float(metric.result()))
    metric.update_state([1.0], [-3.0])
    assert float(metric.result()) == 0.0
    again = AUC.from_config(metric.get_config())
    assert again.name == "area"


@pytest.mark.parametrize("logit", [math.nan, math.inf])
def test_logits_that_are_not_finite_show(logit):
    assert math.isnan(area([0.0, 1.0, 1.0], [0.0, logit, 1.0]))
    assert area([0.0, 1.0, 1.0], [0.0, logit, 1.0], [1.0, 0.0, 1.0]) == 1.0


def test_in_a_graph_and_as_columns():
    metric = AUC()

    @tf.function
    def update(labels, logits):
        metric.update_state(labels, logits)

    update(tf.constant([[1.0], [0.0]]), tf.constant([[-1e9], [1e9]]))
    assert float(metric.result()) == 0.0
