"""The demo: a student with a privileged teacher on MovieLens-100K, compared, exported, served."""

from __future__ import annotations

import dataclasses
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from tfpfd.auditing import figures
from tfpfd.auditing.arms import ARMS, DISTILLED, Recipe, train
from tfpfd.auditing.comparison import METRICS
from tfpfd.auditing.progress import TrainingProgress
from tfpfd.auditing.runs import stacked
from tfpfd.datasets import MovieLens, movielens_100k
from tfpfd.distillation import Ranker
from tfpfd.experiments.candidates import CandidateTask, Keys
from tfpfd.experiments.folder import check_out
from tfpfd.experiments.report import print_report
from tfpfd.layers import MLP, FeatureEncoder, TwoTower
from tfpfd.schema import Schema, Sees
from tfpfd.serving import export
from tfpfd.serving.rules import ALLOWED, BLOCKED, NO_HISTORY

KEYS = Keys("user_id", "film_id", ("timestamp",))
UNEXPOSED_PER_ROW = 4
LABELLED_PER_BATCH = 256
SEEDS, QUICK_SEEDS = 3, 1
EMBEDDING_L2, KERNEL_L2 = 0.01, 0.001
SERVE = Path(__file__).with_name("serve.py")


def make_student(schema: Schema, regularization: float = 1.0) -> Ranker:
    """A small two-tower student: 20,000 labelled rows feed no larger one."""
    # Without a bias, as the towers were that the published figures are of.
    network = TwoTower([32, 16], l2=regularization * KERNEL_L2, batch_norm=False, use_bias=False)
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


def run(
    out: Path,
    quick: bool = False,
    data: Path | None = None,
    console: Console | None = None,
) -> None:
    """Trains every arm over several seeds, reports, exports, and serves ten titles new to a user.

    Args:
      out: where `movielens/` goes: the export's versions and the figure.
      quick: one seed on a fifth of the training rows.
      data: a local copy of MovieLens-100K.
      console: where the report goes.
    """
    console = console or Console()
    folder = out / "movielens"
    check_out(folder)
    folder.mkdir(parents=True, exist_ok=True)  # Now, so that minutes of training aren't lost.
    with console.status("MovieLens-100K: reading, sampling unexposed films, looking rows up"):
        share = QUICK_SHARE if quick else 1.0
        task = CandidateTask.prepare(
            movielens_100k(data), KEYS, LABELLED_PER_BATCH, share, UNEXPOSED_PER_ROW
        )
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
    _next_steps(version, console)


def _train_all(
    task: CandidateTask, recipe: Recipe, seeds: int, console: Console
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
                runs.setdefault(arm.name, []).append(task.evaluate(trained.student, True))
                if arm == DISTILLED and trained.teacher is not None:
                    runs.setdefault("teacher", []).append(task.evaluate(trained.teacher, True))
                    kept = kept or trained.student
    assert kept is not None
    order = [*(arm.name for arm in ARMS), "teacher"]
    return {name: stacked(runs[name]) for name in order}, kept


def request_of(data: MovieLens, user_id: int) -> dict[str, Any]:
    """What a server asks `top_k_where` of an export for a user: films that they never rated.

    Args:
      data: whose ratings are all known by then.
      user_id: of the user.

    Returns:
      Raw features of the user after their last rating, and the rules of the request.
    """
    rated = data.ratings[data.ratings["user_id"] == user_id]
    later = rated.tail(1).assign(timestamp=rated["timestamp"].max() + 1)
    user = data.features(later[["user_id", "film_id", "timestamp"]]).iloc[0]
    names = [feature.name for feature in data.schema.user]
    return {
        **{name: np.asarray(user[name]).tolist() for name in names},
        # The history holds what was liked, and of that the last fifty.
        BLOCKED: rated["film_id"].tolist(),
        NO_HISTORY: True,
        ALLOWED: [],
    }


def _serve(version: Path, data: MovieLens, console: Console) -> None:
    """Asks the export, in a process that imports TensorFlow alone, for one user's ten films."""
    request = request_of(data, int(data.test["user_id"].iloc[0]))
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
    liked = "; ".join(titles[film] for film in request["history"][-3:])
    console.print(
        f"\nUser {request['user_id']} ({request['age']:.0f}, {request['occupation']}; liked last: "
        f"{liked}) is shown, of the films not rated yet, by the export in a process that imports "
        "only TensorFlow:"
    )
    for place, film in enumerate(json.loads(answer.stdout)["item_ids"], start=1):
        console.print(f"{place:3d}. {titles[film]}")


def _next_steps(version: Path, console: Console) -> None:
    """Says what to do with the export and where to read on."""
    lines = (
        f"\nLook inside the export: tfpfd inspect {shlex.quote(str(version.parent))}",
        f'Load it: tf.saved_model.load({str(version)!r}).signatures["top_k_where"]',
        "Ask whether privileged features help a student of yours: tfpfd audit --help",
        'The same in Python, and in TF Serving: "In a notebook" and "In a server" of README.md',
    )
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
