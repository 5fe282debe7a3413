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

from tfpfd.auditing import figures
from tfpfd.auditing.arms import ARMS, DISTILLED, Recipe, train
from tfpfd.auditing.bench import stacked
from tfpfd.auditing.comparison import METRICS
from tfpfd.auditing.progress import TrainingProgress
from tfpfd.auditing.rows import TableRows, Treatment
from tfpfd.data import sample_unexposed
from tfpfd.datasets import MovieLens, movielens_100k
from tfpfd.distillation import Ranker
from tfpfd.evaluation import evaluate_catalogue, evaluate_rows, multiplicities
from tfpfd.experiments.report import print_report
from tfpfd.layers import MLP, FeatureEncoder, TwoTower
from tfpfd.schema import Schema, Sees
from tfpfd.serving import embed_items, export

UNEXPOSED_PER_ROW = 4
LABELLED_PER_BATCH = 256
SEEDS, QUICK_SEEDS = 3, 1
RESAMPLES = 200
EMBEDDING_L2, KERNEL_L2 = 0.01, 0.001
SERVE = Path(__file__).with_name("serve.py")


def make_student(schema: Schema, regularization: float = 1.0) -> Ranker:
    """A small two-tower student: 20,000 labelled rows feed no larger one."""
    network = TwoTower([32, 16], l2=regularization * KERNEL_L2, batch_norm=False)
    encoder = FeatureEncoder(schema, dim=4, l2=regularization * EMBEDDING_L2)
    return Ranker(schema, network, encoder=encoder)


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
    patience=3,
)
# A look in under a minute: a fifth of the rows, and less patience.
QUICK = dataclasses.replace(RECIPE, patience=1)
QUICK_SHARE = 0.2


def batch_size(per_row: int) -> int:
    """Rows a batch, so that each holds as many labelled ones whatever stands beside them."""
    return LABELLED_PER_BATCH * (1 + per_row)


def with_unexposed(data: MovieLens, labelled: pd.DataFrame, per_row: int) -> pd.DataFrame:
    """Training rows, and beside each of them films that the user was not shown, without a label.

    Args:
      data: ratings, films and users.
      labelled: some of its training rows.
      per_row: how many films beside each row.
    """
    if per_row == 0:
        return labelled
    unexposed = sample_unexposed(
        labelled,
        data.items,
        data.schema,
        user="user_id",
        item="film_id",
        exposed=data.exposed_until_training,
        keep=["timestamp"],
        per_row=per_row,
    )
    unlabelled = data.features(unexposed[["user_id", "film_id", "timestamp"]])
    return pd.concat([labelled, unlabelled.assign(liked=np.nan)], ignore_index=True)


@dataclasses.dataclass(frozen=True)
class Task:
    """What all arms share: rows as batches, and what they are tested on."""

    data: MovieLens
    schema: Schema
    train: dict[Treatment, tf.data.Dataset]
    validation: tf.data.Dataset
    test: TableRows
    resamples: np.ndarray

    @classmethod
    def prepare(cls, data: MovieLens, share: float = 1.0, per_row: int = UNEXPOSED_PER_ROW) -> Task:
        """Samples unexposed candidates, learns the vocabularies and looks every row up.

        Args:
          data: ratings, films and users.
          share: of the training rows that are used.
          per_row: unexposed films beside each of them.
        """
        rows = with_unexposed(data, data.train.sample(frac=share, random_state=0), per_row)
        schema = data.schema.adapt(rows, verbose=0)
        names = list(schema.features("privileged"))
        table_rows = TableRows.look_up(rows, schema)
        treatments: tuple[Treatment, ...] = ("kept", "shuffled")
        size = batch_size(per_row)
        return cls(
            data=data,
            schema=schema,
            train={
                treatment: table_rows.treated(treatment, names).batches(size, seed=0)
                for treatment in treatments
            },
            validation=TableRows.look_up(data.validation, schema).batches(16_384),
            test=TableRows.look_up(data.test, schema),
            resamples=multiplicities(data.test["user_id"].nunique(), RESAMPLES),
        )

    def evaluate(self, ranker: Ranker) -> dict[str, np.ndarray]:
        """Test metrics `[1 + resamples]`; those over the catalogue only for a two-tower ranker."""
        test = self.data.test
        metrics = evaluate_rows(
            test["liked"].to_numpy(),
            self.test.logits(ranker),
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
    folder = out / "movielens"
    folder.mkdir(parents=True, exist_ok=True)  # Now, so that minutes of training aren't lost.
    with console.status("MovieLens-100K: reading, sampling unexposed films, looking rows up"):
        task = Task.prepare(movielens_100k(data), QUICK_SHARE if quick else 1.0)
    seeds, recipe = (QUICK_SEEDS, QUICK) if quick else (SEEDS, RECIPE)
    results, student = _train_all(task, recipe, seeds, console)
    print_report(results, console, seeds)
    over = f"{seeds} seeds and test users" if seeds > 1 else "test users (one seed)"
    title = f"MovieLens-100K, test rows; 95 % intervals over {over}"
    figures.comparison(results, list(METRICS), title).savefig(folder / "comparison.png", dpi=120)
    console.print(f"figure: {folder / 'comparison.png'}")
    with console.status("exporting, and serving in another process"):
        version = export(student, items=task.data.items, path=folder, verbose=0)
        console.print(f"export: {version}")
        _serve(version, task.data, console)


def _train_all(
    task: Task, recipe: Recipe, seeds: int, console: Console
) -> tuple[dict[str, dict[str, np.ndarray]], Ranker]:
    """Metrics `[seeds, 1 + resamples]` by arm (and `"teacher"`), and a distilled student."""
    runs: dict[str, list[dict[str, np.ndarray]]] = {}
    kept: Ranker | None = None
    with TrainingProgress(seeds * len(ARMS), recipe.epochs, console) as progress:
        for seed in range(seeds):
            for arm in ARMS:
                show = progress.training(f"seed {seed + 1}, {arm.name}")
                rows = task.train[arm.treatment]
                trained = train(arm, recipe, task.schema, rows, task.validation, seed, [show])
                runs.setdefault(arm.name, []).append(task.evaluate(trained.student))
                if arm == DISTILLED and trained.teacher is not None:
                    runs.setdefault("teacher", []).append(task.evaluate(trained.teacher))
                    kept = kept or trained.student
    assert kept is not None
    order = [*(arm.name for arm in ARMS), "teacher"]
    return {name: stacked(runs[name]) for name in order}, kept


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
