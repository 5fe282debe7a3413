"""`tfpfd audit`, with trainings that do nothing."""

import dataclasses

import pytest

pytest.importorskip("typer")

import numpy as np
import pandas as pd
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
            ["--data", "{folder}/made", "--schema", "{folder}/schema.json"],
            "misses ['train.parquet', 'validation.parquet', 'test.parquet']",
        ),
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
    assert message in said.output


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
