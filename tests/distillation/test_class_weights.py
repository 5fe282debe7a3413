"""`class_weight` of `fit`: the same step as with the weights that it stands for."""

import numpy as np
import pytest
import tensorflow as tf

from tfpfd._keras import keras

LABELS = np.float32([1, 0, np.nan, 0.25, np.nan, 1])
FACTORS = np.float32([3, 0.5, 1, 0.25 * 3 + 0.75 * 0.5, 1, 3])
WEIGHTS = np.float32([1, 2, 1, 0, 4, 0.5])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("as_arrays", [False, True])
def test_a_step_is_that_of_sample_weights(make, inputs_of, weighted, as_arrays):
    weights = WEIGHTS if weighted else np.ones(6, np.float32)
    found = []
    for settings, factors in (({"class_weight": {0: 0.5, 1: 3}}, 1), ({}, FACTORS)):
        keras.utils.set_random_seed(0)
        model = make("shared")
        model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
        inputs = inputs_of(6)
        if as_arrays:
            given = {"sample_weight": weights * factors}
            model.fit(inputs, LABELS, batch_size=6, shuffle=False, verbose=0, **given, **settings)
        else:
            data = tf.data.Dataset.from_tensors((inputs, LABELS, weights * factors))
            model.fit(data, verbose=0, **settings)
        found.append(model.get_weights())
    for one, other in zip(*found, strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_a_step_on_one_batch_is_that_of_fit(make, inputs_of):
    found = []
    for way in ("fit", "train_on_batch"):
        keras.utils.set_random_seed(0)
        model = make("shared")
        model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
        if way == "fit":
            data = tf.data.Dataset.from_tensors((inputs_of(6), LABELS, WEIGHTS))
            model.fit(data, verbose=0, class_weight={0: 0.5, 1: 3})
        else:
            model.train_on_batch(inputs_of(6), LABELS, WEIGHTS, class_weight={0: 0.5, 1: 3})
        found.append(model.get_weights())
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "given",
    [
        {0: 1.0},
        {0: 1, 1: -1},
        {0: 1, 1: np.nan},
        {0: 1, 1: 1, 2: 1},
        {0.5: 1, 1: 1},
        {"0": 1, "1": 1},
        {0: "1", 1: 1},
        "balanced",
    ],
)
def test_others_are_refused(make, batches_of, given):
    model = make("shared")
    model.compile("sgd")
    with pytest.raises(ValueError, match="`class_weight` must be a dict with a weight of"):
        model.fit(batches_of(8, 4), class_weight=given, verbose=0)
    assert int(model.step) == 0
