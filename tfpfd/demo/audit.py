"""`tfpfd audit`: an audit without a line of Python, of default networks on given rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from tfpfd._files import check_out
from tfpfd.auditing import Report, audit
from tfpfd.auditing.arms import MakeStudent, MakeTeacher
from tfpfd.data import CatalogueSplits, Splits
from tfpfd.datasets.registry import DATASETS, can, path_of
from tfpfd.distillation import Ranker
from tfpfd.layers import MLP, FeatureEncoder, TwoTower
from tfpfd.schema import Schema, Sees

PARTS = ("train", "validation", "test")
EMBEDDING_L2, KERNEL_L2 = 0.01, 0.001


def make_student(schema: Schema, regularization: float = 1.0) -> Ranker:
    """A small student: two towers, or an MLP where there is no user or no item side."""
    l2 = regularization * KERNEL_L2
    towers = schema.user and schema.item
    network = (TwoTower if towers else MLP)([32, 16], l2=l2, batch_norm=False)
    encoder = FeatureEncoder(schema, dim=4, l2=regularization * EMBEDDING_L2)
    return Ranker(schema, network, encoder=encoder)


def make_teacher(schema: Schema, sees: Sees, student: Ranker) -> Ranker:
    """A teacher of the student's size with inputs of its own."""
    encoder = FeatureEncoder(schema, schema.features(sees), dim=4, l2=EMBEDDING_L2)
    return Ranker(schema, MLP([32, 16], l2=KERNEL_L2, batch_norm=False), sees=sees, encoder=encoder)


@dataclass(frozen=True)
class Audited:
    """What is audited, and how.

    Args:
      data: rows, or what users chose of a catalogue.
      student: makes a student.
      teacher: makes a teacher.
      settings: arguments of `audit`.
    """

    data: Splits | CatalogueSplits
    student: MakeStudent = make_student
    teacher: MakeTeacher = make_teacher
    settings: Mapping[str, Any] = field(default_factory=dict)


def make_retriever(schema: Schema, regularization: float = 1.0) -> Ranker:
    """A two-tower student of a catalogue; the softer its loss, the less it learns by heart."""
    encoder = FeatureEncoder(schema, dim=64)
    network = TwoTower([64], scale=6.0 / regularization, batch_norm=False, use_bias=False)
    return Ranker(schema, network, encoder=encoder)


def make_list_teacher(schema: Schema, sees: Sees, student: Ranker) -> Ranker:
    """A teacher of lists that shares the student's inputs."""
    return Ranker(schema, MLP([64, 32], batch_norm=False), sees=sees, encoder=student.encoder)


SETTINGS: dict[str, Mapping[str, Any]] = {
    "movielens": {"learning_rate": 4e-3, "distillation_weight": 0.9, "batch_size": 256}
}
"""How to train on rows of a data set, where that is known."""

CATALOGUE = "-catalogue"
"""Behind the name of a data set: what users chose of all its items, in place of labelled rows."""


def known() -> list[str]:
    """What can be audited by its name."""
    names = [f"{name}{CATALOGUE}" for name in DATASETS if can(name, "catalogue")]
    return [*DATASETS, *names]


def audited(data: str, schema: Path | None = None) -> Audited:
    """What `--data` names.

    Args:
      data: one of `known`, perhaps with `:path` behind it for a copy on this machine, or a folder.
      schema: for a folder, the file of its schema.

    Raises:
      ValueError: as for `read_rows`, or a path of simulated data.
      FileNotFoundError: as for `read_rows`, nothing is at the path, or it is no name.
    """
    whole, colon, path = data.partition(":")
    if whole not in known():
        if not Path(data).is_dir():
            raise FileNotFoundError(
                f"`--data` must be one of {known()}, one of them with `:path` behind it, or a "
                f"folder, received '{data}', which is none"
            )
        return Audited(read_rows(Path(data), schema))
    name = whole if whole in DATASETS else whole.removesuffix(CATALOGUE)
    loaded: Any = DATASETS[name].load(path_of(name, path) if colon else None)
    if name != whole:
        choices = loaded.catalogue(drawn=50)
        return Audited(choices, make_retriever, make_list_teacher, {"batch_size": 4096})
    keys = {key: getattr(loaded, key, None) for key in ("user_key", "item_key")}
    splits = Splits(loaded.train, loaded.validation, loaded.test, loaded.schema, **keys)
    return Audited(splits, settings=SETTINGS.get(name, {}))


def read_rows(folder: Path, schema: Path | None) -> Splits:
    """Rows of `train.parquet`, `validation.parquet` and `test.parquet`.

    Args:
      folder: where the files are.
      schema: a file that `Schema.to_json` wrote.

    Raises:
      ValueError: no schema, or one that can't be read.
      FileNotFoundError: a file isn't there.
    """
    if schema is None:
        raise ValueError(
            "`--schema` is missing: expected a JSON file written by Schema.to_json, as "
            f"'{folder}' is none of the built-in datasets {known()}"
        )
    if not schema.is_file():
        raise FileNotFoundError(f"'{schema}' is not there: expected the schema of '{folder}'")
    try:
        read = Schema.from_json(schema.read_text(encoding="utf-8"))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"'{schema}' can't be read as a schema ({error!r}): expected what Schema.to_json writes"
        ) from None
    paths = {part: folder / f"{part}.parquet" for part in PARTS}
    missing = [path.name for path in paths.values() if not path.exists()]
    if missing:
        raise FileNotFoundError(
            f"'{folder}' misses {missing}: expected train.parquet, validation.parquet and "
            f"test.parquet, or one of the built-in datasets {known()}"
        )
    train, validation, test = map(_read_parquet, paths.values())
    return Splits(train, validation, test, read)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:  # Those of pyarrow are such, and name no file.
        raise ValueError(f"'{path}' can't be read as Parquet: {error}") from None


def run(
    data: str,
    schema: Path | None,
    seeds: int,
    metric: str | None,
    out: Path,
    user_key: str | None = None,
    given: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[Report, Path]:
    """Audits default networks, or goes on where that was stopped, and writes the report.

    Args:
      data: see `audited`.
      schema: for a folder, the file of its schema.
      seeds: number of trainings of each arm.
      metric: the primary metric; by default that of `audit`.
      out: where the report goes, and what each training gave.
      user_key: the column of the user id; by default the list key of the schema.
      given: further arguments of `audit`, in place of what fits the data; None where they aren't.

    Returns:
      The report, and the path of its page.

    Raises:
      ValueError: as for `audited` and `audit`; `out` holds the trainings of another audit; a user
        key of a catalogue.
      OSError: `out` can't be written to.
    """
    check_out(out)
    chosen = audited(data, schema)
    rows = chosen.data
    if user_key is not None:
        if not isinstance(rows, Splits):
            raise ValueError(
                f"`--user-key` must be left out: '{data}' is a catalogue that names its users, "
                f"received '{user_key}'"
            )
        rows = dataclasses.replace(rows, user_key=user_key)
    own = {name: value for name, value in given.items() if value is not None}
    settings = {**chosen.settings, **own, "metric": metric, "out": out}
    report = audit(chosen.student, chosen.teacher, rows, seeds, **settings)
    return report, report.save(out)
