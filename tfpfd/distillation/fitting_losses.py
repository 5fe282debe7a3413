"""Which Keras losses and metrics fit flat rows of labels and logits: tried out, not believed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf

from tfpfd._keras import keras
from tfpfd.distillation.losses.reduction import LABELS, SOFT_LABELS, BatchLoss, per_row

# Both labels on either side of 0, and beyond the probabilities 0 and 1.
_LABELS = np.array([1, 0, 1, 0], np.float32)
_WRONG = np.array([-2.0, 1.5, -0.5, 3.0], np.float32)
_RIGHT = np.array([2.5, -1.0, 4.0, -3.0], np.float32)
_KERAS_NAMES = ("keras", "tf_keras")


def check_loss(argument: str, loss: Any, soft: bool = False) -> None:
    """Refuses a loss that doesn't say of every row alone how far its logit is from what it should.

    Args:
      argument: what a message calls it.
      loss: a `BatchLoss`, which takes batches as they are, or a Keras loss, which is tried out.
      soft: whether the targets are the teacher's logits, not labels.

    Raises:
      TypeError: it is no `keras.losses.Loss`, or one of TF-Ranking, which takes matrices of lists.
      ValueError: it has no value a row, one that depends on other rows, none for some logits, or
        no gradient where the logit is wrong; it takes probabilities, or sums up the rows.
    """
    example = "SoftCrossEntropy()" if soft else "BinaryCrossentropy(from_logits=True)"
    of_what = "the teacher's and the student's logits" if soft else "labels and logits"
    expected = f"`{argument}` must be a keras.losses.Loss of {of_what}, such as {example}"
    if not isinstance(loss, keras.losses.Loss):
        raise TypeError(f"{expected}, received {loss!r}")
    _check_not_of_lists(argument, loss, "tfpfd.losses.ListwiseSoftmax() or PairwiseLogistic()")
    name, config = type(loss).__name__, loss.get_config()
    wanted = SOFT_LABELS if soft else LABELS
    if getattr(loss, "targets", wanted) != wanted:
        raise ValueError(f"{expected}, received {name}, which is of {loss.targets}")
    if config.get("reduction", "auto") not in ("auto", "sum_over_batch_size", "none", None):
        raise ValueError(
            f"`{argument}` {name} has reduction='{config['reduction']}': expected Keras' default, "
            "as the mean over the rows that count is what is trained and shown"
        )
    if isinstance(loss, BatchLoss):
        if hasattr(loss, "loss"):
            check_loss(argument, loss.loss, soft)
        return
    if config.get("from_logits") is False or (soft and "from_logits" in config):
        takes = "labels as targets" if soft else "probabilities (from_logits=False)"
        raise ValueError(f"{expected}, received {name}, which takes {takes}")
    truth = tf.constant(_WRONG[::-1].copy() if soft else _LABELS)
    try:
        values, slopes = _values(loss, truth, _WRONG)
        parts = [_values(loss, truth[i : i + 2], _WRONG[i : i + 2])[0] for i in (0, 2)]
    except Exception as error:
        raise ValueError(
            f"{expected}, received {name}, which fails on targets and logits of shape [rows, 1]: "
            f"{_last_line(error)}"
        ) from error
    if values.shape != _WRONG.shape:
        raise ValueError(
            f"{expected}, received {name}, which gives {values.size} values for "
            f"{len(_WRONG)} rows: it must give one a row"
        )
    if not np.isfinite(values).all() or not np.all(np.isfinite(slopes) & (slopes != 0)):
        i = int(np.argmin(np.isfinite(values) & np.isfinite(slopes) & (slopes != 0)))
        raise ValueError(
            f"{expected}, received {name}, whose value for target {float(truth[i]):g} and logit "
            f"{_WRONG[i]:g} is {values[i]:g} with gradient {slopes[i]:g}: it would train nothing"
        )
    if not np.allclose(np.concatenate(parts), values, rtol=1e-4, atol=1e-6):
        raise ValueError(
            f"{expected}, received {name}, whose value of a row depends on the other rows: write "
            "it as a loss of lists, or of rows"
        )


def metrics_in(metrics: Any) -> list[keras.metrics.Metric]:
    """The metrics that `compile` was given.

    Raises:
      TypeError: no list of metrics.
      ValueError: as of `check_metric`.
    """
    if not isinstance(metrics, list | tuple):
        raise TypeError(
            f"`metrics` must be keras.metrics.Metric objects in a list, received {metrics!r}"
        )
    for metric in metrics:
        check_metric(metric)
    return list(metrics)


def check_metric(metric: Any) -> None:
    """Refuses a metric that can't be one of labels and logits of flat rows.

    Args:
      metric: a Keras metric, of which a copy is tried out.

    Raises:
      TypeError: it is no `keras.metrics.Metric`, or one of TF-Ranking.
      ValueError: it takes probabilities, fails on columns of labels and logits, or says the same
        of right logits and of wrong ones.
    """
    if not isinstance(metric, keras.metrics.Metric):
        raise TypeError(f"`metrics` must hold keras.metrics.Metric, received {metric!r}")
    _check_not_of_lists("metrics", metric, "tfpfd.evaluation on the predictions")
    name, config = type(metric).__name__, metric.get_config()
    of_keras = type(metric).__module__.split(".")[0] in _KERAS_NAMES
    if config.get("from_logits", True) is False:
        raise ValueError(
            f"`metrics` watch logits, but {name} takes probabilities: expected "
            f"{name}(from_logits=True)"
        )
    if of_keras and "from_logits" not in config:
        if {"thresholds", "num_thresholds"} & set(config):
            raise ValueError(
                f"`metrics` watch logits, but {name} takes probabilities: expected a metric of "
                "labels and logits, such as AUC(from_logits=True)"
            )
        if config.get("threshold") == 0.5:
            raise ValueError(
                f"`metrics` watch logits, of which 0 is the probability .5: expected "
                f"{name}(threshold=0.0), received threshold=0.5"
            )
    try:
        # In a thread, as strategies are of threads: inside a scope a metric can't be updated.
        with ThreadPoolExecutor(1) as thread:
            right, wrong = thread.map(lambda f: _result(metric, config, f), (_RIGHT, _WRONG))
    except Exception as error:
        raise ValueError(
            f"`metrics` {name} fails on labels and logits of shape [rows, 1] with weights [rows]: "
            f"{_last_line(error)}"
        ) from error
    if of_keras and np.array_equal(right, wrong):
        raise ValueError(
            f"`metrics` {name} says {right} of right logits and of wrong ones: expected a metric "
            "of one label and one logit a row"
        )


def _check_not_of_lists(argument: str, part: Any, instead: str) -> None:
    if any(kind.__module__.startswith("tensorflow_ranking") for kind in type(part).__mro__):
        raise TypeError(
            f"`{argument}` got {type(part).__name__} of TF-Ranking, which takes matrices [lists, "
            f"rows]; batches here are flat rows, of which it would learn nothing: use {instead}"
        )


def _values(
    loss: keras.losses.Loss, truth: tf.Tensor, logits: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The loss of rows and its slopes by their logits, as far as there are any."""
    variable = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        values = per_row(loss, truth, variable)
    slopes = tape.gradient(values, variable)
    return values.numpy(), np.zeros_like(logits) if slopes is None else slopes.numpy()


def _result(metric: keras.metrics.Metric, config: dict[str, Any], logits: np.ndarray) -> Any:
    tried = type(metric).from_config(config)
    columns = (tf.constant(part[:, None]) for part in (_LABELS, logits))
    tried.update_state(*columns, sample_weight=tf.ones([len(logits)]))
    return tf.nest.map_structure(np.asarray, tried.result())


def _last_line(error: Exception) -> str:
    """Where TensorFlow says what is wrong, below its traces."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
