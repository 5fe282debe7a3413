import numpy as np
import pytest
import tensorflow as tf

from tfpfd import WarmUp
from tfpfd._keras import keras


@pytest.mark.parametrize("k", [0, 1, 4])
def test_zero_before_step_k_and_the_weight_from_step_k_on(k):
    schedule = WarmUp(0.5, steps=k)
    out = [float(schedule(tf.constant(step, tf.int64))) for step in range(8)]
    assert out == [0.0] * k + [0.5] * (8 - k)


def test_steps_beyond_32_bits():
    schedule = WarmUp(0.25, steps=10**10)
    assert float(schedule(tf.constant(10**10 - 1, tf.int64))) == 0
    assert float(schedule(tf.constant(10**10, tf.int64))) == 0.25


def test_float32_scalar():
    out = WarmUp(1, steps=2)(tf.constant(5, tf.int64))
    assert (out.dtype, out.shape) == (tf.float32, ())


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan"), "x", None])
def test_weight_is_checked(weight):
    with pytest.raises(
        ValueError, match=r"`distillation_weight` must be a finite number from 0 to 1, received"
    ):
        WarmUp(weight)


@pytest.mark.parametrize("steps", [-1, 1.5, "3", None])
def test_steps_are_checked(steps):
    with pytest.raises(ValueError, match="`steps` must be an integer of at least 0, received"):
        WarmUp(0.5, steps)


def test_steps_of_numpy():
    assert WarmUp(0.5, np.int64(3)).get_config() == {"distillation_weight": 0.5, "steps": 3}


def test_config_round_trip():
    schedule = WarmUp(0.3, steps=7)
    again = keras.utils.deserialize_keras_object(keras.utils.serialize_keras_object(schedule))
    assert isinstance(again, WarmUp)
    assert again.get_config() == {"distillation_weight": 0.3, "steps": 7}


def test_a_file_from_before_its_weight_had_this_name():
    assert WarmUp.from_config({"weight": 0.3, "steps": 7}).distillation_weight == 0.3
