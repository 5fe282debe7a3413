"""How much of the log students learn from: cells, and a report of made-up results."""

import numpy as np
import pytest

from experiments import base_rivals
from experiments.finished_cells import FinishedCells
from experiments.markdown_report import write_report
from experiments.recent_likes import GRID, OF_SIZE, SIZES, RecentLikes
from tfpfd.evaluation.measured_rivals import MeasuredRivals


class FakeTask:
    """Knows what was asked of it."""

    def __init__(self, recipe):
        self.recipe, self.likes = recipe, round(1000 * recipe.last)

    def rivals(self):
        found = {m: np.full(4, 0.4) for m in ("recall@50", "ndcg@10")}
        return MeasuredRivals(dict.fromkeys(OF_SIZE, found))


@pytest.fixture
def made(monkeypatch):
    """The tasks that are made, of data that are none."""
    made = []

    def of(data, recipe):
        made.append(FakeTask(recipe))
        return made[-1]

    monkeypatch.setattr("experiments.recent_likes.CatalogueTask.of", of)
    monkeypatch.setattr(RecentLikes, "of_source", SourceOfNothing())
    monkeypatch.setattr(RecentLikes, "metrics", ("recall@50", "ndcg@10", "likes"))
    return made


class SourceOfNothing:
    def load(self, path):
        return None


def test_cells_of_a_size_share_its_likes(made, monkeypatch):
    trained = []

    def train(self, compose, seed, treatment):
        trained.append((self.task.recipe, treatment))
        return {"recall@50": 0.3}

    monkeypatch.setattr(RecentLikes, "train", train)
    experiment = RecentLikes()
    experiment.prepare()
    found = [experiment.run(cell) for cell in experiment.cells(2)]
    assert len(made) == len(SIZES)
    sizes = [size for size, name in GRID if name not in OF_SIZE]
    assert [recipe for recipe, _ in trained] == 2 * [SIZES[size] for size in sizes]
    of_rivals = [
        one["recall@50"][0]
        for cell, one in zip(experiment.cells(2), found, strict=True)
        if cell["method"] in OF_SIZE
    ]
    assert of_rivals == 2 * len(SIZES) * len(OF_SIZE) * [0.4]
    assert [t for _, t in trained[:5]] == ["kept", "kept", "shuffled", "kept", "kept"]
    assert [one["likes"] for one in found] == 2 * (8 * [100] + 8 * [200] + 5 * [800])
    assert experiment.rivals().metrics["ease"]["recall@50"][0] == 0.4
    assert len(made) == len(SIZES)


def test_the_report_says_by_size_how_the_base_stands_and_what_is_gained(tmp_path):
    experiment = RecentLikes()
    results = FinishedCells(tmp_path, experiment, 2)
    for cell in results.cells:
        value = 0.1 * (1 + list(SIZES).index(cell["size"])) + 0.2 * (cell["method"] == "PFD")
        metrics = {"recall@50": np.full(4, value), "ndcg@10": np.full(4, value / 2)}
        results.append(cell, {**metrics, "likes": 1000.0 * value}, 1.0)
    experiment._rivals = lambda size: FakeTask(SIZES[size]).rivals()
    base_rivals.keep(experiment, tmp_path)
    text = write_report(experiment, results).read_text()
    assert text.count("fix that first") == 1
    assert "The baseline, all is below popularity: fix that first (recall@50 .3000 < .4000;" in text
    for size in SIZES:
        for control in ("baseline", *(() if size == "all" else ("self", "shuffled"))):
            table = text[text.index(f"## Minus {control}, {size}") :]
            row = next(line for line in table.splitlines() if line.startswith("| PFD"))
            assert row == "| PFD | **+.2000 ± .0000** | **+.1000 ± .0000** |"
    assert (tmp_path / "likes-to-learn-from.png").stat().st_size > 10_000
