import math

import numpy as np
import pytest
import sklearn.metrics
import tensorflow as tf

from tfpfd import losses
from tfpfd._keras import keras
from tfpfd.distillation.losses import CrossEntropy, SoftCrossEntropy, SquaredLogits
from tfpfd.distillation.losses.reduction import per_row, row_term


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def values(loss, targets, logits):
    return per_row(loss, tf.constant(targets, tf.float32), tf.constant(logits, tf.float32)).numpy()


def test_cross_entropy_by_hand():
    out = values(CrossEntropy(), [1.0, 0.0, 0.25], [0.0, 2.0, math.log(3)])
    # σ(0) = 1/2; σ(2) = .880797; σ(ln 3) = 3/4.
    expected = [
        -math.log(1 / 2),
        -math.log(1 - 0.880797),
        -(0.25 * math.log(3 / 4) + 0.75 * math.log(1 / 4)),
    ]
    np.testing.assert_allclose(out, expected, rtol=1e-5)


def test_soft_cross_entropy_by_hand():
    # Soft label σ(ln 3) = 3/4, student σ(0) = 1/2 and σ(-ln 3) = 1/4.
    out = values(SoftCrossEntropy(), [math.log(3)] * 2, [0.0, -math.log(3)])
    expected = [-math.log(1 / 2), -(3 / 4 * math.log(1 / 4) + 1 / 4 * math.log(3 / 4))]
    np.testing.assert_allclose(out, expected, rtol=1e-6)


def test_temperature_by_hand():
    # T = 2: soft label σ(2 ln 3 / 2) = 3/4, student σ(2 ln 4 / 2) = 4/5, factor 2² = 4.
    out = values(SoftCrossEntropy(temperature=2.0), [2 * math.log(3)], [2 * math.log(4)])
    expected = -4 * (3 / 4 * math.log(4 / 5) + 1 / 4 * math.log(1 / 5))
    np.testing.assert_allclose(out, [expected], rtol=1e-6)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_gradient_of_soft_cross_entropy(temperature):
    teacher, student = tf.constant([1.5, -2.0, 0.0]), tf.constant([0.5, 3.0, -1.0])
    with tf.GradientTape() as tape:
        tape.watch(student)
        loss = per_row(SoftCrossEntropy(temperature), teacher, student)
    # T² · d/df CE(σ(f_t/T), f/T) = T · (σ(f/T) − σ(f_t/T)).
    expected = temperature * (sigmoid(student / temperature) - sigmoid(teacher / temperature))
    np.testing.assert_allclose(tape.gradient(loss, student), expected, rtol=1e-5)


def test_temperature_keeps_the_size_of_the_gradient():
    # For T → ∞ it tends to (f − f_t) / 4: neither 0 nor infinite.
    student = tf.constant([0.3])
    with tf.GradientTape() as tape:
        tape.watch(student)
        loss = per_row(SoftCrossEntropy(100.0), tf.constant([-0.5]), student)
    np.testing.assert_allclose(tape.gradient(loss, student), [0.8 / 4], rtol=1e-3)


def test_gradient_of_cross_entropy():
    logits = tf.constant([0.5, 3.0, -1.0])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = per_row(CrossEntropy(), tf.constant([1.0, 0.0, 0.3]), logits)
    expected = sigmoid(logits) - [1.0, 0.0, 0.3]
    np.testing.assert_allclose(tape.gradient(loss, logits), expected, rtol=1e-5)


LOGITS = np.linspace(-4, 4, 9).astype(np.float32)


@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        (CrossEntropy(), sigmoid(LOGITS)),
        (SoftCrossEntropy(), LOGITS),
        (SoftCrossEntropy(0.5), LOGITS),
        (SoftCrossEntropy(4.0), LOGITS),
        (SquaredLogits(), LOGITS),
    ],
)
def test_stationary_where_student_and_teacher_agree(loss, targets):
    logits = tf.constant(LOGITS)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        out = per_row(loss, tf.constant(targets, tf.float32), logits)
    np.testing.assert_allclose(tape.gradient(out, logits), np.zeros(9), atol=1e-6)
    for step in (0.5, -0.5):
        assert (values(loss, targets, LOGITS + step) > out.numpy()).all()


@pytest.mark.parametrize("loss", [CrossEntropy(), SoftCrossEntropy(), SoftCrossEntropy(0.1)])
def test_large_logits_are_finite(loss):
    logits = tf.constant([1e4, -1e4, 1e4, -1e4])
    labels = [1.0, 0.0, 0.0, 1.0]
    targets = tf.constant(labels if isinstance(loss, CrossEntropy) else [1e4, -1e4, -1e4, 1e4])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        out = per_row(loss, targets, logits)
    # −log σ(−x) = x for large x; with a temperature T² · x / T.
    size = 1e4 * getattr(loss, "temperature", 1.0)
    np.testing.assert_allclose(out, [0, 0, size, size], rtol=1e-6)
    assert np.isfinite(tape.gradient(out, logits)).all()


def test_any_keras_loss_gives_one_value_a_row():
    labels, logits = [1.0, 0.0, 1.0], [0.5, -2.0, -1.0]
    stock = keras.losses.BinaryCrossentropy(from_logits=True)
    np.testing.assert_allclose(
        values(stock, labels, logits), values(CrossEntropy(), labels, logits), rtol=1e-5
    )
    squared = values(keras.losses.MeanSquaredError(), labels, logits)
    np.testing.assert_allclose(squared, [0.5**2, 2**2, 2**2], rtol=1e-6)


