"""The figures of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfpfd.auditing.results import TOGETHER, Results
from tfpfd.evaluation import Interval, confidence_interval
from tfpfd.evaluation.differences import CONTROLS, Metrics, gain
from tfpfd.evaluation.metrics import SMALLER_IS_BETTER
from tfpfd.evaluation.titles import title_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = {
    "base": "#5f6b7a",
    "self": "#c58b1a",
    "shuffled": "#b0553f",
    "zeroed": "#7d5ba6",
    "distilled": "#1f6fb4",
    "teacher": "#2f8f5b",
}


def comparison(rows: Mapping[str, Metrics], metrics: Sequence[str], title: str) -> Figure:
    """Each arm's metrics with their intervals, a panel a metric, three panels a row.

    Args:
      rows: metrics `[seeds, 1 + resamples]` by arm.
      metrics: names of the metrics.
      title: of the figure.
    """
    wide = 3 if len(metrics) > 4 else 2
    high = -(-len(metrics) // wide)
    figure = _figure(11, 0.6 + 2.45 * high)
    panels = figure.subplots(high, wide, squeeze=False).flat
    for axes in panels[len(metrics) :]:
        axes.set_axis_off()
    for axes, metric in zip(panels, metrics, strict=False):
        shown = [arm for arm in rows if metric in rows[arm]]
        for arm in shown:
            _whisker(axes, list(rows).index(arm), confidence_interval(rows[arm][metric]), arm)
        _label_rows(axes, list(rows))
        better = "smaller" if metric in SMALLER_IS_BETTER else "larger"
        axes.set_title(f"{title_of(metric)} ({better} is better)", fontsize=10)
    figure.suptitle(title, fontsize=12)
    return figure


def gains(results: Results) -> Figure:
    """Differences that the verdict goes by, and if there are several sizes, gains by size."""
    several = len(results.sizes) > 1
    figure = _figure(11 if several else 7.5, 3.6)
    panels = figure.subplots(1, 2 if several else 1, squeeze=False)[0]
    _forest(panels[0], results)
    if several:
        _by_size(panels[1], results)
    return figure


def _forest(axes: Axes, results: Results) -> None:
    students, metric = results.largest.students, results.metric
    pairs = [("distilled", "base"), *(("distilled", name) for name in CONTROLS)]
    pairs += [(name, "base") for name in CONTROLS]
    for place, (arm, other) in enumerate(pairs):
        _whisker(axes, place, gain(students[arm], students[other], metric), arm)
    _label_rows(axes, [f"{arm} − {other}" for arm, other in pairs])
    axes.axhline(len(CONTROLS) + 0.5, color="0.85", linewidth=1)
    _zero(axes, "x")
    axes.set_title(f"differences in {title_of(metric)} (right is better)", fontsize=10)


def _by_size(axes: Axes, results: Results) -> None:
    metric = results.metric
    labelled = [size.labelled for size in results.sizes.values()]
    step = (max(labelled) - min(labelled)) * 0.012
    for number, arm in enumerate((*CONTROLS, "distilled")):
        found = [gain(s.students[arm], s.students["base"], metric) for s in results.sizes.values()]
        places = np.array(labelled) + (number - 1.5) * step  # Beside, not over each other.
        means = [one.mean for one in found]
        color = COLORS[arm]
        axes.vlines(places, [f.low for f in found], [f.high for f in found], color=color, alpha=0.6)
        axes.plot(places, means, "o-", color=color, label=arm, markersize=4, linewidth=1.3)
    _zero(axes, "y")
    axes.set_xticks(labelled, [f"{rows:,}" for rows in labelled])
    axes.set_xlabel(f"training {results.measures.labelled}", fontsize=9)
    axes.set_title(f"gain over base in {title_of(metric)}", fontsize=10)
    axes.legend(fontsize=8, frameon=False)


def strength(results: Results) -> Figure:
    """How strong each privileged feature is, and what a stronger teacher gives the student."""
    strengths = results.strengths()
    figure = _figure(11, max(3.4, 1.6 + 0.28 * len(strengths)))
    left, right = figure.subplots(1, 2)
    for place, (name, interval) in enumerate(strengths.items()):
        _whisker(left, place, interval, "base" if name == TOGETHER else "teacher")
    _label_rows(left, list(strengths))
    _zero(left, "x")
    metric = title_of(results.teacher_metric)
    left.set_title(f"teacher's loss in {metric} if permuted", fontsize=10)
    _gain_over_strength(right, results)
    return figure


def _gain_over_strength(axes: Axes, results: Results) -> None:
    metric, markers = results.metric, "osD^vP*"
    for number, (share, size) in enumerate(results.sizes.items()):
        base = size.students["base"]
        for arm, teacher in size.teachers.items():
            x = gain(teacher, base, results.teacher_metric)
            y = gain(size.students[arm], base, metric)
            axes.errorbar(
                x.mean,
                y.mean,
                xerr=[[x.mean - x.low], [x.high - x.mean]],
                yerr=[[y.mean - y.low], [y.high - y.mean]],
                color=COLORS[arm],
                marker=markers[number % len(markers)],
                linewidth=1,
                alpha=1.0 if size is results.largest else 0.45,
                label=arm if size is results.largest else None,
            )
        if len(results.sizes) > 1:
            rows = f"{share:.0%} of the rows"
            axes.plot([], [], markers[number % len(markers)], color="0.4", label=rows)
    _zero(axes, "x")
    _zero(axes, "y")
    strength = title_of(results.teacher_metric)
    axes.set_xlabel(f"teacher − base, {strength} (right is better)", fontsize=9)
    axes.set_ylabel(f"student − base, {title_of(metric)} (up is better)", fontsize=9)
    axes.set_title("student's gain over teacher's strength", fontsize=10)
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


def calibration(results: Results) -> Figure:
    """Reliability of base and distilled: observed over predicted rates."""
    figure = _figure(5.2, 4.6)
    axes = figure.subplots()
    points = results.largest.reliability
    rates = np.concatenate([frame[["predicted", "observed"]] for frame in points.values()])
    low, high = rates.min(), rates.max()
    room = 0.04 * (high - low)
    axes.plot([low, high], [low, high], color="0.7", linewidth=1, linestyle="--")
    for arm, frame in points.items():
        error = confidence_interval(results.largest.students[arm]["ece"]).mean
        axes.plot(
            frame["predicted"],
            frame["observed"],
            "o-",
            color=COLORS[arm],
            markersize=4,
            linewidth=1.3,
            label=f"{arm} (ECE {error:.4f})",
        )
    axes.set_xlim(low - room, high + room)
    axes.set_ylim(low - room, high + room)
    axes.set_xlabel("predicted rate", fontsize=9)
    axes.set_ylabel("observed rate", fontsize=9)
    axes.set_title("calibration on test rows, ten bins of equal size", fontsize=10)
    axes.legend(fontsize=8, frameon=False)
    _bare(axes)
    return figure


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("figures need matplotlib: pip install 'tfpfd[plots]'") from error
    return Figure(figsize=(width, height), layout="constrained")


def _whisker(axes: Axes, place: int, interval: Interval, arm: str) -> None:
    color = COLORS[arm]
    axes.plot([interval.low, interval.high], [place, place], color=color, linewidth=2)
    axes.plot(interval.mean, place, "o", color=color)


def _label_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    _bare(axes)


def _zero(axes: Axes, axis: str) -> None:
    line = axes.axvline if axis == "x" else axes.axhline
    line(0, color="0.6", linewidth=1, zorder=0)
    _bare(axes)


def _bare(axes: Axes) -> None:
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
