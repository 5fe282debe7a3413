"""Models beside their rivals: a table, and in a line whether the base is worth starting from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from tfpfd.evaluation.intervals import (
    FloatArray,
    Interval,
    confidence_interval,
    level,
    number,
    paired_difference,
)
from tfpfd.evaluation.metrics import SMALLER_IS_BETTER

# Fewer trainings can't carry a claim: three give intervals of 4.3 standard errors.
SEEDS_OF_A_CLAIM = 5


Where = Literal["below", "better", "unclear"]


@dataclass(frozen=True)
class Standing:
    """Where a base stands among its rivals.

    Args:
      where: `"below"` one of them beyond doubt, `"better"` than every one, or `"unclear"`.
      rival: the one that beats it by most, or else the nearest.
      metric: that decides.
      base: its value.
      other: the rival's.
      difference: the rival's minus the base's.
    """

    where: Where
    rival: str
    metric: str
    base: float
    other: float
    difference: Interval

    def sentence(self, base: str, rival: str) -> str:
        """Whether the base is worth starting from.

        Args:
          base: what a reader calls the base, at the beginning of a sentence.
          rival: what a reader calls the rival.
        """
        sign = "<" if self.base < self.other else "≥"
        figures = (
            f"({self.metric} {number(self.base)} {sign} {number(self.other)}; {rival} minus base "
            f"{self.difference})"
        )
        if self.where == "below":
            below = "worse than" if self.metric in SMALLER_IS_BETTER else "below"
            return f"{base} is {below} {rival}: fix that first {figures}."
        if self.where == "better":
            return f"{base} is better than every rival, the nearest {rival} {figures}."
        return f"{base} isn't better than every rival beyond doubt, the nearest {rival} {figures}."


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """What `compare_pointwise` and `compare_retrieval` measured; in a notebook it shows itself.

    Args:
      base: name of the model that all are compared with.
      rivals: metrics `[1, 1 + resamples]` by name, of each rival.
      models: metrics `[seeds, 1 + resamples]` by name, of each model.
      settings: what was chosen for each rival on validation rows, "" for nothing.
    """

    base: str
    rivals: Mapping[str, Mapping[str, FloatArray]]
    models: Mapping[str, Mapping[str, FloatArray]]
    settings: Mapping[str, str]

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics; the first decides."""
        return list(self.models[self.base])

    @property
    def seeds(self) -> int:
        """How many trainings of each model there were."""
        return len(self.models[self.base][self.metrics[0]])

    @property
    def values(self) -> dict[str, Mapping[str, FloatArray]]:
        """Metrics by name, of rivals and then of models."""
        return {**self.rivals, **self.models}

    def minus(self, name: str, other: str, metric: str) -> Interval:
        """The interval of a rival's or a model's metric minus that of another.

        Both meet the same resamples of the test users, and models of one seed stand beside each
        other. A rival is one and the same beside every seed.

        Args:
          name: of a rival or a model.
          other: of what is taken from it.
          metric: name of the metric.
        """
        own, others = np.broadcast_arrays(self.values[name][metric], self.values[other][metric])
        return paired_difference(own, others)

    def minus_base(self, name: str, metric: str) -> Interval:
        """The interval of a metric minus that of the base; see `minus`."""
        return self.minus(name, self.base, metric)

    def to_frame(self) -> pd.DataFrame:
        """One row a rival and a model; of each metric its mean, its interval, and minus the base.

        Returns:
          A frame with the names as its index, and columns by metric and by "mean", "low", "high",
          "minus_base", "minus_base_low" and "minus_base_high". Intervals are of 95 %, over test
          users and seeds.
        """
        rows = {}
        for name, values in self.values.items():
            row: dict[tuple[str, str], float] = {}
            for metric in self.metrics:
                own, over = confidence_interval(values[metric]), self.minus_base(name, metric)
                row[metric, "mean"], row[metric, "low"], row[metric, "high"] = _ends(own)
                for end, value in zip(("", "_low", "_high"), _ends(over), strict=True):
                    row[metric, f"minus_base{end}"] = value
            rows[name] = row
        return pd.DataFrame.from_dict(rows, orient="index")

    @property
    def caveats(self) -> list[str]:
        """What a reader has to be told of so few seeds; nothing where there are enough."""
        several = f"{self.seeds} seed{'s' if self.seeds > 1 else ''}"
        said = f"{several} can't carry a claim about a model: expected {SEEDS_OF_A_CLAIM} or more."
        return [said] if self.seeds < SEEDS_OF_A_CLAIM else []

    @property
    def standing(self) -> Standing:
        """Where the base stands among the rivals, by the first metric."""
        metric = self.metrics[0]
        sign = -1 if metric in SMALLER_IS_BETTER else 1
        over = {name: self.minus_base(name, metric) for name in self.rivals}
        real = {name: one for name, one in over.items() if one.excludes_zero}
        beat = [name for name, one in real.items() if sign * one.mean > 0]
        # One that beats the base beyond doubt comes before one that may be luck.
        rival = max(beat or over, key=lambda name: sign * over[name].mean)
        mine, other = (float(self.values[name][metric][:, 0].mean()) for name in (self.base, rival))
        where: Where = "below" if beat else "better" if len(real) == len(over) else "unclear"
        return Standing(where, rival, metric, mine, other, over[rival])

    @property
    def first_line(self) -> str:
        """Whether the base is worth starting from, by the first metric.

        It is below a rival, or better than every one, where the interval of the difference excludes
        zero; else it can't be told from the nearest.
        """
        found = self.standing
        return found.sentence(f"Your base '{self.base}'", found.rival)

    def __repr__(self) -> str:
        levels = {
            metric: [level(confidence_interval(one[metric])) for one in self.values.values()]
            for metric in self.metrics
        }
        over = {
            metric: [self._over(name, metric) for name in self.values] for metric in self.metrics
        }
        several = f"{self.seeds} seed{'s' if self.seeds > 1 else ''}"
        parts = [
            self.first_line,
            f"Test metrics, 95 % intervals over test users and {several}:",
            pd.DataFrame(levels, index=list(self.values)).to_string(),
            f"Minus '{self.base}', paired:",
            pd.DataFrame(over, index=list(self.values)).to_string(),
            "Chosen on validation rows:",
            "\n".join(f"{name}: {value}" for name, value in self.settings.items() if value),
        ]
        return "\n".join([*parts, *self.caveats])

    def _over(self, name: str, metric: str) -> str:
        difference = self.minus_base(name, metric)
        if name == self.base:
            return ""
        return "–" if math.isnan(difference.mean) else str(difference)


def _ends(interval: Interval) -> tuple[float, float, float]:
    return interval.mean, interval.low, interval.high
