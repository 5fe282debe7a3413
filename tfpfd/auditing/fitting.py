"""How every model of a comparison is trained: Adam, stopped early."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tfpfd._keras import keras
from tfpfd.distillation.labelled import LabelledModel


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

    Returns:
      The validation loss after each epoch.
    """
    metrics, monitor = [], "val_loss"
    if loss is None:
        # A metric: the loss of a ranker that is trained alone holds its penalties, a student's
        # beside a teacher does not, so by the loss the two would be stopped by different rules.
        metrics = [keras.metrics.BinaryCrossentropy(name="log_loss", from_logits=True)]
        monitor = f"val_{model.prefixes[0]}log_loss"
    model.compile(optimizer=keras.optimizers.Adam(learning_rate), loss=loss, metrics=metrics)
    stop = keras.callbacks.EarlyStopping(
        monitor,
        mode="min",
        patience=patience,
        restore_best_weights=True,
        start_from_epoch=start,
    )
    history = model.fit(
        train,
        validation_data=validation,
        epochs=epochs,
        callbacks=[stop, *callbacks],
        verbose=0,
    )
    # Keras 2 restores them only where training was stopped before the last epoch.
    model.set_weights(stop.best_weights)
    return tuple(history.history[monitor])
