"""What items say of one another, from who had what: co-occurrence, cosines, EASE."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy import sparse


def interactions(
    users: NDArray, items: NDArray, shape: tuple[int, int], needed_by: str
) -> sparse.csr_matrix:
    """Who had what.

    Args:
      users: [num_events] user numbers, from 0.
      items: [num_events] item numbers, from 0.
      shape: how many users and items there are.
      needed_by: who asks, for the error.

    Returns:
      float32 [users, items], 1 where a user had an item, were it several times.

    Raises:
      ImportError: without SciPy.
    """
    try:
        from scipy import sparse
    except ImportError as error:
        raise ImportError(f"{needed_by} need SciPy: pip install 'tfpfd[audit]'") from error
    ones = np.ones(len(users), np.float32)
    history = sparse.csr_matrix((ones, (users, items)), shape=shape)
    history.data[:] = 1  # Several of one pair were summed up.
    return history


def co_counts(history: sparse.csr_matrix) -> tuple[sparse.csc_matrix, NDArray]:
    """How many users had both of two items, and how many had each.

    Args:
      history: [users, items] as of `interactions`.

    Returns:
      float32 [items, items] with an empty diagonal, in the order of columns and rows; [items].
    """
    together = (history.T @ history).tocsc()
    counts = together.diagonal()
    together.setdiag(0)
    together.eliminate_zeros()
    together.sort_indices()
    return together, counts


def cosines(
    together: sparse.csc_matrix, counts: NDArray, neighbours: int, shrinkage: float
) -> NDArray:
    """Cosines of items, of the nearest neighbours of each alone.

        c_ij = n_ij / (√(n_i n_j) + shrinkage)

    Args:
      together: [items, items] as of `co_counts`, n_ij.
      counts: [items], n_i.
      neighbours: how many items i keep their c_ij for an item j; of equally near ones the first.
      shrinkage: of cosines that few users speak for.

    Returns:
      float32 [entries of `together`], 0 where i isn't among the nearest of its column j.
    """
    columns = np.repeat(np.arange(together.shape[1]), np.diff(together.indptr))
    norms = np.sqrt(counts[together.indices] * counts[columns]) + shrinkage
    near = pd.DataFrame({"item": columns, "cosine": together.data / norms})
    order = near.sort_values("cosine", ascending=False, kind="stable")
    data = near["cosine"].to_numpy(np.float32, copy=True)
    data[order.index[order.groupby("item").cumcount() >= neighbours]] = 0
    return data


def ease_weights(history: sparse.csr_matrix, l2: float) -> NDArray:
    """Weights of a linear autoencoder of what users had: no item explains itself.

        P = (XᵀX + λI)⁻¹,  B = I - P · diag(1 / diag(P))

    Args:
      history: [users, items] as of `interactions`, X.
      l2: λ, above 0: else the matrix may have no inverse.

    Returns:
      float32 [items, items], what a row's item that a user had says of a column's.

    Reference:
      Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019 (arXiv 1905.03375),
      eq. 8.
    """
    gram = (history.T @ history).toarray().astype(np.float64)
    gram[np.diag_indices_from(gram)] += l2
    inverse = np.linalg.inv(gram)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights.astype(np.float32)
