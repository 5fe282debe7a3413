"""New ids: the vocabularies of the next version, and what it takes over from the last one."""

from __future__ import annotations

import dataclasses

import numpy as np

from tfpfd._keras import tf_variable
from tfpfd.distillation import Ranker
from tfpfd.layers.tables import Tables
from tfpfd.schema import Categorical, Schema
from tfpfd.schema.batches import Source


def relearned(schema: Schema, rows: Source) -> Schema:
    """The schema with the vocabularies of other rows; bucket edges stay.

    Args:
      schema: an adapted schema.
      rows: see `tfpfd.schema.raw_batches`.

    Raises:
      ValueError: naming the column, what was expected and what came.
    """
    forgotten: dict[str, Categorical] = {
        name: dataclasses.replace(feature, vocabulary=None)
        for name, feature in schema.vocabularies.items()
    }
    unknown = schema.replacing(forgotten)
    if unknown.adapted:  # All are hashed: other rows have no say.
        return schema
    return unknown.adapt(rows, verbose=0)


def enlarged(schema: Schema, rows: Source) -> Schema:
    """The schema with the new ids of other rows behind those that it knows.

    Every known id keeps its row of the table, whether the rows hold it or not, even where that is
    more than `max_size`; bucket edges stay.

    Args:
      schema: an adapted schema.
      rows: see `tfpfd.schema.raw_batches`.

    Raises:
      ValueError: naming the column, what was expected and what came.
    """
    known = schema.vocabularies
    learned = relearned(schema, rows).vocabularies
    new = {name: new_values(known[name], learned[name]) for name in known}
    return schema.replacing(
        {
            name: dataclasses.replace(
                feature, vocabulary=(*feature.vocabulary, *new[name][: _room(feature)])
            )
            for name, feature in known.items()
            if feature.vocabulary is not None
        }
    )


def new_values(known: Categorical, learned: Categorical) -> list:
    """The values of a vocabulary that another one doesn't have, in their order."""
    before = set(known.vocabulary or ())
    return [value for value in learned.vocabulary or () if value not in before]


def _room(feature: Categorical) -> int | None:
    if feature.max_size is None or feature.vocabulary is None:
        return None
    return max(0, feature.max_size - len(feature.vocabulary))


def carry_over(previous: Ranker, student: Ranker) -> None:
    """Gives a student the weights of the previous version; rows of new ids stay as they are.

    Args:
      previous: the previous version.
      student: a ranker like it, of a schema that was `enlarged`.

    Raises:
      ValueError: the two are built differently.
    """
    before, after = _tables(previous), _tables(student)
    same = len(before) == len(after) and len(previous.weights) == len(student.weights)
    if same:
        grown = {id(tf_variable(tables.table)) for tables in after}
        pairs = [
            (old, new)
            for old, new in zip(previous.weights, student.weights, strict=True)
            if id(tf_variable(new)) not in grown
        ]
        same = all(old.shape == new.shape for old, new in pairs) and all(
            list(old.rows) == list(new.rows) and old.dim == new.dim
            for old, new in zip(before, after, strict=True)
        )
    if not same:
        raise ValueError(
            "`warm_start` needs a student built like the previous version, received another "
            "network, encoder or width from `make_student`: make the same, or leave it out"
        )
    for old, new in pairs:
        new.assign(old)
    for old, new in zip(before, after, strict=True):
        values = np.array(new.table)
        held = np.array(old.table)
        for name, rows in old.rows.items():
            start, first = old.offset[name], new.offset[name]
            values[first : first + rows] = held[start : start + rows]
        new.table.assign(values)


def _tables(ranker: Ranker) -> list[Tables]:
    """The variables that hold a ranker's tables, each once."""
    held = [tables for encoder in ranker.encoders for tables in encoder.tables.values()]
    return list({id(tables): tables for tables in held}.values())
