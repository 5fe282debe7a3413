import numpy as np
import pytest
import tensorflow as tf

from tfpfd._keras import keras
from tfpfd.optimizers import LinearWarmup, RowWiseAdagrad


def test_rises_linearly_and_stays():
    schedule = LinearWarmup(0.01, steps=4)
    rates = [float(schedule(tf.constant(step))) for step in range(6)]
    np.testing.assert_allclose(rates, [0.0025, 0.005, 0.0075, 0.01, 0.01, 0.01], rtol=1e-6)


def test_an_optimizer_follows_it_and_keeps_it():
    optimizer = RowWiseAdagrad(LinearWarmup(0.1, steps=2))
    again = RowWiseAdagrad.from_config(optimizer.get_config())
    for one in (optimizer, again):
        variable = tf.Variable([0.0]) if not hasattr(keras, "ops") else keras.Variable([0.0])
        moved = []
        for _ in range(3):
            before = float(variable[0])
            one.apply_gradients([(tf.constant([1.0]), variable)])
            moved.append(before - float(variable[0]))
        # Adagrad's step at the n-th gradient of 1 is rate / √n.
        np.testing.assert_allclose(moved, [0.05, 0.1 / 2**0.5, 0.1 / 3**0.5], rtol=1e-4)


@pytest.mark.parametrize(("rate", "steps"), [(0, 1), (-1.0, 1), (0.1, 0), (0.1, 2.5)])
def test_refusals(rate, steps):
    with pytest.raises(ValueError, match=r"`rate` must be above 0|`steps` must be an integer"):
        LinearWarmup(rate, steps)
