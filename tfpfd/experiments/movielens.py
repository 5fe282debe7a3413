"""The demo: a student with a privileged teacher on MovieLens-100K, compared, exported, served."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from tfpfd._keras import keras
from tfpfd.data import from_rows, sample_unexposed
from tfpfd.datasets import MovieLens, movielens_100k
from tfpfd.distillation import Ranker
from tfpfd.evaluation import evaluate_catalogue, evaluate_rows, multiplicities
from tfpfd.experiments.arms import ARMS, DISTILLED, Recipe, shuffle_privileged, train
from tfpfd.experiments.report import draw, print_report
from tfpfd.layers import MLP, FeatureEncoder, TwoTower
from tfpfd.schema import Schema, Sees
from tfpfd.serving import embed_items, export

UNEXPOSED_PER_ROW = 4
BATCH = 256 * (1 + UNEXPOSED_PER_ROW)
SEEDS, QUICK_SEEDS = 3, 1
RESAMPLES = 200
EMBEDDING_L2, KERNEL_L2 = 0.01, 0.001
SERVE = Path(__file__).with_name("serve.py")


def make_student(schema: Schema) -> Ranker:
    """A small two-tower student: 20,000 labelled rows feed no larger one."""
    network = TwoTower([32, 16], l2=KERNEL_L2, batch_norm=False)
    return Ranker(schema, network, encoder=FeatureEncoder(schema, dim=4, l2=EMBEDDING_L2))


def make_teacher(schema: Schema, sees: Sees, student: Ranker) -> Ranker:
    """A teacher of the student's size with inputs of its own."""
    encoder = FeatureEncoder(schema, schema.features(sees), dim=4, l2=EMBEDDING_L2)
    return Ranker(schema, MLP([32, 16], l2=KERNEL_L2, batch_norm=False), sees=sees, encoder=encoder)


RECIPE = Recipe(
    student=make_student,
    teacher=make_teacher,
    learning_rate=4e-3,
    weight=0.9,
    warm_up=1,
    epochs=16,
    patience=2,
)
# A look in under a minute: a fifth of the rows, and less patience.
QUICK = dataclasses.replace(RECIPE, patience=1)
QUICK_SHARE = 0.2


@dataclasses.dataclass(frozen=True)
class Task:
    """What all arms share: rows as batches, and what they are tested on."""

    data: MovieLens
    schema: Schema
    train: dict[bool, tf.data.Dataset]
    validation: tf.data.Dataset
    test: tf.data.Dataset
    resamples: np.ndarray

    @classmethod
    def prepare(cls, data: MovieLens, share: float = 1.0) -> Task:
        """Samples unexposed candidates, learns the vocabularies and looks every row up.

        Args:
          data: ratings, films and users.
          share: of the training rows that are used.
        """
        labelled = data.train.sample(frac=share, random_state=0)
        unexposed = sample_unexposed(
            labelled,
            data.items,
            data.schema,
            user="user_id",
            item="film_id",
            exposed=data.exposed_until_training,
            keep=["timestamp"],
            per_row=UNEXPOSED_PER_ROW,
        )
        unlabelled = data.features(unexposed[["user_id", "film_id", "timestamp"]])
        rows = pd.concat([labelled, unlabelled.assign(liked=np.nan)], ignore_index=True)
        schema = data.schema.adapt(rows, verbose=0)
        shuffled = shuffle_privileged(rows, schema, seed=0)
        return cls(
            data=data,
            schema=schema,
            train={
                is_shuffled: from_rows(source, schema, BATCH, shuffle=True, seed=0)
                for is_shuffled, source in ((False, rows), (True, shuffled))
            },
            validation=from_rows(data.validation, schema, 16_384),
            test=from_rows(data.test, schema, 16_384),
            resamples=multiplicities(data.test["user_id"].nunique(), RESAMPLES),
        )

    def evaluate(self, ranker: Ranker) -> dict[str, np.ndarray]:
        """Test metrics `[1 + resamples]`; those over the catalogue only for a two-tower ranker."""
        test = self.data.test
        metrics = evaluate_rows(
            test["liked"].to_numpy(),
            # Not `predict`: tracing a graph takes longer than running these few batches.
            np.concatenate([ranker(inputs, training=False) for inputs, _ in self.test]),
            test["user_id"].to_numpy(),
            self.resamples,
            from_logits=True,
        )
        if isinstance(ranker.network, TwoTower):
            scores, relevant, shown = self._catalogue(ranker)
            ks = {"recall@50": 50, "ndcg@10": 10}
            found = evaluate_catalogue(
                scores, relevant, shown, ks=tuple(ks.values()), multiplicities=self.resamples
            )
            metrics.update({name: found[name] for name in ks})
        return metrics

    def _catalogue(self, student: Ranker) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores of all films at each user's first test row; what they liked; were shown."""
        test, items = self.data.test, self.data.items
        users = test.drop_duplicates("user_id").sort_values("user_id")
        columns = self.schema.columns(users, self.schema.user)
        inputs = self.schema.lookup({name: tf.constant(v) for name, v in columns.items()})
        embedded = student.network.user_embedding(student.encode(inputs, sides=["user"]))
        ids, table = embed_items(student, items, verbose=0)

        def matrix(rows: pd.DataFrame) -> np.ndarray:
            cells = np.zeros((len(users), len(ids)), bool)
            places = (
                pd.Index(users["user_id"]).get_indexer(rows["user_id"]),
                pd.Index(ids).get_indexer(rows["film_id"]),
            )
            cells[places] = True
            return cells

        shown = pd.concat([self.data.exposed_until_training, self.data.validation])
        return embedded.numpy() @ table.T, matrix(test[test["liked"] == 1]), matrix(shown)


