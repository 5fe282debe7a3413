"""Intervals for metrics, which count the sampling of test users and the seeds of training.

Rows of one user go together, so users are resampled, not rows. A resample is how many times
each user was drawn: the multiplicity of a user is the weight of each of its rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tfpfd._arguments import check_integer, is_number, shown

FloatArray: TypeAlias = NDArray[np.float64]

# Weights handed to a metric at once, 8 MB: a metric makes several temporaries of that size.
_BLOCK = 1_000_000


@dataclass(frozen=True)
class Interval:
    """A mean and the two ends of its interval."""

    mean: float
    low: float
    high: float

    @property
    def half(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside the interval; never so for an interval of nan."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        ends = "" if math.isnan(self.half) else f" ± {number(self.half)}"
        return f"{number(self.mean, '+')}{ends}"


RESAMPLES = 200
"""How often test users are drawn again where nothing else is said."""


def multiplicities(n_users: int, resamples: int = RESAMPLES, seed: int = 0) -> NDArray[np.int32]:
    """Draws `n_users` users with replacement, `resamples` times.

    Args:
      n_users: number of users in the test set.
      resamples: number of resamples.
      seed: seed of the draws; use one for all models, so that they meet the same users.

    Returns:
      [1 + resamples, n_users] array: how many times each user was drawn. Row 0 is all ones, the
      test set itself. Every row sums to `n_users`.

    Raises:
      ValueError: if `n_users` is below 1 or `resamples` below 0.
    """
    check_integer("n_users", n_users, least=1)
    check_integer("resamples", resamples, least=0)
    check_integer("seed", seed, least=0)
    generator = np.random.default_rng(seed)
    counts = np.ones((1 + resamples, n_users), dtype=np.int32)
    for row in counts[1:]:
        row[:] = np.bincount(generator.integers(n_users, size=n_users), minlength=n_users)
    return counts


def user_bootstrap(
    metric: Callable[[FloatArray], np.float64 | FloatArray],
    users: ArrayLike,
    multiplicities: ArrayLike,
) -> FloatArray:
    """Evaluates a metric of flat rows on each resample of the users.

    >>> user_bootstrap(lambda w: auc(labels, scores, w), users, multiplicities(943))

    Args:
      metric: takes [resamples, n] row weights and returns [resamples] values. It is called on
        blocks of resamples, to bound the memory.
      users: [n] array of the user ids of the rows, integers or strings.
      multiplicities: [1 + resamples, users] array from `multiplicities`, its columns in the
        sorted order of the user ids.

    Returns:
      [1 + resamples] array of values.

    Raises:
      ValueError: if a user id is missing, or the number of users isn't that of the columns.
    """
    codes, ids = pd.factorize(np.asarray(users), sort=True)
    if codes.size == 0 or (codes < 0).any():
        raise ValueError(
            "`users` must be a non-empty array with no missing id, "
            f"received {(codes < 0).sum()} missing of {codes.size}"
        )
    counts = checked_counts(multiplicities, len(ids))
    step = max(1, _BLOCK // codes.size)
    blocks = [counts[start : start + step] for start in range(0, len(counts), step)]
    return np.concatenate([metric(block[:, codes].astype(np.float64)) for block in blocks])


def mean_over_users(values: ArrayLike, multiplicities: ArrayLike) -> FloatArray:
    """Mean of a per-user metric on each resample of the users.

    Args:
      values: [users] array, nan for a user who has no value and so does not count.
      multiplicities: [1 + resamples, users] array from `multiplicities`.

    Returns:
      [1 + resamples] array of means, nan where no user has a value.

    Raises:
      ValueError: if `values` isn't of rank 1 or its length isn't the number of columns.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"`values` must be a non-empty [users] array, received {array.shape}")
    counts = checked_counts(multiplicities, array.size).astype(np.float64)
    present = ~np.isnan(array)
    totals = counts @ np.where(present, array, 0.0)
    with np.errstate(invalid="ignore"):
        return totals / (counts @ present)


