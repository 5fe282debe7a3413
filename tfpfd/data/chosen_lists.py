"""Lists of a chosen item and drawn ones in memory: looked up once, treated, in batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from tfpfd.data.dataset import prefetched
from tfpfd.data.scoring import SLICE, scores_of_batches
from tfpfd.data.table_rows import Treatment, share_of, treated
from tfpfd.data.whole_lists import ListColumns, whole_lists


@dataclass(frozen=True, eq=False)
class ChosenLists:
    """Lists that were looked up, all as long; the item that a user chose is the first of each.

    Args:
      columns: of the rows, list by list.
      users: `[lists]`, the id of each list's user.
    """

    columns: ListColumns
    users: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """float32 `[rows]`, 1 for what was chosen and 0 for what was drawn."""
        return self.columns.of_rows[1]

    @property
    def size(self) -> int:
        """How many rows a list has."""
        return len(self.labels) // len(self.users)

    def treated(self, treatment: Treatment, names: Collection[str], seed: int = 0) -> ChosenLists:
        """The lists with some privileged features changed, of the same items in the same order.

        Args:
          treatment: see `tfpfd.data.table_rows.treated`.
          names: the features to change.
          seed: of the permutation, of the rows of all lists.
        """
        if treatment == "kept":
            return self
        inputs, *targets = self.columns.of_rows
        of_rows = (treated(inputs, treatment, names, seed), *targets)
        return dataclasses.replace(self, columns=self.columns._replace(of_rows=of_rows))

    def share(self, size: float) -> ChosenLists:
        """A share of the lists; smaller ones are part of larger.

        Args:
          size: in (0, 1].
        """
        return self.some(share_of(np.zeros(len(self.users)), size))

    def some(self, lists: np.ndarray) -> ChosenLists:
        """Some of the lists, `[lists]` places."""
        rows = (lists[:, None] * self.size + np.arange(self.size)).ravel()
        columns = self.columns
        assert columns.item is not None  # Lists of a catalogue have items.
        return ChosenLists(
            ListColumns(
                tf.nest.map_structure(lambda column: column[rows], columns.of_rows),
                {name: column[lists] for name, column in columns.of_lists.items()},
                columns.of_items,
                columns.item[rows],
            ),
            self.users[lists],
        )

    def batches(self, size: int, seed: int | None = None) -> tf.data.Dataset:
        """Batches of whole lists; in another order every epoch if there is a seed.

        Args:
          size: rows that a batch holds at most.
          seed: of the order.
        """
        counts = np.full(len(self.users), self.size)
        shuffle = seed is not None
        return prefetched(whole_lists(self.columns, counts, size, shuffle, seed))

    @cached_property
    def in_order(self) -> tf.data.Dataset:
        """Batches where nothing is trained; made once, as that takes longer than to run them."""
        return self.batches(SLICE)

    def logits(self, ranker: Callable[..., Any]) -> Any:
        """Logits of a ranker, float32 `[lists, rows of a list]`."""
        inputs = (inputs for inputs, *_ in self.in_order)
        return scores_of_batches(ranker, inputs).reshape(-1, self.size)
