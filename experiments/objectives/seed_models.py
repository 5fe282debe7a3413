"""What the methods of a seed share: single-objective rankers, and models that fit every ω."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.objectives.list_rows import ListRows
from experiments.objectives.objective_task import ObjectiveTask, Training
from tfpfd._keras import keras
from tfpfd.distillation import Ranker
from tfpfd.objectives import fuse_scores, search_weights

TRIALS = 60
BOUND = 2.0


@dataclass(frozen=True)
class Outcome:
    """What came of a method.

    Args:
      scores: `[rows]` of the test rows.
      seconds: of training, of all models that the method needs.
      models: how many have to run when serving.
      trials: of a search of fusion weights.
    """

    scores: np.ndarray
    seconds: float
    models: int = 1
    trials: int = 0


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model that was trained, and what it took."""

    model: Any
    training: Training


class SeedModels:
    """Models of a seed, each trained when it is asked for first, and kept.

    Args:
      task: the rows and the recipe.
      seed: of initial weights and of the order of lists.
    """

    def __init__(self, task: ObjectiveTask, seed: int) -> None:
        self.task, self.seed = task, seed
        self._kept: dict[str, Any] = {}

    def keep(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` returned when it was called for this name first."""
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]

    def train(self, make: Callable[[], Any], **rows: Any) -> Fitted:
        """Trains a new model; the arguments are those of `ObjectiveTask.fit`."""
        keras.utils.set_random_seed(self.seed)
        model = make()
        return Fitted(model, self.task.fit(model, self.seed, **rows))

    def single(self, label: str) -> Fitted:
        """The ranker that was trained on the labels of one objective."""

        def make() -> Fitted:
            train, validation = self.task.only(label)
            return self.train(self.task.ranker, train=train, validation=validation)

        return self.keep(f"single {label}", make)

    @property
    def teachers(self) -> dict[str, Ranker]:
        """The rankers of all objectives."""
        return {name: self.single(name).model for name in self.task.objectives}

    @property
    def teacher_seconds(self) -> float:
        """What training all of them took."""
        return sum(self.single(name).training.seconds for name in self.task.objectives)

    def teacher_scores(self, part: str) -> dict[str, np.ndarray]:
        """Scores of all of them, of the rows of a part."""

        def make() -> dict[str, np.ndarray]:
            rows: ListRows = getattr(self.task, part)
            return {name: rows.scores(teacher) for name, teacher in self.teachers.items()}

        return self.keep(f"teachers on {part}", make)

    def searched(
        self,
        validation: dict[str, np.ndarray],
        test: dict[str, np.ndarray],
        trade_off: float,
        seconds: float,
        models: int,
    ) -> Outcome:
        """Scores fused with weights that were searched for on validation rows.

        The primary objective has the weight 1, the others between −2 and 2.
        """
        bounds = dict.fromkeys(self.task.secondary, (-BOUND, BOUND))

        def value(weights: dict[str, float]) -> float:
            scores = fuse_scores(validation, {self.task.primary: 1.0, **weights})
            return self.task.utility(scores, trade_off)

        found = search_weights(value, bounds, TRIALS, self.seed)
        scores = fuse_scores(test, {self.task.primary: 1.0, **found.weights})
        return Outcome(scores, seconds, models, found.trials)
