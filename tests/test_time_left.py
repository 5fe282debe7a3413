import io

import pytest

pytest.importorskip("rich")

from rich.console import Console
from rich.progress import Progress

from tfpfd._time_left import TimeLeft


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def test_one_step_tells_the_time_left():
    clock = Clock()
    left = TimeLeft(clock)
    assert left.seconds(3) is None
    clock.now += 60
    assert left.seconds(3) is None
    left.step()
    assert left.seconds(3) == 180
    clock.now += 20  # Within a step it is counted down.
    assert left.seconds(3) == 160
    clock.now += 500  # A step that takes longer than all were to take.
    assert left.seconds(3) == 0
    left.step()
    assert left.seconds(2) == 580
    assert left.seconds(0) == 0


def test_what_is_shown_does_not_forget_when_the_total_changes():
    clock = Clock()
    left = TimeLeft(clock)
    bar = Progress(left, console=Console(file=io.StringIO()))
    # Two steps were finished by an earlier run: their time isn't known and doesn't count.
    task = bar.add_task("", total=10, completed=2)

    def shown():
        return left.render(bar.tasks[0]).plain

    assert shown() == "-:--:--"
    clock.now += 1000
    left.step()
    bar.advance(task)
    assert shown() == "1:56:40"
    bar.update(task, total=5)
    assert shown() == "0:33:20"
    bar.update(task, completed=5)
    assert shown() == "0:00:00"
