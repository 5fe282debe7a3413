"""Trainings compared metric by metric: paired differences, and which of them are real."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from tfpfd.evaluation.intervals import FloatArray, Interval, paired_difference
from tfpfd.evaluation.metrics import SMALLER_IS_BETTER
from tfpfd.evaluation.titles import title_of

CONTROLS = ("self", "shuffled", "zeroed")

# Metrics [seeds, 1 + resamples] by name, of one arm and of all.
Metrics: TypeAlias = Mapping[str, FloatArray]
Arms: TypeAlias = Mapping[str, Metrics]


def compare(arms: Arms, control: str, metrics: Collection[str]) -> dict[str, Interval]:
    """The distilled student's metrics minus those of `control`, paired by seed and user."""
    distilled, other = arms["distilled"], arms[control]
    return {metric: paired_difference(distilled[metric], other[metric]) for metric in metrics}


def gain(better: Metrics, than: Metrics, metric: str) -> Interval:
    """By how much one is better than another in a metric; positive is better, whatever it is."""
    if metric in SMALLER_IS_BETTER:
        better, than = than, better
    return paired_difference(better[metric], than[metric])


def is_better(difference: Interval, metric: str) -> bool:
    """Whether a difference in this metric is one to the better."""
    return (difference.mean < 0) == (metric in SMALLER_IS_BETTER)


def by_metric(arms: Arms, metrics: Sequence[str]) -> str:
    """In a sentence: which differences of the distilled student are real, which inside the noise.

    A gain counts only if it is one over the student alone and over every control.

    Args:
      arms: with "distilled", "base" and controls.
      metrics: names of the metrics.
    """
    controls = [control for control in CONTROLS if control in arms]
    pairs = {control: compare(arms, control, metrics) for control in ("base", *controls)}

    def beyond_noise(metric: str, control: str, better: bool) -> bool:
        difference = pairs[control][metric]
        return difference.excludes_zero and is_better(difference, metric) == better

    def which(better: bool, others: Sequence[str]) -> list[str]:
        found = [m for m in metrics if all(beyond_noise(m, other, better) for other in others)]
        return [title_of(metric) for metric in found]

    gains, losses = which(True, ["base", *controls]), which(False, ["base"])
    regular = [name for name in which(True, ["base"]) if name not in gains]
    noise = [title_of(m) for m in metrics if title_of(m) not in (*gains, *losses, *regular)]
    behind = [
        f"{title_of(metric)} ({control})"
        for metric in metrics
        for control in controls
        if beyond_noise(metric, control, better=False)
    ]
    parts = {
        "over base, but not beyond doubt over every control": regular,
        "worse than base": losses,
        "worse than a control": behind,
        "inside the noise": noise,
    }
    found = [f"{what}: {', '.join(names)}" for what, names in parts.items() if names]
    real = f"real, over base and every control: {', '.join(gains) or 'nothing'}"
    return f"What the privileged features gave the student: {'; '.join([real, *found])}."


def stacked(runs: Sequence[Metrics]) -> dict[str, FloatArray]:
    """Metrics `[seeds, 1 + resamples]` of the metrics `[1 + resamples]` of each seed."""
    return {metric: np.stack([run[metric] for run in runs]) for metric in runs[0]}
