"""What experiments on several objectives have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

from experiments.experiment import Experiment
from experiments.objectives.objective_task import ObjectiveSource, ObjectiveTask
from experiments.objectives.seed_models import SeedModels
from experiments.objectives.sources import SOURCES


class ObjectiveExperiment(Experiment):
    """On a task of several objectives.

    Beside the attributes of `Experiment`, a subclass may set `tasks`, by the source of the data,
    and `trade_off`, by which the weights of the secondary objectives are multiplied in all of its
    cells.
    """

    sources = tuple(SOURCES)
    tasks: ClassVar[Mapping[str, ObjectiveSource]] = SOURCES
    trade_off: ClassVar[float] = 1.0
    task: ObjectiveTask
    _shared: SeedModels | None = None

    def settings(self) -> dict[str, Any]:
        """The data, the recipe and the weights of the objectives."""
        assert self.source is not None
        source = self.tasks[self.source]
        recipe = {**asdict(source.recipe), "units": list(source.units)}
        omega = {name: self.trade_off * weight for name, weight in source.omega.items()}
        return {**super().settings(), "recipe": recipe, "omega": omega}

    def prepare(self) -> None:
        """Loads the data and looks them up."""
        assert self.source is not None
        source = self.tasks[self.source]
        self.task = ObjectiveTask.of(source.load(self.path), source)

    def shared(self, seed: int) -> SeedModels:
        """The models of a seed; cells of one follow each other."""
        if self._shared is None or (self._shared.task, self._shared.seed) != (self.task, seed):
            self._shared = SeedModels(self.task, seed)
        return self._shared
