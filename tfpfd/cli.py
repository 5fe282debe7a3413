"""The command line: demo, audit, experiment, inspect, refresh of `tfpfd`."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Annotated

try:
    import typer
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table
except ImportError as missing:  # pragma: no cover
    sys.exit(f'The command line needs {missing.name}: pip install "tfpfd[demo]"')

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__import__("tfpfd").__doc__)


@app.command("inspect")
def inspect_export(
    directory: Annotated[Path, typer.Argument(help="a version, or a model: its newest version")],
    privileged: Annotated[list[str] | None, typer.Option(help="another name to look for")] = None,
) -> None:
    """Show what is inside an export, and prove that nothing privileged is."""
    from tfpfd.serving import inspect

    console = Console()
    try:
        found = inspect(directory, privileged or ())
    except (OSError, ValueError) as error:
        console.print(f"[red]error[/]: {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(2) from None
    table = Table("signature", "takes", "gives", title=escape(str(found.path)))
    for name, (inputs, outputs) in found.signatures.items():
        table.add_row(name, "\n".join(inputs), "\n".join(outputs), end_section=True)
    console.print(table)
    table = Table("variable", "shape")
    for key, shape in found.variables.items():
        table.add_row(key.replace("/.ATTRIBUTES", ""), str(shape))
    console.print(table)
    if found.schema:
        for side in ("user", "item"):
            names = [feature.name for feature in found.schema.sides[side]]
            console.print(f"{side} features: {', '.join(names)}")
    console.print(f"size: {found.bytes / 1e6:.1f} MB")
    console.print(
        f"looked for: {', '.join(found.stripped) or 'no name, as no privileged feature is known'}"
    )
    for finding in found.findings:
        console.print(f"[red]found[/]: {escape(finding)}", soft_wrap=True)
    if found.findings:
        raise typer.Exit(1)
    console.print("[green]nothing privileged is inside[/]")


@app.command("refresh")
def refresh_export(
    directory: Annotated[Path, typer.Argument(help="a model, which holds versions")],
    items: Annotated[Path, typer.Option(help="the whole catalogue: raw item features, Parquet")],
) -> None:
    """Write the next version of an export, its item table made of another catalogue."""
    from tfpfd.serving import refresh

    console = Console()
    try:
        version = refresh(directory, items)
    except (OSError, ValueError, RuntimeError) as error:
        console.print(f"[red]error[/]: {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(2) from None
    console.print(f"written: {escape(str(version))}", soft_wrap=True)


@app.command()
def demo(
    quick: Annotated[
        bool, typer.Option(help="one seed, a fifth of the rows: about a minute")
    ] = False,
    out: Annotated[Path, typer.Option(help="where export and figure go")] = Path("saved_models"),
    data: Annotated[Path | None, typer.Option(help="a local copy of MovieLens-100K")] = None,
) -> None:
    """Train, compare, export and serve a student with a privileged teacher on MovieLens-100K."""
    from tfpfd.experiments.movielens import run

    console = Console()
    try:
        run(out=out, quick=quick, data=data, console=console)
    except (OSError, ValueError) as error:
        console.print(f"[red]error[/]: {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(2) from None


def _list_experiments(wanted: bool) -> None:
    if not wanted:
        return
    from tfpfd.experiments.registry import EXPERIMENTS

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
    from tfpfd.experiments.registry import find
    from tfpfd.experiments.results import Results
    from tfpfd.experiments.runner import run_cells

    console = Console()
    with contextlib.ExitStack() as stack:
        try:
            chosen = find(name)(data)
            results = Results(out, chosen, seeds or chosen.seeds)
            if results.missing:
                chosen.prepare()
            stack.enter_context(results.alone())
        except (OSError, ValueError) as error:
            console.print(f"[red]error[/]: {escape(str(error))}", soft_wrap=True)
            raise typer.Exit(2) from None
        run_cells(chosen, results, console)


@app.command("audit")
def audit_rows(
    data: Annotated[
        str, typer.Option(help="movielens, or a folder with {train,validation,test}.parquet")
    ] = "movielens",
    schema: Annotated[Path | None, typer.Option(help="a file of what Schema.to_json wrote")] = None,
    seeds: Annotated[int, typer.Option(help="trainings of each arm")] = 5,
    metric: Annotated[str, typer.Option(help="auc, group_auc or log_loss")] = "auc",
    out: Annotated[Path, typer.Option(help="where the report goes")] = Path("audit"),
) -> None:
    """Do privileged features help a small student, or is it only regularisation?"""
    from tfpfd.experiments.audit import run

    console = Console()
    try:
        report, page = run(data, schema, seeds, metric, out)
    except (OSError, ValueError) as error:
        console.print(f"[red]error[/]: {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(2) from None
    console.print(f"[bold]{escape(report.verdict.sentence)}[/]", soft_wrap=True)
    for warning in report.warnings:
        console.print(f"[yellow]warning[/]: {escape(warning)}", soft_wrap=True)
    for point in report.verdict.advice:
        console.print(f"try: {escape(point)}", soft_wrap=True)
    console.print(f"report: {page}", soft_wrap=True)


def main() -> None:
    """Runs the command line."""
    app()
