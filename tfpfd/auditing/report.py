"""What an audit says: as a frame, as Markdown, as HTML."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from tfpfd._files import path_in
from tfpfd.auditing import figures, tables
from tfpfd.auditing.report_blocks import (
    Block,
    Heading,
    Listing,
    Note,
    Picture,
    to_html,
    to_markdown,
)
from tfpfd.auditing.results import Results
from tfpfd.auditing.verdict import Verdict, judge, on_base
from tfpfd.evaluation.differences import by_metric
from tfpfd.evaluation.titles import title_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Do privileged features help the student?"


@dataclass(frozen=True, eq=False)
class Report:
    """The answer of an audit; in a notebook it shows itself.

    Args:
      results: everything that was measured.
    """

    results: Results

    @cached_property
    def verdict(self) -> Verdict:
        """The answer in a sentence, and what to try."""
        return judge(self.results.evidence())

    @property
    def warnings(self) -> list[str]:
        """What may make the verdict wrong."""
        return self.results.warnings()

    def to_frame(self) -> pd.DataFrame:
        """One row a size, arm, role and metric: means with intervals, and gains over base."""
        return self.results.frame()

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """The figures, by the name of the file they are saved in.

        Raises:
          ImportError: if matplotlib isn't installed.
        """
        size = self.results.largest
        rows = {**size.students, "teacher": size.teachers["distilled"]}
        over = f"{size.seeds} seeds and {self.results.test_users:,} test users"
        drawn = {
            "gains": figures.gains(self.results),
            "arms": figures.comparison(
                rows, self.results.metrics, f"test metrics, 95 % intervals over {over}"
            ),
            "strength": figures.strength(self.results),
        }
        if size.reliability:
            drawn["calibration"] = figures.calibration(self.results)
        return drawn

    def _blocks(self) -> list[Block]:
        results, drawn = self.results, self.figures
        metric = title_of(results.metric)
        blocks: list[Block] = [
            Heading(TITLE, level=1),
            *(Note(line, kind="verdict") for line in self.verdict.sentence.splitlines()),
            *(Note(warning, kind="warning") for warning in self.warnings),
        ]
        if self.verdict.advice:
            blocks += [Heading("What to try"), Listing(self.verdict.advice)]
        blocks += self._base()
        blocks += [
            Heading(f"The differences it goes by: {metric}"),
            Picture("gains", "differences with their intervals", drawn["gains"]),
        ]
        if len(results.sizes) > 1:
            blocks += [Note("Gains over base, positive is better:"), tables.sizes(results)]
        blocks += [
            Heading("All metrics"),
            Note("Mean ± half of the 95 % interval over seeds and test users."),
            tables.arms(results),
            Note("Paired differences; an asterisk where the interval excludes zero."),
            tables.differences(results),
            Note(by_metric(results.largest.students, results.metrics)),
            Picture("arms", "metrics of every arm", drawn["arms"]),
            Heading("The teacher, and what it rests on"),
            tables.strengths(results),
            Picture("strength", "strength of features and of teachers", drawn["strength"]),
            *self._calibration(),
            Heading("How it was done"),
            tables.settings(results),
            tables.effort(results),
        ]
        if results.tuning.tried:
            blocks += [
                Note("The search for the base, one seed each:"),
                tables.search(results),
            ]
        return blocks

    def _base(self) -> list[Block]:
        """Whether the base is good enough to start from, if there are rivals."""
        if (found := self.results.comparison) is None:
            return []
        return [
            Heading("Is the base good enough to start from?"),
            Note(on_base(found.standing)),
            tables.rivals(self.results),
        ]

    def _calibration(self) -> list[Block]:
        """Of what has probabilities."""
        if "calibration" not in self.figures:
            return []
        figure = self.figures["calibration"]
        return [
            Heading("Calibration before and after"),
            Picture("calibration", "reliability of base and distilled", figure),
        ]

    def to_markdown(self) -> str:
        """The report as Markdown, whose figures are the files that `save` writes beside it."""
        return to_markdown(self._blocks())

    def to_html(self) -> str:
        """The report as one HTML page with its figures inside."""
        return to_html(TITLE, self._blocks())

    def _repr_html_(self) -> str:
        return self.to_html()

    def __str__(self) -> str:
        return "\n".join([self.verdict.sentence, *self.warnings])

    def save(self, folder: str | Path) -> Path:
        """Writes `report.html`, `report.md` with its figures (PNG), and `results.csv`.

        Args:
          folder: where to; made if it isn't there.

        Returns:
          The path of `report.html`.
        """
        folder = path_in("folder", folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in self.figures.items():
            figure.savefig(folder / f"{name}.png", dpi=120)
        self.to_frame().to_csv(folder / "results.csv", index=False)
        (folder / "report.md").write_text(self.to_markdown(), encoding="utf-8")
        page = folder / "report.html"
        page.write_text(self.to_html(), encoding="utf-8")
        return page
