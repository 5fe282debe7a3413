"""Metrics on flat rows, one row for each (user, item) shown.

Every metric takes `sample_weight` of shape [n], or [resamples, n] to evaluate many bootstrap
resamples at once: a row drawn twice weighs two. It returns a scalar, or a [resamples] array.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tfpfd._arguments import check_integer, names_in
from tfpfd.evaluation.intervals import FloatArray, user_bootstrap

SMALLER_IS_BETTER = ("log_loss", "ece", "list_loss")


def auc(
    labels: ArrayLike, scores: ArrayLike, sample_weight: ArrayLike | None = None
) -> np.float64 | FloatArray:
    """Area under the ROC curve; a tie gets half credit.

    `AUC = sum_{i: y_i = 1, j: y_j = 0} w_i w_j ([s_i > s_j] + [s_i = s_j] / 2) / (W_1 W_0)`
    where `W_1` and `W_0` are the total weights of the positives and of the negatives.

    Args:
      labels: [n] array of zeros and ones.
      scores: [n] array, probabilities or logits: only their order counts.
      sample_weight: [n] or [resamples, n] array of non-negative weights, ones if `None`.

    Returns:
      A scalar, or a [resamples] array; nan where only one class has any weight.

    Raises:
      ValueError: for empty or NaN input, other labels, unequal lengths or negative weights.
    """
    labels = _binary_labels(labels)
    scores, weights = _vector("scores", scores, labels), _weights(sample_weight, labels)
    values, _ = _auc_of_groups(labels, scores, np.zeros(labels.size, np.intp), weights)
    return values[..., 0][()]


def group_auc(
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike,
    sample_weight: ArrayLike | None = None,
) -> np.float64 | FloatArray:
    """Mean of the AUC within each group, usually a user: the GAUC of the CTR literature.

    `GAUC = sum_g W_g AUC_g / sum_g W_g`, over the groups which hold both classes, where `W_g` is
    the number of rows of the group (their total `sample_weight`): a user with many rows counts
    more. See Zhou et al., Deep Interest Network for Click-Through Rate Prediction, 2018.

    Args:
      labels: [n] array of zeros and ones.
      scores: [n] array, probabilities or logits: only their order within a group counts.
      groups: [n] array of group ids, integers or strings.
      sample_weight: [n] or [resamples, n] array of non-negative weights, ones if `None`.

    Returns:
      A scalar, or a [resamples] array; nan where no group holds both classes.

    Raises:
      ValueError: for empty or NaN input, other labels, unequal lengths or negative weights.
    """
    labels = _binary_labels(labels)
    scores, weights = _vector("scores", scores, labels), _weights(sample_weight, labels)
    codes, _ = pd.factorize(np.asarray(groups))
    if codes.size != labels.size or (codes < 0).any():
        raise ValueError(
            f"`groups` must have an id for each of the {labels.size} rows, "
            f"received {codes.size} ids, {(codes < 0).sum()} of them missing"
        )
    values, totals = _auc_of_groups(labels, scores, codes, weights)
    totals = np.where(np.isnan(values), 0.0, totals)
    return _ratio((np.nan_to_num(values) * totals).sum(axis=-1), totals.sum(axis=-1))


def log_loss(
    labels: ArrayLike, probabilities: ArrayLike, sample_weight: ArrayLike | None = None
) -> np.float64 | FloatArray:
    """Mean binary cross-entropy.

    `-sum_i w_i (y_i ln p_i + (1 - y_i) ln(1 - p_i)) / sum_i w_i`, where `p` is clipped to
    `[eps, 1 - eps]` and `eps` is the machine epsilon of the type of `probabilities`.

    Args:
      labels: [n] array in [0, 1]; soft labels are allowed.
      probabilities: [n] array in [0, 1].
      sample_weight: [n] or [resamples, n] array of non-negative weights, ones if `None`.

    Returns:
      A scalar, or a [resamples] array.

    Raises:
      ValueError: for empty input, values out of [0, 1], unequal lengths or negative weights.
    """
    # A float32 model that saturates is at most one float32 epsilon away from certainty.
    epsilon = np.finfo(np.result_type(np.asarray(probabilities).dtype, np.float32)).eps
    labels = _rates("labels", labels)
    probabilities = _rates("probabilities", probabilities, labels)
    weights = _weights(sample_weight, labels)
    clipped = np.clip(probabilities, epsilon, 1.0 - epsilon)
    losses = -(labels * np.log(clipped) + (1.0 - labels) * np.log1p(-clipped))
    return _ratio(weights @ losses, weights.sum(axis=-1))


def expected_calibration_error(
    labels: ArrayLike,
    probabilities: ArrayLike,
    bins: int = 15,
    sample_weight: ArrayLike | None = None,
) -> np.float64 | FloatArray:
    """Mean distance between predicted and observed rates, over bins of equal width.

    `ECE = sum_b (W_b / W) |mean label in b - mean probability in b|`, which is
    `sum_b |sum_{i in b} w_i (y_i - p_i)| / W`. A bin holds its lower edge; the last one, both.

    Args:
      labels: [n] array in [0, 1]; soft labels are allowed.
      probabilities: [n] array in [0, 1].
      bins: number of bins.
      sample_weight: [n] or [resamples, n] array of non-negative weights, ones if `None`.

    Returns:
      A scalar, or a [resamples] array.

    Raises:
      ValueError: as `log_loss`, and if `bins` is below 1.
    """
    check_integer("bins", bins, least=1)
    labels = _rates("labels", labels)
    probabilities = _rates("probabilities", probabilities, labels)
    weights = _weights(sample_weight, labels)
    residuals = np.zeros((labels.size, bins))
    bin_of_row = np.minimum((probabilities * bins).astype(np.intp), bins - 1)
    residuals[np.arange(labels.size), bin_of_row] = labels - probabilities
    return _ratio(np.abs(weights @ residuals).sum(axis=-1), weights.sum(axis=-1))


def evaluate_rows(
    labels: ArrayLike,
    predictions: ArrayLike,
    users: ArrayLike,
    multiplicities: ArrayLike | None = None,
    from_logits: bool = False,
    metrics: Collection[str] = ("auc", "group_auc", "log_loss", "ece"),
) -> dict[str, FloatArray]:
    """Metrics of flat rows, on the test set and on bootstrap resamples of its users.

    Args:
      labels: [n] array of zeros and ones.
      predictions: [n] array of probabilities, or of logits if `from_logits`.
      users: [n] array of user ids, the groups of `group_auc` and the unit that is resampled.
      multiplicities: [1 + resamples, users] array from `multiplicities`, its columns in the
        sorted order of the user ids; the test set alone if `None`.
      from_logits: whether `predictions` are logits, which don't saturate into ties.
      metrics: names of those wanted.

    Returns:
      "auc", "group_auc", "log_loss" and "ece" as [1 + resamples] arrays, the test set first.

    Raises:
      ValueError: as the metrics and `user_bootstrap`, and for a name that isn't one of these.
    """
    scores = _vector("predictions", predictions, _vector("labels", labels))
    if np.shape(users) != scores.shape:
        raise ValueError(f"`users` must be [{scores.size}] as `labels`, received {np.shape(users)}")
    probabilities = sigmoid(scores) if from_logits else predictions
    if multiplicities is None:
        multiplicities = np.ones((1, pd.unique(np.asarray(users)).size))
    known: dict[str, Callable[[FloatArray], np.float64 | FloatArray]] = {
        "auc": lambda w: auc(labels, scores, w),
        "group_auc": lambda w: group_auc(labels, scores, users, w),
        "log_loss": lambda w: log_loss(labels, probabilities, w),
        "ece": lambda w: expected_calibration_error(labels, probabilities, sample_weight=w),
    }
    if unknown := [name for name in names_in("metrics", metrics) if name not in known]:
        raise ValueError(f"`metrics` names {unknown}: expected names out of {list(known)}")
    return {name: user_bootstrap(known[name], users, multiplicities) for name in metrics}


def sigmoid(logits: FloatArray) -> FloatArray:
    """Probabilities of logits, without an exponential that is infinite."""
    return np.exp(-np.logaddexp(0.0, -logits))


def _auc_of_groups(
    labels: FloatArray, scores: FloatArray, groups: NDArray[np.intp], weights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """AUC and total weight of each group, both [..., groups]: one sort for all resamples."""
    order = np.lexsort((scores, groups))
    labels, scores, groups = labels[order], scores[order], groups[order]
    weights = weights[..., order]
    new_group = np.append(True, groups[1:] != groups[:-1])
    ties = np.flatnonzero(new_group | np.append(True, scores[1:] != scores[:-1]))
    first_tie = np.flatnonzero(new_group[ties])

    total = np.add.reduceat(weights, ties, axis=-1)
    positive = np.add.reduceat(weights * labels, ties, axis=-1)
    negative = total - positive
    # Counted from the first row of all, so what precedes the group is taken off below.
    below = np.cumsum(negative, axis=-1) - negative
    before = below[..., first_tie]

    positives = np.add.reduceat(positive, first_tie, axis=-1)
    negatives = np.add.reduceat(negative, first_tie, axis=-1)
    wins = np.add.reduceat(positive * (below + negative / 2), first_tie, axis=-1)
    return _ratio(wins - positives * before, positives * negatives), positives + negatives


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """The quotient, nan where the denominator is zero."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)[()]


