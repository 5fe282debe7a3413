"""The demo's figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tfpfd.evaluation import confidence_interval
from tfpfd.evaluation.comparison import Comparison
from tfpfd.evaluation.rivals import title_of_rival
from tfpfd.evaluation.titles import title_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_RIVAL, _OTHER, _DISTILLED = "#5f6b7a", "#c58b1a", "#1f6fb4"


def retrieval(found: Mapping[str, Comparison]) -> Figure:
    """Rivals and students with their intervals: a row a table, a panel a metric.

    Args:
      found: by title.
    """
    from matplotlib.figure import Figure

    metrics = next(iter(found.values())).metrics
    figure = Figure(figsize=(5.5 * len(metrics), 0.8 + 2.4 * len(found)), layout="constrained")
    grid = figure.subplots(len(found), len(metrics), squeeze=False)
    for line, (title, one) in zip(grid, found.items(), strict=True):
        for axes, metric in zip(line, metrics, strict=True):
            for place, (name, values) in enumerate(one.values.items()):
                interval = confidence_interval(values[metric])
                color = _RIVAL if name in one.rivals else _OTHER
                color = _DISTILLED if name == "distilled" else color
                axes.plot([interval.low, interval.high], [place, place], color=color, linewidth=2)
                axes.plot(interval.mean, place, "o", color=color)
            axes.set_yticks(range(len(one.values)), [title_of_rival(n) for n in one.values])
            axes.invert_yaxis()
            axes.grid(axis="x", alpha=0.3)
            axes.set_title(f"{title}: {title_of(metric)}", fontsize=10)
    figure.suptitle("MovieLens-100K, test likes among all films; 95 % intervals", fontsize=11)
    return figure
