"""A toy experiment whose metrics are known, and training without graphs."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from matplotlib.figure import Figure

from experiments.experiment import Experiment, Section


class Toy(Experiment):
    """Cells a and b; `score` is an array unless `plain`, and b's is .1 higher."""

    name = "toy"
    question = "Is b better than a?"
    claim = "It is, by .1."
    metrics = ("score", "size")
    seeds = 2
    sources = ("made", "kept")

    def __init__(self, data=None, plain=False, fail_at=None, **settings):
        super().__init__(data)
        self.plain, self.fail_at, self.more = plain, fail_at, settings
        self.ran, self.prepared = [], 0

    def settings(self):
        return {**super().settings(), **self.more}

    def prepare(self):
        self.prepared += 1

    def cells(self, seeds):
        return [{"arm": arm, "seed": seed} for seed in range(seeds) for arm in ("a", "b, c")]

    def run(self, cell):
        if len(self.ran) == self.fail_at:
            raise RuntimeError("no more")
        self.ran.append((cell["arm"], cell["seed"]))
        noise = np.random.default_rng(cell["seed"]).normal(size=6) / 3
        score = noise + (0.1 if cell["arm"] == "b, c" else 0)
        found = {"score": float(score[0]) if self.plain else score}
        return found if cell["arm"] == "a" else {**found, "size": 1e-17 + cell["seed"] / 3}

    def report(self, results):
        difference = results.difference("score", {"arm": "b, c"}, {"arm": "a"})
        table = pd.DataFrame({"what": ["b|a"], "by": [f"{difference.mean:.3f}"]})
        return [Section("Found, by arm", "In words.", table, Figure())]


@pytest.fixture
def toy():
    return Toy


@pytest.fixture
def _eager():
    """A graph would take longer than the few steps that it is for."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
