"""The tables of a report, as frames of text."""

from __future__ import annotations

import pandas as pd

from tfpfd.auditing.results import Results
from tfpfd.evaluation import Interval, confidence_interval
from tfpfd.evaluation.differences import CONTROLS, Metrics, compare, gain
from tfpfd.evaluation.intervals import level, number
from tfpfd.evaluation.rivals import title_of_rival
from tfpfd.evaluation.titles import ABOUT, title_of


def cell(metrics: Metrics, metric: str) -> str:
    """`level` of a metric, or a dash where the metric has no meaning."""
    return level(confidence_interval(metrics[metric])) if metric in metrics else "–"


def arms(results: Results) -> pd.DataFrame:
    """Metrics of every arm and of the distilled student's teacher."""
    size = results.largest
    rows = {f"{arm} ({ABOUT[arm]})": metrics for arm, metrics in size.students.items()}
    rows["teacher of distilled"] = size.teachers["distilled"]
    return _frame(
        {
            name: {title_of(metric): cell(metrics, metric) for metric in results.metrics}
            for name, metrics in rows.items()
        }
    )


def differences(results: Results) -> pd.DataFrame:
    """The distilled student minus base and controls; an asterisk where zero is excluded."""
    students = results.largest.students
    return _frame(
        {
            f"distilled − {other}": {
                title_of(metric): _marked(difference)
                for metric, difference in compare(students, other, results.metrics).items()
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
            results.measures.labelled: f"{size.labelled:,}",
            results.measures.unlabelled: f"{size.unlabelled:,}",
            f"base {title_of(metric)}": cell(base, metric),
            **{
                arm: _marked(gain(size.students[arm], base, metric))
                for arm in (*CONTROLS, "distilled")
            },
            f"teacher{_in(results)}": _marked(results.teacher_gain(size)),
        }
    return _frame(rows)


def strengths(results: Results) -> pd.DataFrame:
    """What the teacher loses when a privileged feature is permuted."""
    column = f"teacher's loss in {title_of(results.teacher_metric)}"
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
                f"validation {results.tuning.loss}": number(tried.loss),
                "minus as given": "–" if place == 0 else _marked(tried.difference),
                "taken": "yes" if tried.setting == results.tuning.chosen else "",
            }
            for place, tried in enumerate(results.tuning.tried)
        }
    )


def settings(results: Results) -> pd.DataFrame:
    """How the arms were trained."""
    rows = {
        f"training {results.measures.labelled}": f"{results.largest.labelled:,}",
        f"training {results.measures.unlabelled}": f"{results.largest.unlabelled:,}",
        f"test {results.measures.test}": f"{results.test_rows:,}",
        "test users": f"{results.test_users:,}",
        **{name: str(value) for name, value in results.settings.items()},
    }
    return _frame({name: {"": value} for name, value in rows.items()})


def rivals(results: Results) -> pd.DataFrame:
    """The base and its rivals: test metrics, and the rivals' minus the base's."""
    found = results.comparison
    assert found is not None  # There are rivals.
    names = {"base": "base", **{name: title_of_rival(name) for name in found.rivals}}
    rows = {}
    for name, shown in names.items():
        levels = {title_of(metric): cell(found.values[name], metric) for metric in found.metrics}
        over = {
            f"{title_of(metric)} minus base": "–"
            if name == "base"
            else _marked(found.minus_base(name, metric))
            for metric in found.metrics
        }
        rows[shown] = {**levels, **over, "chosen": found.settings.get(name, "") or "–"}
    return _frame(rows)


def _in(results: Results) -> str:
    """Says that teachers have a metric of their own, where they do."""
    other = results.teacher_metric
    return "" if other == results.metric else f" ({title_of(other)})"


def _marked(difference: Interval) -> str:
    return f"{difference}{' *' if difference.excludes_zero else ''}"


def _frame(rows: dict[str, dict[str, str]]) -> pd.DataFrame:
    return pd.DataFrame.from_dict(rows, orient="index")
