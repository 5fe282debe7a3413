"""`fit` with losses that look at lists: it learns, and a saved model goes on."""

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import Distillation, Ranker, losses
from tfpfd._keras import keras
from tfpfd.data import LIST

HARD = [losses.ListwiseSoftmax(), losses.PairwiseLogistic()]
SOFT = [
    losses.SoftListwiseSoftmax(),
    losses.CalibratedListwise(),
    losses.SoftPairwiseLogistic(),
    losses.SquaredLogits(),
    losses.ConfidenceWeighted(losses.SoftCrossEntropy()),
    losses.Corrected(losses.SoftListwiseSoftmax(), 0.5),
]


def name(loss):
    return loss.name


@pytest.fixture
def data(inputs_of):
    """Two batches of 24 rows in lists of 4, of which some rows have no label."""
    inputs = inputs_of(48)
    labels = (inputs["affinity"] + inputs["user_id"] % 2 > 2).astype(np.float32)
    labels[::7] = np.nan
    inputs[LIST] = np.arange(48) // 4 * 1000
    weights = np.random.default_rng(0).uniform(0.5, 2, 48).astype(np.float32)
    return tf.data.Dataset.from_tensor_slices((inputs, labels, weights)).batch(24)


@pytest.mark.parametrize("loss", HARD, ids=name)
def test_a_ranker_learns(schema, data, linear, loss):
    ranker = Ranker(schema, linear(), sees="all")
    ranker.compile(keras.optimizers.Adam(0.05), loss=loss, run_eagerly=True)
    history = ranker.fit(data, validation_data=data, epochs=8, verbose=0).history
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    assert history["val_auc"][-1] > 0.8


@pytest.mark.parametrize("loss", SOFT, ids=name)
def test_a_student_learns(make, data, loss):
    model = make("frozen", weight=1.0, distillation_loss=loss)
    teacher = model.teacher.network
    teacher.kernel.assign(np.random.default_rng(0).normal(size=teacher.kernel.shape) * 10)
    before = teacher.kernel.numpy()
    model.compile(keras.optimizers.Adam(0.05), run_eagerly=True)

    def apart():
        """How far the student's logits are from the teacher's, within lists."""
        differences = [out["student"] - out["teacher"] for out in (model(x) for x, _, _ in data)]
        grouped = np.concatenate(differences).reshape(-1, 4)
        return (grouped - grouped.mean(1, keepdims=True)).std()

    start = apart()
    history = model.fit(data, epochs=8, verbose=0).history
    assert history["distillation_loss"][-1] < history["distillation_loss"][0]
    assert apart() < start
    np.testing.assert_array_equal(teacher.kernel.numpy(), before)


@pytest.mark.slow
def test_lists_of_both_losses(make, data):
    model = make(distillation_loss=losses.CalibratedListwise())
    model.compile(keras.optimizers.Adam(0.05), loss=losses.ListwiseSoftmax())
    history = model.fit(data, validation_data=data, epochs=8, verbose=0).history
    for term in ("student_loss", "teacher_loss", "val_loss"):
        assert history[term][-1] < history[term][0]


def test_the_loss_of_a_batch_by_hand(make, data):
    model = make(weight=0.3, distillation_loss=losses.SoftListwiseSoftmax())
    model.compile("sgd", loss=losses.ListwiseSoftmax(), metrics=[], run_eagerly=True)
    (inputs, labels, weights), *_ = data
    shown = model.evaluate(data.take(1), verbose=0, return_dict=True)
    outputs = {key: logits.numpy().reshape(-1, 4) for key, logits in model(inputs).items()}
    labels, weights = labels.numpy().reshape(-1, 4), weights.numpy().reshape(-1, 4)

    def log_softmax(f):
        return f - np.log(np.exp(f).sum(-1, keepdims=True))

    hard = []
    for f, y, w in zip(outputs["student"], labels, weights, strict=True):
        has = ~np.isnan(y)
        if y[has].sum() > 0:
            hard.append(-(w * y)[has] @ log_softmax(f[has]))
    shares = np.exp(log_softmax(outputs["teacher"]))
    soft = -weights.mean(1) * (shares * log_softmax(outputs["student"])).sum(1)
    assert shown["student_loss"] == pytest.approx(np.mean(hard), rel=1e-4)
    assert shown["distillation_loss"] == pytest.approx(np.mean(soft), rel=1e-4)
    expected = 0.7 * np.mean(hard) + 0.3 * np.mean(soft) + shown["teacher_loss"]
    assert shown["loss"] == pytest.approx(expected, rel=1e-4)


def test_no_gradient_of_a_listwise_distillation_reaches_the_teacher(make, data):
    model = make("independent", weight=1.0, distillation_loss=losses.SoftPairwiseLogistic())
    model.compile("sgd")
    (inputs, labels, weights), *_ = data
    labels = tf.fill(tf.shape(labels), np.nan)  # So that the teacher has no loss of its own.
    with tf.GradientTape() as tape:
        loss = model.compute_loss(inputs, labels, model(inputs), weights)
    gradients = tape.gradient(loss, [model.student.network.kernel, model.teacher.network.kernel])
    assert np.abs(gradients[0]).max() > 0
    assert gradients[1] is None or not np.any(gradients[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("soft", "hard", "named"),
    [
        (losses.CalibratedListwise(), None, "CalibratedListwise"),
        (losses.Corrected(losses.SoftListwiseSoftmax(), 0.5), None, "SoftListwiseSoftmax"),
        (None, losses.PairwiseLogistic(), "PairwiseLogistic"),
    ],
)
def test_batches_without_lists_are_refused(make, batches_of, data, soft, hard, named):
    """Before training: an error of a step would stand below pages of Keras's own."""
    model = make(distillation_loss=soft)
    model.compile("sgd", loss=hard)
    start = model.get_weights()
    for given in ((batches_of(8, 4), None), (data, batches_of(8, 4))):
        with pytest.raises(ValueError, match=rf"^{named} looks at whole lists.*`list_key`"):
            model.fit(given[0], validation_data=given[1], verbose=0)
    for one, other in zip(start, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_lists_are_not_compiled_by_xla(make):
    model = make(distillation_loss=losses.CalibratedListwise())
    with pytest.raises(ValueError, match="`jit_compile` must be left out: calibrated_listwise"):
        model.compile("sgd", jit_compile=True)
    make().compile("sgd", jit_compile=True)


@pytest.mark.slow
def test_a_loaded_model_goes_on_in_the_same_way(make, data, assert_same, tmp_path):
    soft = SOFT[-1]
    model = make(distillation_loss=soft)
    model.compile(keras.optimizers.Adam(0.05), loss=losses.ListwiseSoftmax(2.0))
    model.fit(data, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(again, Distillation)
    assert again.label_loss.temperature == 2.0
    assert again.distillation_loss.get_config() == soft.get_config()
    histories = [one.fit(data, epochs=2, verbose=0).history for one in (model, again)]
    assert_same(again, model, rtol=1e-4, atol=1e-6)
    for key, values in histories[0].items():
        np.testing.assert_allclose(histories[1][key], values, rtol=1e-4)
