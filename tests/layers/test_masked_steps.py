"""Masked steps never matter, whatever encodes a behaviour; and a row may have no step at all."""

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import GRU, MeanPooling, SelfAttention, TargetAttention, Transformer
from tfpfd._keras import keras

ENCODERS = {
    "mean": lambda: MeanPooling(),
    "self-attention": lambda: SelfAttention(2, 4),
    "gru": lambda: GRU(4),
    "transformer": lambda: Transformer(2, 2, 4),
    "SASRec": lambda: Transformer(2, 1, 4, causal=True, positions=3),
    "BST": lambda: Transformer(1, 2, 4, candidate=True),
    "without positions": lambda: Transformer(1, 2, 4, positions=0),
    "target attention": lambda: TargetAttention([4, 2]),
}
WIDTH = 3
VALID = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]], bool)


@pytest.fixture(params=ENCODERS)
def encoder(request):
    """An encoder with weights that are all away from their start."""
    made = ENCODERS[request.param]()
    encode(made, STEPS, VALID)
    random = np.random.default_rng(2)
    made.set_weights([random.normal(size=w.shape) * 0.5 for w in made.weights])
    return made


STEPS = np.random.default_rng(0).normal(size=[4, 4, WIDTH]).astype("float32")
CANDIDATE = np.random.default_rng(1).normal(size=[4, WIDTH]).astype("float32")


def encode(layer, steps, valid, candidate=CANDIDATE):
    beside = {"candidate": tf.constant(candidate)} if getattr(layer, "attends", False) else {}
    return layer(tf.constant(steps), valid=tf.constant(valid), **beside)


def spread(gaps):
    """Steps and their mask with padding between them; `gaps` says how much before each."""
    places = np.cumsum(np.array(gaps) + 1) - 1
    steps = np.full([4, places[-1] + 3, WIDTH], 99.0, "float32")
    valid = np.zeros(steps.shape[:2], bool)
    steps[:, places], valid[:, places] = STEPS, VALID
    return steps, valid


@pytest.mark.parametrize("by", [1e3, np.inf, np.nan])
def test_what_is_masked_changes_nothing(encoder, by):
    changed = np.where(VALID[..., None], STEPS, np.float32(by))
    expected = encode(encoder, STEPS, VALID)
    np.testing.assert_allclose(encode(encoder, changed, VALID), expected, atol=1e-6)
    assert np.abs(expected[0] - encode(encoder, STEPS * 2, VALID)[0]).max() > 1e-3


@pytest.mark.parametrize("gaps", [(0, 0, 0, 0), (3, 0, 0, 0), (0, 1, 2, 0)])
def test_padding_changes_nothing(encoder, gaps):
    expected = encode(encoder, STEPS, VALID)
    np.testing.assert_allclose(encode(encoder, *spread(gaps)), expected, atol=1e-6, rtol=1e-5)
    # None at all: the longest row is as long as the batch.
    alone = encode(encoder, STEPS[1:2, :2], VALID[1:2, :2], CANDIDATE[1:2])
    np.testing.assert_allclose(alone[0], expected[1], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("name", ENCODERS)
def test_a_row_without_steps_is_finite_and_so_are_its_slopes(name, policy):
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(policy)
    try:
        layer = ENCODERS[name]()
        steps = tf.constant(STEPS * 30, layer.compute_dtype)
        candidate = tf.constant(CANDIDATE * 30, layer.compute_dtype)
        beside = {"candidate": candidate} if getattr(layer, "attends", False) else {}
        for valid in (VALID, np.zeros_like(VALID)):
            with tf.GradientTape() as tape:
                tape.watch([steps, candidate])
                out = layer(steps, valid=tf.constant(valid), **beside)
                total = tf.reduce_sum(tf.cast(out, tf.float32))
            assert out.shape == [4, layer.width(WIDTH)]
            assert np.isfinite(np.asarray(tf.cast(out, tf.float32))).all()
            if not beside or name == "target attention":
                np.testing.assert_array_equal(tf.cast(out[3], tf.float32), np.zeros(out.shape[1]))
            slopes = tape.gradient(
                total, [steps, candidate, *layer.trainable_weights], unconnected_gradients="zero"
            )
            for slope in slopes:
                slope = tf.cast(tf.convert_to_tensor(slope), tf.float32)
                assert np.isfinite(slope).all()
            assert np.abs(tf.cast(slopes[0][3], tf.float32)).max() == 0
    finally:
        keras.mixed_precision.set_global_policy(before)
