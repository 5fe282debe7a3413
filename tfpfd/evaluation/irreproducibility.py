"""How far retrainings on the same data disagree: changed orders and changed predictions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tfpfd._arguments import check_integer, is_number, shown
from tfpfd._keras import infer
from tfpfd.data.list_ids import LIST
from tfpfd.evaluation.disagreement import MEASURES, mean_disagreements
from tfpfd.evaluation.intervals import (
    RESAMPLES,
    FloatArray,
    Interval,
    confidence_interval,
    multiplicities,
)


@dataclass(frozen=True)
class Irreproducibility:
    """Means over all pairs of retrainings, and their intervals; see `irreproducibility`.

    Attributes:
      change_rate: share of the lists whose order differs.
      top_k_change_rate: share of the lists whose first `top_k` rows are others.
      tau_below_rate: share of the lists whose Kendall τ is below `tau_threshold`.
      mean_tau: mean Kendall τ of a list.
      prediction_difference: PD, the mean of 2 |p_1 − p_2| / (p_1 + p_2) over rows.
      retrainings: how many were compared.
      lists: number of lists.
      single_rows: how many of them have one row, and so no order.
      top_k, tau_threshold: as given.
    """

    change_rate: Interval
    top_k_change_rate: Interval
    tau_below_rate: Interval
    mean_tau: Interval
    prediction_difference: Interval
    retrainings: int
    lists: int
    single_rows: int
    top_k: int
    tau_threshold: float

    def to_frame(self) -> pd.DataFrame:
        """A row a measure, with the columns `mean`, `low` and `high`."""
        rows = {
            "change rate": self.change_rate,
            f"top-{self.top_k} change rate": self.top_k_change_rate,
            f"share with τ < {self.tau_threshold:g}": self.tau_below_rate,
            "mean τ": self.mean_tau,
            "PD": self.prediction_difference,
        }
        return pd.DataFrame(
            [(row.mean, row.low, row.high) for row in rows.values()],
            index=pd.Index(rows, name="measure"),
            columns=["mean", "low", "high"],
        )

    def __str__(self) -> str:
        return (
            f"{self.retrainings} retrainings, {self.lists:,} lists, of which {self.single_rows:,} "
            f"of one row\n{self.to_frame().to_string(float_format='{:.4f}'.format)}"
        )


def irreproducibility(
    retrainings: Sequence[Any],
    lists: ArrayLike | None = None,
    rows: Iterable[Any] | None = None,
    *,
    top_k: int = 3,
    tau_threshold: float = 0.9,
    from_logits: bool = True,
    resamples: int = RESAMPLES,
    level: float = 0.95,
    seed: int = 0,
) -> Irreproducibility:
    """Compares N retrainings on the same data pairwise: orders of lists, and predictions of rows.

    The measures of "Multi-objective Learning to Rank by Model Distillation", KDD 2024 (arXiv
    2407.07181), which doesn't say when an order counts as changed: hence three change rates, and
    `tau_threshold` as a parameter. Its PD is `mean 2 |p_1 − p_2| / |p_1 + p_2|`.

    >>> scores = [[3.0, 2.0, 1.0, 0.5], [3.0, 1.0, 2.0, 0.5]]
    >>> tfpfd.irreproducibility(scores, lists=["a", "a", "a", "b"]).mean_tau.mean  # 1 list: (2-1)/3
    0.3333333333333333

    **Order.** A list is sorted by descending score, rows of equal scores as they stand, which is
    what a stable sort would serve: a tie in one retraining that the other breaks in that order is
    no change. A top-k change is another *set* of first rows, so a list of k rows or fewer has none.

    **Kendall τ** is τ-b, as in `scipy.stats.kendalltau`: over the pairs of rows of a list,
    `Σ s_1 s_2 / √(Σ s_1² Σ s_2²)` with s the sign of the difference of scores, which is 0 for a
    tie. It is undefined, and the list doesn't count for τ, where a retraining gives all its rows
    one score.

    **Lists of one row** have no order: they count for PD alone. Without longer lists all other
    measures are nan. PD is a mean over rows; where p_1 = p_2 = 0 the difference is 0.

    **Intervals** count the sampling of lists, by a bootstrap of whole lists, and, from three
    retrainings on, that of retrainings, by the jackknife: `confidence_interval` of the
    pseudo-values `N θ − (N − 1) θ_{−i}`, where θ is the mean over all pairs and θ_{−i} that over
    the pairs without retraining i. Pairs share retrainings, so they are not N (N − 1) / 2 draws.
    Two retrainings are one pair, whose interval speaks of these two alone. Ends may leave [0, 1].

    The time grows with the square of a list's length, and with N².

    Args:
      retrainings: at least two, each [rows] scores; or, with `rows`, scorers: rankers or other
        Keras models or layers from inputs to logits [batch].
      lists: [rows] ids of the lists, integers or strings, rows in any order. With `rows` by default
        the list ids in the batches, which whole lists have (`by_list=True`).
      rows: batches to score, as `tfpfd.data.from_rows` makes them. They are read once, so that all
        scorers see the rows in one order even if batches are shuffled.
      top_k: length of the part of a list that counts for the top-k change.
      tau_threshold: below which a list counts as changed, in (−1, 1].
      from_logits: whether scores are logits, else probabilities. Only PD cares, and logits don't
        saturate into ties.
      resamples: number of resamples of the lists; 0 leaves the lists out of the intervals.
      level: probability that an interval covers the mean.
      seed: of the resamples.

    Returns:
      The measures with their intervals.

    Raises:
      ValueError: fewer than two retrainings, scores of different lengths or not finite or no
        probabilities, a wrong number of list ids or none, a missing id, or a parameter out of its
        range.
      ImportError: if SciPy isn't installed.
    """
    check_integer("top_k", top_k, least=1)
    if not is_number(tau_threshold) or not -1 < tau_threshold <= 1:
        raise ValueError(f"`tau_threshold` must be in (-1, 1], received {shown(tau_threshold)}")
    if not hasattr(retrainings, "__len__") or isinstance(retrainings, str):
        raise TypeError(
            "`retrainings` must be models or arrays of scores in a list, received "
            f"{shown(retrainings)}"
        )
    if len(retrainings) < 2:
        raise ValueError(f"`retrainings` must be at least 2, received {len(retrainings)}")
    if rows is not None:
        retrainings, found = _score(retrainings, rows)
        lists = found if lists is None else lists
    scores = _checked(retrainings, from_logits)
    codes = _codes(lists, scores.shape[1])
    # A list's rows together, each in the order in which they came.
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    counts = multiplicities(len(sizes), resamples, seed)
    pairs = list(itertools.combinations(range(len(scores)), 2))
    values = mean_disagreements(
        scores[:, order], sizes, counts, pairs, from_logits, top_k, tau_threshold
    )
    intervals = {
        name: confidence_interval(_pseudo_values(values[:, :, number], pairs), level)
        for number, name in enumerate(MEASURES)
    }
    return Irreproducibility(
        **intervals,
        retrainings=len(scores),
        lists=len(sizes),
        single_rows=int((sizes == 1).sum()),
        top_k=top_k,
        tau_threshold=tau_threshold,
    )


def _score(scorers: Sequence[Any], rows: Iterable[Any]) -> tuple[list[np.ndarray], Any]:
    """Logits [rows] of each scorer, and the list ids [rows] if the batches have any."""
    parts: list[list[np.ndarray]] = [[] for _ in scorers]
    ids = []
    for batch in rows:
        inputs = batch[0] if isinstance(batch, tuple) else batch
        for scorer, scored in zip(scorers, parts, strict=True):
            scored.append(np.asarray(infer(scorer, inputs)))
        if LIST in inputs:
            ids.append(np.asarray(inputs[LIST]))
    if not parts[0]:
        raise ValueError("`rows` is empty: expected batches, received none")
    odd = next((p.shape for scored in parts for p in scored if p.ndim != 1), None)
    if odd is not None:
        raise ValueError(f"`retrainings` must give logits [batch], received shape {odd}")
    return [np.concatenate(scored) for scored in parts], np.concatenate(ids) if ids else None


def _checked(retrainings: Sequence[Any], from_logits: bool) -> FloatArray:
    """[retrainings, rows] scores."""
    if any(callable(scores) for scores in retrainings):
        raise ValueError("`rows` must be given for `retrainings` that are models, received none")
    arrays = [np.asarray(scores, dtype=np.float64) for scores in retrainings]
    for number, array in enumerate(arrays):
        name = f"`retrainings[{number}]`"
        if array.ndim != 1 or array.size == 0:
            raise ValueError(
                f"{name} must be a non-empty [rows] array, received shape {array.shape}"
            )
        if array.size != arrays[0].size:
            raise ValueError(
                f"{name} must be [{arrays[0].size}] as the first one, received [{array.size}]"
            )
        if strange := int((~np.isfinite(array)).sum()):
            raise ValueError(
                f"{name} must be finite, received {strange} of {array.size} that aren't"
            )
        if not from_logits and (array.min() < 0 or array.max() > 1):
            raise ValueError(
                f"{name} must be in [0, 1] unless `from_logits`, received values from "
                f"{array.min()} to {array.max()}"
            )
    return np.stack(arrays)


def _codes(lists: ArrayLike | None, rows: int) -> NDArray[np.intp]:
    """[rows] numbers of the lists, from 0."""
    if lists is None:
        raise ValueError(
            "`lists` must say which rows share a list, received none: give ids, or `rows` that "
            "`tfpfd.data.from_rows(…, by_list=True)` made"
        )
    ids = np.asarray(lists)
    if ids.shape != (rows,):
        raise ValueError(f"`lists` must be [{rows}] as the scores, received shape {ids.shape}")
    codes, _ = pd.factorize(ids)
    if missing := int((codes < 0).sum()):
        raise ValueError(f"`lists` must have no missing id, received {missing} of {rows}")
    return codes


def _pseudo_values(values: FloatArray, pairs: Sequence[tuple[int, int]]) -> FloatArray:
    """[retrainings, 1 + resamples] of the jackknife, whose mean is that over all pairs.

    Args:
      values: [pairs, 1 + resamples] array.
      pairs: the two retrainings of each.
    """
    number = pairs[-1][1] + 1
    mean = values.mean(axis=0)
    if number == 2:
        return mean[np.newaxis]
    belongs = np.array([[retraining in pair for pair in pairs] for retraining in range(number)])
    without = ~belongs @ values / math.comb(number - 1, 2)
    return number * mean - (number - 1) * without
