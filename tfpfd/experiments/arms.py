"""The runs that an honest comparison needs: the student alone, distilled, and the controls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import tensorflow as tf

from tfpfd._keras import keras
from tfpfd.distillation import Distillation, Ranker, WarmUp
from tfpfd.schema import Schema, Sees


@dataclass(frozen=True)
class Arm:
    """One way to train the student.

    Args:
      name: what reports call it.
      teacher: the features that its teacher sees; None trains the student alone.
      shuffled: whether the privileged features of the training rows are permuted.
    """

    name: str
    teacher: Sees | None = None
    shuffled: bool = False


BASE = Arm("base")
SELF = Arm("self", teacher="served")
SHUFFLED = Arm("shuffled", teacher="all", shuffled=True)
DISTILLED = Arm("distilled", teacher="all")
ARMS = (BASE, SELF, SHUFFLED, DISTILLED)


@dataclass(frozen=True)
class Recipe:
    """How every arm is trained: the same budget, stopped early by the validation log loss.

    Args:
      student: makes a student from a schema.
      teacher: makes a teacher from a schema, the features that it sees, and the student.
      learning_rate: of Adam.
      weight: λ.
      warm_up: epochs before the teacher counts; the student may not be stopped in them.
      epochs: at most.
      patience: epochs without a better validation log loss before training stops.
    """

    student: Callable[[Schema], Ranker]
    teacher: Callable[[Schema, Sees, Ranker], Ranker]
    learning_rate: float
    weight: float
    warm_up: int
    epochs: int
    patience: int


def shuffle_privileged(rows: pd.DataFrame, schema: Schema, seed: int) -> pd.DataFrame:
    """The rows with their privileged features permuted together: the same values, no information.

    Args:
      rows: with a column a privileged feature.
      schema: names the privileged features.
      seed: of the permutation.
    """
    names = [feature.name for feature in schema.sides["privileged"]]
    order = np.random.default_rng(seed).permutation(len(rows))
    return rows.assign(**{name: rows[name].to_numpy()[order] for name in names})


def train(
    arm: Arm,
    recipe: Recipe,
    schema: Schema,
    train: tf.data.Dataset,
    validation: tf.data.Dataset,
    seed: int,
    callbacks: list[keras.callbacks.Callback],
) -> tuple[Ranker, Ranker | None]:
    """Trains one arm and returns its student and teacher with the best epoch's weights.

    Args:
      arm: which.
      recipe: how.
      schema: an adapted schema.
      train: batches of training rows; the arm's own if it is shuffled.
      validation: batches of validation rows.
      seed: of initial weights.
      callbacks: more Keras callbacks.
    """
    keras.utils.set_random_seed(seed)
    student = recipe.student(schema)
    if arm.teacher is None:
        model, monitor, start = student, "val_loss", 0
    else:
        teacher = recipe.teacher(schema, arm.teacher, student)
        warm_up = WarmUp(recipe.weight, steps=recipe.warm_up * int(train.cardinality()))
        model = Distillation(student, teacher, weight=warm_up)
        monitor, start = "val_student_loss", recipe.warm_up
    model.compile(optimizer=keras.optimizers.Adam(recipe.learning_rate))
    stop = keras.callbacks.EarlyStopping(
        monitor,
        mode="min",
        patience=recipe.patience,
        restore_best_weights=True,
        start_from_epoch=start,
    )
    model.fit(
        train,
        validation_data=validation,
        epochs=recipe.epochs,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    return student, None if arm.teacher is None else model.teacher
