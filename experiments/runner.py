"""Runs the cells of an experiment that aren't finished, and writes the report."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from experiments import base_rivals
from experiments.experiment import Experiment
from experiments.finished_cells import FinishedCells
from experiments.grid import Cell
from experiments.markdown_report import write_report
from tfpfd._time_left import TimeLeft


def run_cells(experiment: Experiment, results: FinishedCells, console: Console) -> Path | None:
    """Runs what is missing, a line of `results.csv` a cell, and its rivals, and writes the report.

    If it is interrupted or a cell fails, the report is written from the cells that are finished;
    however it ends, the next call goes on from there.

    Args:
      experiment: prepared, if a cell is missing or its rivals are.
      results: its results so far.
      console: where the progress goes.

    Returns:
      The path of the report; None if no cell is finished.
    """
    missing, cells = results.missing, len(results.cells)
    if len(missing) < cells:
        console.print(f"{cells - len(missing)} of {cells} cells are finished already")
        base_rivals.keep(experiment, results.directory)
    time_left = TimeLeft()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=10),
        MofNCompleteColumn(),
        TextColumn("cells,"),
        time_left,
        TextColumn("left"),
    )
    try:
        with Progress(*columns, console=console) as progress:
            bar = progress.add_task("", total=cells, completed=cells - len(missing))
            for cell in missing:
                progress.update(bar, description=escape(_describe(cell)))
                start = time.perf_counter()
                metrics = experiment.run(cell)
                results.append(cell, metrics, time.perf_counter() - start)
                # Not before the first cell, with which the folder says whose results it holds.
                base_rivals.keep(experiment, results.directory)
                time_left.step()
                progress.advance(bar)
            progress.update(bar, description=experiment.name)
    finally:
        report = None
        if not results.frame.empty:
            report = write_report(experiment, results)
            console.print(f"report: {escape(str(report))}", soft_wrap=True)
    return report


def _describe(cell: Cell) -> str:
    return ", ".join(f"{key} {value}" for key, value in cell.items())
