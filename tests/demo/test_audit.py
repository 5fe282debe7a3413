"""`tfpfd audit`, with trainings that do nothing."""

import dataclasses
import re
import shutil

import pytest

pytest.importorskip("typer")

import numpy as np
import pandas as pd
import typer
from typer.testing import CliRunner

from tfpfd import Categorical, Numeric, Schema
from tfpfd.auditing import arm_trainings
from tfpfd.auditing.arms import Trained
from tfpfd_cli import app

SCHEMA = Schema(
    user=(Categorical("user_id", dtype="int"),),
    item=(Categorical("item_id", dtype="int"),),
    privileged={"cross": (Numeric("affinity", buckets=4),)},
    list_key="user_id",
)


def frame(seed):
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "user_id": random.integers(0, 9, 120),
            "item_id": random.integers(0, 20, 120),
            "affinity": random.random(120),
            "label": random.integers(0, 2, 120).astype(float),
        }
    )


@pytest.fixture
def folder(tmp_path):
    for seed, part in enumerate(("train", "validation", "test")):
        frame(seed).to_parquet(tmp_path / f"{part}.parquet")
    (tmp_path / "schema.json").write_text(SCHEMA.to_json())
    (tmp_path / "empty").mkdir()
    shutil.copytree(tmp_path, tmp_path / "damaged", ignore=lambda *_: ["damaged", "empty"])
    (tmp_path / "damaged" / "test.parquet").write_text("user_id,item_id")
    return tmp_path


@pytest.fixture(autouse=True)
def _untrained(monkeypatch):
    def untrained(arm, recipe, schema, train, validation, seed, callbacks):
        student = recipe.student(schema)
        teacher = arm.teacher and recipe.teacher(schema, arm.teacher, student)
        return Trained(student, teacher, losses=(0.7, 0.6), steps=2)

    monkeypatch.setattr(arm_trainings, "train", untrained)


def run(*arguments):
    arguments = ["audit", *map(str, arguments)]
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "500"})


def test_a_folder_of_parquet(folder):
    out = folder / "made"
    said = run("--data", folder, "--schema", folder / "schema.json", "--seeds", 2, "--out", out)
    assert said.exit_code == 0, said.output
    page = (out / "report.html").read_text(encoding="utf-8")
    assert f"report: {out / 'report.html'}" in said.output
    verdict = said.output[said.output.index("Can't tell") :].splitlines()[0]
    assert verdict.replace("'", "&#x27;") in page
    assert "try: " in said.output
    assert len(pd.read_csv(out / "results.csv")) == (5 + 4 + 3) * 4  # Rivals, too.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "{folder}"], "error: `--schema` is missing"),
        (["--data", "{folder}", "--schema", "{folder}/no.json"], "no.json' is not there"),
        (["--data", "{folder}", "--schema", "{folder}/train.parquet"], "can't be read as a schema"),
        (
            ["--data", "{folder}/empty", "--schema", "{folder}/schema.json"],
            "misses ['train.parquet', 'validation.parquet', 'test.parquet']",
        ),
        (
            ["--data", "movilens"],
            "-catalogue'], one of them with `:path` behind it, or",
        ),
        (["--data", "movilens"], "a folder, received 'movilens', which is none"),
        (["--data", "{folder}/damaged", "--schema", "{folder}/schema.json"], "test.parquet' can't"),
        (["--data", "movielens:{folder}/no"], "nothing is at '{folder}/no'"),
        (
            ["--data", "{folder}", "--schema", "{folder}/schema.json", "--seeds", "1"],
            "`seeds` must be an integer of at least 2",
        ),
        (
            ["--data", "{folder}", "--schema", "{folder}/schema.json", "--metric", "f1"],
            "`metric` must be one of",
        ),
    ],
)
def test_what_is_refused_exits_with_2(folder, arguments, message):
    said = run(*(argument.format(folder=folder) for argument in arguments))
    assert said.exit_code == 2
    assert message.format(folder=folder) in said.output


def test_what_is_advised_can_be_given(folder):
    """An option for every argument that an advice or a warning names."""
    given = ["--data", folder, "--schema", folder / "schema.json", "--out", folder / "made"]
    said = run(*given, "--seeds", 2, "--epochs", 2)
    named = {word for word in re.findall(r"--[a-z-]+", said.output)}
    assert {"--sees", "--seeds", "--epochs", "--learning-rate"} <= named
    command = typer.main.get_command(app).commands["audit"]
    options = {flag for one in command.params for flag in one.opts}
    assert named <= options
    own = [
        "--sees",
        "privileged",
        "--distillation-weight",
        0.9,
        "--learning-rate",
        0.01,
        "--epochs",
        7,
    ]
    said = run(*given[:-1], folder / "other", "--seeds", 2, *own)
    assert said.exit_code == 0, said.output
    report = (folder / "other" / "report.md").read_text(encoding="utf-8")
    for row in ("teacher sees | privileged", "λ | 0.9", "learning rate | 0.01", "(epochs) | 7"):
        assert row in report
    assert "--sees" not in said.output
    said = run(*given, "--distillation-weight", 2)
    assert said.exit_code == 2
    assert "`distillation_weight` must be a finite number from 0 to 1, received 2" in said.output


def test_a_demo_of_a_misspelt_path(folder):
    said = CliRunner().invoke(
        app,
        ["demo", "--data", str(folder / "ml-10k"), "--out", str(folder / "made")],
        env={"COLUMNS": "500"},
    )
    assert said.exit_code == 2, said.output
    assert "`--data` must be a local copy of MovieLens-100K, received" in said.output
    assert not (folder / "made").exists()


@pytest.mark.parametrize("command", ["audit", "demo"])
def test_an_out_that_is_no_folder_is_refused_before_data_are_read(folder, command):
    (folder / "file").touch()
    out = folder / "file" / "deeper"
    said = CliRunner().invoke(
        app, [command, "--data", str(folder / "nothing"), "--out", str(out)], env={"COLUMNS": "500"}
    )
    assert said.exit_code == 2, said.output
    assert f"`--out` must be a directory, '{folder / 'file'}' is a file" in said.output


def test_the_user_key_of_a_schema_without_lists(folder):
    (folder / "schema.json").write_text(dataclasses.replace(SCHEMA, list_key=None).to_json())
    given = ["--data", folder, "--schema", folder / "schema.json", "--out", folder / "made"]
    said = run(*given, "--seeds", 2)
    assert said.exit_code == 2
    assert "`user_key`" in said.output
    said = run(*given, "--seeds", 2, "--user-key", "user_id")
    assert said.exit_code == 0, said.output
    assert "| test users | 9 |" in (folder / "made" / "report.md").read_text(encoding="utf-8")
    said = run(*given, "--user-key", "nobody")
    assert said.exit_code == 2
    assert "misses the columns ['nobody']" in said.output
