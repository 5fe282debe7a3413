"""A cell of an experiment, what it is measured by, and the grid that it is of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np

Setting: TypeAlias = str | int | float | bool
Cell: TypeAlias = Mapping[str, Setting]
Metrics: TypeAlias = Mapping[str, float | np.ndarray]


class Grid(Protocol):
    """What is kept on disk, as far as it has to be known: an `Experiment` is one."""

    @property
    def name(self) -> str:
        """What the command line calls it."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics that a cell may have."""

    def settings(self) -> dict[str, Any]:
        """What the metrics depend on beside the cell, as JSON."""

    def cells(self, seeds: int) -> list[Cell]:
        """The cells with so many seeds."""
