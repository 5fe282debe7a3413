"""What an audit measured, as plain numbers: all that its report is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tfpfd.auditing.measures import ROWS, AuditMeasures
from tfpfd.auditing.tuning import Tuning
from tfpfd.auditing.verdict import Evidence
from tfpfd.evaluation import Comparison, Interval, confidence_interval
from tfpfd.evaluation.differences import CONTROLS, Arms, gain
from tfpfd.evaluation.intervals import FloatArray
from tfpfd.evaluation.measured_rivals import MeasuredRivals
from tfpfd.evaluation.titles import title_of
from tfpfd.schema import Sees

TOGETHER = "all together"


@dataclass(frozen=True, eq=False)
class Size:
    """What was measured with a share of the training rows.

    Args:
      labelled: number of training rows with a label, or of choices.
      unlabelled: number of those without one, or of items drawn beside choices.
      students: metrics `[seeds, 1 + resamples]` of the student of each arm.
      teachers: the same of the teacher of each arm that has one, on test rows that were treated as
        the training rows.
      epochs: epochs that were trained, `[seeds]` by arm.
      steps: gradient steps that were taken, `[seeds]` by arm.
      best_epochs: the epoch of the best validation loss, from 1, `[seeds]` by arm.
      permuted: the metric of teachers `[seeds, 1 + resamples]`, of the distilled student's, when a
        privileged feature (or `"all together"`) is permuted on the test rows.
      reliability: points of the reliability diagram of "base" and "distilled", over all seeds;
        none of rankings.
    """

    labelled: int
    unlabelled: int
    students: Arms
    teachers: Arms
    epochs: Mapping[str, np.ndarray]
    steps: Mapping[str, np.ndarray]
    best_epochs: Mapping[str, np.ndarray]
    permuted: Mapping[str, FloatArray]
    reliability: Mapping[str, pd.DataFrame]

    @property
    def seeds(self) -> int:
        """How many trainings of each arm there were."""
        return len(next(iter(self.students["base"].values())))


@dataclass(frozen=True, eq=False)
class Results:
    """Everything that was measured.

    Args:
      metric: the primary metric.
      sees: which features the teacher sees.
      sizes: by share of the training rows, ascending; the verdict goes by the last.
      max_epochs: that a training may take.
      tuning: the search for the base.
      sparse_ids: served features with few labelled rows for each of their values.
      test_rows: number of test rows.
      test_users: number of their users.
      settings: how the arms were trained, by what a reader calls it.
      measures: what is measured.
      rivals: what stands beside the base of the largest size; None: nothing is said of them.
    """

    metric: str
    sees: Sees
    sizes: Mapping[float, Size]
    max_epochs: int
    tuning: Tuning
    sparse_ids: tuple[str, ...] = ()
    test_rows: int = 0
    test_users: int = 0
    settings: Mapping[str, object] = field(default_factory=dict)
    measures: AuditMeasures = ROWS
    rivals: MeasuredRivals | None = None

    @property
    def largest(self) -> Size:
        """The size that the verdict goes by."""
        return self.sizes[max(self.sizes)]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Those of the task that have a value: no group AUC without users of both labels."""
        students = self.largest.students.values()
        return tuple(
            metric
            for metric in self.measures.metrics
            if not all(np.isnan(arm[metric][:, 0]).all() for arm in students)
        )

    @property
    def teacher_metric(self) -> str:
        """The metric that teachers, and what they rest on, are measured by."""
        return self.measures.of_teachers or self.metric

    def teacher_gain(self, size: Size) -> Interval:
        """The distilled student's teacher minus base; positive is better."""
        return gain(size.teachers["distilled"], size.students["base"], self.teacher_metric)

    @property
    def comparison(self) -> Comparison | None:
        """The base beside its rivals, if there are any."""
        if self.rivals is None or not self.rivals.metrics:
            return None
        return self.rivals.beside({"base": self.largest.students["base"]}, self.metric)

    def strengths(self) -> dict[str, Interval]:
        """What the teacher loses when a privileged feature is permuted, the strongest first."""
        teacher, metric = self.largest.teachers["distilled"], self.teacher_metric
        found = {
            name: gain(teacher, {metric: values}, metric)
            for name, values in self.largest.permuted.items()
        }
        return dict(sorted(found.items(), key=lambda pair: -pair[1].mean))

    def evidence(self) -> Evidence:
        """What the verdict goes by."""
        size, metric = self.largest, self.metric
        students = size.students
        strengths = {name: one.mean for name, one in self.strengths().items() if name != TOGETHER}
        return Evidence(
            metric=metric,
            gain=gain(students["distilled"], students["base"], metric),
            over={name: gain(students["distilled"], students[name], metric) for name in CONTROLS},
            of_controls={name: gain(students[name], students["base"], metric) for name in CONTROLS},
            teacher=self.teacher_gain(size),
            strengths=strengths,
            sees=self.sees,
            unlabelled=size.unlabelled,
            sparse_ids=self.sparse_ids,
            standing=None if (found := self.comparison) is None else found.standing,
        )

    def warnings(self) -> list[str]:
        """What may make the verdict wrong."""
        size = self.largest
        warnings = list(self.tuning.warnings)
        unfinished = np.mean(size.best_epochs["base"] >= self.max_epochs)
        if unfinished >= 0.5:
            warnings.append(
                f"The base is under-tuned: it was still improving after {self.max_epochs} epochs. "
                "Raise `epochs` (--epochs) or `learning_rate` (--learning-rate)."
            )
        if size.seeds == 2:
            warnings.append(
                "Two seeds give intervals of up to 12.7 standard errors: expected `seeds` "
                "(--seeds) of 3 or more where the verdict matters."
            )
        if self.metric not in self.metrics:
            warnings.append(
                f"No {title_of(self.metric)}: no test user has {self.measures.needed}, so another "
                "`metric` is needed."
            )
        undefined = [
            title_of(metric)
            for metric in self.metrics
            if any(np.isnan(arm[metric]).any() for arm in size.students.values())
        ]
        if undefined:
            warnings.append(
                f"No interval for {', '.join(undefined)}: on some resamples of the test users "
                f"there are no {self.measures.needed}. More test users are needed."
            )
        if self.rivals is not None and self.rivals.lacking:
            warnings.append(
                "No rivals stand beside the base, so whether it is good enough to start from is "
                f"not known: {self.rivals.lacking}."
            )
        return warnings

    def frame(self) -> pd.DataFrame:
        """One row a size, arm or rival, role and metric: means with intervals, gains over base."""
        rows = []
        for share, size in self.sizes.items():
            measured = [
                (role, arm, metrics)
                for role, arms in (("student", size.students), ("teacher", size.teachers))
                for arm, metrics in arms.items()
            ]
            if size is self.largest and (beside := self.comparison) is not None:
                for name, found in beside.rivals.items():
                    # One and the same beside every seed.
                    every = {m: np.repeat(v, size.seeds, axis=0) for m, v in found.items()}
                    measured.append(("rival", name, every))
            for role, arm, metrics in measured:
                for metric, values in metrics.items():
                    level = confidence_interval(values)
                    over = gain(metrics, size.students["base"], metric)
                    rows.append(
                        {
                            "size": share,
                            "labelled": size.labelled,
                            "unlabelled": size.unlabelled,
                            "arm": arm,
                            "role": role,
                            "metric": metric,
                            "mean": level.mean,
                            "low": level.low,
                            "high": level.high,
                            "gain": over.mean,
                            "gain_low": over.low,
                            "gain_high": over.high,
                        }
                    )
        return pd.DataFrame(rows)
