"""A small search for the base, as an under-tuned one makes anything look like a gain."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tfpfd.auditing.arms import MakeStudent, Recipe
from tfpfd.evaluation import Interval, paired_difference
from tfpfd.evaluation.intervals import FloatArray


@dataclass(frozen=True)
class Setting:
    """EpsilonConstraint of what the recipe says.

    Args:
      learning_rate: of the learning rate.
      regularization: of the student's penalties, as `make_student` understands it.
    """

    learning_rate: float = 1.0
    regularization: float = 1.0

    def __str__(self) -> str:
        changed = [
            f"{field.name.replace('_', ' ')} × {getattr(self, field.name):g}"
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        ]
        return ", ".join(changed) or "as given"

    @property
    def cell_name(self) -> str:
        """What the training of a base with this setting is called on disk."""
        factors = dataclasses.asdict(self).items()
        return ",".join(["search", *(f"{name}={float(value)!r}" for name, value in factors)])

    def applied(self, recipe: Recipe) -> Recipe:
        """The recipe with this setting."""
        student = recipe.student
        if self.regularization != 1:
            student = functools.partial(student, regularization=self.regularization)
        rate = recipe.learning_rate * self.learning_rate
        return dataclasses.replace(recipe, student=student, learning_rate=rate)


GIVEN = Setting()


@dataclass(frozen=True)
class Tried:
    """How base did with a setting: validation loss, and minus that of the given setting."""

    setting: Setting
    loss: float
    difference: Interval


@dataclass(frozen=True)
class Tuning:
    """A search for the base.

    Args:
      tried: all settings, the given one first.
      chosen: the one that all arms are trained with.
      loss: what a reader calls the validation loss that it goes by.
    """

    tried: tuple[Tried, ...]
    chosen: Setting = GIVEN
    loss: str = "log loss"

    @property
    def warnings(self) -> list[str]:
        """That the base was under-tuned, if it was."""
        if self.chosen == GIVEN:
            return []
        found = next(tried for tried in self.tried if tried.setting == self.chosen)
        return [
            f"The base is under-tuned: {self.chosen} changes its validation {self.loss} by "
            f"{found.difference}. All arms were trained so; tune `make_student` further before "
            "trusting any gain."
        ]


def settings_for(make_student: MakeStudent, multipliers: Sequence[float]) -> list[Setting]:
    """The given setting, then those that differ from it in one thing.

    Args:
      make_student: regularization is varied only if it takes an argument of that name.
      multipliers: what to try in place of 1.
    """
    settings = [GIVEN, *(Setting(learning_rate=factor) for factor in multipliers)]
    if "regularization" in inspect.signature(make_student).parameters:
        settings += [Setting(regularization=factor) for factor in multipliers]
    return settings


def search(
    settings: Sequence[Setting],
    validation_loss: Callable[[Setting], FloatArray],
    loss: str = "log loss",
) -> Tuning:
    """Tries settings with the base; another one is chosen only if it is better beyond doubt.

    Beyond doubt: the interval over validation users excludes zero. One seed is trained a setting.

    Args:
      settings: the given one first.
      validation_loss: of a base trained so, `[1 + resamples]`.
      loss: what a reader calls it.
    """
    if len(settings) < 2:
        return Tuning((), loss=loss)
    values = {setting: validation_loss(setting) for setting in settings}
    tried = tuple(
        Tried(setting, float(losses[0]), paired_difference(losses, values[settings[0]]))
        for setting, losses in values.items()
    )
    better = [one for one in tried if one.difference.high < 0]
    best = min(better, key=lambda one: one.loss, default=tried[0])
    return Tuning(tried, best.setting, loss)
