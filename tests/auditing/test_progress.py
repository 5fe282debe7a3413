import io

import pytest

from tfpfd.auditing.progress import TrainingProgress


def run(progress, epochs):
    callback = progress.training("one")
    for epoch in range(epochs):
        callback.on_epoch_end(epoch)
    callback.on_train_end()


def test_trainings_to_come_are_expected_to_be_as_long_as_those_so_far():
    with TrainingProgress(4, epochs=10, show=False) as progress:
        assert progress.expected == 40
        run(progress, 4)
        assert progress.expected == 16
        run(progress, 6)
        assert progress.expected == 20
        run(progress, 5)
        run(progress, 5)
        assert progress.expected == 20


def test_what_is_shown():
    console = pytest.importorskip("rich.console").Console(file=io.StringIO(), width=120)
    with TrainingProgress(2, epochs=3, console=console) as progress:
        run(progress, 3)
        run(progress, 2)
    shown = console.file.getvalue()
    assert "one" in shown
    assert "5/5 epochs" in shown
    assert "left" in shown


def test_a_time_left_is_shown_from_the_first_epoch_on():
    console = pytest.importorskip("rich.console").Console(
        file=io.StringIO(), width=120, force_terminal=True
    )
    with TrainingProgress(3, epochs=3, console=console) as progress:
        callback = progress.training("one")
        progress._bar.refresh()
        assert "-:--:--" in last(console)
        callback.on_epoch_end(0)
        progress._bar.refresh()
        assert "-:--:--" not in last(console)
        callback.on_train_end()  # Changes the total.
        progress._bar.refresh()
        assert "-:--:--" not in last(console)


def last(console):
    """What was written last."""
    said = console.file.getvalue()
    console.file.truncate(0)
    console.file.seek(0)
    return said
