"""The report of an experiment as Markdown, with its figures as PNGs beside it."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from experiments import base_rivals
from experiments.experiment import Experiment
from experiments.finished_cells import SECONDS, FinishedCells
from tfpfd._machine import machine


def write_report(experiment: Experiment, results: FinishedCells) -> Path:
    """Writes `report.md` and its figures from the cells that are finished.

    Args:
      experiment: says what was found.
      results: with at least one finished cell.

    Returns:
      The path of `report.md`.
    """
    done, cells = len(results.frame), len(results.cells)
    lines = [f"# {experiment.name}", "", f"**Question.** {experiment.question}", ""]
    lines += [f"**Claimed.** {experiment.claim}", ""]
    if done < cells:
        lines += [f"**Unfinished: {done} of {cells} cells.** The same command continues it.", ""]
    for section in [*base_rivals.section(experiment, results), *experiment.report(results)]:
        lines += [f"## {section.heading}", ""]
        if section.text:
            lines += [section.text, ""]
        if section.table is not None:
            lines += [markdown_table(section.table), ""]
        if section.figure is not None:
            name = re.sub(r"\W+", "-", section.heading.lower()).strip("-") + ".png"
            section.figure.savefig(results.directory / name, dpi=120)
            lines += [f"![{section.heading}]({name})", ""]
    settings = ", ".join(f"{key} {value}" for key, value in experiment.settings().items())
    lines += [
        "## How it was run",
        "",
        f"- {done} of {cells} cells, {results.frame['seed'].nunique()} seeds, "
        f"{results.frame[SECONDS].sum():.0f} seconds in cells; every cell is in `results.csv`",
        *([f"- settings: {settings}"] if settings else []),
        f"- report written on {machine()}",
        "",
    ]
    path = results.directory / "report.md"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def markdown_table(table: pd.DataFrame) -> str:
    """A table in Markdown: its columns and rows as text, without its index."""
    rows = [[*map(str, table.columns)], *table.astype(str).to_numpy().tolist()]
    escaped = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    rule = ["---"] * len(table.columns)
    return "\n".join(f"| {' | '.join(row)} |" for row in [escaped[0], rule, *escaped[1:]])
