"""How many users had an item."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tfpfd.evaluation.rivals.catalogue_rival import CatalogueRival, history_of
from tfpfd.evaluation.rivals.registry import RetrievalRival


def popularity(users: ArrayLike, items: ArrayLike, shape: tuple[int, int]) -> CatalogueRival:
    """How many users had each item; the same order for everybody.

    Args:
      users: `[n]` user numbers of the interactions (likes, clicks), from 0.
      items: `[n]` item numbers, from 0. A user who had an item several times counts once.
      shape: how many users and items there are.

    Returns:
      What scores the catalogue.

    Raises:
      ValueError: a number out of `shape`, or arrays of other lengths.
      ImportError: without SciPy.

        rival = popularity(likes["user"], likes["film"], (943, 1682))
        evaluate_catalogue(rival, relevant, excluded, ks=(10, 50))
    """
    history = history_of(users, items, shape)
    return CatalogueRival(history, np.asarray(history.sum(axis=0), np.float32).ravel())


POPULARITY = RetrievalRival("popularity", "popularity", popularity)
