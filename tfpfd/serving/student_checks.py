"""What can be exported: a student, and functions of it, that know nothing privileged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfpfd._keras import tf_variable
from tfpfd.distillation import Ranker
from tfpfd.distillation.privileged import privileged_variables
from tfpfd.distillation.servable import check_servable
from tfpfd.layers import TwoTower


def check_reads(functions: Mapping[str, Any]) -> None:
    """Refuses signatures that read a variable that knows privileged features.

    However the student came to it: by a global name, too, which it doesn't hold.

    Args:
      functions: the signatures, traced.
    """
    owners = {
        id(part.handle): f"'{part.name}', a weight of {owner}"
        for variable, owner in privileged_variables()
        for part in getattr(variable, "values", [variable])
    }
    for name, function in functions.items():
        for captured, _ in function.graph.captures:
            if id(captured) in owners:
                raise ValueError(
                    f"`student` reads what knows privileged features: signature '{name}' reads "
                    f"{owners[id(captured)]}; expected a student that doesn't"
                )


def encoder_weights(student: Ranker) -> list[tf.Variable]:
    """The variables of the encoders: the layers would bring functions and metadata of Keras."""
    return [tf_variable(v) for encoder in student.encoders for v in encoder.weights]


def checked_student(student: Any, two_tower: bool = False) -> Ranker:
    """`student`, if it can be exported: see `check_servable`.

    Args:
      student: what was given.
      two_tower: whether its network must be a `TwoTower`.
    """
    student = check_servable(student)
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