def confidence_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Interval for the mean of a metric over seeds of training and over test users.

    With `v[s, 0]` the metric of seed `s` on the test set and `v[s, r]` on resample `r`, the
    interval is `mean_s v[s, 0] ± t sqrt(V_seeds + V_users)`, where

    - `V_seeds = var_s(v[s, 0]) / S`, with `S - 1` degrees of freedom,
    - `V_users = var_r(mean_s v[s, r])`, with `R - 1` degrees of freedom,

    and `t` is Student's quantile at the Welch-Satterthwaite degrees of freedom of the sum. With
    one seed there is no `V_seeds`, and the interval speaks of that one training only. Without
    resamples there is no `V_users`: the interval of something that has no users, or too many of
    them to count.

    Why not a double bootstrap: resampling three or five seeds gives `(S - 1) / S` of their
    variance and has no heavy tail, so it covers too little, where `t` is made for few draws. The
    part that differs by seed and by user is in both variances, which errs on the wide side.

    Args:
      values: [seeds, 1 + resamples] array, or [1 + resamples] for one seed.
      level: probability that the interval covers the mean.

    Returns:
      The interval; of nan if a value is nan (a resample on which the metric has no meaning), with
      ends of nan for one seed without resamples.

    Raises:
      ValueError: if there is one resample or no value, or `level` isn't between 0 and 1.
      ImportError: if SciPy isn't installed.
    """
    array = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if array.ndim != 2 or array.shape[0] < 1 or array.shape[1] in (0, 2):
        raise ValueError(
            "`values` must be [seeds, 1 + resamples] with at least 2 resamples, or none, "
            f"received shape {array.shape}"
        )
    if not is_number(level) or not 0 < level < 1:
        raise ValueError(f"`level` must be between 0 and 1, received {shown(level)}")
    seeds, resamples = array.shape[0], array.shape[1] - 1
    mean = float(array[:, 0].mean())
    if array.size == 1:
        return Interval(mean, math.nan, math.nan)
    of_users = float(array[:, 1:].mean(axis=0).var(ddof=1)) if resamples else 0.0
    of_seeds = float(array[:, 0].var(ddof=1)) / seeds if seeds > 1 else 0.0
    variance = of_users + of_seeds
    if variance == 0:
        return Interval(mean, mean, mean)
    share = of_users / variance
    freedom = 1 / (share**2 / max(resamples - 1, 1) + (1 - share) ** 2 / max(seeds - 1, 1))
    half = _student_quantile(freedom, (1 + level) / 2) * math.sqrt(variance)
    return Interval(mean, mean - half, mean + half)


def paired_difference(values_a: ArrayLike, values_b: ArrayLike, level: float = 0.95) -> Interval:
    """Interval for the mean of `A - B`, two models on the same test users.

    It is `confidence_interval(values_a - values_b)`: what the models share, the users of each
    resample and anything fixed by the seed, cancels in the difference. To compare more models,
    call it for each one against the baseline.

    Args:
      values_a: [seeds, 1 + resamples] array, or [1 + resamples] for one seed.
      values_b: array of that shape, from the same multiplicities and the same seeds.
      level: probability that the interval covers the mean difference.

    Returns:
      The interval; `excludes_zero` says whether the models differ at this level.

    Raises:
      ValueError: if the shapes differ, and as `confidence_interval`.
      ImportError: if SciPy isn't installed.
    """
    a, b = np.asarray(values_a, dtype=np.float64), np.asarray(values_b, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(
            f"`values_b` must have the shape of `values_a`, {a.shape}, received {b.shape}"
        )
    return confidence_interval(a - b, level)


def number(value: float, sign: str = "-") -> str:
    """Four decimals with no zero before the point: ".7495"; with the sign "+" also "+.0021"."""
    text = format(value, f"{sign}.4f")
    start = 1 if text[0] in "+-" else 0
    return text[:start] + text[start:].removeprefix("0")


def level(interval: Interval) -> str:
    """A mean and half of its interval: ".7495 ± .0143"; a dash for nothing, the mean if alone."""
    if math.isnan(interval.mean):
        return "–"
    half = interval.half
    return number(interval.mean) + ("" if math.isnan(half) else f" ± {number(half)}")


def checked_counts(multiplicities: ArrayLike, users: int) -> NDArray:
    """`multiplicities` as an array; refuses one that hasn't a column for each of the users."""
    counts = np.asarray(multiplicities)
    if counts.ndim != 2 or counts.shape[1] != users:
        raise ValueError(
            f"`multiplicities` must be [1 + resamples, {users}], one column for each user, "
            f"received shape {counts.shape}"
        )
    if not (counts >= 0).all():
        raise ValueError(
            f"`multiplicities` must be non-negative, received a minimum of {counts.min()}"
        )
    return counts


def _student_quantile(freedom: float, probability: float) -> float:
    try:
        from scipy.special import stdtrit
    except ImportError as error:
        raise ImportError("intervals need SciPy: pip install 'tfpfd[audit]'") from error
    return float(stdtrit(freedom, probability))
