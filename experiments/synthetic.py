"""Synthetic data with published accuracies: what a privileged teacher can give a linear student.

Lopez-Paz et al., "Unifying distillation and privileged information", ICLR 2016, section 6,
experiments 1 to 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from experiments.experiment import Experiment, Section
from experiments.finished_cells import FinishedCells
from experiments.grid import Cell, Metrics
from experiments.logistic_regression import fit_linear
from experiments.synthetic_processes import FEATURES, PROCESSES, draw
from tfpfd.evaluation import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRAIN_ROWS, TEST_ROWS = 200, 10_000
# λ and T are the paper's.
IMITATION, TEMPERATURE = 1.0, 1.0
# Ours: the rows of a process without noise can be separated, where no finite weights are the best.
# The authors stop after 1,000 epochs of RMSprop instead.
PENALTY = 1e-3

# Mean accuracy in percent and its standard deviation, over 100 repetitions.
PUBLISHED: dict[str, dict[str, tuple[int, int]]] = {
    "1": {"teacher": (96, 0), "regular": (88, 1), "distilled": (95, 1)},
    "2": {"teacher": (90, 1), "regular": (68, 1), "distilled": (70, 1)},
    "3": {"teacher": (98, 0), "regular": (89, 1), "distilled": (97, 1)},
    "4": {"teacher": (96, 2), "regular": (55, 3), "distilled": (56, 4)},
}
PUBLISHED["4, largest"] = PUBLISHED["4"]
METHODS = {"teacher": "tab:green", "regular": "tab:gray", "distilled": "tab:blue"}
# Published means are whole percents, over draws that aren't ours.
AGREES_WITHIN = 1.0

NOTES = f"""\
All have {FEATURES} regular features x, weights α ~ N(0, I), {TRAIN_ROWS} training and
{TEST_ROWS:,} test rows.

- 1: x ~ N(0, I), x\\* = ⟨α, x⟩, y = 1[x\\* + ε > 0], ε ~ N(0, 1)
- 2: x\\* ~ N(0, I), y = 1[⟨α, x\\*⟩ > 0], x = x\\* + ε, ε ~ N(0, I)
- 3: x ~ N(0, I), x\\* = x_J, y = 1[⟨α_J, x\\*⟩ > 0], J three features, the same in all rows
- 4: as 3, but J is drawn for each row
- 4, largest: x ~ N(0, I), x\\* the three largest x of the row, y = 1[⟨α_1..3, x\\*⟩ > its median]

*4* is what the paper says. Its teacher sees three values and doesn't know which of the
{FEATURES} weights are theirs, so no linear teacher can score as published. *4, largest* is another
process in which the features that decide differ by row; the authors' published code has it as a
comment. Its line in use draws J once for all training rows and once for all test rows, after which
no student can know anything.

