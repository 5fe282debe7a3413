"""What an audit measured, as plain numbers: all that its report is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tfpfd.auditing.comparison import CONTROLS, METRICS, Arms, gain
from tfpfd.auditing.tuning import Tuning
from tfpfd.auditing.verdict import Evidence
from tfpfd.evaluation import Interval, confidence_interval
from tfpfd.evaluation.intervals import FloatArray
from tfpfd.schema import Sees

ROW_METRICS = ("auc", "group_auc", "log_loss", "ece")
TOGETHER = "all together"


@dataclass(frozen=True, eq=False)
class Size:
    """What was measured with a share of the training rows.

    Args:
      labelled: number of training rows with a label.
      unlabelled: number of those without one.
      students: metrics `[seeds, 1 + resamples]` of the student of each arm.
      teachers: the same of the teacher of each arm that has one, on test rows that were treated as
        the training rows.
      epochs: epochs that were trained, `[seeds]` by arm.
      steps: gradient steps that were taken, `[seeds]` by arm.
      best_epochs: the epoch of the best validation loss, from 1, `[seeds]` by arm.
      permuted: the primary metric `[seeds, 1 + resamples]` of the distilled student's teacher when
        a privileged feature (or `"all together"`) is permuted on the test rows.
      reliability: points of the reliability diagram of "base" and "distilled", over all seeds.
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
        return len(self.students["base"]["auc"])


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

    @property
    def largest(self) -> Size:
        """The size that the verdict goes by."""
        return self.sizes[max(self.sizes)]

    @property
    def row_metrics(self) -> tuple[str, ...]:
        """`ROW_METRICS`, without group AUC where no test user has rows of both labels."""
        students = self.largest.students.values()
        return tuple(
            metric
            for metric in ROW_METRICS
            if not all(np.isnan(arm[metric][:, 0]).all() for arm in students)
        )

    def strengths(self) -> dict[str, Interval]:
        """What the teacher loses when a privileged feature is permuted, the strongest first."""
        teacher = self.largest.teachers["distilled"]
        found = {
            name: gain(teacher, {self.metric: values}, self.metric)
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
            teacher=gain(size.teachers["distilled"], students["base"], metric),
            strengths=strengths,
            sees=self.sees,
            unlabelled=size.unlabelled,
            sparse_ids=self.sparse_ids,
        )

    def warnings(self) -> list[str]:
        """What may make the verdict wrong."""
        size = self.largest
        warnings = list(self.tuning.warnings)
        unfinished = np.mean(size.best_epochs["base"] >= self.max_epochs)
        if unfinished >= 0.5:
            warnings.append(
                f"The base is under-tuned: it was still improving after {self.max_epochs} epochs. "
                "Raise `epochs` or the learning rate."
            )
        if size.seeds == 2:
            warnings.append(
                "Two seeds give intervals of up to 12.7 standard errors: expected `seeds` of 3 or "
                "more where the verdict matters."
            )
        if self.metric not in self.row_metrics:
            warnings.append(
                f"No {METRICS[self.metric]}: no test user has rows of both labels, so another "
                "`metric` is needed."
            )
        undefined = [
            METRICS[metric]
            for metric in self.row_metrics
            if any(np.isnan(arm[metric]).any() for arm in size.students.values())
        ]
        if undefined:
            warnings.append(
                f"No interval for {', '.join(undefined)}: on some resamples of the test users "
                "there are no rows of both labels. More test users are needed."
            )
        return warnings

    def frame(self) -> pd.DataFrame:
        """One row a size, arm, role and metric: means with intervals, and gains over base."""
        rows = []
        for share, size in self.sizes.items():
            for role, arms in (("student", size.students), ("teacher", size.teachers)):
                for arm, metrics in arms.items():
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
