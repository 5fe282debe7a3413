"""What an audit refuses before it trains anything."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tfpfd._arguments import check_above_0, check_integer, check_number, is_number, shown
from tfpfd.auditing.arms import MakeStudent, MakeTeacher
from tfpfd.auditing.same_rows import refuse_same_rows
from tfpfd.data.catalogue import PARTS, CatalogueSplits
from tfpfd.data.frames import check_frame
from tfpfd.data.splits import SplitRows, user_key_of
from tfpfd.distillation import Ranker
from tfpfd.distillation.ranker_makers import check_made, check_maker
from tfpfd.schema import Schema, Sees
from tfpfd.schema.batches import on_default
from tfpfd.schema.schema import check_schema


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
            f"luck, received {shown(seeds)}"
        )
    shares = _numbers_in(sizes)
    if not shares or shares != sorted(set(shares)) or not 0 < min(shares) <= max(shares) <= 1:
        raise ValueError(f"`sizes` must be ascending shares in (0, 1], received {shown(sizes)}")
    if sees not in ("all", "privileged"):
        raise ValueError(f"`sees` must be 'all' or 'privileged', received {sees!r}")
    factors = _numbers_in(multipliers)
    if factors is None or not all(0 < factor < math.inf and factor != 1 for factor in factors):
        raise ValueError(
            "`multipliers` must be numbers above 0 and other than 1, () for none, received "
            f"{shown(multipliers)}"
        )


def _numbers_in(given: Any) -> list[float] | None:
    """The numbers of a list; None of anything else."""
    if not isinstance(given, Iterable) or isinstance(given, str):
        return None
    held = list(given)
    return held if all(map(is_number, held)) else None


def check_budget(
    learning_rate: Any,
    distillation_weight: Any,
    warm_up: Any,
    epochs: Any,
    patience: Any,
    batch_size: Any,
) -> None:
    """Refuses what nothing can be trained with; raises as `check_arguments`."""
    check_above_0("learning_rate", learning_rate)
    check_number("distillation_weight", distillation_weight, most=1)
    least = {"warm_up": (warm_up, 0), "epochs": (epochs, 1), "patience": (patience, 0)}
    for name, (value, lowest) in {**least, "batch_size": (batch_size, 1)}.items():
        check_integer(name, value, least=lowest)
    if warm_up >= epochs:
        raise ValueError(
            "`epochs` must be more than those of `warm_up` (1 where it isn't given), or no teacher "
            f"would count, received {epochs} with {warm_up} of warm-up"
        )


def check_rows(data: SplitRows) -> None:
    """Refuses data on which arms can't be trained or compared.

    Raises:
      TypeError: it has no `schema`, `train`, `validation` or `test`.
      ValueError: naming the part and the column, what was expected and what came.
    """
    lacking = [part for part in ("schema", *PARTS) if not hasattr(data, part)]
    if lacking:
        raise TypeError(
            "`data` must have a `schema` and the frames `train`, `validation` and `test`, as what "
            f"`tfpfd.datasets` returns; received a {type(data).__name__} without {lacking}"
        )
    schema = data.schema
    check_schema(schema)
    _check_privileged(schema)
    user_key = user_key_of(data)
    if user_key is None:
        raise ValueError(
            "`data` has no `user_key`, and `data.schema` no `list_key`: expected the column of the "
            "user id, as intervals are over users"
        )
    item_key = getattr(data, "item_key", None)
    for part in PARTS:
        rows = getattr(data, part)
        check_frame(f"data.{part}", rows)
        named = dict.fromkeys((*schema.column_names, user_key, *([item_key] if item_key else [])))
        missing = [name for name in named if name not in rows]
        if missing:
            raise ValueError(
                f"`data.{part}` misses the columns {missing}, which the schema, `user_key` or "
                f"`item_key` names; received {sorted(map(str, rows.columns))}"
                f"{on_default(missing)}"
            )
        users = rows[user_key]
        if users.isna().any():
            raise ValueError(
                f"`data.{part}` must hold a user id ('{user_key}') in every row, received "
                f"{users.isna().sum()} missing"
            )
        _check_labels(part, schema.label, rows[schema.label])
    refuse_same_rows(data)


def check_catalogue(data: CatalogueSplits) -> None:
    """Refuses what users chose of a catalogue, if arms can't be trained on it or compared.

    Raises:
      ValueError: nothing privileged is in the schema, a part is empty, or two are the same.
    """
    _check_privileged(data.schema)
    for part in PARTS:
        if getattr(data, part).empty:
            raise ValueError(f"`data.{part}` must hold a row for each choice, received none")
    refuse_same_rows(data)


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
    check_maker("make_student", make_student, "schema")
    check_maker("make_teacher", make_teacher, "schema", "sees", "student")
    for wanted in dict.fromkeys(("served", sees)):
        student = make_student(schema)
        _check_ranker("make_student(schema)", student, "served")
        check_student(student)
        teacher = make_teacher(schema, wanted, student)
        _check_ranker(f"make_teacher(schema, '{wanted}', student)", teacher, wanted)
        if teacher is student:
            raise ValueError("`make_teacher` must return another ranker than `student`")


def _check_ranker(call: str, ranker: Any, sees: Sees) -> None:
    check_made(call, ranker)
    if ranker.sees != sees:
        raise ValueError(
            f"`{call}` must return a ranker with sees='{sees}', received one with "
            f"sees='{ranker.sees}'"
        )
