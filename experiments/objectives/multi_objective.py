"""Ranking for several objectives: distillation against what is done today."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from experiments.experiment import Section
from experiments.finished_cells import FinishedCells
from experiments.grid import Cell, Metrics
from experiments.method_comparison import differences
from experiments.objectives.experiment import ObjectiveExperiment
from experiments.objectives.methods import (
    DISTILLED,
    FUSED,
    METHODS,
    MULTI_TASK,
    PRIMARY,
    RATE,
)
from experiments.objectives.seed_models import BOUND, TRIALS
from experiments.objectives.sources import RANKING, SOURCES
from tfpfd.datasets.registry import can
from tfpfd.evaluation.intervals import level

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRADE_OFFS = (0.25, 0.5, 1.0)
COST = {
    "training_seconds": "training, seconds",
    "models_in_service": "models in service",
    "trials": "trials",
}


class MultiObjective(ObjectiveExperiment):
    """All methods, at several trade-offs between the primary objective and the others."""

    name = "multi-objective"
    question = "Does one distilled student beat models whose scores are fused when serving?"
    claim = (
        '"Multi-objective Learning to Rank by Model Distillation", KDD 2024 (arXiv 2407.07181): '
        "NDCG of the primary objective +1.1 % over the multi-task system, secondary objectives "
        "neutral, training time as the baseline's; one model in service and no weights to search."
    )
    metrics = (*RANKING, *COST)
    seeds = 2

    def settings(self) -> dict[str, Any]:
        """How weights are searched for and bounds are kept, beside what all of the kind have."""
        return {**super().settings(), "trials": TRIALS, "bound": BOUND, "rate": RATE}

    def cells(self, seeds: int) -> list[Cell]:
        """Every method at every trade-off, seed by seed; the primary ranker has none."""
        return [
            {"method": method, "trade_off": trade_off, "seed": seed}
            for seed in range(seeds)
            for method in METHODS
            for trade_off in ((0.0,) if method == PRIMARY else TRADE_OFFS)
        ]

    def run(self, cell: Cell) -> Metrics:
        """Trains what a method needs beyond what others of the seed have trained."""
        seed = int(cell["seed"])
        found = METHODS[str(cell["method"])](self.shared(seed), float(cell["trade_off"]))
        return {
            **self.task.evaluate(found.scores),
            "training_seconds": found.seconds,
            "models_in_service": float(found.models),
            "trials": float(found.trials),
        }

    def report(self, results: FinishedCells) -> list[Section]:
        """Metrics, differences, the trade-offs as a picture, and the claims."""
        assert self.source is not None
        source = self.tasks[self.source]
        true = ["purchase_rate"] if can(self.source, "true rates") else []
        shown = ["ndcg", *true, *source.omega, "exposure"]
        omega = ", ".join(f"{name} {weight:+g} t" for name, weight in source.omega.items())
        text = (
            f"t is the trade-off. ω: 1 for the primary objective, {omega}. Where a method fuses "
            f"scores when serving, its weights between {-BOUND:g} and {BOUND:g} are found in "
            f"{TRIALS} trials at most, for the largest Σ ω · lift on validation rows: lift is how "
            "many labels stand under the attention to the first three of a list, over how many do "
            "without a ranking. *its teachers* fuses the teachers of *distilled* by ω, unsearched; "
            f"*frozen, fused* searches.{_AVOIDED if source.avoided else ''} Of the goal: "
            f"{source.goal}."
        )
        paired = "Paired by seed and resampled user; bold where the interval excludes zero."
        level_text = {name: "95 % intervals over seeds and users." for name in shown}
        for name in source.avoided:
            level_text[name] += " Less is better."
        figure = _draw(results, shown, self.source)
        return [
            Section("Claimed and found", _CLAIMS, _claims(results, list(source.omega))),
            Section("Trade-offs", text, figure=figure),
            *(
                Section(RANKING[name], level_text[name], _by_trade_off(results, name))
                for name in shown
            ),
            Section(
                "Minus frozen, fused",
                paired + " At the same trade-off.",
                _differences(results, shown, FUSED),
            ),
            Section("Minus primary only", paired, _differences(results, shown, PRIMARY)),
            Section(
                "What it costs",
                "Means over seeds and trade-offs. Seconds are those of all models that a method "
                "needs: teachers too, which several methods of a seed share here. Trials are of "
                "one trade-off.",
                _costs(results),
            ),
        ]


_CLAIMS = (
    "The paper's multi-task system is a network for all objectives with weights searched for, here "
    f"*{MULTI_TASK}*; differences are *{DISTILLED}* minus it, of secondary metrics as they are "
    "measured, of NDCG in per cent of the system's. At a trade-off the two needn't stand at the "
    "same point: see the picture."
)


_AVOIDED = (
    " What is to be avoided is a label of its own to all that fuse scores or distil; where labels "
    "are added, purchases that were kept stand for it, as their weights can't be below 0."
)


def _settings(method: str, trade_off: float) -> Cell:
    return {"method": method, "trade_off": 0.0 if method == PRIMARY else trade_off}


def _claims(results: FinishedCells, secondary: list[str]) -> pd.DataFrame:
    rows = []
    for trade_off in TRADE_OFFS:
        cells = [_settings(method, trade_off) for method in (DISTILLED, MULTI_TASK)]
        found = results.difference("ndcg", *cells)
        base = results.interval("ndcg", **cells[1]).mean
        row = {"t": trade_off, "NDCG, %": _percent(found.mean, found.half, base)}
        row |= differences(results, {name: RANKING[name] for name in secondary}, *cells)
        seconds = [results.interval("training_seconds", **cell).mean for cell in cells]
        students = [_one_training(results, trade_off), seconds[1]]
        row["training, all models"] = _ratio(seconds)
        row["training, student alone"] = _ratio(students)
        rows.append(row)
    claimed = {"t": "claimed", "NDCG, %": "+1.1", "training, student alone": "1.0×"}
    neutral = {RANKING[name]: "neutral" for name in secondary}
    return pd.DataFrame([{**claimed, **neutral}, *rows], columns=list(rows[0])).fillna("–")


def _one_training(results: FinishedCells, trade_off: float) -> float:
    """Seconds of the student: those of the distillation less those of its teachers."""
    both = (_settings(method, trade_off) for method in (DISTILLED, FUSED))
    return results.difference("training_seconds", *both).mean


def _percent(mean: float, half: float, base: float) -> str:
    return "–" if math.isnan(mean) else f"{100 * mean / base:+.2f} ± {100 * half / base:.2f}"


def _ratio(pair: list[float]) -> str:
    return "–" if math.isnan(pair[0] + pair[1]) else f"{pair[0] / pair[1]:.1f}×"


def _by_trade_off(results: FinishedCells, metric: str) -> pd.DataFrame:
    """A row a method, a column a trade-off."""
    return pd.DataFrame(
        {
            "method": method,
            **{
                f"t = {trade_off:g}": level(
                    results.interval(metric, **_settings(method, trade_off))
                )
                for trade_off in TRADE_OFFS
            },
        }
        for method in METHODS
    )


def _differences(results: FinishedCells, metrics: list[str], against: str) -> pd.DataFrame:
    titles = {metric: RANKING[metric] for metric in metrics}
    return pd.DataFrame(
        {
            "method": method,
            "t": trade_off,
            **differences(
                results, titles, _settings(method, trade_off), _settings(against, trade_off)
            ),
        }
        for method in METHODS
        if method not in (against, PRIMARY)
        for trade_off in TRADE_OFFS
    )


def _costs(results: FinishedCells) -> pd.DataFrame:
    means = results.frame.groupby("method")[list(COST)].mean().T.to_dict()
    return pd.DataFrame(
        {
            "method": method,
            **{COST[name]: _number(means[method][name]) for name in COST},
        }
        for method in METHODS
        if method in means
    )


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3g}"


def _draw(results: FinishedCells, shown: list[str], source: str) -> Figure:
    from matplotlib.figure import Figure

    primary = "purchase_rate" if "purchase_rate" in shown else "ndcg"
    others = [name for name in shown if name not in ("ndcg", "purchase_rate")]
    figure = Figure(figsize=(4.2 * len(others), 5.2), layout="constrained")
    grid = figure.subplots(1, len(others), sharey=True, squeeze=False)[0]
    for axes, name in zip(grid, others, strict=True):
        for place, method in enumerate(METHODS):
            _line(axes, results, method, name, primary, place)
        arrow = "← better" if name in SOURCES[source].avoided else "better →"
        axes.set_xlabel(RANKING[name] + ("" if name == "exposure" else f" ({arrow})"))
        axes.locator_params(axis="x", nbins=5)
        axes.grid(alpha=0.3)
    grid[0].set_ylabel(f"{RANKING[primary]} (higher is better)")
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside right center", fontsize=8)
    steps = ", ".join(f"{trade_off:g}" for trade_off in TRADE_OFFS)
    figure.suptitle(f"{source}: each method over t = {steps} (larger points: larger t)")
    return figure


def _color(place: int) -> str:
    """A color of its own for each of twenty: the strong ones first, then the light ones."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return to_hex(colormaps["tab20"](2 * (place % 10) + place // 10))


def _line(
    axes: Axes, results: FinishedCells, method: str, metric: str, primary: str, place: int
) -> None:
    cells = [_settings(method, trade_off) for trade_off in TRADE_OFFS]
    x, y = ([results.interval(m, **cell).mean for cell in cells] for m in (metric, primary))
    if method == PRIMARY:
        axes.plot(x[:1], y[:1], "*", color="black", markersize=14, label=method)
        return
    color, marker = _color(place), "os^D"[place // 10 * 2]
    bold = method == DISTILLED
    axes.plot(x, y, "-" if place < 10 else "--", color=color, linewidth=2.5 if bold else 1)
    axes.scatter(x, y, [20, 45, 80], color=color, marker=marker)
    axes.plot([], [], f"{marker}-" if place < 10 else f"{marker}--", color=color, label=method)
