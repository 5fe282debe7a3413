"""The command line: demo, audit, inspect, refresh of `tfpfd`.

It stands beside the package, whose import brings TensorFlow, so that help needs none of it.
"""

from __future__ import annotations

import os
import sys
import tempfile
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated

try:
    import typer
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table
except ImportError as missing:  # pragma: no cover
    sys.exit(f'The command line needs {missing.name}: pip install "tfpfd[demo]"')

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Train recommenders with features you can't serve.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tfpfd {installed_version('tfpfd')}")
        raise typer.Exit


@app.callback()
def _before_commands(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="show it")
    ] = False,
) -> None:
    """Options of `tfpfd` itself; its help is the app's."""


def import_tensorflow() -> None:
    """Imports TensorFlow and starts it, its log put aside: what a command says is its own.

    The level alone does not do: since 2.20 what is logged before the log is set up ignores it.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ and os.environ["TF_CPP_MIN_LOG_LEVEL"] < "2":
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_logical_devices()
        except BaseException:
            os.lseek(log.fileno(), 0, os.SEEK_SET)
            os.write(kept, log.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@app.command("inspect")
def inspect_export(
    directory: Annotated[Path, typer.Argument(help="a version, or a model: its newest version")],
    privileged: Annotated[list[str] | None, typer.Option(help="another name to look for")] = None,
    operation: Annotated[list[str] | None, typer.Option(help="an operation to allow")] = None,
) -> None:
    """Show what is inside an export, and prove that nothing privileged is."""
    import_tensorflow()
    from tfpfd.serving import inspect_export

    console = Console()
    try:
        found = inspect_export(directory, privileged or (), operation or ())
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
    colour = "green" if found.stripped else "yellow"
    console.print(f"[{colour}]{escape(found.verdict)}[/]", soft_wrap=True)


@app.command("refresh")
def refresh_export(
    directory: Annotated[Path, typer.Argument(help="a model, which holds versions")],
    items: Annotated[Path, typer.Option(help="the whole catalogue: raw item features, Parquet")],
    operation: Annotated[list[str] | None, typer.Option(help="an operation to allow")] = None,
) -> None:
    """Write the next version of an export, its item table made of another catalogue."""
    import_tensorflow()
    from tfpfd.serving import refresh

    console = Console()
    try:
        version = refresh(directory, items, operations=operation or ())
    except (OSError, ValueError, RuntimeError) as error:
        console.print(f"[red]error[/]: {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(2) from None
    console.print(f"written: {escape(str(version))}", soft_wrap=True)


@app.command()
def demo(
    quick: Annotated[
        bool, typer.Option(help="the last tenth of the log alone, one seed: about a minute")
    ] = False,
    out: Annotated[Path, typer.Option(help="where export and figure go")] = Path("saved_models"),
    data: Annotated[Path | None, typer.Option(help="a local copy of MovieLens-100K")] = None,
) -> None:
    """Train, compare, export and serve a student with a privileged teacher on MovieLens-100K."""
    import_tensorflow()
    from tfpfd.demo.movielens import run

    console = Console()
    try:
        run(out=out, quick=quick, data=data, console=console)
    except (OSError, ValueError) as error:
        console.print(f"[red]error[/]: {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(2) from None


@app.command("audit")
def audit_rows(
    data: Annotated[
        str,
        typer.Option(
            help="movielens, movielens-catalogue, another of tfpfd.datasets, or a folder with "
            "{train,validation,test}.parquet"
        ),
    ] = "movielens",
    schema: Annotated[Path | None, typer.Option(help="a file of what Schema.to_json wrote")] = None,
    seeds: Annotated[int, typer.Option(help="trainings of each arm")] = 5,
    metric: Annotated[
        str | None,
        typer.Option(help="auc, group_auc or log_loss; of a catalogue recall@k or ndcg@k"),
    ] = None,
    user_key: Annotated[
        str | None, typer.Option(help="the column of the user id; the list key if not given")
    ] = None,
    sees: Annotated[
        str | None, typer.Option(help="what the teacher sees: all (the default) or privileged")
    ] = None,
    distillation_weight: Annotated[
        float | None, typer.Option(help="λ, the share of the soft labels")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="of Adam")] = None,
    epochs: Annotated[int | None, typer.Option(help="at most")] = None,
    out: Annotated[Path, typer.Option(help="where the report goes")] = Path("audit"),
) -> None:
    """Do privileged features help a small student, or is it only regularisation?"""
    import_tensorflow()
    from tfpfd.demo.audit import run

    console = Console()
    try:
        given = {
            "sees": sees,
            "distillation_weight": distillation_weight,
            "learning_rate": learning_rate,
            "epochs": epochs,
        }
        report, page = run(data, schema, seeds, metric, out, user_key, given)
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
