"""What learns from a column."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np


class Learner(Protocol):
    """Learns from a column, batch by batch."""

    def update(self, values: np.ndarray) -> None:
        """Takes in what `Feature.teaches` made of a batch."""

    def learned(self) -> Any:
        """What `Feature.with_learned` takes."""
