"""What learns from a column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np


class Learner(Protocol):
    """Learns from a column, batch by batch."""

    def update(self, values: np.ndarray) -> None:
        """Takes in what `Feature.teaches` made of a batch."""

    def learned(self) -> Any:
        """What `Feature.with_learned` takes."""


class Learners:
    """Several that learn from one column.

    Args:
      parts: by the name of what each learns.
    """

    def __init__(self, parts: Mapping[str, Learner]) -> None:
        self._parts = parts

    def update(self, values: np.ndarray) -> None:
        """Takes in a batch; see `Learner`."""
        for part in self._parts.values():
            part.update(values)

    def learned(self) -> dict[str, Any]:
        """What each learned, by its name."""
        return {name: part.learned() for name, part in self._parts.items()}
