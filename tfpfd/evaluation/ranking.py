"""Ranking of the whole catalogue for each user, with binary relevance.

Ranks are counted, a block of users and items at a time; every metric and every `k` is then read off
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfpfd._arguments import check_integer
from tfpfd.evaluation.intervals import FloatArray
from tfpfd.evaluation.rank_counting import count_ranks
from tfpfd.evaluation.rivals import CatalogueRival
from tfpfd.evaluation.score_sources import AnySource, Embeddings, parts, source_of
from tfpfd.evaluation.user_item_pairs import Pairs, relevant_and_excluded

if TYPE_CHECKING:
    from tfpfd.evaluation.user_item_pairs import ItemsOfUsers


def ranks_of_relevant(
    scores: ArrayLike | Embeddings | CatalogueRival,
    relevant: ItemsOfUsers,
    excluded: ItemsOfUsers | None = None,
) -> NDArray[np.int64]:
    """Ranks of the relevant items of each user among all items which are not excluded.

    The rank of item `i` is `1 + #{j: s_j > s_i} + #{j < i: s_j = s_i}`: a tie goes to the lower
    item index.

    Args:
      scores: [users, items] array of finite scores, or what gives them: see `evaluate_catalogue`.
      relevant: for each of the users an array of item indices, a SciPy sparse matrix or a boolean
        array [users, items].
      excluded: in the same forms, the items which are not to be recommended, usually those seen in
        training. One that is also relevant can't be found, and does not count as relevant.

    Returns:
      [users, most relevant items of a user] array of ranks from 1, ascending in each row, and
      padded with 0 at the end.

    Raises:
      ValueError: for scores which aren't finite or of rank 2, masks of another shape or type, or
        item indices out of the catalogue.
    """
    source = source_of(scores)
    pairs, hidden = relevant_and_excluded(relevant, excluded, source.shape)
    return ranks_up_to(source, pairs, hidden, most=source.shape[1])


def ranks_up_to(
    source: AnySource, relevant: Pairs, excluded: Pairs, most: int
) -> NDArray[np.int64]:
    """`ranks_of_relevant`, with `most + 1` in place of ranks above `most`: what is faster."""
    users = relevant.users
    counted = [
        count_ranks(part, relevant.of(rows), excluded.of(rows), most)
        for rows, part in parts(source, np.unique(users))
    ]
    flat = np.concatenate([np.zeros(0, np.int64), *counted])
    flat = flat[np.lexsort((flat, users))]
    counts = np.bincount(users, minlength=source.shape[0])
    ranks = np.zeros((source.shape[0], counts.max()), dtype=np.int64)
    first = np.cumsum(counts) - counts
    ranks[users, np.arange(users.size) - first[users]] = flat
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
    return ratio(found, (array > 0).sum(axis=1))


def hit_rate_at_k(ranks: ArrayLike, k: int) -> FloatArray:
    """Whether any of the relevant items of each user is among the first `k`.

    `HitRate@k = 1 if the lowest rank <= k else 0`.

    Args:
      ranks: [users, m] array from `ranks_of_relevant`.
      k: length of the recommended list.

    Returns:
      [users] array; nan for a user with no relevant item.

    Raises:
      ValueError: if `k` is below 1 or `ranks` isn't such an array.
    """
    array = _ranks(ranks, k)
    found = ((array > 0) & (array <= k)).any(axis=1)
    return ratio(found, (array > 0).any(axis=1))


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
    return ratio(gains, ideal)


def _ranks(ranks: ArrayLike, k: int) -> NDArray[np.int64]:
    array = np.asarray(ranks)
    if array.ndim != 2 or array.dtype.kind not in "iu":
        raise ValueError(
            "`ranks` must be the [users, m] integers of `ranks_of_relevant`, "
            f"received {array.dtype} with shape {array.shape}"
        )
    check_integer("k", k, least=1)
    return array


def ratio(numerator: NDArray, denominator: NDArray) -> FloatArray:
    """The quotient, nan where the denominator is zero."""
    return np.where(denominator > 0, numerator / np.where(denominator > 0, denominator, 1), np.nan)
