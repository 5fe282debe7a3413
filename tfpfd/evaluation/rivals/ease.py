"""A linear model of all items, in closed form."""

from __future__ import annotations

from numpy.typing import ArrayLike

from tfpfd._arguments import check_number
from tfpfd.data.item_tables import ease_weights
from tfpfd.evaluation.rivals.catalogue_rival import CatalogueRival, history_of
from tfpfd.evaluation.rivals.registry import RetrievalRival


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


EASE = RetrievalRival(
    "ease",
    "EASE",
    ease,
    grid=tuple({"l2": l2} for l2 in (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)),
    told="l2 {l2:g}",
    # Of more the matrix that is inverted takes more than 3 GB.
    most_items=20_000,
)
