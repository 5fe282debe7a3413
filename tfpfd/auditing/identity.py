"""What the trainings of an audit depend on, in few words: rows, schema, networks, arguments."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import numpy as np
import pandas as pd

from tfpfd.auditing.arm_trainings import ArmTrainings
from tfpfd.auditing.arms import Recipe
from tfpfd.distillation import Ranker
from tfpfd.schema import Sees


def identity(trainings: ArmTrainings, sees: Sees, resamples: int) -> dict[str, Any]:
    """What cells must have in common with an audit that goes on from them.

    Not the number of seeds or the sizes: a cell is of one of each.

    Args:
      trainings: of the recipe that was given, before any search.
      sees: what the distilled student's teacher sees.
      resamples: of the test users.

    Returns:
      Arguments as they are, rows, schema and networks as digests, by name.
    """
    recipe = trainings.recipe
    numbers = ("learning_rate", "distillation_weight", "warm_up", "epochs", "patience")
    return {
        "metric": trainings.metric,
        "sees": sees,
        **{name: _number(getattr(recipe, name)) for name in numbers},
        "batch_size": int(trainings.batch_size),
        "resamples": int(resamples),
        "schema": _digest(trainings.schema.to_json().encode()),
        "rows": _rows(trainings),
        "networks": _digest(_networks(trainings, recipe, sees).encode()),
    }


def _number(value: Any) -> int | float:
    return value.item() if isinstance(value, np.generic) else value


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def _rows(trainings: ArmTrainings) -> str:
    """Digest of all that was looked up, of whose it is, and of what rivals see."""
    parts: list[bytes] = []
    for name, values in trainings.looked_up():
        plain = values
        if values.dtype.kind not in "biuf":
            flat = pd.Series(values.ravel().astype(object))
            plain = pd.util.hash_pandas_object(flat, index=False).to_numpy()
        parts += [name.encode(), str(values.shape).encode(), plain.tobytes()]
    return _digest(*parts)


def _networks(trainings: ArmTrainings, recipe: Recipe, sees: Sees) -> str:
    """The configurations of the student and of its teachers."""
    student = recipe.student(trainings.schema)
    described = [_described(student)]
    for view in dict.fromkeys(("served", sees)):
        teacher = recipe.teacher(trainings.schema, view, student)
        described += [_described(teacher), teacher.encoder is student.encoder]
    return json.dumps(described, default=lambda value: type(value).__qualname__)


def _described(ranker: Ranker) -> Any:
    try:
        return _unnumbered(ranker.get_config())
    except (NotImplementedError, TypeError, ValueError):  # A layer that can't be saved.
        return type(ranker.network).__qualname__


def _unnumbered(config: Any) -> Any:
    """A configuration without the numbers that Keras gives to layers of the same class."""
    if isinstance(config, dict):
        return {
            key: re.sub(r"_\d+$", "", value)
            if key == "name" and isinstance(value, str)
            else _unnumbered(value)
            for key, value in config.items()
        }
    if isinstance(config, list | tuple):
        return [_unnumbered(value) for value in config]
    return config
