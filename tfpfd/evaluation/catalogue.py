"""Metrics of recommending a whole catalogue: what is found, and what is recommended at all."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfpfd._arguments import check_integer, names_in
from tfpfd.evaluation.intervals import FloatArray, checked_counts, mean_over_users
from tfpfd.evaluation.rank_counting import best_items
from tfpfd.evaluation.ranking import hit_rate_at_k, ndcg_at_k, ranks_up_to, ratio, recall_at_k
from tfpfd.evaluation.rivals import CatalogueRival
from tfpfd.evaluation.score_sources import Embeddings, parts, source_of
from tfpfd.evaluation.user_item_pairs import relevant_and_excluded

if TYPE_CHECKING:
    from tfpfd.evaluation.user_item_pairs import ItemsOfUsers

_OF_RANKS = {"recall": recall_at_k, "hit_rate": hit_rate_at_k, "ndcg": ndcg_at_k}
_OF_LISTS = ("coverage", "popularity_bias")


def evaluate_catalogue(
    scores: ArrayLike | Embeddings | CatalogueRival,
    relevant: ItemsOfUsers,
    excluded: ItemsOfUsers | None = None,
    ks: Sequence[int] = (10,),
    multiplicities: ArrayLike | None = None,
    metrics: Collection[str] = ("recall", "ndcg"),
    popularity: ArrayLike | None = None,
) -> dict[str, FloatArray]:
    """Metrics of the whole catalogue over the users, and over bootstrap resamples of them.

    >>> users, items = np.eye(2), np.array([[3, 1], [2, 2], [1, 3]])
    >>> found = evaluate_catalogue(
    ...     Embeddings(users, items), relevant=[[1], [0]], excluded=[[0], []], ks=(1, 2)
    ... )
    >>> {name: values.tolist() for name, values in found.items()}
    {'recall@1': [0.5], 'recall@2': [0.5], 'ndcg@1': [0.5], 'ndcg@2': [0.5]}

    Per user, in the mean over those who have a relevant item that isn't excluded:

    - "recall", "hit_rate" and "ndcg": `recall_at_k`, `hit_rate_at_k`, `ndcg_at_k`. They are read
      off ranks, `1 + #{j: s_j > s_i} + #{j < i: s_j = s_i}` among what isn't excluded, and need no
      sorting: what is ahead of a relevant item is counted.

    Of the lists `L_u` of the best `k` of all users, which takes another pass:

    - "coverage": `|∪_u L_u| / #items`, the share of the catalogue that anybody is recommended. A
      resample has fewer different users and so less of it: take the test users' for the figure, and
      the resamples for comparisons alone.
    - "popularity_bias": `mean_u(mean_{i ∈ L_u} p_i) / mean_i p_i`, how many times as popular as an
      average item the recommended ones are.

    Args:
      scores: [users, items] array of finite scores; or `Embeddings`, whose inner products they are
        and of which a block at a time is made; or a rival, which scores all users of its history.
      relevant: for each of the users an array of item indices, a SciPy sparse matrix or a boolean
        array [users, items].
      excluded: in the same forms, the items which are not to be recommended, usually those seen.
      ks: lengths of the recommended list.
      multiplicities: [1 + resamples, users] array from `multiplicities`; the test users as they
        are if `None`.
      metrics: names of those wanted.
      popularity: [items] array, how many users had each item, for "popularity_bias".

    Returns:
      "metric@k" for each metric and `k` as [1 + resamples] arrays, the test users first; nan where
      no user counts.

    Raises:
      ValueError: as `ranks_of_relevant`, `recall_at_k` and `mean_over_users`; nobody has a relevant
        item; a name that isn't one of these; or "popularity_bias" without `popularity`.

    Reference:
      Abdollahpouri et al., "The Unfairness of Popularity Bias in Recommendation", 2019
      (arXiv 1907.13286), for the mean popularity of what is recommended.
    """
    if isinstance(ks, int):
        raise ValueError(f"`ks` must be lengths in a list, such as ks=({ks},), received {ks}")
    wanted, lengths = names_in("metrics", metrics), list(ks)
    known = [*_OF_RANKS, *_OF_LISTS]
    if unknown := [name for name in wanted if name not in known]:
        raise ValueError(f"`metrics` names {unknown}: expected names out of {known}")
    for k in lengths:
        check_integer("ks", k, least=1)
    most = max(lengths, default=1)
    source = source_of(scores)
    users, items = source.shape
    of_ranks = bool(set(_OF_RANKS) & set(wanted))
    pairs, hidden = relevant_and_excluded(relevant, excluded, source.shape, needed=of_ranks)
    if multiplicities is None:
        multiplicities = np.ones((1, users))
    # Before what takes long.
    relative = _relative(popularity, items) if "popularity_bias" in wanted else None
    if of_ranks:
        ranks = ranks_up_to(source, pairs, hidden, most)
    if set(_OF_LISTS) & set(wanted):
        best = np.full((users, most), -1)
        for rows, part in parts(source, np.arange(users)):
            best[rows] = best_items(part, hidden.of(rows), most)

    def value(name: str, k: int) -> FloatArray:
        if name == "coverage":
            return _coverage(best[:, :k], items, multiplicities)
        if relative is not None and name == "popularity_bias":
            return mean_over_users(_mean_of(relative, best[:, :k]), multiplicities)
        return mean_over_users(_OF_RANKS[name](ranks, k), multiplicities)

    return {f"{name}@{k}": value(name, k) for name in wanted for k in lengths}


def names_and_lengths(metrics: Sequence[str]) -> tuple[list[str], list[int]]:
    """Of names such as "recall@50" the names without "@k", and the ks.

    Raises:
      ValueError: another name.
    """
    names, ks = [], []
    for metric in metrics:
        name, _, k = metric.partition("@")
        if name not in _OF_RANKS or not k.isdecimal() or int(k) < 1:
            raise ValueError(
                f"`metrics` must be names such as 'recall@50', of {list(_OF_RANKS)}, "
                f"received {metric!r}"
            )
        names.append(name)
        ks.append(int(k))
    return list(dict.fromkeys(names)), sorted(set(ks))


def _coverage(best: NDArray[np.int64], items: int, multiplicities: ArrayLike) -> FloatArray:
    """The share of the items that are among the best of anybody, on each resample."""
    drawn = checked_counts(multiplicities, len(best)) > 0
    return np.array([np.unique(best[row][best[row] >= 0]).size / items for row in drawn])


def _mean_of(relative: FloatArray, best: NDArray[np.int64]) -> FloatArray:
    """Mean over the items of each list, nan for an empty one."""
    held = best >= 0
    return ratio(np.where(held, relative[best], 0.0).sum(axis=1), held.sum(axis=1))


def _relative(popularity: ArrayLike | None, items: int) -> FloatArray:
    """Popularities over their mean."""
    if popularity is None:
        raise ValueError(
            "`popularity` must be given for the metric 'popularity_bias': how many users had each "
            f"of the {items} items, received None"
        )
    array = np.asarray(popularity, dtype=np.float64)
    if array.shape != (items,) or not np.isfinite(array).all() or array.min() < 0:
        raise ValueError(
            f"`popularity` must be [{items}] finite numbers from 0 on, "
            f"received shape {array.shape} from {array.min(initial=np.inf)}"
        )
    if not array.any():
        raise ValueError("`popularity` must be above 0 for at least one item, received zeros")
    return array / array.mean()
