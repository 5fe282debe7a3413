"""What every kind of export has in common: a module, its signatures, and checks of the student."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfpfd._keras import tf_variable
from tfpfd.distillation import Ranker
from tfpfd.layers import TwoTower
from tfpfd.schema import Schema


@dataclass(frozen=True)
class Served:
    """What an export writes.

    Attributes:
      module: refers to parts of the student and to nothing else.
      functions: gives the signatures, by name.
      schema: the student's.
      facts: what the manifest says of this kind of export.
    """

    module: tf.Module
    functions: Callable[[], dict[str, Callable]]
    schema: Schema
    facts: dict[str, Any]


def concrete(function: Callable, specs: Mapping[str, tf.TensorSpec]) -> Callable:
    """`function` traced for inputs by name."""
    return tf.function(function, autograph=False).get_concrete_function(**specs)


def encoder_weights(student: Ranker) -> list[tf.Variable]:
    """The variables of the encoders: the layers would bring functions and metadata of Keras."""
    return [tf_variable(v) for encoder in student.encoders for v in encoder.weights]


def checked_student(student: Any, two_tower: bool = False) -> Ranker:
    """`student`, if it is a ranker and sees no privileged features.

    Args:
      student: what was given.
      two_tower: whether its network must be a `TwoTower`.
    """
    if not isinstance(student, Ranker):
        hint = "; pass `model.student`" if hasattr(student, "student") else ""
        raise TypeError(f"`student` must be a Ranker, received {type(student).__name__}{hint}")
    seen = set(student.schema.features(student.sees))
    encoders = student.encoders
    while encoders:
        # The tables of a base come along: those of one width are one variable.
        encoder = encoders.pop()
        seen |= set(encoder.features)
        encoders += [encoder.base] if encoder.base is not None else []
    hidden = sorted(seen - set(student.schema.features("served")))
    if hidden:
        raise ValueError(
            f"`student` sees privileged features {hidden}: expected a ranker with sees='served' "
            "and an encoder, and base of it, of served features alone"
        )
    if two_tower and not isinstance(student.network, TwoTower):
        raise TypeError(
            "`student` must have a TwoTower, whose item side can be run ahead of the requests, "
            f"received a {type(student.network).__name__}"
        )
    # TensorFlow's functions have a `self` of their own.
    check_names([name for name in student.schema.features("served") if name == "self"])
    return student


def check_names(taken: list[str]) -> None:
    """Refuses features with names that signatures need."""
    if taken:
        raise ValueError(
            f"features {taken} have names that signatures need themselves: rename the columns"
        )
