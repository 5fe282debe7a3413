"""Ad-hoc goals: a boost of soft labels in training against a boost of scores when serving."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from experiments.experiment import Section
from experiments.finished_cells import FinishedCells, over_seeds
from experiments.grid import Cell, Metrics
from experiments.method_comparison import levels, marked
from experiments.objectives.experiment import ObjectiveExperiment
from experiments.objectives.objective_task import PICKED
from experiments.objectives.seed_models import SeedModels
from experiments.objectives.sources import RANKING
from tfpfd.datasets.registry import can
from tfpfd.distillation import Distillation
from tfpfd.objectives import FusedTeachers, RuleBoost

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRADE_OFF = 0.5
TRAINING, SERVING = "training", "serving"
BETAS = {SERVING: (0.0, 0.25, 0.5, 1.0, 2.0, 4.0), TRAINING: (0.5, 1.0, 2.0, 4.0)}
COSTS = ("ndcg", "purchase_rate")


class Boost(ObjectiveExperiment):
    """Boosts of several sizes in both places, on the fused teachers of several objectives."""

    name = "boost"
    question = "Does an ad-hoc goal cost less NDCG when its boost is learned than when it is added?"
    claim = (
        '"Multi-objective Learning to Rank by Model Distillation", KDD 2024 (arXiv 2407.07181): at '
        "the same effect of the rule, NDCG −0.1 % with the boost in the soft labels against −0.5 % "
        "with the boost added to the score when serving."
    )
    metrics = tuple(RANKING)
    seeds = 3
    trade_off = TRADE_OFF

    def cells(self, seeds: int) -> list[Cell]:
        """Every β in both places, seed by seed; 0 is the same in both."""
        return [
            {"boost": where, "beta": beta, "seed": seed}
            for seed in range(seeds)
            for where, betas in BETAS.items()
            for beta in betas
        ]

    def run(self, cell: Cell) -> Metrics:
        """Trains a student with a boost, or adds one to the scores of that without."""
        seed, beta = int(cell["seed"]), float(cell["beta"])
        shared = self.shared(seed)
        if cell["boost"] == TRAINING:
            return self.task.evaluate(_student(shared, beta))
        scores = shared.keep("unboosted", lambda: _student(shared, 0.0))
        return self.task.evaluate(scores + beta * self.task.test.inputs[PICKED])

    def report(self, results: FinishedCells) -> list[Section]:
        """Costs at equal exposure, the curves, and metrics."""
        assert self.source is not None
        goal = self.tasks[self.source].goal
        costs = [m for m in COSTS if m == "ndcg" or can(self.source, "true rates")]
        equal = (
            f"The goal: {goal}. Exposure is the share of attention to the first three of a list "
            "that goes to them. Changes are from the student without a boost, in per cent of its "
            "metric; that of serving is read off its curve over β, between its points, at the "
            "exposure that the boost in training reached. The last column is training minus "
            "serving, in the metric's unit: above 0, the learned boost costs less. Paired by seed "
            "and resampled user; bold where the interval excludes zero."
        )
        figure = _draw(results, costs, goal, self.source)
        tables = [_at_equal_exposure(results, metric) for metric in costs]
        return [
            Section(f"{RANKING[costs[0]]} at equal exposure", equal, tables[0], figure),
            *(
                Section(f"{RANKING[metric]} at equal exposure", "As above.", table)
                for metric, table in zip(costs[1:], tables[1:], strict=True)
            ),
            Section("Test metrics", "95 % intervals over seeds and users.", _metrics(results)),
        ]


def _student(shared: SeedModels, beta: float) -> np.ndarray:
    """Scores of the test rows by a student of boosted soft labels."""
    task, teachers = shared.task, shared.teachers

    def make() -> Distillation:
        fusion = FusedTeachers(teachers, task.omega(TRADE_OFF))
        return task.distillation(RuleBoost(fusion, PICKED, beta))

    return task.test.scores(shared.train(make).model.student)


def _curve(results: FinishedCells, metric: str) -> dict[int, np.ndarray]:
    """By seed, `[betas, 1 + resamples]` of the boost when serving; seeds that have all of it."""
    found = [results.values(metric, boost=SERVING, beta=beta) for beta in BETAS[SERVING]]
    seeds = [seed for seed in found[0] if all(seed in values for values in found)]
    return {seed: np.stack([values[seed] for values in found]) for seed in seeds}


def read_off(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Reads each column's curve at one place.

    Args:
      x: `[points, columns]`, rising in each column.
      y: `[points, columns]`.
      at: `[columns]`.

    Returns:
      `[columns]` on the straight line between the points around; nan beyond the ends.
    """
    columns = zip(at, x.T, y.T, strict=True)
    return np.array([np.interp(a, xs, ys, left=np.nan, right=np.nan) for a, xs, ys in columns])


