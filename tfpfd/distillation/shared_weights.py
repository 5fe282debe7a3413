"""Weights that student and teacher share: in which ways they may."""

from __future__ import annotations

from tfpfd._keras import keras


def check_sharing(
    student: keras.Model, teacher: keras.layers.Layer, mutual: bool, shares_encoder: bool
) -> None:
    """Refuses a teacher that its student's training would change, or a saved model lose.

    Args:
      student: what learns.
      teacher: what it learns from.
      mutual: whether the teacher learns from the student too.
      shares_encoder: whether the teacher has the student's encoder.

    Raises:
      ValueError: naming the argument, what was expected and what came.
    """
    students = {id(weight) for weight in student.weights}
    common = any(id(weight) in students for weight in teacher.weights)
    if mutual and not teacher.trainable:
        raise ValueError(
            "`mutual` needs a teacher that learns, received a frozen one: leave it trainable"
        )
    if common and not teacher.trainable:
        raise ValueError(
            "`teacher` is frozen but shares weights with `student`, whose training would "
            "change it: give the teacher an encoder of its own, or leave it trainable"
        )
    if common and not shares_encoder:
        raise ValueError(
            "`teacher` shares weights with `student` in a way that a saved model would lose: "
            "expected a Ranker with `encoder=student.encoder`"
        )
