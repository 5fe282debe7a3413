"""How far retrainings on the same data disagree, with soft labels and without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from experiments.experiment import Section
from experiments.finished_cells import FinishedCells
from experiments.grid import Cell, Metrics
from experiments.method_comparison import differences, levels
from experiments.objectives.experiment import ObjectiveExperiment
from experiments.objectives.objective_task import TOP
from experiments.objectives.retrainings import (
    Scored,
    scored_by_previous,
    scored_by_teachers,
    train_alone,
    train_from_previous,
    train_from_teachers,
    train_teachers,
)
from experiments.objectives.sources import RANKING
from tfpfd.evaluation import Interval, Irreproducibility, irreproducibility

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ALONE, DISTILLED, SELF = "student alone", "distilled", "self-distilled"
METHODS = (ALONE, DISTILLED, SELF)
MEASURES = {
    "change_rate": "any change of order",
    "top_k_change_rate": f"top-{TOP} change",
    "tau_below_rate": "τ below .9",
    "mean_tau": "mean τ",
    "prediction_difference": "PD",
}
PUBLISHED = {
    "method": "paper",
    "change_rate": "77 % → 36 %",
    "prediction_difference": ".407 → .363",
}
TITLES = {metric: RANKING[metric] for metric in ("ndcg", "purchase_rate")}
# The seed of what all retrainings have in common; none of them has it.
FIXED = 100_000


class IrreproducibilityExperiment(ObjectiveExperiment):
    """A retraining of each method a seed, all on the same rows.

    A cell keeps what its student says of the test rows, as the probabilities of `_shares`, and
    which list each is in: `results.csv` has the first row's, which says nothing by itself. So the
    report compares whatever retrainings are finished.
    """

    name = "irreproducibility"
    question = "Do soft labels from fixed scorers make retrainings on the same data agree more?"
    claim = (
        "Yes: the change rate of rankings falls from 77 % to 36 %, the prediction difference PD "
        'from .407 to .363 ("Multi-objective Learning to Rank by Model Distillation", KDD 2024, '
        "arXiv 2407.07181). The paper compares orders by a Kendall τ whose threshold it doesn't "
        "say; here any change of order is one, and other measures stand beside it."
    )
    metrics = (*TITLES, "probability", "list")
    seeds = 5
    _of_teachers: Scored | None = None
    _of_previous: Scored | None = None

    def cells(self, seeds: int) -> list[Cell]:
        """A retraining of every method a seed."""
        return [{"method": method, "seed": seed} for seed in range(seeds) for method in METHODS]

    def run(self, cell: Cell) -> Metrics:
        """Trains a student."""
        scores = self.task.test.scores(self._student(str(cell["method"]), int(cell["seed"])))
        found = self.task.evaluate(scores)
        lists = self.task.test.lists
        return {
            **{name: found[name] for name in TITLES if name in found},
            "probability": _shares(scores, lists),
            "list": lists,
        }

    def _student(self, method: str, seed: int) -> Any:
        rows = self.task.train
        if method == ALONE:
            return train_alone(self.task, rows, seed)
        if self._of_teachers is None:
            teachers = train_teachers(self.task, rows, FIXED)
            self._of_teachers = scored_by_teachers(self.task, rows, teachers)
        if method == DISTILLED:
            return train_from_teachers(self.task, self._of_teachers, seed, self.trade_off)
        if self._of_previous is None:
            previous = train_from_teachers(self.task, self._of_teachers, FIXED, self.trade_off)
            self._of_previous = scored_by_previous(self.task, rows, previous)
        return train_from_previous(self.task, self._of_previous, seed)

    def report(self, results: FinishedCells) -> list[Section]:
        """Disagreement by method beside the paper's, and quality."""
        compared = {method: _compared(results, method) for method in METHODS}
        found = {method: one for method, one in compared.items() if one is not None}
        text = "Each method needs two finished retrainings at least."
        if found:
            some = next(iter(found.values()))
            text = (
                f"Means over all pairs of {_counts(found)} retrainings on {some.lists:,} test "
                f"lists, of which {some.single_rows:,} of one row; 95 % intervals over lists and, "
                "from three retrainings on, retrainings. *distilled*: the teachers are frozen and "
                "the same for all retrainings. *self-distilled*: so is the previous version. PD: "
                "mean of 2·|p1−p2|/(p1+p2), p a row's share of the softmax over its list, as "
                "scores that were trained by a loss of lists have no level of their own."
            )
        rows = [
            {"method": method, **{m: _share(getattr(one, m)) for m in MEASURES}}
            for method, one in found.items()
        ]
        table = pd.DataFrame([*rows, PUBLISHED], columns=["method", *MEASURES]).fillna("–")
        quality = _quality(results)
        return [
            Section("Disagreement", text, table.rename(columns=MEASURES), _draw(found)),
            Section(
                "Quality",
                f"95 % intervals over retrainings and users; behind them the difference from "
                f"*{ALONE}*, bold where its interval excludes zero.",
                quality,
            ),
        ]


def _shares(scores: np.ndarray, lists: np.ndarray) -> np.ndarray:
    """`[rows]` softmax over each list, which keeps its order."""
    logits = scores.astype(np.float64)
    top = np.full(int(lists.max()) + 1, -np.inf)
    np.maximum.at(top, lists, logits)
    weights = np.exp(logits - top[lists])
    return weights / np.bincount(lists, weights)[lists]


def _compared(results: FinishedCells, method: str) -> Irreproducibility | None:
    """The finished retrainings of a method, if there are two."""
    found = results.values("probability", method=method)
    if len(found) < 2:
        return None
    lists = next(iter(results.values("list", method=method).values())).astype(np.int64)
    return irreproducibility([*found.values()], lists, top_k=TOP, from_logits=False)


def _counts(found: Mapping[str, Irreproducibility]) -> str:
    return ", ".join(sorted({str(one.retrainings) for one in found.values()}))


def _share(interval: Interval) -> str:
    return str(interval).replace("+", "", 1)


def _quality(results: FinishedCells) -> pd.DataFrame:
    titles, rows = results.present(TITLES), []
    for method in METHODS:
        row = levels(results, titles, {"method": method})
        if method != ALONE:
            minus = differences(results, titles, {"method": method}, {"method": ALONE})
            row = {title: f"{value} ({minus[title]})" for title, value in row.items()}
        rows.append({"method": method, **row})
    return pd.DataFrame(rows)


def _draw(found: Mapping[str, Irreproducibility]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.2), layout="constrained")
    grid = figure.subplots(1, len(MEASURES))
    for axes, (measure, title) in zip(grid, MEASURES.items(), strict=True):
        for place, one in enumerate(found.values()):
            interval = getattr(one, measure)
            axes.errorbar(place, interval.mean, interval.half, fmt="o", color=f"C{place}")
        axes.set_xticks(range(len(found)), list(found), rotation=25, fontsize=8)
        axes.set_xlim(-0.5, max(len(found), 1) - 0.5)
        axes.set_title(title, fontsize=10)
        axes.grid(axis="y", alpha=0.3)
    figure.suptitle("Disagreement of retrainings on the same data; 95 % intervals")
    return figure
