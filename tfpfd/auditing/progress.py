"""Which training runs, and how long all of them will still take."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from tfpfd._keras import keras

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from tfpfd._time_left import TimeLeft


class TrainingProgress:
    """A bar over several trainings, whose epochs are expected to be as many as so far.

    Args:
      trainings: how many there will be.
      epochs: of a training, at most.
      console: where to; a new one if it is None.
      show: whether anything is shown.

    Raises:
      ImportError: if rich isn't installed and `show` is set.
    """

    def __init__(
        self, trainings: int, epochs: int, console: Console | None = None, show: bool = True
    ) -> None:
        self._left, self._epochs = trainings, epochs
        self._done: list[int] = []
        self._bar: Progress | None = None
        self._time_left: TimeLeft | None = None
        if show:
            self._bar, self._time_left = _bar(console)
        if self._bar is not None:
            self._task = self._bar.add_task("", total=trainings * epochs)

    def __enter__(self) -> TrainingProgress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def training(self, name: str) -> keras.callbacks.Callback:
        """A callback that shows the epochs of the next training.

        Args:
          name: what is trained.
        """
        self.show(name)
        return _Epochs(self)

    def show(self, name: str) -> None:
        """Shows what is at work, which may be no training.

        Args:
          name: what is.
        """
        if self._bar is not None:
            self._bar.update(self._task, description=name)

    @property
    def expected(self) -> int:
        """Epochs of all trainings, those to come as long as those so far."""
        mean = sum(self._done) / len(self._done) if self._done else self._epochs
        return round(sum(self._done) + mean * self._left)

    def epoch(self) -> None:
        """An epoch has ended."""
        if self._bar is not None and self._time_left is not None:
            self._time_left.step()
            self._bar.advance(self._task)

    def ended(self, epochs: int) -> None:
        """A training has ended after so many epochs."""
        self._left -= 1
        self._done.append(epochs)
        if self._bar is not None:
            self._bar.update(self._task, total=self.expected)


class _Epochs(keras.callbacks.Callback):
    """Counts the epochs of one training."""

    def __init__(self, progress: TrainingProgress) -> None:
        super().__init__()
        self._progress, self._epochs = progress, 0

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._epochs += 1
        self._progress.epoch()

    def on_train_end(self, logs: dict | None = None) -> None:
        self._progress.ended(self._epochs)


def _bar(console: Console | None) -> tuple[Progress, TimeLeft]:
    try:
        from rich import progress
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
        )

        from tfpfd._time_left import TimeLeft
    except ImportError as error:
        raise ImportError(
            "progress needs rich: pip install 'tfpfd[audit]', or be silent with verbose=0"
        ) from error
    time_left = TimeLeft()
    bar = progress.Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("epochs, took"),
        TimeElapsedColumn(),
        TextColumn("left"),
        time_left,
        console=console,
    )
    return bar, time_left
