import io

import pandas as pd
import pytest
from rich.console import Console

from experiments.finished_cells import FinishedCells
from experiments.markdown_report import markdown_table
from experiments.runner import run_cells

ALL = [("a", 0), ("b, c", 0), ("a", 1), ("b, c", 1)]


def go(experiment, out, seeds=2):
    said = io.StringIO()
    console = Console(file=said, width=200)
    return run_cells(experiment, FinishedCells(out, experiment, seeds), console), said.getvalue()


def test_cells_run_in_order_and_once(toy, tmp_path):
    experiment = toy()
    report, said = go(experiment, tmp_path)
    assert experiment.ran == ALL
    assert report == tmp_path / "report.md"
    assert "4/4 cells" in said and f"report: {report}" in said
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    again = toy()
    _, said = go(again, tmp_path)
    assert again.ran == []
    assert "4 of 4 cells are finished already" in said
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


def test_a_stopped_run_reports_what_is_there_and_goes_on(toy, tmp_path):
    stopped = toy(fail_at=3)
    with pytest.raises(RuntimeError, match="no more"):
        go(stopped, tmp_path)
    partial = (tmp_path / "report.md").read_text()
    assert "**Unfinished: 3 of 4 cells.**" in partial
    assert "| b\\|a | 0.100 |" in partial
    rest = toy()
    report, _ = go(rest, tmp_path)
    assert stopped.ran + rest.ran == ALL
    assert "Unfinished" not in report.read_text()


def test_a_run_that_finished_nothing_reports_nothing(toy, tmp_path):
    with pytest.raises(RuntimeError, match="no more"):
        go(toy(fail_at=0), tmp_path)
    assert not (tmp_path / "report.md").exists()


def test_the_report_says_what_was_asked_claimed_found_and_how(toy, tmp_path):
    report, _ = go(toy(rows=5), tmp_path)
    text = report.read_text()
    for part in (
        "# toy",
        "**Question.** Is b better than a?",
        "**Claimed.** It is, by .1.",
        "## Found, by arm",
        "In words.",
        "| what | by |",
        "| b\\|a | 0.100 |",
        "![Found, by arm](found-by-arm.png)",
        "- 4 of 4 cells, 2 seeds, ",
        "- settings: data made, resamples 200, rows 5",
        "Python 3.",
        "TensorFlow 2.",
    ):
        assert part in text
    assert (tmp_path / "found-by-arm.png").read_bytes().startswith(b"\x89PNG")


def test_markdown_table():
    table = pd.DataFrame({"a": [1, 2], "b|c": ["x", "|"]}, index=[7, 8])
    assert markdown_table(table).splitlines() == [
        "| a | b\\|c |",
        "| --- | --- |",
        "| 1 | x |",
        "| 2 | \\| |",
    ]
