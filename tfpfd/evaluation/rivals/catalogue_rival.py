"""What scores all items of a catalogue for users by what these did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tfpfd._arguments import check_ids
from tfpfd.data.item_tables import interactions
from tfpfd.evaluation.intervals import FloatArray

if TYPE_CHECKING:
    from scipy import sparse


class CatalogueRival:
    """Scores all items for users from what these did: `s_u = x_u W`, or one order for all.

    Args:
      history: `[users, items]`, 1 where a user had an item.
      weights: `[items, items]`, what an item that a user had says of another one; or `[items]`,
        the score of each item for everybody.
    """

    def __init__(self, history: sparse.csr_matrix, weights: NDArray | sparse.csr_matrix) -> None:
        self._history = history
        self._weights = weights

    @property
    def shape(self) -> tuple[int, int]:
        """How many users and items there are."""
        return self._history.shape

    def of(self, users: ArrayLike) -> CatalogueRival:
        """The rival for some of its users, called by their places among these.

        Args:
          users: `[n]` user numbers, from 0.

        Raises:
          ValueError: a user that the history doesn't have.
        """
        rows = check_ids("users", users, self._history.shape[0])
        return CatalogueRival(self._history[rows], self._weights)

    def scores(self, users: ArrayLike) -> FloatArray:
        """The scores of all items for some users.

        Args:
          users: `[n]` user numbers, from 0.

        Returns:
          float32 `[n, items]`. What a user had is among them: see `excluded` of
          `evaluate_catalogue`.

        Raises:
          ValueError: a user that the history doesn't have.
        """
        rows = check_ids("users", users, self._history.shape[0])
        if self._weights.ndim == 1:
            return np.tile(np.asarray(self._weights, np.float32), (len(rows), 1))
        scores = self._history[rows] @ self._weights
        return np.asarray(
            scores if isinstance(scores, np.ndarray) else scores.toarray(), np.float32
        )


def history_of(users: ArrayLike, items: ArrayLike, shape: tuple[int, int]) -> sparse.csr_matrix:
    """`[users, items]`, 1 where a user had an item."""
    rows = check_ids("users", users, shape[0])
    columns = as_long("items", check_ids("items", items, shape[1]), users)
    return interactions(rows, columns, shape, needed_by="rivals")


def as_long(name: str, values: ArrayLike, users: ArrayLike) -> NDArray:
    """An array of as many values as there are users; refuses another."""
    array = np.asarray(values)
    if array.shape != np.shape(users):
        raise ValueError(f"`{name}` must be {np.shape(users)} as `users`, received {array.shape}")
    return array
