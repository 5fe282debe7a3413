"""Retrainings side by side, list by list: whether orders changed, how far predictions differ."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tfpfd.evaluation.intervals import FloatArray
from tfpfd.evaluation.metrics import sigmoid

MEASURES = (
    "change_rate",
    "top_k_change_rate",
    "tau_below_rate",
    "mean_tau",
    "prediction_difference",
)
# Pairs of rows compared at once: bounds the memory to some 40 MB and a byte for each retraining.
_BLOCK = 1_000_000


def mean_disagreements(
    scores: FloatArray,
    sizes: NDArray[np.intp],
    counts: NDArray[np.int32],
    pairs: Sequence[tuple[int, int]],
    from_logits: bool,
    top_k: int,
    tau_threshold: float,
) -> FloatArray:
    """How far two retrainings disagree, over lists and resamples of them.

    Args:
      scores: [retrainings, rows] array, the rows of a list together.
      sizes: [lists] rows of each list, in the order of the rows.
      counts: [1 + resamples, lists] array: how many times each list was drawn.
      pairs: the two retrainings of each pair.
      from_logits, top_k, tau_threshold: as in `irreproducibility`.

    Returns:
      [pairs, 1 + resamples, 5] array in the order of `MEASURES`, nan where no list has a value.
    """
    sums = np.zeros((2, len(pairs), len(counts), len(MEASURES)))
    for first, last, rows in _blocks(sizes):
        block, count = sizes[first:last], counts[:, first:last]
        scored = scores[:, rows]
        probabilities = sigmoid(scored) if from_logits else scored
        of_row = np.repeat(np.arange(len(block)), block)
        i, j = _pairs_of_rows(block)
        of_pair = of_row[i]
        signs = (scored[:, i] > scored[:, j]).astype(np.int8) - (scored[:, i] < scored[:, j])
        top = _top(scored, of_row, block, top_k)
        untied = [_per_list(of_pair, sign != 0, block) for sign in signs]
        for number, (a, b) in enumerate(pairs):
            total = probabilities[a] + probabilities[b]
            gap = 2 * np.abs(probabilities[a] - probabilities[b])
            difference = np.divide(gap, total, out=np.zeros_like(gap), where=total > 0)
            concordance = _per_list(of_pair, signs[a] * signs[b], block)
            scale = np.sqrt(untied[a] * untied[b])
            defined = scale > 0
            tau = np.divide(concordance, scale, out=np.zeros_like(scale), where=defined)
            # Rounding: √(n n) needn't be n, and τ = 1 is not below a threshold of 1.
            below = defined & (tau < tau_threshold - 1e-12)
            # Of a tie the row that stands first comes first.
            reordered = _per_list(of_pair, (signs[a] < 0) != (signs[b] < 0), block) > 0
            changed = _per_list(of_row, top[a] != top[b], block) > 0
            several = block > 1
            measures = (reordered, changed, below, tau, _per_list(of_row, difference, block))
            weights = (several, several, defined, defined, block)
            sums[0, number] += count @ np.stack(measures, axis=1).astype(np.float64)
            sums[1, number] += count @ np.stack(weights, axis=1).astype(np.float64)
    with np.errstate(invalid="ignore"):
        return sums[0] / sums[1]


def _blocks(sizes: NDArray[np.intp]) -> Iterator[tuple[int, int, slice]]:
    """First and last + 1 list of each block, and its rows: about `_BLOCK` pairs of rows."""
    work = np.cumsum(sizes * (sizes + 1) // 2)
    starts = np.append(0, np.cumsum(sizes))
    firsts = np.flatnonzero(np.diff(work // _BLOCK, prepend=-1))
    for first, last in itertools.pairwise([*firsts.tolist(), len(sizes)]):
        yield first, last, slice(starts[first], starts[last])


def _pairs_of_rows(sizes: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Positions of all two rows of a list, the first before the second, list by list."""
    ends = np.repeat(np.cumsum(sizes), sizes)
    later = ends - np.arange(len(ends)) - 1
    first = np.repeat(np.arange(len(ends)), later)
    within = np.arange(len(first)) - np.repeat(np.cumsum(later) - later, later)
    return first, first + 1 + within


def _top(
    scores: FloatArray, of_row: NDArray[np.intp], sizes: NDArray[np.intp], top_k: int
) -> NDArray[np.bool_]:
    """[retrainings, rows] whether a row is among the first `top_k` of its list."""
    place = np.arange(len(of_row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    top = np.zeros(scores.shape, dtype=bool)
    for row, values in zip(top, scores, strict=True):
        row[np.lexsort((-values, of_row))] = place < top_k
    return top


def _per_list(of: NDArray[np.intp], values: NDArray, sizes: NDArray[np.intp]) -> FloatArray:
    """Sums by list, 0 of nothing."""
    return np.bincount(of, weights=values, minlength=len(sizes)).astype(np.float64, copy=False)