Teacher, regular and distilled are logistic regressions on standardised features. The authors run
RMSprop for 1,000 epochs; here L-BFGS finds the minimum of the same loss with a small penalty on
the weights, {PENALTY:g}."""


class Synthetic(Experiment):
    """Accuracies of teacher, regular model and distilled student on known processes.

    The teacher learns the labels from the privileged features alone, the regular model from the
    regular features. The student learns from the regular features
    `(1-λ)·CE(y, f_s) + λ·T²·CE(σ(f_t/T), f_s/T)`, with λ = T = 1 as in the paper.
    """

    name = "synthetic"
    question = "Do teacher, regular model and student reach the published accuracies?"
    claim = (
        "Test accuracies in percent of teacher / regular model / distilled student: (1) clean "
        "labels as privileged features 96/88/95, (2) clean inputs 90/68/70, (3) relevant inputs "
        "98/89/97, (4) relevant inputs by row 96/55/56. So distillation helps in 1 and 3, and "
        "neither helps nor harms in 2 and 4 (Lopez-Paz et al., *Unifying distillation and "
        "privileged information*, ICLR 2016)."
    )
    metrics = ("accuracy",)
    seeds = 100

    def settings(self) -> dict[str, Any]:
        """What the accuracies depend on."""
        return {
            "imitation": IMITATION,
            "temperature": TEMPERATURE,
            "penalty": PENALTY,
            "train_rows": TRAIN_ROWS,
            "test_rows": TEST_ROWS,
        }

    def cells(self, seeds: int) -> list[Cell]:
        """Every model of every process, seed by seed."""
        return [
            {"experiment": experiment, "method": method, "seed": seed}
            for seed in range(seeds)
            for experiment in PROCESSES
            for method in METHODS
        ]

    def run(self, cell: Cell) -> Metrics:
        """Fits a linear model and gives its accuracy on test rows."""
        train, test = draw(str(cell["experiment"]), int(cell["seed"]), TRAIN_ROWS, TEST_ROWS)
        if cell["method"] == "regular":
            model = fit_linear(train.regular, train.labels, PENALTY)
        else:
            model = fit_linear(train.privileged, train.labels, PENALTY)
        if cell["method"] == "distilled":
            model = fit_linear(
                train.regular,
                train.labels,
                PENALTY,
                soft_labels=model.logits(train.privileged),
                imitation=IMITATION,
                temperature=TEMPERATURE,
            )
        seen = test.privileged if cell["method"] == "teacher" else test.regular
        return {"accuracy": float(np.mean((model.logits(seen) > 0) == (test.labels == 1)))}

    def report(self, results: FinishedCells) -> list[Section]:
        """Found beside published accuracies, and what the teacher gave."""
        return [
            Section(
                "Published and found",
                "Accuracy on test rows in percent. Published: the mean and its standard deviation "
                "over repetitions. Found: the mean and its 95 % interval over seeds, and the "
                f"standard deviation. It *agrees* if the means are within {AGREES_WITHIN:.0f} "
                "point, as the published ones are whole percents over draws of their own, and the "
                f"whole interval within {2 * AGREES_WITHIN:.0f}; it *differs* if the whole "
                "interval is further away than that point.",
                _accuracies(results),
                _draw(results),
            ),
            Section(
                "What the teacher gave",
                "The student's accuracy minus the regular model's, in points, paired by seed.",
                _gains(results),
            ),
            Section("The processes", NOTES),
        ]


def _accuracies(results: FinishedCells) -> pd.DataFrame:
    rows = []
    for experiment, process in PROCESSES.items():
        for method in METHODS:
            mean, deviation = PUBLISHED[experiment][method]
            cells = {"experiment": experiment, "method": method}
            found = results.interval("accuracy", **cells)
            accuracies = [value[0] for value in results.values("accuracy", **cells).values()]
            rows.append(
                {
                    "experiment": experiment,
                    "privileged": process.title,
                    "model": method,
                    "published": f"{mean} ± {deviation}",
                    "found": _percent(found),
                    "deviation": (
                        f"{100 * np.std(accuracies, ddof=1):.1f}" if len(accuracies) > 1 else "–"
                    ),
                    "": _verdict(found, mean),
                }
            )
    return pd.DataFrame(rows)


def _verdict(found: Interval, published: float) -> str:
    if np.isnan(found.half):
        return "–"
    away, half = 100 * found.mean - published, 100 * found.half
    if abs(away) - half > AGREES_WITHIN:
        return f"**differs by {away:+.1f}**"
    near = abs(away) <= AGREES_WITHIN and abs(away) + half <= 2 * AGREES_WITHIN
    return "agrees" if near else "can't tell"


def _gains(results: FinishedCells) -> pd.DataFrame:
    rows = []
    for experiment, process in PROCESSES.items():
        methods = ({"experiment": experiment, "method": m} for m in ("distilled", "regular"))
        published = PUBLISHED[experiment]
        rows.append(
            {
                "experiment": experiment,
                "privileged": process.title,
                "published": f"{published['distilled'][0] - published['regular'][0]:+d}",
                "found": _percent(results.difference("accuracy", *methods), "+"),
            }
        )
    return pd.DataFrame(rows)


def _percent(interval: Interval, sign: str = "-") -> str:
    if np.isnan(interval.mean):
        return "–"
    mean, half = 100 * interval.mean, 100 * interval.half
    return f"{mean:{sign}.1f} ± {'–' if np.isnan(half) else format(half, '.1f')}"


def _draw(results: FinishedCells) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    for shift, (method, color) in zip((-0.2, 0.0, 0.2), METHODS.items(), strict=True):
        for place, experiment in enumerate(PROCESSES):
            found = results.interval("accuracy", experiment=experiment, method=method)
            ends = [100 * found.low, min(100 * found.high, 100.0)]
            axes.plot([place + shift] * 2, ends, color=color, linewidth=3)
            first = place == 0
            label = {"found": f"{method}, found", "published": f"{method}, published"}
            axes.plot(
                place + shift,
                100 * found.mean,
                "o",
                color=color,
                label=label["found"] if first else None,
            )
            axes.plot(
                place + shift,
                PUBLISHED[experiment][method][0],
                "_",
                color=color,
                markersize=18,
                label=label["published"] if first else None,
            )
    titles = [f"{key}\n{process.title}" for key, process in PROCESSES.items()]
    axes.set_xticks(range(len(PROCESSES)), titles, fontsize=9)
    axes.set_ylabel("test accuracy, %")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize=8, ncols=3)
    axes.set_title("Published and found accuracies; 95 % intervals over seeds", fontsize=10)
    return figure
