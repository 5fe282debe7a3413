"""The student's gain over the strength of the privileged features."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tfpfd._keras import keras
from tfpfd.auditing.rows import SplitRows, Splits, user_key_of
from tfpfd.datasets import marketplace, mediator
from tfpfd.experiments.comparison import (
    MethodExperiment,
    difference_table,
    metric_table,
)
from tfpfd.experiments.experiment import Cell, Metrics, Section
from tfpfd.experiments.methods import CONTROLS, METHODS, treatment_of
from tfpfd.experiments.results import Results
from tfpfd.experiments.tasks import COARSE, FINE, Recipe, Source, Task
from tfpfd.layers import MLP
from tfpfd.schema import Sees

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def weakened(data: SplitRows, strength: float, seed: int) -> Splits:
    """Rows of which a share keep their privileged features, while the others exchange theirs.

    Args:
      data: the rows.
      strength: the share of the rows of each split, 0 to 1.
      seed: of which rows they are, and of the exchange.
    """
    random = np.random.default_rng(seed)
    names = list(data.schema.features("privileged"))

    def exchanged(frame: pd.DataFrame) -> pd.DataFrame:
        others = np.flatnonzero(random.random(len(frame)) >= strength)
        order = np.arange(len(frame))
        order[others] = random.permutation(others)
        return frame.assign(**{name: frame[name].to_numpy()[order] for name in names})

    train, validation, test = map(exchanged, (data.train, data.validation, data.test))
    return Splits(train, validation, test, data.schema, user_key_of(data))


def _of_strengths(source: Source) -> Source:
    """A source whose rows are those of a strength and a seed."""
    return replace(source, load=lambda path: partial(weakened, source.load(path)))


def _mediator(strength: float, seed: int) -> SplitRows:
    return mediator(strength=strength, seed=seed)


def _marketplace(strength: float, seed: int) -> SplitRows:
    return marketplace("purchase", users=4000, strength=strength, seed=seed, verbose=0)


STRENGTHS = {
    "mediator": (0.0, 0.1, 0.2, 0.5, 1.0, 2.0),
    "marketplace": (0.0, 0.1, 0.2, 0.5, 1.0),
    "movielens": (0.0, 0.25, 0.5, 1.0),
    "kuairand": (0.0, 0.25, 0.5, 1.0),
}
COMPARED = ("baseline", "self", "shuffled", "PFD", "LUPI")


RECIPE = Recipe(
    dim=2, embedding_l2=0.01, learning_rate=0.01, batch_size=500, epochs=40, patience=6, weight=0.9
)


def _network(sees: Sees, strong: bool) -> keras.layers.Layer:
    """Small: 500 labels feed no larger one."""
    return MLP([8], l2=0.01, batch_norm=False)


class TeacherStrength(MethodExperiment):
    """Rows whose X* grows stronger.

    Those of the mediator are 500 with a label and 4,500 without; those of the marketplace are its
    clicks, with post-event features. Real rows have cross features, of which a share are their own.
    """

    name = "teacher-strength"
    question = "Does a stronger teacher make a better student?"
    claim = (
        'Yang et al., "Toward Understanding Privileged Features Distillation in Learning-to-Rank", '
        "NeurIPS 2022 (arXiv 2209.08754): not beyond a point; a too predictive X* gives a teacher "
        "of high variance and a worse student."
    )
    tasks = {
        "mediator": Source(lambda path: _mediator, _network, RECIPE),
        "marketplace": replace(FINE["marketplace"], load=lambda path: _marketplace),
        "movielens": _of_strengths(COARSE["movielens"]),
        "kuairand": _of_strengths(COARSE["kuairand"]),
    }
    sources = tuple(tasks)
    _prepared: tuple[tuple[float, int], Task] | None = None

    @property
    def _strengths(self) -> tuple[float, ...]:
        assert self.source is not None
        return STRENGTHS[self.source]

    def prepare(self) -> None:
        """Reads the data, of which the rows of each cell are made."""
        assert self.source is not None
        self._rows = self.tasks[self.source].load(self.path)

    def cells(self, seeds: int) -> list[Cell]:
        """Every method at every strength."""
        return [
            {"strength": strength, "method": method, "seed": seed}
            for seed in range(seeds)
            for strength in self._strengths
            for method in COMPARED
        ]

    def _task(self, strength: float, seed: int) -> Task:
        # Cells of the same rows follow each other.
        if self._prepared is None or self._prepared[0] != (strength, seed):
            assert self.source is not None
            source = self.tasks[self.source]
            task = Task.of(self._rows(strength, seed), source.network, source.recipe)
            self._prepared = ((strength, seed), task)
        return self._prepared[1]

    def run(self, cell: Cell) -> Metrics:
        """Trains a method on the rows of a strength and a seed."""
        seed, name = int(cell["seed"]), str(cell["method"])
        self.task = self._task(float(cell["strength"]), seed)
        return self.train({**METHODS, **CONTROLS}[name], seed, treatment_of(name))

    def report(self, results: Results) -> list[Section]:
        """Gains over the baseline by strength, and the teacher's AUC."""
        rows: dict[str, Cell] = {
            f"{method}, strength {strength:g}": {"method": method, "strength": strength}
            for strength in self._strengths
            for method in COMPARED
        }
        sections = [
            Section("Gain and strength", figure=_draw(results, str(self.source))),
            Section("Test metrics", "", metric_table(results, rows)),
        ]
        for strength in self._strengths:
            at: dict[str, Cell] = {m: {"method": m, "strength": strength} for m in COMPARED}
            baseline = at.pop("baseline")
            heading = f"Minus the baseline, strength {strength:g}"
            sections.append(Section(heading, "", difference_table(results, at, baseline)))
        return sections


def _draw(results: Results, source: str) -> Figure:
    from matplotlib.figure import Figure

    strengths = STRENGTHS[source]
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    gains, teachers = figure.subplots(1, 2)
    apart = 0.015 * (strengths[-1] - strengths[0])
    for shift, method in enumerate(COMPARED[1:]):
        cells: list[Cell] = [{"method": method, "strength": strength} for strength in strengths]
        found = [results.difference("auc", cell, {**cell, "method": "baseline"}) for cell in cells]
        scores = [results.interval("teacher_auc", **cell).mean for cell in cells]
        half = [interval.half for interval in found]
        # Of what isn't finished there is no point, but a place on the axis and in the legend.
        places = [strength + apart * (shift - 1.5) for strength in strengths]
        gains.errorbar(places, [i.mean for i in found], half, marker="o", capsize=3)
        teachers.plot(strengths, scores, marker="o", label=method)
    gains.axhline(0, color="black", linewidth=0.8)
    gains.set_ylabel("student's AUC minus the baseline's")
    teachers.set_ylabel("teacher's AUC")
    for axes in (gains, teachers):
        axes.set_xlabel("strength of the privileged features")
        axes.set_xlim(strengths[0] - 0.1, strengths[-1] + 0.1)
        axes.grid(alpha=0.3)
    teachers.legend()  # Of both: its lines leave more room.
    figure.suptitle(f"{source}; 95 % intervals over seeds and users", fontsize=10)
    return figure
