"""Made-up results, from which a report is made without training."""

import numpy as np
import pandas as pd
import pytest

from tfpfd.auditing.measures import ROW_METRICS
from tfpfd.auditing.results import TOGETHER, Results, Size
from tfpfd.auditing.tuning import GIVEN, Setting, Tried, Tuning
from tfpfd.evaluation import Interval
from tfpfd.evaluation.differences import CONTROLS

SEEDS, RESAMPLES = 3, 60
LEVELS = {"auc": 0.75, "group_auc": 0.68, "log_loss": 0.55, "ece": 0.04}
SIGNS = {"auc": 1, "group_auc": 1, "log_loss": -1, "ece": -0.5}


def size_of(labelled, shifts, teachers, permuted):
    random = np.random.default_rng(labelled)
    shape = (SEEDS, 1 + RESAMPLES)
    users = random.normal(0, 8e-3, (1, 1 + RESAMPLES))

    def arms(shifts):
        return {
            arm: {
                metric: LEVELS[metric]
                + SIGNS[metric] * (shift + users)
                + random.normal(0, 1e-3, shape)
                for metric in ROW_METRICS
            }
            for arm, shift in shifts.items()
        }

    def reliability(slope):
        predicted = np.linspace(0.05, 0.9, 10)
        observed = 0.45 + slope * (predicted - 0.45)
        return pd.DataFrame({"predicted": predicted, "observed": observed, "rows": 90})

    names = ("base", *CONTROLS, "distilled")
    teacher = arms(teachers)
    return Size(
        labelled=labelled,
        unlabelled=4 * labelled,
        students=arms({"base": 0.0, **shifts}),
        teachers=teacher,
        epochs={name: np.array([7, 8, 9]) for name in names},
        steps={name: np.array([70, 80, 90]) for name in names},
        best_epochs={name: np.array([5, 6, 7]) for name in names},
        permuted={
            name: teacher["distilled"]["auc"] - lost + random.normal(0, 1e-3, shape)
            for name, lost in permuted.items()
        },
        reliability={"base": reliability(0.8), "distilled": reliability(0.95)},
    )


@pytest.fixture(scope="session")
def results_of():
    """A function from the gains of the students over base to results."""

    def results_of(sizes=(1.0,), seeds=SEEDS, tuning=None, **shifts):
        shifts = {"self": 0.004, "shuffled": 0.005, "zeroed": 0.003, "distilled": 0.02, **shifts}
        teachers = {"self": 0.006, "shuffled": 0.005, "zeroed": 0.004, "distilled": 0.06}
        permuted = {"genre_like_rate": 0.03, "year_gap": 0.01, "noise": 0.0, TOGETHER: 0.055}
        return Results(
            metric="auc",
            sees="all",
            sizes={
                share: size_of(
                    round(20_000 * share),
                    {name: shift * (1.6 - 0.6 * share) for name, shift in shifts.items()},
                    teachers,
                    permuted,
                )
                for share in sizes
            },
            max_epochs=20,
            tuning=tuning or Tuning(()),
            test_rows=18_000,
            test_users=943,
            settings={"seeds": seeds, "λ": 0.5},
        )

    return results_of


@pytest.fixture(scope="session")
def undertuned():
    """A search that found a better setting."""
    faster = Setting(learning_rate=3.0)
    return Tuning(
        (
            Tried(GIVEN, 0.56, Interval(0.0, 0.0, 0.0)),
            Tried(Setting(learning_rate=0.3), 0.57, Interval(0.01, 0.005, 0.015)),
            Tried(faster, 0.55, Interval(-0.01, -0.015, -0.005)),
        ),
        faster,
    )
