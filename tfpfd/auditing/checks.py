"""What an audit refuses before it trains anything."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tfpfd._arguments import check_integer
from tfpfd.auditing.arms import MakeStudent, MakeTeacher
from tfpfd.data.catalogue import CatalogueSplits
from tfpfd.data.frames import check_same_type, require_columns, require_every_id
from tfpfd.data.splits import SplitRows, user_key_of
from tfpfd.distillation import Ranker
from tfpfd.schema import Schema, Sees
from tfpfd.schema.feature import raw_columns


def check_arguments(
    seeds: Any, sizes: Sequence[float], sees: str, multipliers: Sequence[float]
) -> None:
    """Refuses arguments of `audit` out of range.

    Raises:
      ValueError: naming the argument, what was expected and what came.
    """
    if not isinstance(seeds, int | np.integer) or seeds < 2:
        raise ValueError(
            f"`seeds` must be an integer of at least 2, as one training can't tell a gain from "
            f"luck, received {seeds!r}"
        )
    if not sizes or list(sizes) != sorted(set(sizes)) or not 0 < min(sizes) <= max(sizes) <= 1:
        raise ValueError(f"`sizes` must be ascending shares in (0, 1], received {sizes!r}")
    if sees not in ("all", "privileged"):
        raise ValueError(f"`sees` must be 'all' or 'privileged', received {sees!r}")
    if any(factor <= 0 or factor == 1 for factor in multipliers):
        raise ValueError(
            f"`multipliers` must be above 0 and other than 1, received {multipliers!r}"
        )


def check_budget(warm_up: Any, epochs: Any, patience: Any, batch_size: Any) -> None:
    """Refuses epochs and batches that nothing can be trained with; raises as `check_arguments`."""
    least = {"warm_up": (warm_up, 0), "epochs": (epochs, 1), "patience": (patience, 0)}
    for name, (value, lowest) in {**least, "batch_size": (batch_size, 1)}.items():
        check_integer(name, value, least=lowest)
    if warm_up >= epochs:
        raise ValueError(
            f"`warm_up` must be below `epochs`, or no teacher would count, received {warm_up} of "
            f"{epochs}"
        )


def check_rows(data: SplitRows) -> None:
    """Refuses data on which arms can't be trained or compared.

    Raises:
      TypeError: it has no `schema`, `train`, `validation` or `test`.
      ValueError: naming the part and the column, what was expected and what came.
    """
    lacking = [
        part for part in ("schema", "train", "validation", "test") if not hasattr(data, part)
    ]
    if lacking:
        raise TypeError(
            "`data` must have a `schema` and the frames `train`, `validation` and `test`, as what "
            f"`tfpfd.datasets` returns; received a {type(data).__name__} without {lacking}"
        )
    schema = data.schema
    _check_privileged(schema)
    user_key = user_key_of(data)
    if user_key is None:
        raise ValueError(
            "`data` has no `user_key`, and `data.schema` no `list_key`: expected the column of the "
            "user id, as intervals are over users"
        )
    for part in ("train", "validation", "test"):
        rows = getattr(data, part)
        named = dict.fromkeys((*schema.column_names, user_key))
        missing = [name for name in named if name not in rows]
        if missing:
            raise ValueError(
                f"`data.{part}` misses the columns {missing}, which the schema or `user_key` "
                f"names; received {sorted(map(str, rows.columns))}"
            )
        users = rows[user_key]
        if users.isna().any():
            raise ValueError(
                f"`data.{part}` must hold a user id ('{user_key}') in every row, received "
                f"{users.isna().sum()} missing"
            )
        _check_labels(part, schema.label, rows[schema.label])


def check_catalogue(data: CatalogueSplits) -> None:
    """Refuses what users chose of a catalogue, if arms can't be trained on it or compared.

    Raises:
      ValueError: naming the frame and the column, what was expected and what came.
    """
    schema, pair = data.schema, (data.user, data.item)
    _check_privileged(schema)
    for part in ("train", "validation", "test"):
        of_user = raw_columns(schema.user)
        weight = () if schema.sample_weight is None else (schema.sample_weight,)
        columns = dict.fromkeys((*pair, *data.extra_columns, *of_user, *weight))
        _check_pairs(f"data.{part}", getattr(data, part), columns, pair)
        if getattr(data, part).empty:
            raise ValueError(f"`data.{part}` must hold a row for each choice, received none")
    for name in ("exposed", "seen", "history"):
        if getattr(data, name) is not None:
            _check_pairs(f"data.{name}", getattr(data, name), pair, pair)
    of_item = raw_columns(schema.item)
    columns = dict.fromkeys((data.item, *of_item))
    _check_pairs("data.items", data.items, columns, (data.item,))
    for name in ("validation", "test", "exposed", "seen", "history"):
        if (frame := getattr(data, name)) is not None:
            for column in pair:
                check_same_type(f"data.{name}", frame[column], "data.train", data.train[column])
    check_same_type("data.items", data.items[data.item], "data.train", data.train[data.item])
    check_integer("data.drawn", data.drawn, least=1)


def _check_pairs(
    name: str, frame: pd.DataFrame, columns: Collection[str], ids: Collection[str]
) -> None:
    require_columns(name, frame, columns)
    for column in ids:
        require_every_id(name, frame, column)


def _check_privileged(schema: Schema) -> None:
    if not schema.sides["privileged"]:
        raise ValueError(
            "`data.schema` has no privileged features: expected some, as they are what is audited"
        )


def _check_labels(part: str, name: str, labels: pd.Series) -> None:
    known = labels.dropna().to_numpy(np.float64)
    if part != "train" and len(known) < len(labels):
        raise ValueError(
            f"`data.{part}` must have a label ('{name}') in every row, received "
            f"{len(labels) - len(known)} without"
        )
    values = set(np.unique(known).tolist())
    if part == "train":
        expected, fits = "two or more different labels", len(values) > 1
    else:
        expected, fits = "the labels 0 and 1", values == {0.0, 1.0}
    if not fits:
        raise ValueError(
            f"`data.{part}` must have {expected} in column '{name}', received {sorted(values)[:5]}"
        )


def check_makers(
    make_student: MakeStudent,
    make_teacher: MakeTeacher,
    schema: Schema,
    sees: Sees,
    check_student: Callable[[Ranker], None],
) -> None:
    """Refuses functions whose student or teacher sees other features than it was asked to.

    Args:
      make_student: of `audit`.
      make_teacher: of `audit`.
      schema: an adapted schema.
      sees: of `audit`.
      check_student: refuses students that the task can't measure.

    Raises:
      TypeError: one is no function, or made no `Ranker`.
      ValueError: the ranker sees other features, or as of `check_student`.
    """
    for name, maker in (("make_student", make_student), ("make_teacher", make_teacher)):
        if not callable(maker):
            raise TypeError(
                f"`{name}` must be a function that makes a ranker, received a "
                f"{type(maker).__name__}"
            )
    for wanted in dict.fromkeys(("served", sees)):
        student = make_student(schema)
        _check_ranker("make_student(schema)", student, "served")
        check_student(student)
        teacher = make_teacher(schema, wanted, student)
        _check_ranker(f"make_teacher(schema, '{wanted}', student)", teacher, wanted)
        if teacher is student:
            raise ValueError("`make_teacher` must return another ranker than `student`")


def _check_ranker(call: str, ranker: Any, sees: Sees) -> None:
    if not isinstance(ranker, Ranker):
        raise TypeError(f"`{call}` must return a tfpfd.Ranker, received {ranker!r}")
    if ranker.sees != sees:
        raise ValueError(
            f"`{call}` must return a ranker with sees='{sees}', received one with "
            f"sees='{ranker.sees}'"
        )
