"""`tfpfd.retrain`: the next version of a student, from the last one's soft labels and new rows."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import tensorflow as tf

from tfpfd._arguments import check_integer, names_in
from tfpfd._keras import keras
from tfpfd.data import from_rows
from tfpfd.distillation import Distillation, PrecomputedTeacher, Ranker, score_rows
from tfpfd.distillation.ranker_makers import check_made, check_maker
from tfpfd.distillation.servable import check_servable
from tfpfd.retraining.lineage import Version, check_details, save_version
from tfpfd.retraining.new_ids import carry_over, enlarged, relearned
from tfpfd.schema import Schema
from tfpfd.schema.batches import check_columns
from tfpfd.schema.schema import check_schema
from tfpfd.versions.store import check_writable

PREVIOUS = "previous"


def retrain(
    previous: str | os.PathLike | Version,
    data: pd.DataFrame,
    make_student: Callable[[Schema], Ranker],
    *,
    validation: pd.DataFrame | None = None,
    distillation_weight: float | Any = 0.5,
    distillation_loss: keras.losses.Loss | None = None,
    teachers: Mapping[str, Ranker] | None = None,
    scorer: keras.layers.Layer | None = None,
    extra_columns: Sequence[str] = (),
    schema: Schema | None = None,
    warm_start: bool = False,
    batch_size: int = 1024,
    by_list: bool = False,
    compile: Mapping[str, Any] | None = None,
    details: Mapping[str, Any] | None = None,
    **fit: Any,
) -> Version:
    """Trains and writes the next version: it learns from labels and from the previous version.

    The previous version scores the rows once, each row looked up with *its* schema, and its logits
    are the soft labels: the scorer of a `Distillation`. So ids that it never saw are in its
    out-of-vocabulary rows (which training reaches only if `min_count` or `max_size` leaves ids out
    of the vocabulary), while the student has them in its own. Version 0 is a student that learned
    from teachers, written by `save_version`; from then on the teachers' weights are needed no
    more, and teachers can be plugged in again at any version.

        version = tfpfd.retrain(
            "models/films", rows, make_student, validation=later, distillation_weight=0.8,
            compile={"optimizer": "adam"}, epochs=3,
        )
        tfpfd.export(version.load(), items=items, path="saved_models/films")

    Args:
      previous: the directory of a version, or of a line for its newest version, or a `Version`.
      data: training rows; NaN as the label of those without one. What the student shall know
        should be in them, as a fresh student knows nothing else.
      make_student: makes the student from its schema.
      validation: rows for `validation_data`, and for the version's metrics.
      distillation_weight: λ, the share of the soft labels; see `Distillation`. The version
        remembers the number or the configuration of the schedule.
      distillation_loss: of soft labels; see `Distillation`.
      teachers: rankers that are plugged in again. Each scores the rows, looked up with its own
        schema, into a column of its name.
      scorer: a frozen Keras layer from a batch to soft labels, logits `[batch]`. Beside the
        features and the columns in `extra_columns` it finds the previous version's logits under
        `"previous"` and each teacher's under its name. By default the previous version's.
      extra_columns: columns of numbers in `data` and `validation` for the scorer.
      schema: an adapted schema for the student, if features or bucket edges change. By default
        the served features of the previous version, with the vocabularies of `data`: an id that
        `data` doesn't hold any more is out of vocabulary.
      warm_start: whether the student starts from the previous version's weights and keeps all the
        ids that it knew, new ones behind them: for `data` that is only the newest part of the
        log. The student must be built alike.
      batch_size: rows a batch.
      by_list: whether lists stand together in a batch; see `tfpfd.data.from_rows`.
      compile: arguments of `Distillation.compile`, such as the optimizer and the label loss.
      details: what the version shall remember beside its metrics, such as the time span of
        `data`: what JSON can hold.
      **fit: more arguments of Keras' `fit`, such as `epochs` and `callbacks`.

    Returns:
      The version. Its metrics are those of `Distillation.evaluate` on the validation rows
      (`student_auc`; `teacher_auc` is the scorer's); its details say how it was trained.

    Raises:
      FileNotFoundError: there is no previous version.
      OSError: the line can't be written.
      TypeError: `previous`, `data`, `details` or what `make_student` returns is of another type, or
        JSON can't hold the configuration of `distillation_weight`.
      ValueError: a column is missing or its name is taken, a scorer's logits aren't finite, the
        scorer isn't frozen or misses, or the student is of another schema or holds what knows
        privileged features.

    Reference:
      "Multi-objective Learning to Rank by Model Distillation", KDD 2024 (arXiv 2407.07181), on
      self-distillation.
    """
    extra_columns = names_in("extra_columns", extra_columns)
    check_maker("make_student", make_student, "schema")
    check_integer("batch_size", batch_size, least=1)
    if schema is not None:
        check_schema(schema)
    version = _version(previous)
    teachers = _checked_teachers(teachers, scorer)
    if scorer is not None and scorer.trainable:
        raise ValueError("`scorer` must be frozen: set `scorer.trainable = False` first")
    if schema is not None and warm_start:
        raise ValueError(
            "`warm_start` enlarges the previous version's schema by itself: leave `schema` out"
        )
    for name, rows in (("data", data), ("validation", validation)):
        if rows is not None or name == "data":
            _check_rows(name, rows, [PREVIOUS, *teachers])
    check_writable(version.path.parent)
    last = version.load()
    known = last.schema.served()
    if schema is None:
        schema = (enlarged if warm_start else relearned)(known, data)
    for rows in (data, validation):
        if rows is not None:
            check_columns(dict(rows.items()), [*schema.column_names, *extra_columns])
    # So that each later version still knows what an export of it must not hold.
    hidden = [one.schema.unserved for one in (last, *teachers.values())]
    stripped = dict.fromkeys(name for group in (schema.stripped, *hidden) for name in group)
    schema = dataclasses.replace(schema, stripped=tuple(stripped))
    student = make_student(schema)
    check_made("make_student(schema)", student)
    if student.schema != schema:
        raise ValueError(
            "`make_student` must make the student of the schema that it is given, received one "
            "of another schema"
        )
    model = Distillation(
        student=student,
        teacher=scorer or PrecomputedTeacher(PREVIOUS),
        distillation_weight=distillation_weight,
        distillation_loss=distillation_loss,
    )
    check_servable(student)
    if warm_start:
        carry_over(last, student)
    model.compile(**(compile or {}))
    training = {
        "rows": len(data),
        "labelled": int(data[schema.label].notna().sum()),
        # λ as it was given; the metric of its name is what it was at the end.
        "weight": _remembered(distillation_weight),
        "scorer": PREVIOUS if scorer is None else type(scorer).__name__,
        "teachers": list(teachers),
        "warm_start": warm_start,
        "new_ids": _new_ids(known, schema),
    }
    # Before training: what can't be written afterwards would cost all of it.
    names = [*training, *(metric.name for metric in model.metrics)]
    check_details(dict.fromkeys(names, 0.0), details or {})

    def batches(rows: pd.DataFrame, shuffle: bool) -> tf.data.Dataset:
        rankers = {PREVIOUS: last, **teachers}
        scores = {name: score_rows(ranker, rows) for name, ranker in rankers.items()}
        columns = [*scores, *extra_columns]
        return from_rows(
            rows.assign(**scores),
            schema,
            batch_size,
            shuffle,
            by_list=by_list,
            extra_columns=columns,
        )

    train = batches(data, shuffle=True)
    held_out = None if validation is None else batches(validation, shuffle=False)
    model.fit(train, validation_data=held_out, **fit)
    metrics = {}
    if held_out is not None:
        metrics = model.evaluate(held_out, verbose=0, return_dict=True)
    remembered = {**training, **(details or {})}
    return save_version(version.path.parent, student, metrics, version.number, remembered)


def _version(previous: str | os.PathLike | Version) -> Version:
    if isinstance(previous, Version):
        return previous
    if not isinstance(previous, str | os.PathLike):
        raise TypeError(
            "`previous` must be a Version or the directory of one, received "
            f"{type(previous).__name__}; `tfpfd.save_version(path, student)` writes one"
        )
    return Version.read(previous)


def _checked_teachers(
    teachers: Mapping[str, Ranker] | None, scorer: keras.layers.Layer | None
) -> dict[str, Ranker]:
    named = dict(teachers or {})
    for name, teacher in named.items():
        if not isinstance(teacher, Ranker):
            raise TypeError(f"`teachers` must hold Rankers, received '{name}': {teacher!r}")
    if named and scorer is None:
        raise ValueError(
            f"`teachers` {list(named)} need a `scorer` that reads their columns beside "
            f"'{PREVIOUS}', such as a weighted sum of them, received none"
        )
    if PREVIOUS in named:
        raise ValueError(f"`teachers` names '{PREVIOUS}': expected another, as it is taken")
    return named


def _check_rows(argument: str, rows: Any, names: Sequence[str]) -> None:
    if not isinstance(rows, pd.DataFrame):
        raise TypeError(f"`{argument}` must be a DataFrame, received {type(rows).__name__}")
    taken = [name for name in names if name in rows.columns]
    if taken:
        raise ValueError(
            f"`{argument}` has columns {taken}: expected none of these names, as the scores of "
            "the previous version and of teachers get them; rename them"
        )


def _remembered(distillation_weight: float | Any) -> Any:
    """The share of the soft labels in a form that JSON can hold."""
    if not callable(distillation_weight):
        return float(distillation_weight)
    config = distillation_weight.get_config()
    try:
        json.dumps(config)
    except (TypeError, ValueError) as error:
        raise TypeError(
            "`distillation_weight` must have a configuration that JSON can hold, as the version "
            f"remembers it, received {config!r}"
        ) from error
    return config


def _new_ids(known: Schema, schema: Schema) -> dict[str, int]:
    """How many ids of each vocabulary the previous version didn't know."""
    before = known.vocabularies
    return {
        name: len(before[name].new_values(feature))
        for name, feature in schema.vocabularies.items()
        if name in before and feature.vocabulary is not None
    }
