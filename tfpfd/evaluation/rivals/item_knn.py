"""Cosines between items, nearest neighbours alone."""

from __future__ import annotations

import itertools

from numpy.typing import ArrayLike

from tfpfd._arguments import check_integer, check_number
from tfpfd.data.item_tables import co_counts, cosines
from tfpfd.evaluation.rivals.catalogue_rival import CatalogueRival, history_of
from tfpfd.evaluation.rivals.registry import RetrievalRival


def item_knn(
    users: ArrayLike,
    items: ArrayLike,
    shape: tuple[int, int],
    neighbours: int = 200,
    shrinkage: float = 0.0,
) -> CatalogueRival:
    """Items are scored by their cosine with what the user had, nearest neighbours alone.

        c_ij = n_ij / (√(n_i n_j) + shrinkage),  s_uj = Σ_i x_ui c_ij

    n_i users had item i, n_ij had both; the sum is over the k items nearest to j.

    Args:
      users: as in `popularity`.
      items: as in `popularity`.
      shape: as in `popularity`.
      neighbours: k, to be chosen on validation rows.
      shrinkage: of cosines that few users speak for.

    Returns:
      What scores the catalogue.

    Raises:
      ValueError: as of `popularity`, or `neighbours` below 1 or a negative `shrinkage`.
      ImportError: without SciPy.

    Reference:
      Deshpande and Karypis, "Item-based top-N recommendation algorithms", TOIS 2004.
    """
    check_integer("neighbours", neighbours, least=1)
    check_number("shrinkage", shrinkage)
    history = history_of(users, items, shape)
    together, counts = co_counts(history)
    together.data = cosines(together, counts, neighbours, shrinkage)
    together.eliminate_zeros()
    return CatalogueRival(history, together.tocsr())


ITEM_KNN = RetrievalRival(
    "item_knn",
    "item-kNN",
    item_knn,
    grid=tuple(
        {"neighbours": neighbours, "shrinkage": shrinkage}
        for neighbours, shrinkage in itertools.product((20, 100, 500), (0.0, 10.0, 100.0))
    ),
    told="{neighbours} neighbours, shrinkage {shrinkage:g}",
)
