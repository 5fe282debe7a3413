"""The command line: `python -m experiments NAME --out DIR`, from a clone of the repository."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

# First, as it says what to install where typer is missing.
from tfpfd_cli import import_tensorflow

# isort: split
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

app = typer.Typer(add_completion=False)


def _list_experiments(wanted: bool) -> None:
    if not wanted:
        return
    import_tensorflow()
    from experiments.registry import EXPERIMENTS

    table = Table("name", "question", "--data", "seeds")
    for name, kind in EXPERIMENTS.items():
        table.add_row(name, kind.question, ", ".join(kind.sources) or "its own", str(kind.seeds))
    Console().print(table)
    raise typer.Exit


@app.command()
def experiment(
    name: Annotated[str, typer.Argument(help="which; --list shows them")],
    out: Annotated[Path, typer.Option(help="where results.csv, report.md and figures go")],
    data: Annotated[
        str | None, typer.Option(help="a source that the experiment takes, or source:path")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="how many; the experiment's own number if not given")
    ] = None,
    show: Annotated[
        bool,
        typer.Option("--list", is_eager=True, callback=_list_experiments, help="show them all"),
    ] = False,
) -> None:
    """Run an experiment, or go on with it where it was stopped, and write its report."""
    import_tensorflow()
    from experiments import base_rivals
    from experiments.finished_cells import FinishedCells
    from experiments.registry import find
    from experiments.runner import run_cells

    console = Console()
    with contextlib.ExitStack() as stack:
        try:
            chosen = find(name)(data)
            results = FinishedCells(out, chosen, seeds or chosen.seeds)
            if results.missing or base_rivals.lacking(chosen, out):
                chosen.prepare()
            stack.enter_context(results.alone())
        except (OSError, ValueError) as error:
            console.print(f"[red]error[/]: {escape(str(error))}", soft_wrap=True)
            raise typer.Exit(2) from None
        run_cells(chosen, results, console)


if __name__ == "__main__":
    app(prog_name="python -m experiments")
