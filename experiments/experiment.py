"""What an experiment is: a grid of cells, a function from a cell to metrics, and how it reports."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from experiments.finished_cells import FinishedCells
from experiments.grid import Cell, Metrics
from tfpfd.datasets.registry import path_of
from tfpfd.evaluation.intervals import RESAMPLES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tfpfd.evaluation.measured_rivals import MeasuredRivals


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Args:
      heading: of the section.
      text: Markdown above the table.
      table: rows to print, without the index.
      figure: drawn under the table, and written beside the report.
    """

    heading: str
    text: str = ""
    table: pd.DataFrame | None = None
    figure: Figure | None = None


class Experiment(ABC):
    """A question, the cells whose metrics answer it, and the report that says what they answer.

    A subclass sets the class attributes:

    - `name`: what the command line calls it.
    - `question`: one line.
    - `claim`: what a paper says, with the reference.
    - `metrics`: names of the metrics that `run` may return; else a property.
    - `seeds`: how many are enough where nobody says another number.
    - `sources`: names that `--data` may take, the first where nothing is said; none for an
      experiment that makes its own data.

    Args:
      data: one of `sources`, or `source:path` for a copy of it on this machine.

    Raises:
      ValueError: `data` names no source of this experiment, or a path of simulated data.
      FileNotFoundError: nothing is at the path.
    """

    name: ClassVar[str]
    question: ClassVar[str]
    claim: ClassVar[str]
    seeds: ClassVar[int] = 3
    sources: ClassVar[tuple[str, ...]] = ()

    def __init__(self, data: str | None = None) -> None:
        self.source, self.path = self._parse(data)

    def _parse(self, data: str | None) -> tuple[str | None, Path | None]:
        if data is None:
            return (self.sources[0] if self.sources else None), None
        if not self.sources:
            raise ValueError(f"`{self.name}` makes its own data, received `--data {data}`")
        source, colon, path = data.partition(":")
        if source not in self.sources:
            raise ValueError(
                f"`--data` of `{self.name}` must be one of {', '.join(self.sources)}, or one of "
                f"them with `:path` behind it, received '{data}'"
            )
        return source, path_of(source, path) if colon else None

    @property
    @abstractmethod
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics that `run` may return."""

    def settings(self) -> dict[str, Any]:
        """What the metrics depend on beside the cell, as JSON; results of others are refused."""
        path = self.path and str(self.path.resolve())
        found = {"data": self.source, "path": path, "resamples": RESAMPLES}
        return {key: value for key, value in found.items() if value is not None}

    def prepare(self) -> None:  # noqa: B027 (an experiment that makes its own data needs nothing)
        """Reads what all cells share; called once, and only if a cell is left to run."""

    def bases(self) -> Mapping[str, Cell]:
        """The settings of each student alone that has rivals, by what a reader calls it."""
        return {}

    @property
    def about_rivals(self) -> str:
        """What rivals know, in a sentence for a report."""
        return ""

    def rivals(self) -> MeasuredRivals:
        """What an expert would have tried first beside `bases`, once `prepare` was called.

        Raises:
          NotImplementedError: this experiment has no `bases`.
        """
        raise NotImplementedError(f"`{self.name}` has no base that rivals stand beside")

    @abstractmethod
    def cells(self, seeds: int) -> list[Cell]:
        """The grid: cells with the same keys, `"seed"` among them, none of them twice.

        Args:
          seeds: how many; the cells of fewer seeds are among those of more.
        """

    @abstractmethod
    def run(self, cell: Cell) -> Metrics:
        """Metrics of a cell, from nothing but the cell and what `prepare` read.

        A metric is a number, or an array `[1 + resamples]` whose first value is the metric on the
        test set. One that a cell doesn't have is left out.
        """

    @abstractmethod
    def report(self, results: FinishedCells) -> list[Section]:
        """What was found, from the cells that are finished: all of them or not."""