def _at_equal_exposure(results: FinishedCells, metric: str) -> pd.DataFrame:
    exposures, values = _curve(results, "exposure"), _curve(results, metric)
    rows = []
    for beta in BETAS[TRAINING]:
        reached = results.values("exposure", boost=TRAINING, beta=beta)
        learned = results.values(metric, boost=TRAINING, beta=beta)
        seeds = [seed for seed in learned if seed in values]
        if not seeds:
            continue
        added = {s: read_off(exposures[s], values[s], reached[s]) for s in seeds}
        base = float(np.mean([values[seed][0, 0] for seed in seeds]))
        change = [
            100 * (np.mean([of[seed].flat[0] for seed in seeds]) / base - 1)
            for of in (learned, added)
        ]
        gained = [reached[seed] - exposures[seed][0] for seed in seeds]
        # A resample in which the curve doesn't reach that far has no such point.
        pairs = np.stack([learned[seed] - added[seed] for seed in seeds])
        kept = ~np.isnan(pairs).any(axis=0)
        enough = kept[0] and (pairs.shape[1] == 1 or kept.sum() > 2)
        rows.append(
            {
                "β in training": beta,
                "exposure gained": marked(over_seeds(gained)),
                "in training, %": f"{change[0]:+.2f}",
                "when serving, %": f"{change[1]:+.2f}" if enough else "not reached",
                "difference": marked(over_seeds([*pairs[:, kept]])) if enough else "–",
            }
        )
    return pd.DataFrame(rows)


def _metrics(results: FinishedCells) -> pd.DataFrame:
    titles = results.present(RANKING)
    return pd.DataFrame(
        {"boost in": where, "β": beta, **levels(results, titles, {"boost": where, "beta": beta})}
        for where, betas in BETAS.items()
        for beta in betas
    )


def _draw(results: FinishedCells, metrics: list[str], goal: str, source: str) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6 * len(metrics), 4.5), layout="constrained")
    grid = figure.subplots(1, len(metrics), squeeze=False)[0]
    for axes, metric in zip(grid, metrics, strict=True):
        for where, color in ((TRAINING, "tab:blue"), (SERVING, "tab:orange")):
            start = [(SERVING, 0.0)] if where == TRAINING else []
            cells = start + [(where, beta) for beta in BETAS[where]]
            x, y = (
                [results.interval(name, boost=place, beta=beta) for place, beta in cells]
                for name in ("exposure", metric)
            )
            half = [interval.half for interval in y]
            means = ([i.mean for i in x], [i.mean for i in y])
            axes.errorbar(*means, half, fmt="o-", color=color, capsize=2, label=f"boost in {where}")
            for (_, beta), *point in zip(cells, *means, strict=True):
                if np.isfinite(point).all():
                    axes.annotate(
                        f"{beta:g}",
                        point,
                        (4, 4 if where == TRAINING else -11),
                        textcoords="offset points",
                        fontsize=8,
                    )
        axes.set_xlabel(f"exposure of {goal}")
        axes.set_ylabel(f"{RANKING[metric]} (higher is better)")
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle(
        f"{source}: the cost of an ad-hoc goal over β (at the points)\n"
        "95 % intervals of each point; those of differences within seeds and users are narrower",
        fontsize=10,
    )
    return figure
