"""Metrics of lists on flat rows: a row for each item of each list, in any order."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tfpfd._arguments import check_ids, check_integer
from tfpfd.evaluation.intervals import FloatArray
from tfpfd.evaluation.metrics import _rates, _ratio, _vector


def list_ndcg(
    labels: ArrayLike, scores: ArrayLike, lists: ArrayLike, k: int | None = None
) -> FloatArray:
    """Normalised discounted cumulative gain of each list, with the labels as gains.

    `NDCG = sum_i y_i d(r_i) / max over all orders of it`, with `d(r) = 1 / log2(1 + r)` for the
    rank `r` of a row in its list, and 0 beyond `k`. Rows of equal scores share the mean of their
    discounts, which is what any order of them gives on average, as in scikit-learn's `ndcg_score`.

    Args:
      labels: [n] array of gains, at least 0.
      scores: [n] array, of which only the order within a list counts.
      lists: [n] array of list ids, integers or strings.
      k: length of the list that is looked at, all of it if `None`.

    Returns:
      [lists] array in the sorted order of the ids; nan for a list without a label above 0.

    Raises:
      ValueError: for empty or NaN input, negative labels, unequal lengths, or `k` below 1.
    """
    gains = _vector("labels", labels)
    if gains.min() < 0:
        raise ValueError(f"`labels` must be at least 0, received {gains.min()}")
    places = _places(lists, gains)
    found = _discounts(_vector("scores", scores, gains), places, k)
    best = _discounts(gains, places, k)
    return _ratio(_sums(gains * found, places), _sums(gains * best, places))


def list_exposure(
    values: ArrayLike, scores: ArrayLike, lists: ArrayLike, k: int | None = None
) -> FloatArray:
    """The attention that goes to some rows of each list, or the mean of a rate under attention.

    `exposure = sum_i v_i d(r_i) / sum_i d(r_i)`, with the discounts of `list_ndcg`. With flags
    for values: 1 if the first `k` rows are all flagged, 0 if none is. With rates, such as that of
    cancellations: what somebody meets who reads from the top.

    Args:
      values: [n] array in [0, 1].
      scores, lists, k: as in `list_ndcg`.

    Returns:
      [lists] array in the sorted order of the ids.

    Raises:
      ValueError: as `list_ndcg`, or for values outside [0, 1].
    """
    rates = _rates("values", values)
    places = _places(lists, rates)
    attention = _discounts(_vector("scores", scores, rates, like="values"), places, k)
    return _ratio(_sums(rates * attention, places), _sums(attention, places))


def list_attention(scores: ArrayLike, lists: ArrayLike, k: int | None = None) -> FloatArray:
    """The share of its list's attention that each row gets: `d(r_i) / sum_j d(r_j)`.

    Summed over a list with `values` it is `list_exposure`: one sort for any number of those.

    Args:
      scores, lists, k: as in `list_ndcg`.

    Returns:
      [n] array; 1 in sum over each list.

    Raises:
      ValueError: as `list_ndcg`.
    """
    ranked = _vector("scores", scores)
    places = _places(lists, ranked)
    attention = _discounts(ranked, places, k)
    return attention / _sums(attention, places)[places]


def mean_over_lists(values: ArrayLike, users: ArrayLike, multiplicities: ArrayLike) -> FloatArray:
    """Mean of a metric of lists on each resample of the users that the lists belong to.

    Args:
      values: [lists] array; a nan does not count.
      users: [lists] array: the column of `multiplicities` that each list belongs to.
      multiplicities: [1 + resamples, users] array from `multiplicities`.

    Returns:
      [1 + resamples] array, nan where nothing counts.

    Raises:
      ValueError: if the lengths differ, or `users` holds other than columns, such as user ids.
    """
    counts = np.asarray(multiplicities, np.float64)
    columns = counts.shape[1]
    array, owners = np.asarray(values, np.float64), check_ids("users", users, columns)
    if array.ndim != 1 or array.shape != owners.shape:
        raise ValueError(
            f"`users` must be [{array.size}] as `values`, received shape {owners.shape}"
        )
    present = ~np.isnan(array)
    sums = np.bincount(owners[present], array[present], minlength=columns)
    return _ratio(counts @ sums, counts @ np.bincount(owners[present], minlength=columns))


def _places(lists: ArrayLike, rows: FloatArray) -> NDArray[np.intp]:
    codes, _ = pd.factorize(np.asarray(lists), sort=True)
    if codes.shape != rows.shape or (codes < 0).any():
        raise ValueError(
            f"`lists` must hold an id for each of the {rows.size} rows, "
            f"received shape {codes.shape}, {(codes < 0).sum()} missing"
        )
    return codes


def _sums(values: FloatArray, places: NDArray[np.intp]) -> FloatArray:
    return np.bincount(places, weights=values).astype(np.float64)


def _discounts(scores: FloatArray, places: NDArray[np.intp], k: int | None) -> FloatArray:
    """[n]: the discount of each row in the order of its list, averaged over ties."""
    if k is not None:
        check_integer("k", k, least=1)
    order = np.lexsort((-scores, places))
    ranked, grouped = scores[order], places[order]
    begins = np.append(True, grouped[1:] != grouped[:-1])
    first = np.flatnonzero(begins)
    rank = np.arange(1, scores.size + 1) - np.repeat(first, np.diff(np.append(first, scores.size)))
    discount = 1 / np.log2(1.0 + rank)
    if k is not None:
        discount[rank > k] = 0
    tie = np.cumsum(begins | np.append(True, ranked[1:] != ranked[:-1])) - 1
    mean = np.bincount(tie, weights=discount) / np.bincount(tie)
    spread = np.empty_like(discount)
    spread[order] = mean[tie]
    return spread
