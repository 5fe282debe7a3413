"""What a data set is, and what some can beyond."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from tfpfd.data.catalogue import CatalogueSplits
from tfpfd.data.splits import SplitRows


class DataSet(SplitRows, Protocol):
    """Rows in three parts, and the schema that names their columns.

    It may say besides by `user_key` and `item_key` which columns hold the ids of users and items.
    """


@runtime_checkable
class WithTrueRates(Protocol):
    """A simulation, whose truth is known."""

    def rates(self, users: np.ndarray, items: np.ndarray) -> dict[str, np.ndarray]:
        """By label how likely it is of each pair, `[pairs]`.

        Args:
          users: `[pairs]`, ids.
          items: `[pairs]`, ids.
        """


@runtime_checkable
class WithCatalogue(Protocol):
    """What users chose of all items."""

    def catalogue(self, *, drawn: int) -> CatalogueSplits:
        """The choices, to rank a catalogue by.

        Args:
          drawn: items beside each choice.
        """
