"""The comparison of a demo, printed."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from tfpfd.auditing.comparison import METRICS, Arms, by_metric, cell, compare, is_better
from tfpfd.evaluation import Interval

CONTROLS = ("base", "self", "shuffled")


def print_report(results: Arms, console: Console, seeds: int) -> None:
    """Prints each arm's metrics, the distilled student's differences, and what they mean.

    Args:
      results: metrics `[seeds, 1 + resamples]` by arm.
      console: where to.
      seeds: how many there were.
    """
    several = f"{seeds} seeds" if seeds > 1 else "1 seed"
    table = Table(
        show_lines=True, title=f"test metrics, 95 % intervals over {several} and test users"
    )
    _columns(table, "")
    for arm, metrics in results.items():
        table.add_row(arm, *(_stacked(cell(metrics, metric)) for metric in METRICS))
    console.print(table)
    console.print(
        "The teacher needs a cross feature a candidate, so it can't rank a whole catalogue: that "
        "is why it isn't served."
    )
    console.print(
        "base: the student alone; self: its teacher sees served features only; shuffled: the "
        "teacher's privileged features are permuted."
    )
    differences = Table(show_lines=True, title="paired differences")
    _columns(differences, "distilled −")
    for control in CONTROLS:
        pairs = compare(results, control, METRICS)
        differences.add_row(control, *(_marked(pairs[metric], metric) for metric in METRICS))
    console.print(differences)
    console.print(by_metric(results, list(METRICS)))
    if seeds == 1:
        console.print(
            "One training of each arm can't tell a gain from luck, which is not in the intervals: "
            "only several seeds can."
        )


def _columns(table: Table, first: str) -> None:
    table.add_column(first, no_wrap=True)
    for title in METRICS.values():
        table.add_column(title)


def _stacked(interval: str) -> str:
    """An interval in two lines, so that six of them fit into 80 columns."""
    return interval.replace(" ± ", "\n± ")


def _marked(interval: Interval, metric: str) -> str:
    text = _stacked(str(interval))
    if not interval.excludes_zero:
        return text
    return f"[{'green' if is_better(interval, metric) else 'red'}]{text}[/]"
