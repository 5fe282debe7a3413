"""The runs that an honest comparison needs: the student alone, distilled, and the controls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from tfpfd._keras import keras
from tfpfd.data.table_rows import Treatment
from tfpfd.distillation import Distillation, Ranker, WarmUp, losses
from tfpfd.distillation.early_stopping import StudentLoss, fit_early_stopped
from tfpfd.schema import Schema, Sees


@dataclass(frozen=True)
class Arm:
    """One way to train the student.

    Args:
      name: what reports call it.
      teacher: the features that its teacher sees; None trains the student alone.
      treatment: what is done to the privileged features of the rows; see `TableRows.treated`.
    """

    name: str
    teacher: Sees | None = None
    treatment: Treatment = "kept"


BASE = Arm("base")
SELF = Arm("self", teacher="served")
SHUFFLED = Arm("shuffled", teacher="all", treatment="shuffled")
DISTILLED = Arm("distilled", teacher="all")
ARMS = (BASE, SELF, SHUFFLED, DISTILLED)


def arms_of(sees: Sees) -> tuple[Arm, ...]:
    """All arms for a teacher with this view: base, self, shuffled, zeroed, distilled."""
    return (
        BASE,
        SELF,
        Arm("shuffled", teacher=sees, treatment="shuffled"),
        Arm("zeroed", teacher=sees, treatment="zeroed"),
        Arm("distilled", teacher=sees),
    )


@dataclass(frozen=True)
class Losses:
    """What arms minimise, and are stopped by.

    Args:
      labels: makes the loss of labels; None: the cross entropy, and the student's validation log
        loss stops training. Else this loss of the student stops it, without penalties.
      soft_labels: makes the distillation loss; None: the soft cross entropy.
    """

    labels: Callable[[], keras.losses.Loss] | None = None
    soft_labels: Callable[[], keras.losses.Loss] | None = None


OF_ROWS = Losses()
OF_LISTS = Losses(losses.ListwiseSoftmax, losses.SoftListwiseSoftmax)

MakeStudent = Callable[..., Ranker]
MakeTeacher = Callable[[Schema, Sees, Ranker], Ranker]


@dataclass(frozen=True)
class Recipe:
    """How every arm is trained: the same budget, stopped early by the same validation loss.

    Args:
      student: makes a student from a schema.
      teacher: makes a teacher from a schema, the features that it sees, and the student.
      learning_rate: of Adam.
      distillation_weight: λ.
      warm_up: epochs before the teacher counts; the student may not be stopped in them.
      epochs: at most.
      patience: epochs without a better validation loss before training stops.
      losses: what is minimised.
    """

    student: MakeStudent
    teacher: MakeTeacher
    learning_rate: float
    distillation_weight: float
    warm_up: int
    epochs: int
    patience: int
    losses: Losses = OF_ROWS


@dataclass(frozen=True)
class Trained:
    """What training an arm gave.

    Args:
      student: with the weights of the best epoch.
      teacher: the same; None for an arm without one.
      losses: the student's validation loss after each epoch.
      steps: gradient steps that were taken.
    """

    student: Ranker
    teacher: Ranker | None
    losses: tuple[float, ...]
    steps: int


def train(
    arm: Arm,
    recipe: Recipe,
    schema: Schema,
    train: tf.data.Dataset,
    validation: tf.data.Dataset,
    seed: int,
    callbacks: list[keras.callbacks.Callback],
) -> Trained:
    """Trains one arm.

    Args:
      arm: which.
      recipe: how.
      schema: an adapted schema.
      train: batches of training rows, treated as the arm says.
      validation: batches of validation rows.
      seed: of initial weights.
      callbacks: more Keras callbacks.
    """
    keras.utils.set_random_seed(seed)
    student = recipe.student(schema)
    model, start = student, 0
    if arm.teacher is not None:
        teacher = recipe.teacher(schema, arm.teacher, student)
        warm_up = WarmUp(
            recipe.distillation_weight, steps=recipe.warm_up * int(train.cardinality())
        )
        soft = recipe.losses.soft_labels and recipe.losses.soft_labels()
        model = Distillation(
            student=student, teacher=teacher, distillation_weight=warm_up, distillation_loss=soft
        )
        start = recipe.warm_up
    loss = watched = None
    if recipe.losses.labels is not None:
        loss = recipe.losses.labels()
        watched = StudentLoss(student, validation, loss)
    validation_losses = fit_early_stopped(
        model,
        train,
        validation,
        learning_rate=recipe.learning_rate,
        epochs=recipe.epochs,
        patience=recipe.patience,
        start=start,
        callbacks=callbacks,
        loss=loss,
        watched=watched,
    )
    return Trained(
        student,
        None if arm.teacher is None else model.teacher,
        losses=validation_losses,
        steps=int(model.optimizer.iterations),
    )
