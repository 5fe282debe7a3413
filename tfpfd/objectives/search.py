"""Fusion weights by search: what the baselines that fuse scores when serving need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tfpfd._arguments import check_integer, check_takes, shown


@dataclass(frozen=True)
class FoundWeights:
    """What a search has found.

    Attributes:
      weights: the best, by objective.
      value: what they gave.
      trials: how many were tried: the cost of the search.
    """

    weights: dict[str, float]
    value: float
    trials: int


def search_weights(
    value: Callable[[dict[str, float]], float],
    bounds: Mapping[str, tuple[float, float]],
    trials: int = 200,
    seed: int = 0,
) -> FoundWeights:
    """Searches weights that maximise a metric on validation rows, by differential evolution.

    Metrics of rankings are steps in the weights, so it goes without a gradient:

        found = search_weights(lambda w: ndcg(fused(scores, {"booked": 1.0, **w})), bounds)

    A ranking doesn't change with the scale of its scores: keep one weight fixed, as here.

    Args:
      value: from weights by objective to the number to maximise.
      bounds: lowest and highest weight, by objective.
      trials: how often `value` is called at most, at least 10; it may stop earlier, when all
        members of the population are of equal value.
      seed: of the search.

    Raises:
      TypeError: `value` is no function of weights.
      ValueError: too few trials, or bounds that aren't finite or in order.
      ArithmeticError: `value` is NaN or no number.
      ImportError: SciPy is missing.

    Reference:
      Storn and Price, "Differential Evolution", Journal of Global Optimization 11, 1997, as in
      `scipy.optimize.differential_evolution`.
    """
    try:
        from scipy.optimize import differential_evolution
        from scipy.stats import qmc
    except ImportError as error:
        raise ImportError("searching weights needs SciPy: pip install 'tfpfd[audit]'") from error
    check_takes("value", value, "weights", makes="a number")
    check_integer("trials", trials, least=10)
    check_integer("seed", seed, least=0)
    try:
        edges = np.array(list(dict(bounds).values()), np.float64).reshape(-1, 2)
    except (TypeError, ValueError):
        edges = np.empty((0, 2))
    if not len(edges) or not np.isfinite(edges).all() or (edges[:, 0] >= edges[:, 1]).any():
        raise ValueError(
            "`bounds` must be a finite (lowest, highest) for each objective, received "
            f"{shown(bounds)}"
        )

    # No TypeError and no ValueError, which SciPy would hide behind errors of its own.
    def cost(point: np.ndarray) -> float:
        weights = dict(zip(bounds, point.tolist(), strict=True))
        answer = value(weights)
        try:
            found = float(answer)
        except (TypeError, ValueError) as error:
            raise ArithmeticError(
                f"`value` must return a number, received {answer!r:.80} for the weights {weights}"
            ) from error
        if np.isnan(found):
            raise ArithmeticError(f"`value` is NaN for the weights {weights}")
        return -found

    # A fifth of the trials at most goes into the start, ten members a weight at most.
    population = max(5, min(10 * len(edges), trials // 5))
    start = qmc.scale(qmc.LatinHypercube(len(edges), seed=seed).random(population), *edges.T)
    result = differential_evolution(
        cost,
        edges.tolist(),
        init=start,
        maxiter=trials // population - 1,
        polish=False,
        tol=0.0,
        seed=seed,
    )
    weights = dict(zip(bounds, result.x.tolist(), strict=True))
    return FoundWeights(weights, -float(result.fun), int(result.nfev))
