"""A task of a few rows, with a recipe of a single epoch."""

from dataclasses import replace

import pytest

from tfpfd.datasets import marketplace
from tfpfd.experiments.objectives.task import SOURCES, ObjectiveTask, Recipe


@pytest.fixture(scope="session")
def tiny():
    recipe = Recipe(dim=2, units=(4,), epochs=1, batch_size=1000)
    source = replace(SOURCES["marketplace"], recipe=recipe)
    return ObjectiveTask.of(marketplace("objectives", users=60, items=100, days=10), source)
