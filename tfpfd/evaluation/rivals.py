"""What an expert would try first, to stand beside a model: popularity, item-kNN, EASE, biases.

A student that ranks a catalogue worse than these needs no teacher, but another training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tfpfd._arguments import check_ids, check_integer, check_number
from tfpfd.data.item_tables import co_counts, cosines, ease_weights, interactions
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


def ease(
    users: ArrayLike, items: ArrayLike, shape: tuple[int, int], l2: float = 300.0
) -> CatalogueRival:
    """A linear autoencoder of what users had, in closed form: no item explains itself.

        P = (XᵀX + λI)⁻¹,  B = I - P · diag(1 / diag(P)),  s_u = x_u B

    Memory and time go by the square and the cube of the items: some 20,000 at most.

    Args:
      users: as in `popularity`.
      items: as in `popularity`.
      shape: as in `popularity`.
      l2: λ, to be chosen on validation rows.

    Returns:
      What scores the catalogue.

    Raises:
      ValueError: as of `popularity`, or `l2` isn't above 0.
      ImportError: without SciPy.

    Reference:
      Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019 (arXiv 1905.03375),
      eq. 8.
    """
    check_number("l2", l2)
    if l2 == 0:
        raise ValueError("`l2` must be above 0, received 0: the matrix may have no inverse")
    history = history_of(users, items, shape)
    return CatalogueRival(history, ease_weights(history, l2))


class BiasModel:
    """Says of a row what its user and its item say alone: `μ + b_u + b_i`, both shrunk.

        b_i = Σ_{rows of i} (y - μ) / (n_i + shrinkage)
        b_u = Σ_{rows of u} (y - μ - b_i) / (n_u + shrinkage)

    The trivial rival of a model of labels given what was shown. An unknown user or item has 0.

    Args:
      users: `[n]` user ids of the training rows, of any type.
      items: `[n]` item ids.
      labels: `[n]`, in [0, 1]; rows without one (NaN) don't count.
      shrinkage: rows that an effect of 0 counts as, to be chosen on validation rows.

    Raises:
      ValueError: arrays of other lengths, no label, or a negative `shrinkage`.

    Reference:
      Koren, "Factor in the Neighbors: Scalable and Accurate Collaborative Filtering", TKDD 2010,
      sec. 2.1.
    """

    def __init__(
        self, users: ArrayLike, items: ArrayLike, labels: ArrayLike, shrinkage: float = 10.0
    ) -> None:
        check_number("shrinkage", shrinkage)
        rows = _rows(users, items).assign(label=_numbers("labels", labels, users))
        rows = rows.dropna(subset=["label"])
        outside = rows[~rows["label"].between(0, 1)]
        if len(outside):
            raise ValueError(
                f"`labels` must be in [0, 1], or NaN, received {len(outside)} outside, such as "
                f"{outside['label'].iloc[0]}"
            )
        if rows.empty:
            raise ValueError("`labels` must have a label in at least one row, received none")
        self.mean = float(rows["label"].mean())

        def effect(of: str, rest: pd.Series) -> pd.Series:
            groups = rest.groupby(rows[of])
            return groups.sum() / (groups.size() + shrinkage)

        rest = rows["label"] - self.mean
        self.items = effect("item", rest)
        self.users = effect("user", rest - rows["item"].map(self.items))

    def predict(self, users: ArrayLike, items: ArrayLike) -> FloatArray:
        """The scores `[n]` of rows: for their order (AUC), as they may lie outside [0, 1]."""
        rows = _rows(users, items)
        effects = rows["user"].map(self.users).fillna(0) + rows["item"].map(self.items).fillna(0)
        return self.mean + effects.to_numpy(np.float64)


def _rows(users: ArrayLike, items: ArrayLike) -> pd.DataFrame:
    return pd.DataFrame({"user": np.asarray(users), "item": _as_long("items", items, users)})


def _numbers(name: str, values: ArrayLike, users: ArrayLike) -> NDArray:
    array = _as_long(name, values, users)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"`{name}` must hold numbers, received dtype {array.dtype}")
    return array.astype(np.float64)


def _as_long(name: str, values: ArrayLike, users: ArrayLike) -> NDArray:
    array = np.asarray(values)
    if array.shape != np.shape(users):
        raise ValueError(f"`{name}` must be {np.shape(users)} as `users`, received {array.shape}")
    return array


def history_of(users: ArrayLike, items: ArrayLike, shape: tuple[int, int]) -> sparse.csr_matrix:
    """`[users, items]`, 1 where a user had an item."""
    rows = check_ids("users", users, shape[0])
    columns = _as_long("items", check_ids("items", items, shape[1]), users)
    return interactions(rows, columns, shape, needed_by="rivals")
