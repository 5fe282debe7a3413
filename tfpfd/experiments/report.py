"""The comparison of a demo in a table, a sentence and a figure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from tfpfd.evaluation import Interval, confidence_interval, paired_difference

METRICS = {
    "auc": "AUC",
    "group_auc": "group AUC",
    "log_loss": "log loss",
    "ece": "ECE",
    "recall@50": "recall@50",
    "ndcg@10": "NDCG@10",
}
SMALLER_IS_BETTER = ("log_loss", "ece")
CONTROLS = ("base", "self", "shuffled")
Results = Mapping[str, Mapping[str, np.ndarray]]


def print_report(results: Results, console: Console, seeds: int) -> None:
    """Prints each arm's metrics, the distilled student's differences, and what they mean.

    Args:
      results: metrics `[seeds, 1 + resamples]` by arm.
      console: where to.
      seeds: how many there were.
    """
    several = f"{seeds} seeds" if seeds > 1 else "1 seed"
    table = Table(title=f"test metrics, 95 % intervals over {several} and test users")
    _columns(table, "")
    for arm, metrics in results.items():
        cells = [_cell(metrics, metric) for metric in METRICS]
        table.add_row(arm, *cells)
    console.print(table)
    console.print(
        "The teacher needs a cross feature a candidate, so it can't rank a whole catalogue: that "
        "is why it isn't served."
    )
    console.print(
        "base: the student alone; self: its teacher sees served features only; shuffled: the "
        "teacher's privileged features are permuted."
    )
    differences = Table(title="paired differences")
    _columns(differences, "distilled −")
    for control in CONTROLS:
        pairs = compare(results, control)
        differences.add_row(control, *(_marked(pairs[metric], metric) for metric in METRICS))
    console.print(differences)
    console.print(verdict(results))


def _columns(table: Table, first: str) -> None:
    table.add_column(first, no_wrap=True)
    for title in METRICS.values():
        table.add_column(title)


def _cell(metrics: Mapping[str, np.ndarray], metric: str) -> str:
    if metric not in metrics:
        return "–"
    interval = confidence_interval(metrics[metric])
    return f"{interval.mean:.4f} ± {(interval.high - interval.low) / 2:.4f}".replace("0.", ".")


def compare(results: Results, control: str) -> dict[str, Interval]:
    """The distilled student's metrics minus those of `control`, paired by seed and user."""
    distilled, other = results["distilled"], results[control]
    return {metric: paired_difference(distilled[metric], other[metric]) for metric in METRICS}


def _better(interval: Interval, metric: str) -> bool:
    return (interval.mean < 0) == (metric in SMALLER_IS_BETTER)


def _marked(interval: Interval, metric: str) -> str:
    if not interval.excludes_zero:
        return str(interval)
    return f"[{'green' if _better(interval, metric) else 'red'}]{interval}[/]"


def verdict(results: Results) -> str:
    """Which differences of the distilled student are real and which inside the noise.

    A gain counts only if it is one over the student alone and over every control.
    """
    by_control = {control: compare(results, control) for control in CONTROLS}

    def which(wanted: bool, controls: tuple[str, ...]) -> list[str]:
        return [
            METRICS[metric]
            for metric in METRICS
            if all(
                by_control[control][metric].excludes_zero
                and _better(by_control[control][metric], metric) == wanted
                for control in controls
            )
        ]

    gains, losses = which(True, CONTROLS), which(False, ("base",))
    regular = [name for name in which(True, ("base",)) if name not in gains]
    noise = [n for n in METRICS.values() if n not in (*gains, *losses, *regular)]
    behind = [
        f"{METRICS[metric]} ({control})"
        for metric in METRICS
        for control in CONTROLS[1:]
        if by_control[control][metric].excludes_zero
        and not _better(by_control[control][metric], metric)
    ]
    parts = [
        f"real, over base and both controls: {', '.join(gains) or 'nothing'}",
        f"over base, but not beyond doubt over every control: {', '.join(regular)}"
        if regular
        else "",
        f"worse than base: {', '.join(losses)}" if losses else "",
        f"worse than a control: {', '.join(behind)}" if behind else "",
        f"inside the noise: {', '.join(noise)}" if noise else "",
    ]
    return "What the privileged features gave the student: " + "; ".join(filter(None, parts)) + "."


def draw(results: Results, path: Path) -> Path:
    """Draws each arm's metrics with their intervals, a panel a metric.

    Args:
      results: metrics `[seeds, 1 + resamples]` by arm.
      path: of the PNG.

    Returns:
      `path`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.5), layout="constrained")
    arms = list(results)
    for axes, (metric, title) in zip(figure.subplots(2, 3).flat, METRICS.items(), strict=True):
        for place, arm in enumerate(arms):
            if metric not in results[arm]:
                continue
            interval = confidence_interval(results[arm][metric])
            color = {"distilled": "tab:blue", "teacher": "tab:green"}.get(arm, "tab:gray")
            axes.plot([interval.low, interval.high], [place, place], color=color, linewidth=2)
            axes.plot(interval.mean, place, "o", color=color)
        axes.set_yticks(range(len(arms)), arms)
        axes.set_ylim(len(arms) - 0.5, -0.5)
        arrow = "smaller is better" if metric in SMALLER_IS_BETTER else "larger is better"
        axes.set_title(f"{title} ({arrow})", fontsize=10)
        axes.grid(axis="x", alpha=0.3)
    seeds = len(results["base"]["auc"])
    over = f"{seeds} seeds and test users" if seeds > 1 else "test users (one seed)"
    figure.suptitle(f"MovieLens-100K, test rows; 95 % intervals over {over}")
    figure.savefig(path, dpi=120)
    return path
