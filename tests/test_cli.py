"""`tfpfd inspect` and `tfpfd refresh`: their exit codes and what they say."""

import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from tfpfd import (
    Categorical,
    Numeric,
    Ranker,
    Schema,
    TwoTower,
    __version__,
    export,
    inspect_export,
)

pytest.importorskip("typer")
pytest.importorskip("rich")

from typer.testing import CliRunner

from tfpfd_cli import app


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    schema = Schema(
        user=(Categorical("user_id", vocabulary=("u1",)),),
        item=(Categorical("item_id", vocabulary=("i1",)),),
        privileged={"cross": (Numeric("affinity", boundaries=(0.5,)),)},
    )
    base = tmp_path_factory.mktemp("models")
    return export(Ranker(schema, TwoTower([2])), {"item_id": ["i1"]}, base, verbose=0)


def run(*arguments):
    return CliRunner().invoke(app, ["inspect", *map(str, arguments)], env={"COLUMNS": "500"})


@pytest.mark.slow
def test_a_clean_export_exits_with_0(path):
    for directory in (path, path.parent):
        result = run(directory)
        assert result.exit_code == 0, result.output
        for text in (
            str(path),
            "serving_default",
            "candidate_ids: string [?, ?]",
            "weights/user_tower/0",
            "user features: user_id",
            "item features: item_id",
            "looked for: affinity",
            "nothing privileged is inside",
        ):
            assert text in result.output


@pytest.mark.slow
def test_a_finding_exits_with_1(path):
    result = run(path, "--privileged", "user_id")
    assert result.exit_code == 1
    assert "looked for: affinity, user_id" in result.output
    assert "found: privileged feature 'user_id' is named in signature 'top_k'" in result.output
    assert "nothing privileged" not in result.output


@pytest.mark.slow
def test_no_export_exits_with_2(tmp_path, path):
    # A name that the console would take for markup.
    result = run(tmp_path / "no[/b]where")
    assert result.exit_code == 2
    assert f"error: '{tmp_path}/no[/b]where' holds no SavedModel" in result.output
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"damaged")
    result = run(tmp_path)
    assert result.exit_code == 2
    assert "can't be read as a SavedModel" in result.output


@pytest.mark.slow
def test_refresh_writes_the_next_version_or_exits_with_2(path, tmp_path):
    base, items = tmp_path / "model", tmp_path / "items.parquet"
    shutil.copytree(path, base / "1")
    pd.DataFrame({"item_id": ["i1", "i2"]}).to_parquet(items)

    def refresh(directory):
        arguments = ["refresh", str(directory), "--items", str(items)]
        return CliRunner().invoke(app, arguments, env={"COLUMNS": "500"})

    result = refresh(base)
    assert result.exit_code == 0, result.output
    assert f"written: {base / '2'}" in result.output
    assert inspect_export(base / "2").manifest["items"] == 2
    result = refresh(tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "holds no SavedModel" in result.output


@pytest.mark.slow
@pytest.mark.parametrize("options", [["--help"], ["--version"], ["audit", "--help"]])
def test_what_needs_no_tensorflow_imports_none(options):
    program = (
        "import sys, tfpfd_cli\n"
        "try: tfpfd_cli.main()\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'tensorflow', 'tfpfd'} & set(sys.modules)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", program, *options], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    assert said.stderr == ""
    if options == ["--version"]:
        assert said.stdout == f"tfpfd {__version__}\n"


@pytest.mark.slow
def test_no_log_of_tensorflow_is_among_what_a_command_says(path):
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    program = "import tfpfd_cli; tfpfd_cli.main()"
    said = subprocess.run(
        [sys.executable, "-c", program, "inspect", str(path)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert said.stderr == ""
    assert said.stdout.endswith("nothing privileged is inside\n")
