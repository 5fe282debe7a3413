"""How many labels there are, and how many unexposed candidates beside them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from tfpfd.auditing.arms import BASE, SELF, SHUFFLED, Arm, Recipe, train
from tfpfd.auditing.comparison import METRICS
from tfpfd.datasets import marketplace, movielens_100k
from tfpfd.distillation import Ranker
from tfpfd.experiments import movielens, tasks
from tfpfd.experiments.candidates import KS, CandidateTask, Keys
from tfpfd.experiments.comparison import differences, levels
from tfpfd.experiments.experiment import Cell, Experiment, Metrics, Section
from tfpfd.experiments.results import Results
from tfpfd.layers import MLP, FeatureEncoder, TwoTower
from tfpfd.schema import Schema, Sees

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHARES = (0.1, 0.25, 0.5, 1.0)
PER_ROW = (0, 1, 4, 16)
ARMS = (BASE, SELF, SHUFFLED, Arm("PFD", teacher="all"), Arm("LUPI", teacher="privileged"))
COLORS = {"self": "tab:gray", "shuffled": "tab:olive", "PFD": "tab:blue", "LUPI": "tab:orange"}


def _recipe(of: tasks.Recipe) -> Recipe:
    """That of coarse ranking, for a student and teachers with inputs of their own."""

    def encoder(schema: Schema, sees: Sees) -> FeatureEncoder:
        return FeatureEncoder(schema, schema.features(sees), of.dim, l2=of.embedding_l2)

    def student(schema: Schema) -> Ranker:
        # Without a bias, as the towers were that the published figures are of.
        network = TwoTower([32, 16], batch_norm=False, use_bias=False)
        return Ranker(schema, network, encoder=encoder(schema, "served"))

    def teacher(schema: Schema, sees: Sees, student: Ranker) -> Ranker:
        network = MLP([32, 16], batch_norm=False)
        return Ranker(schema, network, sees=sees, encoder=encoder(schema, sees))

    return Recipe(student, teacher, of.learning_rate, of.weight, 1, of.epochs, of.patience)


@dataclass(frozen=True)
class Source:
    """Where rows and candidates come from, and how students of them are trained.

    Args:
      load: gives the dataset, from the path of a copy on this machine or None.
      keys: of its rows.
      recipe: how every arm is trained.
      batch_size: labelled rows a batch.
      whole_catalogue: whether students are tested on all items, too.
    """

    load: Callable[[Path | None], Any]
    keys: Keys
    recipe: Recipe
    batch_size: int
    whole_catalogue: bool


SOURCES = {
    "movielens": Source(
        load=movielens_100k,
        keys=movielens.KEYS,
        # The demo's, with less patience, as there are hundreds of trainings.
        recipe=dataclasses.replace(movielens.RECIPE, patience=2),
        batch_size=movielens.LABELLED_PER_BATCH,
        whole_catalogue=True,
    ),
    "marketplace": Source(
        load=lambda path: marketplace("click", users=300, verbose=0),
        keys=Keys("user_id", "item_id", ("day",)),
        recipe=_recipe(tasks.COARSE["marketplace"].recipe),
        batch_size=256,
        whole_catalogue=True,
    ),
    "kuairand": Source(
        load=tasks.load_kuairand("click"),
        keys=Keys("user_id", "video_id", ("time_ms", "tab")),
        recipe=_recipe(tasks.COARSE["kuairand"].recipe),
        batch_size=tasks.COARSE["kuairand"].recipe.batch_size,
        # All videos have one embedding of their id, and there are many users.
        whole_catalogue=False,
    ),
}


class Unexposed(Experiment):
    """Some of the labels, and beside them items that the user was not shown."""

    name = "unexposed"
    question = "Does a privileged teacher help most on items that the user was not shown?"
    claim = (
        "Rows without a label, on which the teacher has an opinion, are where several later works "
        "see the gain of coarse ranking: DUET (arXiv 2510.24369), UKDSL (2502.06834), HCCP "
        "(2502.10284). No figures on public data are given."
    )
    metrics = tuple(METRICS)
    sources = tuple(SOURCES)
    _prepared: tuple[tuple[float, int], CandidateTask] | None = None

    @property
    def _of(self) -> Source:
        assert self.source is not None
        return SOURCES[self.source]

    def settings(self) -> dict[str, Any]:
        """The data and the recipe."""
        recipe = {
            name: getattr(self._of.recipe, name)
            for name in ("learning_rate", "weight", "warm_up", "epochs", "patience")
        }
        return {**super().settings(), "recipe": recipe}

    def prepare(self) -> None:
        """Reads the data."""
        self._data = self._of.load(self.path)

    def cells(self, seeds: int) -> list[Cell]:
        """Every arm for every share of the labels and number of unexposed items."""
        return [
            {"labels": share, "per_row": per_row, "method": arm.name, "seed": seed}
            for share in SHARES
            for per_row in PER_ROW
            for seed in range(seeds)
            for arm in ARMS
        ]

    def _task(self, share: float, per_row: int) -> CandidateTask:
        # Cells of the same rows follow each other.
        if self._prepared is None or self._prepared[0] != (share, per_row):
            source = self._of
            task = CandidateTask.prepare(self._data, source.keys, source.batch_size, share, per_row)
            self._prepared = ((share, per_row), task)
        return self._prepared[1]

    def run(self, cell: Cell) -> Metrics:
        """Trains an arm."""
        task = self._task(float(cell["labels"]), int(cell["per_row"]))
        arm = next(arm for arm in ARMS if arm.name == cell["method"])
        rows = task.train[arm.treatment]
        seed = int(cell["seed"])
        trained = train(arm, self._of.recipe, task.schema, rows, task.validation, seed, [])
        return task.evaluate(trained.student, self._of.whole_catalogue)

    def report(self, results: Results) -> list[Section]:
        """Metrics of every cell, and differences from base."""
        note = (
            "Minus base with the same rows, paired by seed and resampled user; bold where the "
            "interval excludes zero."
        )
        names = [name for name in METRICS if name not in KS or self._of.whole_catalogue]
        titles = {name: METRICS[name] for name in names}
        over = [_differences(results, titles, arm, ARMS[3:]) for arm in (SELF, SHUFFLED)]
        gains = _differences(results, titles, BASE, ARMS[1:])
        drawn = ("auc", "recall@50" if self._of.whole_catalogue else "group_auc")
        figure = _draw(results, str(self.source), drawn)
        text = "What is gained over *{}* is more than regularisation."
        return [
            Section("Gain over base", note, gains, figure),
            Section("Gain over self", text.format("self"), over[0]),
            Section("Gain over shuffled", text.format("shuffled"), over[1]),
            Section(
                "Test metrics", "95 % intervals over seeds and users.", _metrics(results, titles)
            ),
        ]


def _grid() -> list[Cell]:
    return [{"labels": share, "per_row": per_row} for share in SHARES for per_row in PER_ROW]


def _head(cell: Cell, method: str) -> dict[str, Any]:
    share, per_row = float(cell["labels"]), cell["per_row"]
    return {"labels": f"{share:.0%}", "unexposed a row": per_row, "method": method}


def _metrics(results: Results, titles: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame(
        {**_head(cell, arm.name), **levels(results, titles, {**cell, "method": arm.name})}
        for cell in _grid()
        for arm in ARMS
    )


def _differences(
    results: Results, titles: Mapping[str, str], against: Arm, arms: Sequence[Arm]
) -> pd.DataFrame:
    rows = []
    for cell in _grid():
        for arm in arms:
            first, second = ({**cell, "method": one.name} for one in (arm, against))
            shown = differences(results, titles, first, second)
            rows.append({**_head(cell, arm.name), **shown})
    return pd.DataFrame(rows)


def _draw(results: Results, source: str, metrics: Sequence[str]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5.5), layout="constrained")
    grid = figure.subplots(2, len(SHARES), sharey="row", sharex=True)
    for line, metric in zip(grid, metrics, strict=True):
        for axes, share in zip(line, SHARES, strict=True):
            for shift, (method, color) in enumerate(COLORS.items()):
                found = [
                    results.difference(
                        metric,
                        {"labels": share, "per_row": per_row, "method": method},
                        {"labels": share, "per_row": per_row, "method": BASE.name},
                    )
                    for per_row in PER_ROW
                ]
                half = [interval.half for interval in found]
                places = [place + 0.12 * (shift - 1.5) for place in range(len(PER_ROW))]
                means = [interval.mean for interval in found]
                axes.errorbar(places, means, half, fmt="o", color=color, label=method)
            axes.axhline(0, color="black", linewidth=0.8)
            axes.set_xticks(range(len(PER_ROW)), PER_ROW)
            axes.grid(axis="y", alpha=0.3)
            axes.set_title(f"{share:.0%} of the labels", fontsize=10)
        line[0].set_ylabel(f"{METRICS[metric]} minus base")
    for axes in grid[-1]:
        axes.set_xlabel("unexposed items a labelled row")
    grid[0][-1].legend(fontsize=8)  # Where the differences are smallest.
    figure.suptitle(f"{source}: students minus base; 95 % intervals over seeds and users")
    return figure
