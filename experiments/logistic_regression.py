"""Logistic regression on labels and soft labels, to the minimum of the package's own losses."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from scipy.optimize import minimize

from tfpfd.distillation.losses import CrossEntropy, SoftCrossEntropy


@dataclass(frozen=True)
class LogisticRegression:
    """A linear model of standardised features.

    Args:
      mean: `[features]`, of the training rows.
      scale: `[features]`, their standard deviation.
      weights: `[features]`.
      bias: a scalar.
    """

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: float

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Logits `[rows]` of features `[rows, features]`."""
        return (features - self.mean) / self.scale @ self.weights + self.bias


def fit_linear(
    features: np.ndarray,
    labels: np.ndarray,
    penalty: float,
    soft_labels: np.ndarray | None = None,
    imitation: float = 0.0,
    temperature: float = 1.0,
) -> LogisticRegression:
    """Minimises `(1-λ)·CE(y, f) + λ·T²·CE(σ(f_t/T), f/T) + ½·penalty·‖w‖²` by L-BFGS.

    The bias has no penalty.

    Args:
      features: `[rows, features]`.
      labels: `[rows]` of 0 and 1.
      penalty: of the weights, on standardised features.
      soft_labels: `[rows]` logits of a teacher, f_t.
      imitation: λ.
      temperature: T.

    Returns:
      The model at the minimum.

    Raises:
      ValueError: λ isn't in [0, 1], or is above 0 without soft labels.
    """
    if not 0 <= imitation <= 1:
        raise ValueError(f"`imitation` must be between 0 and 1, received {imitation}")
    if imitation and soft_labels is None:
        raise ValueError(f"`soft_labels` must be given where `imitation` is {imitation}")
    mean, scale = features.mean(axis=0), features.std(axis=0)
    objective = _objective(temperature)
    fixed = [
        tf.constant((features - mean) / scale),
        tf.constant(labels),
        tf.constant(np.zeros_like(labels) if soft_labels is None else soft_labels),
        tf.constant(imitation, tf.float64),
        tf.constant(penalty, tf.float64),
    ]

    def value_and_gradient(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = objective(tf.constant(parameters), *fixed)
        return float(value), gradient.numpy()

    start = np.zeros(features.shape[1] + 1)
    found = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B").x
    return LogisticRegression(mean, scale, found[:-1], float(found[-1]))


@functools.cache
def _objective(temperature: float) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
    """The loss and its gradient as one graph for all sizes: building it takes longer than a fit."""
    hard_loss, soft_loss = CrossEntropy(), SoftCrossEntropy(temperature)
    vector, scalar = tf.TensorSpec([None], tf.float64), tf.TensorSpec([], tf.float64)
    matrix = tf.TensorSpec([None, None], tf.float64)

    @tf.function(input_signature=[vector, matrix, vector, vector, scalar, scalar])
    def value_and_gradient(
        parameters: tf.Tensor,
        inputs: tf.Tensor,
        labels: tf.Tensor,
        soft_labels: tf.Tensor,
        imitation: tf.Tensor,
        penalty: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(parameters)
            weights = parameters[:-1]
            logits = tf.linalg.matvec(inputs, weights) + parameters[-1]
            hard = tf.reduce_mean(hard_loss.call(labels, logits))
            soft = tf.reduce_mean(soft_loss.call(soft_labels, logits))
            loss = (1 - imitation) * hard + imitation * soft
            loss += 0.5 * penalty * tf.reduce_sum(weights**2)
        return loss, tape.gradient(loss, parameters)

    return value_and_gradient
