"""What a student must be before it is written for serving, or for the next training."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfpfd._keras import tf_variable
from tfpfd.distillation.privileged import privileged_inside
from tfpfd.distillation.scorer import Scorer

PROBE = 256
"""Rows that are tried; see `Feature.probe`."""


def check_servable(student: Any) -> Scorer:
    """`student`, if it is a ranker, knows nothing privileged and hasn't diverged.

    Args:
      student: what was given.

    Raises:
      TypeError: it is no ranker.
      ValueError: it sees privileged features, or holds a layer or a weight that knows them; a
        weight isn't finite, or it gives logits that aren't.
    """
    check_type(student)
    schema = student.schema
    seen = set(schema.features(student.sees))
    encoders = student.encoders
    while encoders:
        # The tables of a base come along: those of one width are one variable.
        encoder = encoders.pop()
        seen |= set(encoder.features)
        encoders += [encoder.base] if encoder.base is not None else []
    hidden = sorted(seen - set(schema.features("served")))
    if hidden:
        raise ValueError(
            f"`student` sees privileged features {hidden}: expected a ranker with sees='served' "
            "and an encoder, and base of it, of served features alone, received one with "
            f"sees='{student.sees}': are student and teacher swapped?"
        )
    held = privileged_inside(student, schema)
    if held is not None:
        path, what = held
        raise ValueError(
            f"`student` holds what knows privileged features: {path} is {what}; expected a student "
            "without it"
        )
    _check_finite(student)
    return student


def check_type(student: Any) -> None:
    """Refuses anything but a ranker.

    Raises:
      TypeError: it is none.
    """
    if not isinstance(student, Scorer):
        hint = "; pass `model.student`" if hasattr(student, "student") else ""
        raise TypeError(f"`student` must be a Ranker, received {type(student).__name__}{hint}")


def _check_finite(student: Scorer) -> None:
    for weight in student.weights:
        variable = tf_variable(weight)
        if variable.dtype.is_floating and not is_finite(variable):
            name = getattr(weight, "path", weight.name)
            raise ValueError(
                f"`student` has diverged: its weight '{name}' isn't finite; expected finite numbers"
            )
    known, inputs = student.schema.features("served"), dict[str, Any]()
    for feature in known.values():
        inputs.update(feature.probe(PROBE, known))
    inputs = tf.nest.map_structure(tf.constant, inputs)
    for logits in tf.nest.flatten(student(inputs, training=False)):
        if not is_finite(logits):
            raise ValueError(
                "`student` has diverged: its weights are finite, but so large that it gives logits "
                "that aren't"
            )


def is_finite(values: Any) -> bool:
    """Whether all numbers of a variable or tensor are finite."""
    parts = getattr(values, "variables", [values])  # Of a variable sharded over servers.
    # The sum, which one NaN or infinity spoils, takes no memory; a sum may overflow, too.
    return all(
        bool(tf.math.is_finite(tf.reduce_sum(part))) or bool(tf.reduce_all(tf.math.is_finite(part)))
        for part in parts
    )
