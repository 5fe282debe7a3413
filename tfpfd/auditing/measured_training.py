"""What one training was measured by, as arrays that are kept on disk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfpfd.auditing.cells import Arrays
from tfpfd.evaluation.differences import Metrics


@dataclass(frozen=True, eq=False)
class MeasuredTraining:
    """What one training was measured by; the fields are those of `Size`, for one seed."""

    student: Metrics
    teacher: Metrics
    permuted: Metrics
    probabilities: np.ndarray
    losses: np.ndarray
    steps: int

    def arrays(self) -> Arrays:
        """The run as arrays by name, from which `of` makes it again."""
        groups = {name: getattr(self, name) for name in _GROUPS}
        return {
            **{f"{name}/{key}": v for name, group in groups.items() for key, v in group.items()},
            "probabilities": self.probabilities,
            "losses": self.losses,
            "steps": np.array(self.steps),
        }

    @classmethod
    def of(cls, arrays: Arrays) -> MeasuredTraining:
        """The run that `arrays` gave."""
        groups: dict[str, dict[str, np.ndarray]] = {name: {} for name in _GROUPS}
        for name, values in arrays.items():
            group, _, key = name.partition("/")
            if key:
                groups[group][key] = values
        return cls(
            student=groups["student"],
            teacher=groups["teacher"],
            permuted=groups["permuted"],
            probabilities=arrays["probabilities"],
            losses=arrays["losses"],
            steps=int(arrays["steps"]),
        )


_GROUPS = ("student", "teacher", "permuted")
