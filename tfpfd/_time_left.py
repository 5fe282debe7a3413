"""The time that a bar of few and long steps still takes; needs rich."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.progress import ProgressColumn, Task
from rich.text import Text


class TimeLeft(ProgressColumn):
    """The mean time of the steps so far for each that is left, counted down within a step.

    rich's own column knows nothing until a second step has ended, and again whenever the total
    changes.

    Args:
      clock: gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock, self._start = clock, clock()
        self._steps, self._took = 0, 0.0

    def step(self) -> None:
        """A step has ended."""
        self._steps += 1
        self._took = self._clock() - self._start

    def seconds(self, steps: float) -> float | None:
        """Seconds that so many steps still take; None if no step has ended yet."""
        if steps <= 0:
            return 0.0
        if not self._steps:
            return None
        since = self._clock() - self._start - self._took
        return max(0.0, self._took / self._steps * steps - since)

    def render(self, task: Task) -> Text:
        """The time left, as rich writes it."""
        seconds = None if task.total is None else self.seconds(task.total - task.completed)
        text = "-:--:--"
        if seconds is not None:
            minutes, rest = divmod(round(seconds), 60)
            text = f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
        return Text(text, style="progress.remaining")