def test_squared_logits():
    teacher, student = [1.0, -2.0, 1e4], [0.5, 3.0, -1e4]
    out = values(SquaredLogits(), teacher, student)
    np.testing.assert_allclose(out, [0.25, 25, 4e8], rtol=1e-6)
    stock = values(keras.losses.MeanSquaredError(), teacher, student)
    np.testing.assert_allclose(out, stock, rtol=1e-6)


def test_squared_logits_are_soft_cross_entropy_of_a_large_temperature():
    teacher, student = tf.constant([1.0, -2.0]), tf.constant([0.5, 3.0])
    gradients = []
    for loss in (SquaredLogits(), SoftCrossEntropy(100.0)):
        with tf.GradientTape() as tape:
            tape.watch(student)
            out = per_row(loss, teacher, student)
        gradients.append(tape.gradient(out, student).numpy())
    np.testing.assert_allclose(gradients[0], 8 * gradients[1], rtol=1e-3)


def test_the_student_of_least_squares_teacher_is_that_of_the_labels():
    """Projection identity: on the same rows, linear, squared error, λ = 1.

    A teacher that is the least-squares fit on (X, X*) leaves a residual orthogonal to X, so the
    student's best fit of the teacher is its best fit of the labels.
    """
    random = np.random.default_rng(0)
    x, privileged = random.normal(size=(80, 4)), random.normal(size=(80, 3))
    y = x @ random.normal(size=4) + privileged @ random.normal(size=3) + random.normal(size=80)
    both = np.hstack([x, privileged])
    teacher = both @ np.linalg.lstsq(both, y, rcond=None)[0]
    student = np.linalg.lstsq(x, y, rcond=None)[0]

    def gradient(weights, target):
        weights = tf.constant(weights, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(weights)
            logits = tf.linalg.matvec(tf.constant(x, tf.float32), weights)
            rows = per_row(SquaredLogits(), tf.constant(target, tf.float32), logits)
            loss = row_term(rows, tf.ones([80]), tf.ones([80], tf.bool)).mean
        return tape.gradient(loss, weights).numpy()

    np.testing.assert_allclose(gradient(student, teacher), np.zeros(4), atol=1e-5)
    # On other rows it doesn't hold, nor for a teacher that isn't a least-squares fit.
    assert np.abs(gradient(student, teacher + privileged[:, 0] ** 2)).max() > 0.01
    # Gradient descent on the teacher's soft labels alone finds the labels' least squares.
    weights = np.zeros(4)
    for _ in range(200):
        weights -= 0.3 * gradient(weights, teacher)
    np.testing.assert_allclose(weights, student, atol=1e-4)


def test_row_term_by_hand():
    rows = tf.constant([1.0, 2.0, math.nan, 8.0])
    weights = tf.constant([1.0, 3.0, 5.0, 0.5])
    counted = tf.constant([True, True, False, True])
    np.testing.assert_allclose(row_term(rows, weights, counted).mean, (1 + 6 + 4) / 3, rtol=1e-6)
    np.testing.assert_allclose(row_term(rows, weights, tf.zeros([4], tf.bool)).mean, 0.0)


def test_row_term_sends_no_gradient_to_rows_that_do_not_count():
    rows = tf.constant([1.0, 2.0, 3.0])
    with tf.GradientTape() as tape:
        tape.watch(rows)
        out = row_term(rows, tf.constant([1.0, 1.0, 0.0]), tf.constant([True, False, True])).mean
    np.testing.assert_allclose(tape.gradient(out, rows), [0.5, 0, 0])


@pytest.mark.parametrize("weights", [None, [0.0, 2.0, 0.5, 1.0, 3.0]])
def test_row_term_is_the_reduction_of_keras(weights):
    labels, logits = [1.0, 0.0, 1.0, 0.0, 1.0], [0.3, -1.0, 2.0, 4.0, -0.2]
    stock = keras.losses.BinaryCrossentropy(from_logits=True)
    expected = stock(np.c_[labels], np.c_[logits], sample_weight=weights and np.array(weights))
    rows = tf.constant(values(CrossEntropy(), labels, logits))
    ours = row_term(rows, tf.constant(weights or [1.0] * 5), tf.ones([5], tf.bool)).mean
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_equals_the_log_loss_of_sklearn():
    random = np.random.default_rng(0)
    labels, logits = random.integers(0, 2, 50), random.normal(size=50)
    weights = random.uniform(0, 3, 50).astype(np.float32)
    rows = values(CrossEntropy(), labels, logits)
    out = row_term(tf.constant(rows), tf.constant(weights), tf.ones([50], tf.bool)).mean
    # sklearn divides by the sum of the weights, Keras and we by the number of rows.
    expected = sklearn.metrics.log_loss(labels, sigmoid(logits), sample_weight=weights)
    np.testing.assert_allclose(out * 50 / weights.sum(), expected, rtol=1e-5)


@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan, np.inf])
def test_temperature_is_checked(temperature):
    with pytest.raises(ValueError, match="`temperature` must be above 0, received"):
        SoftCrossEntropy(temperature)


@pytest.mark.parametrize(
    "loss", [CrossEntropy(), SoftCrossEntropy(2.5, name="mine"), SquaredLogits()]
)
def test_config_round_trip(loss):
    again = keras.utils.deserialize_keras_object(keras.utils.serialize_keras_object(loss))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()


def test_public_names():
    assert losses.SoftCrossEntropy is SoftCrossEntropy
    assert losses.CrossEntropy is CrossEntropy
