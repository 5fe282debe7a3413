"""Ranking of the whole catalogue for each user, with binary relevance.

The catalogue is sorted once; every metric and every `k` is then read off the ranks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfpfd.evaluation.intervals import FloatArray, mean_over_users


def ranks_of_relevant(
    scores: ArrayLike,
    relevant: NDArray | Sequence[ArrayLike],
    excluded: ArrayLike | None = None,
) -> NDArray[np.int64]:
    """Ranks of the relevant items of each user among all items which are not excluded.

    The rank of item `i` is `1 + #{j: s_j > s_i} + #{j < i: s_j = s_i}`: a tie goes to the lower
    item index.

    Args:
      scores: [users, items] array of finite scores.
      relevant: [users, items] boolean array, or for each of the users an array of item indices.
      excluded: [users, items] boolean array of the items which are not to be recommended,
        usually those seen in training. One that is also relevant can't be found, and does not
        count as relevant.

    Returns:
      [users, most relevant items of a user] array of ranks from 1, ascending in each row, and
      padded with 0 at the end.

    Raises:
      ValueError: for scores which aren't finite or of rank 2, masks of another shape or type, or
        item indices out of the catalogue.
    """
    scores = np.asarray(scores)
    if scores.ndim != 2 or scores.size == 0:
        raise ValueError(
            f"`scores` must be a non-empty [users, items] array, received shape {scores.shape}"
        )
    if not np.isfinite(scores).all():
        raise ValueError(
            "`scores` must be finite (mask items by `excluded`), "
            f"received {(~np.isfinite(scores)).sum()} values which aren't"
        )
    mask = _relevance(relevant, scores.shape)
    descending = -scores.astype(np.result_type(scores.dtype, np.float32), copy=False)
    if excluded is not None:
        hidden = _boolean("excluded", np.asarray(excluded), scores.shape)
        mask = mask & ~hidden
        descending[hidden] = np.inf
    order = np.argsort(descending, axis=1, kind="stable")

    users, positions = np.nonzero(np.take_along_axis(mask, order, axis=1))
    counts = np.bincount(users, minlength=len(scores))
    ranks = np.zeros((len(scores), counts.max()), dtype=np.int64)
    first = np.cumsum(counts) - counts
    ranks[users, np.arange(users.size) - first[users]] = positions + 1
    return ranks


def recall_at_k(ranks: ArrayLike, k: int) -> FloatArray:
    """Share of the relevant items of each user that are among the first `k`.

    `Recall@k = #{relevant items of rank <= k} / #{relevant items}`. The denominator is not
    limited to `k`, so a user with more than `k` relevant items can't reach 1.

    Args:
      ranks: [users, m] array from `ranks_of_relevant`.
      k: length of the recommended list.

    Returns:
      [users] array; nan for a user with no relevant item.

    Raises:
      ValueError: if `k` is below 1 or `ranks` isn't such an array.
    """
    array = _ranks(ranks, k)
    found = ((array > 0) & (array <= k)).sum(axis=1)
    return _ratio(found, (array > 0).sum(axis=1))


def ndcg_at_k(ranks: ArrayLike, k: int) -> FloatArray:
    """Normalised discounted cumulative gain of the first `k` items of each user.

    `NDCG@k = sum_{relevant items of rank r <= k} 1 / log2(1 + r) / IDCG`, where `IDCG` is the sum
    for the best order: `sum_{r = 1}^{min(#relevant, k)} 1 / log2(1 + r)`.

    Args:
      ranks: [users, m] array from `ranks_of_relevant`.
      k: length of the recommended list.

    Returns:
      [users] array; nan for a user with no relevant item.

    Raises:
      ValueError: if `k` is below 1 or `ranks` isn't such an array.
    """
    array = _ranks(ranks, k)
    hit = (array > 0) & (array <= k)
    gains = np.where(hit, 1.0 / np.log2(1.0 + np.where(hit, array, 1)), 0.0).sum(axis=1)
    best = np.cumsum(1.0 / np.log2(np.arange(2.0, min(k, array.shape[1]) + 2.0)))
    relevant = (array > 0).sum(axis=1)
    ideal = np.append(0.0, best)[np.minimum(relevant, best.size)]
    return _ratio(gains, ideal)


def evaluate_catalogue(
    scores: ArrayLike,
    relevant: NDArray | Sequence[ArrayLike],
    excluded: ArrayLike | None = None,
    ks: Sequence[int] = (10,),
    multiplicities: ArrayLike | None = None,
) -> dict[str, FloatArray]:
    """Mean recall and NDCG over the users, and over bootstrap resamples of them.

    Args:
      scores: [users, items] array of finite scores.
      relevant: [users, items] boolean array, or for each of the users an array of item indices.
      excluded: [users, items] boolean array of the items which are not to be recommended.
      ks: lengths of the recommended list.
      multiplicities: [1 + resamples, users] array from `multiplicities`; the test users as they
        are if `None`.

    Returns:
      "recall@k" and "ndcg@k" for each `k` as [1 + resamples] arrays, the test users first. A user
      with no relevant item does not count.

    Raises:
      ValueError: as `ranks_of_relevant`, `recall_at_k` and `mean_over_users`.
    """
    ranks = ranks_of_relevant(scores, relevant, excluded)
    if multiplicities is None:
        multiplicities = np.ones((1, len(ranks)))
    metrics = {"recall": recall_at_k, "ndcg": ndcg_at_k}
    return {
        f"{name}@{k}": mean_over_users(metric(ranks, k), multiplicities)
        for name, metric in metrics.items()
        for k in ks
    }


def _relevance(
    relevant: NDArray | Sequence[ArrayLike], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    # A matrix of the shape of the scores is a mask: 0 and 1 in it aren't meant as item indices.
    if isinstance(relevant, np.ndarray) and (relevant.dtype == bool or relevant.shape == shape):
        return _boolean("relevant", relevant, shape)
    users, items = shape
    if len(relevant) != users:
        raise ValueError(
            f"`relevant` must have one array for each of the {users} users, "
            f"received {len(relevant)}"
        )
    rows = [np.asarray(row) for row in relevant]
    types = {str(row.dtype) for row in rows if row.size and row.dtype.kind not in "iu"}
    if types:
        raise ValueError(f"`relevant` must hold integer item indices, received {sorted(types)}")
    indices = np.concatenate([row.astype(np.int64) for row in rows])
    if indices.size and (indices.min() < 0 or indices.max() >= items):
        raise ValueError(
            f"`relevant` must hold item indices from 0 to {items - 1}, "
            f"received from {indices.min()} to {indices.max()}"
        )
    mask = np.zeros(shape, dtype=bool)
    mask[np.repeat(np.arange(users), [row.size for row in rows]), indices] = True
    return mask


def _boolean(name: str, mask: NDArray, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    if mask.dtype != bool or mask.shape != shape:
        raise ValueError(
            f"`{name}` must be boolean with the shape of `scores`, {shape}, "
            f"received {mask.dtype} with shape {mask.shape}"
        )
    return mask


def _ranks(ranks: ArrayLike, k: int) -> NDArray[np.int64]:
    array = np.asarray(ranks)
    if array.ndim != 2 or array.dtype.kind not in "iu":
        raise ValueError(
            "`ranks` must be the [users, m] integers of `ranks_of_relevant`, "
            f"received {array.dtype} with shape {array.shape}"
        )
    if k < 1:
        raise ValueError(f"`k` must be at least 1, received {k}")
    return array


def _ratio(numerator: NDArray, denominator: NDArray) -> FloatArray:
    """The quotient, nan where the denominator is zero."""
    return np.where(denominator > 0, numerator / np.where(denominator > 0, denominator, 1), np.nan)
