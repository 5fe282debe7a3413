"""How every model of a comparison is trained: Adam, stopped early."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tfpfd._keras import keras
from tfpfd.data.list_ids import LIST
from tfpfd.distillation import Ranker
from tfpfd.distillation.labelled_model import LabelledModel
from tfpfd.distillation.losses import term_of
from tfpfd.distillation.targets import Targets


class StudentLoss(keras.callbacks.Callback):
    """Puts what the student's labels cost it on validation lists in the logs, as `monitor`.

    The loss that Keras shows of a ranker that is trained alone holds its penalties, that of a
    student beside a teacher doesn't, and by it the two would be stopped by different rules.

    Args:
      student: whose.
      validation: batches of validation lists.
      loss: of labels.
    """

    monitor = "val_student_labels"

    def __init__(
        self, student: Ranker, validation: tf.data.Dataset, loss: keras.losses.Loss
    ) -> None:
        super().__init__()
        self._student, self._validation, self._loss = student, validation, loss

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Computes it; called by Keras.

        Args:
          epoch: not used.
          logs: where it goes, before early stopping reads it.
        """
        total = count = 0.0
        # Not `evaluate`: the student of a distillation isn't compiled.
        for inputs, labels, *weights in self._validation:
            targets = Targets(labels, weights[0] if weights else None, inputs[LIST])
            logits = self._student(inputs, training=False)
            term = term_of(self._loss, targets.labels, logits, targets, targets.labelled)
            total, count = total + float(term.total), count + float(term.count)
        assert logs is not None
        logs[self.monitor] = total / count


def fit_early_stopped(
    model: LabelledModel,
    train: tf.data.Dataset,
    validation: tf.data.Dataset,
    *,
    learning_rate: float,
    epochs: int,
    patience: int,
    start: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    loss: keras.losses.Loss | None = None,
    watched: StudentLoss | None = None,
) -> tuple[float, ...]:
    """Trains with Adam until a validation loss stops getting better, and keeps the best.

    Args:
      model: a ranker, or what trains one, whose first prefix is the student's.
      train: batches of training rows.
      validation: batches of validation rows.
      learning_rate: of Adam.
      epochs: at most.
      patience: epochs without a better validation loss before training stops.
      start: epochs before the first that counts.
      callbacks: more Keras callbacks.
      loss: of labels, in which case all that is trained counts as validation loss; by default
        the log loss, in which case that of the student counts alone.
      watched: what counts as validation loss instead; it has the validation rows.

    Returns:
      The validation loss after each epoch.
    """
    metrics, monitor = [], "val_loss"
    if loss is None:
        # A metric: the loss of a ranker that is trained alone holds its penalties, a student's
        # beside a teacher does not, so by the loss the two would be stopped by different rules.
        metrics = [keras.metrics.BinaryCrossentropy(name="log_loss", from_logits=True)]
        monitor = f"val_{model._prefixes[0]}log_loss"
    model.compile(optimizer=keras.optimizers.Adam(learning_rate), loss=loss, metrics=metrics)
    before: list[keras.callbacks.Callback] = []
    if watched is not None:
        before, monitor = [watched], watched.monitor
    stop = keras.callbacks.EarlyStopping(
        monitor,
        mode="min",
        patience=patience,
        restore_best_weights=True,
        start_from_epoch=start,
    )
    history = model.fit(
        train,
        validation_data=None if watched is not None else validation,
        epochs=epochs,
        callbacks=[*before, stop, *callbacks],
        verbose=0,
    )
    # Keras 2 restores them only where training was stopped before the last epoch.
    model.set_weights(stop.best_weights)
    return tuple(history.history[monitor])