def _vector(
    name: str, values: ArrayLike, labels: FloatArray | None = None, like: str = "labels"
) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"`{name}` must be a non-empty [n] array, received shape {array.shape}")
    if labels is not None and array.size != labels.size:
        raise ValueError(f"`{name}` must be [{labels.size}] as `{like}`, received [{array.size}]")
    if missing := np.isnan(array).sum():
        raise ValueError(f"`{name}` must not contain NaN, received {missing} of {array.size}")
    return array


def _binary_labels(labels: ArrayLike) -> FloatArray:
    array = _vector("labels", labels)
    if (other := array[(array != 0) & (array != 1)]).size:
        raise ValueError(f"`labels` must be 0 or 1, received {other[0]}")
    return array


def _rates(name: str, values: ArrayLike, labels: FloatArray | None = None) -> FloatArray:
    array = _vector(name, values, labels)
    if array.min() < 0 or array.max() > 1:
        raise ValueError(
            f"`{name}` must be in [0, 1], received values from {array.min()} to {array.max()}"
        )
    return array


def _weights(sample_weight: ArrayLike | None, labels: FloatArray) -> FloatArray:
    if sample_weight is None:
        return np.ones(labels.size)
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.ndim not in (1, 2) or weights.shape[-1] != labels.size:
        raise ValueError(
            f"`sample_weight` must be [n] or [resamples, n] with n = {labels.size}, "
            f"received shape {weights.shape}"
        )
    if not (weights >= 0).all():
        raise ValueError(f"`sample_weight` must be non-negative, received {weights.min()}")
    return weights
