"""The methods of the papers, each a composition of the same parts."""

from __future__ import annotations

from tfpfd.data.table_rows import Treatment
from tfpfd.demo.methods import Compose, Parts, alone, distilled
from tfpfd.distillation import AuxiliaryTasks
from tfpfd.distillation.labelled_model import LabelledModel


def multi_task(parts: Parts) -> LabelledModel:
    """The student on labels and, by auxiliary heads, on privileged features."""
    return AuxiliaryTasks(parts.student, parts.task_weight)


METHODS: dict[str, Compose] = {
    "baseline": alone,
    "MTL": multi_task,
    "LUPI": distilled("privileged"),
    "MD": distilled("served", strong=True),
    "PFD": distilled("all"),
    "PFD+MD": distilled("all", strong=True),
    "mutual learning": distilled("all", mutual=True),
}
CONTROLS: dict[str, Compose] = {"self": distilled("served"), "shuffled": distilled("all")}
"""Those of teachers."""
SHUFFLED_TASKS = "MTL shuffled"
"""The control of MTL: its heads predict privileged features of other rows."""
TRAINED: dict[str, Compose] = {**METHODS, **CONTROLS, SHUFFLED_TASKS: multi_task}
"""Methods and controls."""


def treatment_of(method: str) -> Treatment:
    """What is done to the privileged features of the training rows of a method or control."""
    return "shuffled" if method in ("shuffled", SHUFFLED_TASKS) else "kept"