class _ShowEpochs(keras.callbacks.Callback):
    """Moves a progress bar on."""

    def __init__(self, progress: Progress, bar: TaskID) -> None:
        super().__init__()
        self._progress, self._bar = progress, bar

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._progress.advance(self._bar)


def run(
    out: Path,
    quick: bool = False,
    data: Path | None = None,
    console: Console | None = None,
) -> None:
    """Trains every arm over several seeds, reports, exports, and serves ten titles.

    Args:
      out: where `movielens/` goes: the export's versions and the figure.
      quick: one seed on a fifth of the training rows.
      data: a local copy of MovieLens-100K.
      console: where the report goes.
    """
    console = console or Console()
    with console.status("MovieLens-100K: reading, sampling unexposed films, looking rows up"):
        task = Task.prepare(movielens_100k(data), QUICK_SHARE if quick else 1.0)
    seeds, recipe = (QUICK_SEEDS, QUICK) if quick else (SEEDS, RECIPE)
    results, student = _train_all(task, recipe, seeds, console)
    print_report(results, console, seeds)
    folder = out / "movielens"
    folder.mkdir(parents=True, exist_ok=True)
    console.print(f"figure: {draw(results, folder / 'comparison.png')}")
    with console.status("exporting, and serving in another process"):
        version = export(student, items=task.data.items, path=folder, verbose=0)
        console.print(f"export: {version}")
        _serve(version, task.data, console)


def _train_all(
    task: Task, recipe: Recipe, seeds: int, console: Console
) -> tuple[dict[str, dict[str, np.ndarray]], Ranker]:
    """Metrics `[seeds, 1 + resamples]` by arm (and `"teacher"`), and a distilled student."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("epochs"),
        TimeElapsedColumn(),
    )
    runs: dict[str, list[dict[str, np.ndarray]]] = {}
    kept: Ranker | None = None
    with Progress(*columns, console=console) as progress:
        for seed in range(seeds):
            for arm in ARMS:
                bar = progress.add_task(f"seed {seed + 1}, {arm.name}", total=recipe.epochs)
                rows, show = task.train[arm.shuffled], _ShowEpochs(progress, bar)
                student, teacher = train(
                    arm, recipe, task.schema, rows, task.validation, seed, [show]
                )
                epochs = progress.tasks[bar].completed
                progress.update(bar, total=epochs)  # Stopped early, not hanging.
                runs.setdefault(arm.name, []).append(task.evaluate(student))
                if arm == DISTILLED and teacher is not None:
                    runs.setdefault("teacher", []).append(task.evaluate(teacher))
                    kept = kept or student
    assert kept is not None
    order = [*(arm.name for arm in ARMS), "teacher"]
    stacked = {
        name: {metric: np.stack([run[metric] for run in runs[name]]) for metric in runs[name][0]}
        for name in order
    }
    return stacked, kept


def _serve(version: Path, data: MovieLens, console: Console) -> None:
    """Asks the export, in a process that imports TensorFlow alone, for one user's ten films."""
    user = data.test.drop_duplicates("user_id").iloc[0]
    names = [feature.name for feature in data.schema.user]
    request = {name: np.asarray(user[name]).tolist() for name in names}
    answer = subprocess.run(
        [sys.executable, str(SERVE), str(version)],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise RuntimeError(f"serving '{version}' failed:\n{answer.stderr}")
    titles = data.items.set_index("film_id")["title"]
    liked = "; ".join(titles[film] for film in user["history"][-3:])
    console.print(
        f"\nUser {request['user_id']} ({request['age']:.0f}, {request['occupation']}; liked last: "
        f"{liked}) is shown, by the export in a process that imports only TensorFlow:"
    )
    for place, film in enumerate(json.loads(answer.stdout)["item_ids"], start=1):
        console.print(f"{place:3d}. {titles[film]}")
