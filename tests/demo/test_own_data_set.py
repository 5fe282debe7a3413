"""A data set of one file, audited by its name."""

import functools
import importlib.util

import pandas as pd
import pytest
import tensorflow as tf

pytest.importorskip("typer")

from typer.testing import CliRunner

from tfpfd.datasets.registry import DATASETS
from tfpfd.demo import audit as command
from tfpfd_cli import app

FILE = '''
"""A shop with ten items."""

import numpy as np
import pandas as pd

import tfpfd


def rows(seed):
    random = np.random.default_rng(seed)
    seconds = random.exponential(size=200)
    return pd.DataFrame({
        "user": random.integers(0, 12, 200),
        "item": random.integers(0, 10, 200),
        "seconds": seconds,
        "label": (seconds + random.random(200) > 1.2).astype(float),
    })


class Shop:
    train, validation, test = (rows(seed) for seed in range(3))
    schema = tfpfd.Schema(
        user=[tfpfd.Categorical("user", dtype="int")],
        item=[tfpfd.Categorical("item", dtype="int")],
        privileged={"post_event": [tfpfd.Numeric("seconds", buckets=4)]},
        list_key="user",
    )


tfpfd.datasets.register(tfpfd.datasets.Registered("shop", lambda path: Shop()))
'''


@pytest.fixture
def _shop(tmp_path):
    (tmp_path / "shop.py").write_text(FILE)
    spec = importlib.util.spec_from_file_location("shop", tmp_path / "shop.py")
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    yield
    del DATASETS["shop"]


@pytest.fixture
def _eager():
    """Graphs would take longer than the few steps that they are for."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def audit(*arguments):
    return CliRunner().invoke(app, ["audit", *map(str, arguments)], env={"COLUMNS": "500"})


@pytest.mark.slow
@pytest.mark.usefixtures("_shop", "_eager")
def test_a_data_set_of_one_file_is_audited(tmp_path, monkeypatch):
    short = functools.partial(command.audit, epochs=2, multipliers=(), warm_up=0)
    monkeypatch.setattr(command, "audit", short)
    said = audit("--data", "shop", "--seeds", 2, "--out", tmp_path / "out")
    assert said.exit_code == 0, said.output
    found = pd.read_csv(tmp_path / "out" / "results.csv")
    assert set(found["arm"]) > {"base", "self", "shuffled", "zeroed", "distilled"}
    assert f"report: {tmp_path / 'out' / 'report.html'}" in said.output


@pytest.mark.slow
def test_data_sets_that_are_not_there_are_listed(tmp_path):
    said = audit("--data", "shop", "--out", tmp_path / "out")
    assert said.exit_code == 2
    assert "`--data` must be one of ['kuairand', 'marketplace', " in said.output
    assert "received 'shop', which is none" in said.output
    said = audit("--data", "mediator:/x", "--out", tmp_path / "out")
    assert said.exit_code == 2
    assert "mediator is simulated and has no path" in said.output
