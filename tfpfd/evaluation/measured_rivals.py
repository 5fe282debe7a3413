"""What an expert would have tried first, as it was measured beside a base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tfpfd.evaluation.comparison import Comparison
from tfpfd.evaluation.differences import Metrics

_SETTING = "setting"


@dataclass(frozen=True, eq=False)
class MeasuredRivals:
    """Rivals of the base, tuned on validation rows.

    Args:
      metrics: `[1 + resamples]` of the test, by rival.
      settings: what was chosen for each, "" for nothing.
      lacking: why there are none, for a reader; "" if there are.
    """

    metrics: Mapping[str, Metrics] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    lacking: str = ""

    def beside(self, models: Mapping[str, Metrics], metric: str) -> Comparison:
        """Models compared with the rivals.

        Args:
          models: metrics `[seeds, 1 + resamples]` by name, of "base" among others.
          metric: the primary one.
        """
        common = next(iter(self.metrics.values()))
        names = [metric, *(name for name in common if name != metric)]
        return Comparison(
            "base",
            {rival: {m: found[m][None] for m in names} for rival, found in self.metrics.items()},
            {model: {m: found[m] for m in names} for model, found in models.items()},
            self.settings,
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """The rivals as arrays by name, from which `of` makes them again."""
        metrics = {f"{r}/{m}": v for r, found in self.metrics.items() for m, v in found.items()}
        settings = {f"{r}/{_SETTING}": np.array(value) for r, value in self.settings.items()}
        return {**metrics, **settings}

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> MeasuredRivals:
        """The rivals that `arrays` gave."""
        metrics: dict[str, dict[str, np.ndarray]] = {}
        settings: dict[str, str] = {}
        for name, values in arrays.items():
            rival, _, key = name.partition("/")
            if key == _SETTING:
                settings[rival] = str(values)
            else:
                metrics.setdefault(rival, {})[key] = values
        return cls(metrics, settings)
