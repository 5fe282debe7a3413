"""A task of a few rows, with a recipe of a single epoch."""

from dataclasses import replace

import pytest

from experiments.objectives.objective_task import ObjectiveTask
from experiments.objectives.sources import SOURCES
from tfpfd.datasets import marketplace


@pytest.fixture(scope="session")
def tiny():
    whole = SOURCES["marketplace"]
    recipe = replace(whole.recipe, dim=2, epochs=1, batch_size=1000)
    source = replace(whole, recipe=recipe, units=(4,))
    return ObjectiveTask.of(marketplace("objectives", users=60, items=100, days=10), source)
