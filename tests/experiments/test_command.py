"""`python -m experiments`: what it refuses before any work, and a whole run."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("typer")

from typer.testing import CliRunner

from experiments import registry
from experiments.__main__ import app


@pytest.fixture
def made(toy, monkeypatch):
    """The toys that the command line makes, under the name `toy`."""
    made = []

    class Watched(toy):
        def __init__(self, data=None):
            super().__init__(data)
            made.append(self)

    monkeypatch.setitem(registry.EXPERIMENTS, "toy", Watched)
    return made


def run(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "500"})


def test_a_run_and_its_continuation(made, tmp_path):
    result = run("toy", "--out", tmp_path / "new", "--seeds", 1)
    assert result.exit_code == 0, result.output
    assert f"report: {tmp_path}/new/report.md" in result.output
    result = run("toy", "--out", tmp_path / "new")
    assert result.exit_code == 0, result.output
    assert "2 of 4 cells are finished already" in result.output
    assert run("toy", "--out", tmp_path / "new").exit_code == 0
    assert [len(one.ran) for one in made] == [2, 2, 0]
    # Nothing is read where nothing is left to run.
    assert [one.prepared for one in made] == [1, 1, 0]


def test_the_list_has_every_name_and_question(made):
    result = run("--list")
    assert result.exit_code == 0, result.output
    for kind in registry.EXPERIMENTS.values():
        assert kind.name in result.output
        assert kind.question in result.output
    assert "made, kept" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["[b]nothing"], "error: there is no experiment '[b]nothing'; there is coarse-ctr, "),
        (["synthetic", "--data", "movielens"], "makes its own data, received `--data movielens`"),
        (["toy", "--data", "lost"], "must be one of made, kept, or one of them with `:path`"),
        (["toy", "--data", "kept:/no/where"], "`--data kept:/no/where`: nothing is at '/no/where'"),
        (["toy", "--data", "kept:"], "nothing is at ''"),
        (["coarse-ctr", "--data", "marketplace:/"], "marketplace is simulated and has no path"),
        (["toy", "--seeds", "0"], "--seeds"),
        ([], "Missing argument"),
    ],
)
def test_what_cannot_be_run_exits_with_2_before_any_work(made, tmp_path, arguments, message):
    result = run(*arguments, "--out", tmp_path / "out")
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert not (tmp_path / "out").exists()
    assert not any(one.prepared or one.ran for one in made)


def test_foreign_results_exit_with_2(made, tmp_path):
    assert run("toy", "--out", tmp_path, "--seeds", 1).exit_code == 0
    result = run("toy", "--out", tmp_path, "--data", f"kept:{tmp_path}")
    assert result.exit_code == 2
    assert "holds results of other settings" in result.output
    result = run("synthetic", "--out", tmp_path)
    assert result.exit_code == 2
    assert "holds results of other experiment: expected synthetic, found toy" in result.output
    (tmp_path / "file").touch()
    result = run("toy", "--out", tmp_path / "file")
    assert result.exit_code == 2
    assert "must be a directory" in result.output


def test_data_that_cannot_be_prepared_exit_with_2(made, tmp_path, monkeypatch):
    def prepare(self):
        raise FileNotFoundError("no log in it")

    made_of = registry.EXPERIMENTS["toy"]
    monkeypatch.setattr(made_of, "prepare", prepare)
    out = tmp_path / "some" / "out"
    result = run("toy", "--out", out)
    assert result.exit_code == 2
    assert "error: no log in it" in result.output
    assert not out.parent.exists()
    # Other data may follow in the same place.
    monkeypatch.undo()
    monkeypatch.setitem(registry.EXPERIMENTS, "toy", made_of)
    assert run("toy", "--out", out, "--data", "kept").exit_code == 0


@pytest.mark.slow
def test_help_from_a_clone_needs_no_tensorflow():
    clone = Path(__file__).parents[2]
    program = "import runpy, sys; sys.modules['tensorflow'] = None; sys.argv[1:] = ['--help']\n"
    program += "runpy.run_module('experiments', run_name='__main__')"
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=clone, check=False
    )
    assert said.returncode == 0, said.stderr
    assert "python -m experiments" in said.stdout
    assert "--out" in said.stdout
