"""Rivals that rank a catalogue, chosen on what validation users liked."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from numpy.typing import NDArray

from tfpfd.evaluation.rivals import CatalogueRival, ease, item_knn, popularity

if TYPE_CHECKING:
    from scipy import sparse

# What is tried on validation users.
NEIGHBOURS, SHRINKAGES = (20, 100, 500), (0.0, 10.0, 100.0)
L2 = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
# Of more items the matrix that EASE inverts takes more than 3 GB.
MOST_FOR_EASE = 20_000

Make = Callable[[NDArray, NDArray, tuple[int, int]], CatalogueRival]


def retrieval_rivals(
    before: sparse.csr_matrix,
    both: sparse.csr_matrix,
    measure: Callable[[CatalogueRival], float],
) -> dict[str, tuple[str, CatalogueRival]]:
    """Chooses the settings of the rivals, and fits them with these to all that is known.

    - "popularity", which has no setting.
    - "item_knn", by `neighbours` and `shrinkage`.
    - "ease", by `l2`; left out where there are more than 20,000 items.

    Args:
      before: `[users, items]`, not 0 where a user had an item before the validation.
      both: the same with the validation, for the rival that is compared.
      measure: how good a rival is that was fitted to `before`, on validation users.

    Returns:
      By the name of the rival: its setting, for a reader, and itself.
    """
    chosen: dict[str, tuple[str, CatalogueRival]] = {}
    for name, candidates in _candidates(before.shape[1]).items():
        best, found = -math.inf, None
        for setting, make in candidates:
            # One that is alone needs no choice.
            value = measure(_fitted(make, before)) if len(candidates) > 1 else 0.0
            if value > best:
                best, found = value, (setting, make)
        assert found is not None
        chosen[name] = (found[0], _fitted(found[1], both))
    return chosen


def _fitted(make: Make, history: sparse.csr_matrix) -> CatalogueRival:
    users, items = history.nonzero()
    return make(users, items, history.shape)


def _candidates(items: int) -> dict[str, list[tuple[str, Make]]]:
    found: dict[str, list[tuple[str, Make]]] = {
        "popularity": [("", popularity)],
        "item_knn": [
            (f"{k} neighbours, shrinkage {s:g}", partial(item_knn, neighbours=k, shrinkage=s))
            for k, s in itertools.product(NEIGHBOURS, SHRINKAGES)
        ],
    }
    if items <= MOST_FOR_EASE:
        found["ease"] = [(f"l2 {l2:g}", partial(ease, l2=l2)) for l2 in L2]
    return found
