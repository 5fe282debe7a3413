"""Where the gain of a privileged teacher begins: rarer labels, stronger features, more rows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from experiments.experiment import Section
from experiments.finished_cells import FinishedCells
from experiments.grid import Cell, Metrics
from experiments.method_comparison import MethodExperiment
from experiments.methods import CONTROLS, SHUFFLED_TASKS, TRAINED, treatment_of
from experiments.rare_label_report import (
    BASELINE,
    RIVALS,
    TAUGHT,
    Panel,
    RareLabelReport,
    of_method,
)
from experiments.rare_label_tasks import FEEDBACKS, SOURCES, RareTask, started
from tfpfd.datasets.registry import can
from tfpfd.distillation.labelled_model import LabelledModel

RATES, STRENGTHS, ROWS = (0.005, 0.02, 0.1), (0.5, 4.0), (6_000, 24_000)


class RareLabel(MethodExperiment):
    """Methods of fine ranking on labels of several rates.

    Of the marketplace a seed is a draw of its users and items, too, so that intervals count them.
    """

    name = "rare-label"
    question = "Where does the gain of a privileged teacher begin?"
    claim = (
        'Xu et al., "Privileged Features Distillation at Taobao Recommendations", KDD 2020: test '
        "AUC of the student (teacher) on CVR, 30 days: baseline .9040, MTL .9045, LUPI .8965 "
        "(.9651), PFD .9084 (.9901). How rare the label has to be isn't said."
    )
    tasks = SOURCES
    sources = tuple(SOURCES)
    seeds = 5
    metrics = (
        "auc", "log_loss", "true_auc", "true_log_loss", "teacher_auc", "epochs",
        "positives", "tell",
    )  # fmt: skip
    _rare: RareTask

    def prepare(self) -> None:
        """Reads the data, of which the rows of each task are made."""
        assert self.source is not None
        load = self.tasks[self.source].load(self.path)
        # All tasks of KuaiRand; the marketplace's cells of one follow each other.
        self._made = lru_cache(len(FEEDBACKS))(lambda *settings: load(dict(settings)))

    @property
    def settings_of_tasks(self) -> dict[str, Cell]:
        """The settings of each task by its name, in the order of the report."""
        if not can(self.source, "simulated"):
            return {name: {"label": name} for name in FEEDBACKS}
        return {
            f"{_percent(rate)}, strength {strength:g}, {rows:,} rows": {
                "rate": rate,
                "strength": strength,
                "rows": rows,
            }
            for rows in ROWS
            for strength in STRENGTHS
            for rate in RATES
        }

    @property
    def _rivals(self) -> tuple[str, ...]:
        return (*RIVALS, "truth") if can(self.source, "true rates") else RIVALS

    def cells(self, seeds: int) -> list[Cell]:
        """Every method on every task.

        Those that see no privileged features are trained once for all strengths of them.
        """
        methods = (*self._rivals, BASELINE, *TAUGHT, *CONTROLS, SHUFFLED_TASKS)
        grid = [of_method(task, m) for task in self.settings_of_tasks.values() for m in methods]
        once = {tuple(cell.items()): cell for cell in grid}
        return [{**cell, "seed": seed} for seed in range(seeds) for cell in once.values()]

    def run(self, cell: Cell) -> Metrics:
        """Trains a method on a task, or measures a rival there."""
        name, seed = str(cell["method"]), int(cell["seed"])
        # KuaiRand's rows are the same for all seeds.
        drawn = ("rate", "strength", "rows", "seed")
        of_task = drawn if can(self.source, "simulated") else ("label",)
        self._rare = self._made(*((key, cell[key]) for key in of_task))
        self.task = self._rare.task
        if name in self._rivals:
            return self._rare.rivals[name]
        rate = float(self._rare.task.train.labels.mean())
        return self.train(
            lambda parts: started(TRAINED[name](parts), rate), seed, treatment_of(name)
        )

    def measured(
        self, model: LabelledModel, training: Mapping[str, float]
    ) -> dict[str, float | np.ndarray]:
        """Of the student by test labels and by the truth, of a teacher, and of the task."""
        student: Any = getattr(model, "student", model)
        teacher = getattr(model, "teacher", None)
        found: dict[str, float | np.ndarray] = {"epochs": training["epochs"]}
        found.update(self._rare.measured(self._rare.task.test.logits(student)))
        if teacher is not None:
            found.update(self._rare.task.evaluate_teacher(teacher))
        return {**found, **self._rare.described}

    def report(self, results: FinishedCells) -> list[Section]:
        """The baseline beside its rivals first; then the gains of each taught method."""
        return RareLabelReport(results, self.settings_of_tasks, self._rivals, self._panels).sections

    @property
    def _panels(self) -> list[Panel]:
        if not can(self.source, "simulated"):
            return [Panel(method, method, self.settings_of_tasks, "label") for method in TAUGHT]
        return [
            Panel(
                f"{method}, strength {strength:g}, {rows:,} rows",
                method,
                {
                    _percent(float(task["rate"])): task
                    for task in self.settings_of_tasks.values()
                    if (task["strength"], task["rows"]) == (strength, rows)
                },
                "rows with the label",
            )
            for rows in ROWS
            for strength in STRENGTHS
            for method in ("PFD", "MTL")
        ]


def _percent(rate: float) -> str:
    return f"{100 * rate:g} %"
