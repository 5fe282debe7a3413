"""The tables of a report, as frames of text."""

from __future__ import annotations

import pandas as pd

from tfpfd.auditing.comparison import ABOUT, CONTROLS, METRICS, cell, compare, gain
from tfpfd.auditing.results import Results
from tfpfd.evaluation import Interval
from tfpfd.evaluation.intervals import number


def arms(results: Results) -> pd.DataFrame:
    """Metrics of every arm and of the distilled student's teacher."""
    size = results.largest
    rows = {f"{arm} ({ABOUT[arm]})": metrics for arm, metrics in size.students.items()}
    rows["teacher of distilled"] = size.teachers["distilled"]
    return _frame(
        {
            name: {METRICS[metric]: cell(metrics, metric) for metric in results.row_metrics}
            for name, metrics in rows.items()
        }
    )


def differences(results: Results) -> pd.DataFrame:
    """The distilled student minus base and controls; an asterisk where zero is excluded."""
    students = results.largest.students
    return _frame(
        {
            f"distilled − {other}": {
                METRICS[metric]: _marked(difference)
                for metric, difference in compare(students, other, results.row_metrics).items()
            }
            for other in ("base", *CONTROLS)
        }
    )


def sizes(results: Results) -> pd.DataFrame:
    """Gains over base in the primary metric by training-set size; positive is better."""
    metric = results.metric
    rows = {}
    for share, size in results.sizes.items():
        base = size.students["base"]
        rows[f"{share:.0%}"] = {
            "with a label": f"{size.labelled:,}",
            "without": f"{size.unlabelled:,}",
            f"base {METRICS[metric]}": cell(base, metric),
            **{
                arm: _marked(gain(size.students[arm], base, metric))
                for arm in (*CONTROLS, "distilled")
            },
            "teacher": _marked(gain(size.teachers["distilled"], base, metric)),
        }
    return _frame(rows)


def strengths(results: Results) -> pd.DataFrame:
    """What the teacher loses when a privileged feature is permuted."""
    column = f"teacher's loss in {METRICS[results.metric]}"
    return _frame({n: {column: _marked(one)} for n, one in results.strengths().items()})


def effort(results: Results) -> pd.DataFrame:
    """Epochs and steps of every arm, means over seeds."""
    size = results.largest
    return _frame(
        {
            arm: {
                "epochs": f"{size.epochs[arm].mean():.1f} of {results.max_epochs}",
                "best epoch": f"{size.best_epochs[arm].mean():.1f}",
                "gradient steps": f"{size.steps[arm].mean():,.0f}",
            }
            for arm in size.epochs
        }
    )


def search(results: Results) -> pd.DataFrame:
    """What the search for the base tried, on validation rows."""
    return _frame(
        {
            str(tried.setting): {
                "validation log loss": number(tried.log_loss),
                "minus as given": "–" if place == 0 else _marked(tried.difference),
                "taken": "yes" if tried.setting == results.tuning.chosen else "",
            }
            for place, tried in enumerate(results.tuning.tried)
        }
    )


def settings(results: Results) -> pd.DataFrame:
    """How the arms were trained."""
    rows = {
        "training rows with a label": f"{results.largest.labelled:,}",
        "training rows without": f"{results.largest.unlabelled:,}",
        "test rows": f"{results.test_rows:,}",
        "test users": f"{results.test_users:,}",
        **{name: str(value) for name, value in results.settings.items()},
    }
    return _frame({name: {"": value} for name, value in rows.items()})


def _marked(difference: Interval) -> str:
    return f"{difference}{' *' if difference.excludes_zero else ''}"


def _frame(rows: dict[str, dict[str, str]]) -> pd.DataFrame:
    return pd.DataFrame.from_dict(rows, orient="index")
