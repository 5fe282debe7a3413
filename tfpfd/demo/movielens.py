"""The demo: a coarse ranker of MovieLens-100K beside its rivals, distilled, exported, served."""

from __future__ import annotations

import dataclasses
import json
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from tfpfd._files import check_out
from tfpfd._keras import keras
from tfpfd.auditing.arms import ARMS, DISTILLED, Arm
from tfpfd.auditing.progress import TrainingProgress
from tfpfd.datasets import MovieLens, movielens_100k
from tfpfd.datasets.movielens.data import HISTORY_LENGTH, LIKED_FROM
from tfpfd.demo import figures
from tfpfd.demo.catalogue import (
    METRICS,
    RECENT,
    WHOLE,
    CatalogueRecipe,
    LikesTask,
    rivals_of,
    splits_of,
)
from tfpfd.demo.methods import Compose, alone, distilled
from tfpfd.demo.report import print_comparison
from tfpfd.distillation import Distillation, Ranker
from tfpfd.evaluation.comparison import Comparison
from tfpfd.evaluation.differences import Metrics, stacked
from tfpfd.evaluation.intervals import number
from tfpfd.evaluation.titles import title_of
from tfpfd.serving import export
from tfpfd.serving.request_rules import ALLOWED, BLOCKED, NO_HISTORY

SERVE = Path(__file__).with_name("serve.py")


@dataclass(frozen=True)
class Setting:
    """What students may learn from.

    Args:
      title: of its table.
      note: what a reader has to know.
      recipe: how all students are trained.
      arms: what is trained.
      seeds: how many trainings of each.
    """

    title: str
    note: str
    recipe: CatalogueRecipe
    arms: tuple[Arm, ...]
    seeds: int


OF_RECENT = Setting(
    "The last tenth of the log to learn from",
    "Students and rivals learn from what each user liked in the last tenth of their ratings before "
    "the test, about 6 likes a user, and no older like is served (docs/evidence/demo.md says what "
    "they know of the older log after all). The teacher sees besides what tables of the older log "
    "say of a pair: item-kNN and EASE scores and co-counts.",
    RECENT,
    ARMS,
    seeds=5,
)
OF_WHOLE = Setting(
    "The whole log to learn from",
    "Students and rivals learn from all likes before the test.",
    WHOLE,
    # One training of each can't tell a teacher's gift from luck, so there is nothing to control.
    tuple(arm for arm in ARMS if arm.name in ("base", DISTILLED.name)),
    seeds=1,
)


def run(
    out: Path,
    quick: bool = False,
    data: Path | None = None,
    console: Console | None = None,
) -> None:
    """Trains students and their controls, compares, exports, and serves ten titles to a user.

    Args:
      out: where `movielens/` goes: the export's versions and the figure.
      quick: the small setting alone, with one seed.
      data: a local copy of MovieLens-100K.
      console: where the report goes.
    """
    console = console or Console()
    folder = out / "movielens"
    check_out(folder)
    if data is not None and not data.exists():
        raise FileNotFoundError(
            f"`--data` must be a local copy of MovieLens-100K, received '{data}', where nothing is"
        )
    folder.mkdir(parents=True, exist_ok=True)  # Now, so that minutes of training aren't lost.
    films = movielens_100k(data)
    settings = [dataclasses.replace(OF_RECENT, seeds=1)] if quick else [OF_WHOLE, OF_RECENT]
    found: dict[str, Comparison] = {}
    for setting in settings:
        found[setting.title], student = compare(films, setting, console)
        print_comparison(found[setting.title], console, setting.title, setting.note)
    _print_reference(films, console)
    figures.retrieval(found).savefig(folder / "comparison.png", dpi=120)
    console.print(f"figure: {folder / 'comparison.png'}")
    with console.status("exporting, and serving in another process"):
        version = export(student, items=films.items, path=folder, verbose=0)
        console.print(f"export of the distilled student of the last tenth: {version}")
        _serve(version, films, console)
    _next_steps(version, console)


def compare(films: MovieLens, setting: Setting, console: Console) -> tuple[Comparison, Ranker]:
    """Trains the arms with every seed: all of them beside the rivals, and a distilled student.

    Args:
      films: the data.
      setting: what students learn from.
      console: where progress is shown.
    """
    with console.status(f"{setting.title}: drawing films, looking rows up, fitting rivals"):
        task = LikesTask.of(films, setting.recipe)
        rivals = task.rivals()
    runs: dict[str, list[Metrics]] = {arm.name: [] for arm in setting.arms}
    kept: Ranker | None = None
    with TrainingProgress(
        setting.seeds * len(setting.arms), setting.recipe.epochs, console
    ) as progress:
        for seed in range(setting.seeds):
            for arm in setting.arms:
                keras.utils.set_random_seed(seed)
                model = _composed(arm)(task.parts())
                show = progress.training(f"{setting.title}: seed {seed + 1}, {arm.name}")
                task.fit(model, seed, arm.treatment, [show])
                student = model.student if isinstance(model, Distillation) else model
                runs[arm.name].append(task.evaluate(student))
                kept = student if arm == DISTILLED and kept is None else kept
    assert kept is not None
    return rivals.beside({name: stacked(one) for name, one in runs.items()}, METRICS[0]), kept


def _print_reference(films: MovieLens, console: Console) -> None:
    """What finds more than any student of the last tenth: to learn from all of the log."""
    metrics = rivals_of(*splits_of(films, WHOLE.last, WHOLE.drawn)).metrics["ease"]
    levels = " and ".join(f"{number(metrics[m][0])} ({title_of(m)})" for m in METRICS)
    console.print(
        f"EASE of the whole log finds {levels}: where a student may learn from that, let it.",
        highlight=False,
    )


def _composed(arm: Arm) -> Compose:
    return alone if arm.teacher is None else distilled(arm.teacher)


def request_of(data: MovieLens, user_id: int) -> dict[str, Any]:
    """What a server asks `top_k_where` of an export for a user: films that they never rated.

    Args:
      data: whose ratings are all known by then.
      user_id: of the user.

    Returns:
      Raw features of the user after their last rating, and the rules of the request. The history
      begins where those begin that the student saw in training.
    """
    rated = data.ratings[data.ratings["user_id"] == user_id]
    later = rated.tail(1).assign(timestamp=rated["timestamp"].max() + 1)
    user = data.features(later[["user_id", "film_id", "timestamp"]]).iloc[0]
    names = [feature.name for feature in data.schema.user]
    recent = rated.iloc[len(rated) * 7 // 10 :]
    liked = recent.loc[recent["rating"] >= LIKED_FROM, "film_id"]
    return {
        **{name: np.asarray(user[name]).tolist() for name in names},
        "history": liked.tail(HISTORY_LENGTH).tolist(),
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
        f'Load it: tf.saved_model.load({str(version)!r}).signatures["top_k"]',
        "Ask whether privileged features help a student of yours: tfpfd audit --help",
        "The same in Python, and in TF Serving: docs/training.md and docs/serving.md",
    )
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
