"""Which items each user has, as pairs: what is relevant, and what is not to be recommended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from scipy import sparse

    ItemsOfUsers: TypeAlias = NDArray | Sequence[ArrayLike] | sparse.spmatrix | sparse.sparray


@dataclass(frozen=True)
class Pairs:
    """Pairs of a user and an item, each once, in the order of the users and then of the items.

    Args:
      users: int64 `[pairs]`, ascending.
      items: int64 `[pairs]`, ascending within a user.
    """

    users: NDArray[np.int64]
    items: NDArray[np.int64]

    def of(self, rows: NDArray[np.int64]) -> Pairs:
        """The pairs of some users, each of whom is then called by the place in `rows`."""
        first = np.searchsorted(self.users, rows)
        lengths = np.searchsorted(self.users, rows, side="right") - first
        places = np.repeat(np.arange(len(rows)), lengths)
        starts = np.repeat(first - (np.cumsum(lengths) - lengths), lengths)
        return Pairs(places, self.items[starts + np.arange(len(places))])

    def between(self, start: int, stop: int) -> Pairs:
        """The pairs with items from `start` to before `stop`."""
        inside = (self.items >= start) & (self.items < stop)
        return Pairs(self.users[inside], self.items[inside])

    def without(self, other: Pairs, items: int) -> Pairs:
        """The pairs that aren't among `other`.

        Args:
          other: pairs.
          items: how many items there are.
        """
        kept = ~np.isin(self.users * items + self.items, other.users * items + other.items)
        return Pairs(self.users[kept], self.items[kept])


def relevant_and_excluded(
    relevant: ItemsOfUsers,
    excluded: ItemsOfUsers | None,
    shape: tuple[int, int],
    needed: bool = False,
) -> tuple[Pairs, Pairs]:
    """What is relevant and not excluded, and what is excluded.

    Args:
      relevant: see `pairs_of`.
      excluded: see `pairs_of`.
      shape: see `pairs_of`.
      needed: whether somebody must have a relevant item, excluded or not.

    Raises:
      ValueError: as `pairs_of`, or nobody has one.
    """
    wanted = pairs_of("relevant", relevant, shape)
    if needed and not wanted.users.size:
        raise ValueError("`relevant` must hold an item for at least one user, received none")
    if excluded is None:
        return wanted, Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64))
    hidden = pairs_of("excluded", excluded, shape)
    return wanted.without(hidden, shape[1]), hidden


def pairs_of(name: str, given: ItemsOfUsers, shape: tuple[int, int]) -> Pairs:
    """Pairs of whatever an argument has given.

    Args:
      name: of the argument.
      given: a boolean `[users, items]` array, a SciPy sparse matrix of that shape, in which 0 is
        none, or for each of the users an array of item indices.
      shape: how many users and items there are.

    Raises:
      ValueError: a mask of another shape or type, another number of users, or items out of `shape`.
    """
    if hasattr(given, "tocoo"):
        return _of_sparse(name, given, shape)
    # A matrix of the shape of the scores is a mask: 0 and 1 in it aren't meant as item indices.
    if isinstance(given, np.ndarray) and (given.dtype == bool or given.shape == shape):
        if given.dtype != bool or given.shape != shape:
            raise ValueError(
                f"`{name}` must be boolean with the shape of `scores`, {shape}, "
                f"received {given.dtype} with shape {given.shape}"
            )
        return Pairs(*np.nonzero(given))
    return _of_lists(name, cast("Sequence[ArrayLike]", given), shape)


def _of_sparse(name: str, given: sparse.spmatrix, shape: tuple[int, int]) -> Pairs:
    if given.shape != shape:
        raise ValueError(
            f"`{name}` must have the shape of `scores`, {shape}, received {given.shape}"
        )
    cells = given.tocoo()
    held = cells.data != 0
    return _sorted(cells.row[held].astype(np.int64), cells.col[held].astype(np.int64), shape)


def _of_lists(name: str, given: Sequence[ArrayLike], shape: tuple[int, int]) -> Pairs:
    users, items = shape
    if isinstance(given, Mapping | str) or not hasattr(given, "__len__"):
        raise ValueError(
            f"`{name}` must have an array of item indices for each of the {users} users, in their "
            f"order, received a {type(given).__name__}"
        )
    odd = next((row for row in given if isinstance(row, set | Mapping | str)), None)
    if odd is not None:
        raise ValueError(
            f"`{name}` must hold arrays or lists of item indices, received a {type(odd).__name__}"
        )
    if len(given) != users:
        raise ValueError(
            f"`{name}` must have one array for each of the {users} users, received {len(given)}"
        )
    rows = [np.asarray(row) for row in given]
    types = {str(row.dtype) for row in rows if row.size and row.dtype.kind not in "iu"}
    if types:
        raise ValueError(f"`{name}` must hold integer item indices, received {sorted(types)}")
    indices = np.concatenate([row.astype(np.int64).ravel() for row in rows])
    if indices.size and (indices.min() < 0 or indices.max() >= items):
        raise ValueError(
            f"`{name}` must hold item indices from 0 to {items - 1}, "
            f"received from {indices.min()} to {indices.max()}"
        )
    return _sorted(np.repeat(np.arange(users), [row.size for row in rows]), indices, shape)


def _sorted(users: NDArray, items: NDArray, shape: tuple[int, int]) -> Pairs:
    return Pairs(*np.divmod(np.unique(users * shape[1] + items), shape[1]))
