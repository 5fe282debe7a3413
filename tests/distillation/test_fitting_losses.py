"""Losses and metrics that don't fit rows of a label and a logit are refused in one line."""

import pytest
import tensorflow as tf

from tfpfd import losses
from tfpfd._keras import keras
from tfpfd.distillation.fitting_losses import check_loss, check_metric

FITTING = [
    keras.losses.BinaryCrossentropy(from_logits=True),
    keras.losses.BinaryFocalCrossentropy(from_logits=True),
    keras.losses.MeanSquaredError(),
    keras.losses.MeanAbsoluteError(),
    keras.losses.Huber(),
    keras.losses.Hinge(),
    losses.CrossEntropy(),
    losses.ListwiseSoftmax(),
    losses.PairwiseLogistic(),
]
SOFT = [
    losses.SoftCrossEntropy(2.0),
    losses.SquaredLogits(),
    losses.ConfidenceWeighted(losses.SquaredLogits()),
    losses.Corrected(losses.SoftListwiseSoftmax()),
    losses.CalibratedListwise(),
    keras.losses.MeanSquaredError(),
]


@pytest.mark.parametrize("loss", FITTING, ids=lambda loss: type(loss).__name__)
def test_what_fits(loss):
    check_loss("loss", loss)


@pytest.mark.parametrize("loss", SOFT, ids=lambda loss: type(loss).__name__)
def test_what_fits_soft_labels(loss):
    check_loss("distillation_loss", loss, soft=True)


@keras.utils.register_keras_serializable(package="tests")
class OfTheBatch(keras.losses.Loss):
    """Depends on the other rows."""

    def call(self, y_true, y_pred):
        return (y_pred - tf.reduce_mean(y_pred) - y_true) ** 2


class Stopped(keras.losses.Loss):
    """Has no gradient."""

    def call(self, y_true, y_pred):
        return tf.stop_gradient(y_true - y_pred) ** 2


class Scalar(keras.losses.Loss):
    """Has no value a row."""

    def call(self, y_true, y_pred):
        return tf.reduce_mean((y_true - y_pred) ** 2)


class Failing(keras.losses.Loss):
    """Wants three columns."""

    def call(self, y_true, y_pred):
        return tf.ensure_shape(y_pred, [None, 3])


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (keras.losses.BinaryCrossentropy(), r"takes probabilities \(from_logits=False\)"),
        (keras.losses.BinaryFocalCrossentropy(), "takes probabilities"),
        (keras.losses.CategoricalCrossentropy(from_logits=True), "it would train nothing"),
        (keras.losses.CosineSimilarity(), "it would train nothing"),
        (keras.losses.KLDivergence(), "it would train nothing"),
        (keras.losses.Poisson(), "it would train nothing"),
        (keras.losses.MeanSquaredLogarithmicError(), "it would train nothing"),
        (keras.losses.MeanSquaredError(reduction="sum"), "has reduction='sum'"),
        (losses.ListwiseSoftmax(reduction="sum"), "has reduction='sum'"),
        (OfTheBatch(), "depends on the other rows"),
        (Stopped(), "it would train nothing"),
        (Scalar(), "gives 1 values for 4 rows"),
        (Failing(), r"which fails on targets and logits of shape \[rows, 1\]: .*3"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_does_not_fit(loss, message):
    with pytest.raises(ValueError, match=f"^`loss` .*{message}") as caught:
        check_loss("loss", loss)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "loss",
    [
        keras.losses.BinaryCrossentropy(from_logits=True),
        losses.Corrected(keras.losses.BinaryCrossentropy(from_logits=True)),
    ],
)
def test_a_loss_of_labels_is_none_of_soft_labels(loss):
    """The teacher's logits are no labels in [0, 1]."""
    with pytest.raises(ValueError, match="BinaryCrossentropy, which takes labels as targets"):
        check_loss("distillation_loss", loss, soft=True)


@pytest.mark.parametrize(
    "metric",
    [
        keras.metrics.AUC(from_logits=True),
        keras.metrics.BinaryCrossentropy(from_logits=True),
        keras.metrics.BinaryAccuracy(threshold=0.0),
        keras.metrics.MeanSquaredError(),
    ],
    ids=lambda metric: type(metric).__name__,
)
def test_metrics_that_fit(metric):
    check_metric(metric)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (keras.metrics.AUC(), r"expected AUC\(from_logits=True\)"),
        (keras.metrics.BinaryCrossentropy(), r"expected BinaryCrossentropy\(from_logits=True\)"),
        (keras.metrics.BinaryAccuracy(), r"expected BinaryAccuracy\(threshold=0.0\)"),
        (keras.metrics.Precision(), "Precision takes probabilities"),
        (keras.metrics.RecallAtPrecision(0.5), "RecallAtPrecision takes probabilities"),
        (keras.metrics.CategoricalAccuracy(), "says 1.0 of right logits and of wrong ones"),
        (keras.metrics.TopKCategoricalAccuracy(), "says 1.0 of right logits and of wrong ones"),
        (keras.metrics.MeanIoU(2), "MeanIoU"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_metrics_that_do_not_fit(metric, message):
    with pytest.raises(ValueError, match=f"^`metrics` .*{message}") as caught:
        check_metric(metric)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("metrics", [keras.metrics.MeanSquaredError(), "accuracy", {"": []}])
def test_metrics_come_in_a_list(make, metrics):
    with pytest.raises(TypeError, match=r"`metrics` must be .* objects in a list"):
        make("shared").compile("sgd", metrics=metrics)


def test_parts_of_tensorflow_ranking(make, batches_of):
    """They take flat rows for lists of one row: the loss is 0 and nothing is learned."""
    ranking = pytest.importorskip("tensorflow_ranking", exc_type=ImportError).keras
    for loss in (
        ranking.losses.SoftmaxLoss(),
        ranking.losses.ListMLELoss(),
        ranking.losses.PairwiseLogisticLoss(),
        ranking.losses.ApproxNDCGLoss(),
        ranking.losses.SigmoidCrossEntropyLoss(),
    ):
        with pytest.raises(TypeError, match=f"^`loss` got {type(loss).__name__} of TF-Ranking"):
            make().compile("sgd", loss)
        with pytest.raises(TypeError, match=r"^`distillation_loss` got .* of TF-Ranking, which"):
            make(distillation_loss=loss)
    with pytest.raises(TypeError, match=r"^`metrics` got NDCGMetric of TF-Ranking, which takes"):
        make().compile("sgd", metrics=[ranking.metrics.NDCGMetric()])


OF_LABELS = [losses.CrossEntropy, losses.ListwiseSoftmax, losses.PairwiseLogistic]
OF_SOFT_LABELS = [
    losses.SoftCrossEntropy,
    losses.SquaredLogits,
    losses.SoftPairwiseLogistic,
    losses.SoftListwiseSoftmax,
    losses.CalibratedListwise,
    lambda: losses.ConfidenceWeighted(losses.SoftCrossEntropy()),
    lambda: losses.Corrected(losses.SoftCrossEntropy()),
]


def test_own_losses_go_where_they_belong():
    """One of labels, given logits, has no lower bound; one of logits takes 1 for a logit."""
    for make in OF_LABELS:
        check_loss("loss", make())
        with pytest.raises(ValueError, match=f"received {make.__name__}, which is of labels$"):
            check_loss("distillation_loss", make(), soft=True)
    for make in OF_SOFT_LABELS:
        check_loss("distillation_loss", make(), soft=True)
        with pytest.raises(ValueError, match=r"^`loss` must .*received \w+, which is of soft"):
            check_loss("loss", make())
