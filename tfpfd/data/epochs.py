"""The order of rows in an epoch: it depends on the seed and the epoch alone.

`tf.data` counts how often a dataset was iterated, so a run that was killed and resumed in a new
process would see its first orders again. Here the models' `fit` says which epoch begins, and
datasets read that when their first element is asked for.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import weakref
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from tfpfd._keras import keras

_NAMES = itertools.count()
_STAMPS = itertools.count(1)


def orders(rows: int, seed: int | None) -> tf.data.Dataset:
    """The order of an epoch, as the only element; every epoch has another one.

    Args:
      rows: how many there are.
      seed: as of `seeds`.

    Returns:
      A dataset of one tensor: int64 `[rows]`, each row once.

    Raises:
      ValueError: as of `seeds`.
    """

    def order(key: tf.Tensor) -> tf.Tensor:
        return tf.random.experimental.stateless_shuffle(tf.range(rows, dtype=tf.int64), key)

    return seeds(seed).map(order)


def seeds(seed: int | None) -> tf.data.Dataset:
    """What is drawn in an epoch begins with, as the only element; every epoch has another one.

    Outside of a model's `fit`, each iteration is the next epoch.

    Args:
      seed: of all epochs; None for TensorFlow's own, see `tf.random.set_seed`.

    Returns:
      A dataset of one tensor: int64 `[2]`, a seed of TensorFlow's stateless functions.

    Raises:
      ValueError: no seed, where several workers are to draw alike.
    """
    if seed is None:
        _check_alone()
        base = tf.random.uniform([], maxval=tf.int64.max, dtype=tf.int64)
    else:
        base = tf.constant(seed, tf.int64)
    passes = f"tfpfd_passes_{next(_NAMES)}"

    def key(_: Any) -> tf.Tensor:
        epoch, times = tf.unstack(_begun(passes))
        return tf.random.experimental.stateless_fold_in(tf.stack([base, epoch]), times)

    return tf.data.Dataset.from_tensors(0).map(key)


def _check_alone() -> None:
    # Workers that train in step each take their part of the batches, which is one of all rows only
    # if all have one order. With parameter servers each worker goes through rows of its own.
    cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
    workers = len(cluster.get("worker", ())) + len(cluster.get("chief", ()))
    if workers > 1 and not cluster.get("ps"):
        raise ValueError(
            f"`seed` must be given, the same in each of the {workers} workers that TF_CONFIG "
            "names, received None: else each draws an order of its own, and rows are seen twice or "
            "not at all"
        )


def _begun(passes: str) -> tf.Tensor:
    """The epoch that begins, and how often it did for this dataset: int64 `[2]`."""
    epoch, stamp = tf.unstack(_read("tfpfd_epoch", [-1, 0]))
    seen, count = tf.unstack(_read(passes, [-1, 0]))
    # More often than once where a dataset is repeated within one epoch of `fit`.
    count = tf.where(seen == stamp, count + 1, 0)
    with tf.control_dependencies([_write(passes, tf.stack([stamp, count]))]):
        return tf.stack([epoch, count])


def _handle(name: str) -> tf.Tensor:
    # A variable by its name, as a `tf.Variable` that a dataset holds is copied with its value when
    # a strategy rewrites the dataset, and is mirrored where it is made in a strategy's scope.
    with tf.device("CPU:0"):
        return tf.raw_ops.VarHandleOp(dtype=tf.int64, shape=[2], shared_name=name)


def _write(name: str, value: tf.Tensor) -> Any:
    return tf.raw_ops.AssignVariableOp(resource=_handle(name), value=value)


def _read(name: str, default: list[int]) -> tf.Tensor:
    handle = _handle(name)
    return tf.cond(
        tf.raw_ops.VarIsInitializedOp(resource=handle),
        lambda: tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.int64),
        lambda: tf.constant(default, tf.int64),
    )


class _Epochs(keras.callbacks.Callback):
    """Says which epoch begins, and counts those that ended.

    Args:
      first: what the first epoch counts as.
    """

    def __init__(self, first: int) -> None:
        super().__init__()
        self.first = first
        self.done = first

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        _write("tfpfd_epoch", tf.constant([self.first + epoch, next(_STAMPS)], tf.int64))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.done = self.first + epoch + 1


_DONE: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()


@contextlib.contextmanager
def epochs_of(model: Any, callbacks: Any, initial: int) -> Iterator[Any]:
    """The callbacks of a `fit`, and with them one by which shuffled datasets know the epoch.

    Args:
      model: that is fitted. Its first epoch counts as the one after those of earlier calls that
        came to their end.
      callbacks: as `fit` was given them.
      initial: the `initial_epoch` given; other than 0 it counts as what it is.

    Raises:
      ValueError: a `BackupAndRestore` saves in the middle of an epoch, of which a resumed run would
        train on the first rows again.
    """
    given = getattr(callbacks, "callbacks", callbacks)
    held = list(given) if isinstance(given, list | tuple) else [given] if given else []
    for callback in held:
        # Keras knows True and False besides, for saves on demand.
        frequency = getattr(callback, "save_freq", "epoch")
        backup = isinstance(callback, keras.callbacks.BackupAndRestore)
        if backup and isinstance(frequency, int) and not isinstance(frequency, bool):
            raise ValueError(
                "`callbacks` hold BackupAndRestore("
                f"save_freq={frequency}), which saves in the middle of an epoch: expected "
                "save_freq='epoch', as a resumed run begins with the first rows of an epoch"
            )
    epochs = _Epochs(0 if initial else _DONE.get(model, 0))
    if hasattr(callbacks, "append") and not isinstance(callbacks, list):
        callbacks.append(epochs)  # A CallbackList.
    else:
        callbacks = [*held, epochs]
    try:
        yield callbacks
        _DONE[model] = epochs.done
    finally:
        _write("tfpfd_epoch", tf.constant([-1, 0], tf.int64))
