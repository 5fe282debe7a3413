"""Rankers that read the same batches: what their schemas must agree on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tfpfd.schema import Schema
from tfpfd.schema.feature import Feature


def rankers_of(scorer: Any) -> list[Any]:
    """The models in a scorer that read inputs by a schema.

    Args:
      scorer: a ranker, or a scorer whose `rankers` are those that it holds.
    """
    held = getattr(scorer, "rankers", [scorer])
    return [ranker for ranker in held if hasattr(ranker, "schema") and hasattr(ranker, "sees")]


def check_same_features(rankers: Iterable[tuple[str, Any]]) -> None:
    """Refuses rankers that would read the same inputs in different ways.

    A batch is looked up once, so features of one name need one vocabulary and the same edges.

    Args:
      rankers: what a message calls a model, and the model, with `schema` and `sees`.

    Raises:
      ValueError: naming the features that differ, and whose they are.
    """
    known: dict[str, tuple[str, Any]] = {}
    for owner, ranker in rankers:
        schema, differing = ranker.schema, dict[str, list[str]]()
        for name, feature in schema.features(ranker.sees).items():
            described = _described(schema, feature)
            other, expected = known.setdefault(name, (owner, described))
            if described != expected:
                differing.setdefault(other, []).append(name)
        for other, names in differing.items():
            raise ValueError(
                f"{owner} was made for another schema than {other}: features {names} differ, but "
                "a batch is looked up once: expected the same vocabularies and bucket edges; the "
                "scores of a model with others can stand in a column (see "
                "`tfpfd.PrecomputedTeacher`)"
            )


def _described(schema: Schema, feature: Feature) -> tuple[Any, ...]:
    """All that decides which input a value becomes."""
    known = schema.features()
    return feature, *(known[name] for name in feature.borrowed)
