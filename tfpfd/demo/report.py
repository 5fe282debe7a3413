"""What the demo prints: students beside their rivals, and what the privileged features gave."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from tfpfd.evaluation import Interval, confidence_interval
from tfpfd.evaluation.comparison import Comparison
from tfpfd.evaluation.differences import CONTROLS, by_metric, compare, is_better
from tfpfd.evaluation.intervals import level
from tfpfd.evaluation.rivals import title_of_rival
from tfpfd.evaluation.titles import ABOUT, title_of


def print_comparison(found: Comparison, console: Console, title: str, note: str) -> None:
    """Prints what stands beside the base, the distilled student's differences, what they mean.

    Args:
      found: with the models "base" and "distilled", and "self" and "shuffled" where there are any.
      console: where to.
      title: of the table.
      note: what a reader has to know of it.
    """
    several = f"{found.seeds} seeds" if found.seeds > 1 else "1 seed"
    console.print(f"\n[bold]{title}[/bold]", highlight=False)
    console.print(note, highlight=False)
    console.print(found.first_line, highlight=False)
    table = Table(title=f"test likes, 95 % intervals over test users and {several}")
    table.add_column("", no_wrap=True)
    for metric in found.metrics:
        table.add_column(title_of(metric), no_wrap=True)
        table.add_column("minus base", no_wrap=True)
    for name, values in found.values.items():
        row = [title_of_rival(name)]
        for metric in found.metrics:
            over = "" if name == found.base else _marked(found.minus_base(name, metric), metric)
            row += [level(confidence_interval(values[metric])), over]
        table.add_row(*row, end_section=name == [*found.rivals][-1])
    console.print(table)
    controls = [name for name in ("base", *CONTROLS) if name in found.models]
    about = "; ".join(f"{name}: {ABOUT[name]}" for name in controls)
    console.print(f"{about}.", highlight=False)
    pairs = {control: compare(found.models, control, found.metrics) for control in controls}
    for metric in found.metrics:
        over = ", ".join(
            f"{control} {_marked(pairs[control][metric], metric)}" for control in pairs
        )
        console.print(f"{title_of(metric)}, distilled minus {over}", highlight=False)
    if found.seeds == 1:
        console.print(
            "One training of each can't tell what a teacher gave from luck, which isn't in the "
            "intervals: only several seeds can."
        )
        return
    console.print(by_metric(found.models, found.metrics), highlight=False)
    for caveat in found.caveats:
        console.print(caveat, highlight=False)


def _marked(interval: Interval, metric: str) -> str:
    """The interval; in colour where it excludes zero."""
    if not interval.excludes_zero:
        return str(interval)
    return f"[{'green' if is_better(interval, metric) else 'red'}]{interval}[/]"
