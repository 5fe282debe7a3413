"""What a ranker alone and a distillation have in common: labels that may be missing, metrics."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pandas as pd
import tensorflow as tf

from tfpfd._keras import COUNTED_ONCE, check_strategy, keras, regularization
from tfpfd.data.lists import LIST
from tfpfd.distillation.losses import CrossEntropy
from tfpfd.distillation.losses.lists import ListLoss, list_loss_of, without_lists
from tfpfd.distillation.targets import Targets


class LastValue(keras.metrics.Metric):
    """Shows the last value it was given."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.value = self.add_weight(name="value", shape=(), initializer="zeros", **COUNTED_ONCE)

    def update_state(self, value: tf.Tensor, sample_weight: Any = None) -> None:
        self.value.assign(value)

    def result(self) -> tf.Tensor:
        return tf.convert_to_tensor(self.value)


class Board:
    """The metrics of a compiled model.

    A plain object: Keras 2 would count the state of metrics that it finds on a model among the
    model's weights.

    Args:
      tracked: names and kinds of the metrics of scalars.
      prefixes: of the outputs whose logits are watched.
      given: the metrics that watch each of them.
    """

    def __init__(
        self,
        tracked: Mapping[str, type[keras.metrics.Metric]],
        prefixes: Iterable[str],
        given: list[keras.metrics.Metric],
    ) -> None:
        self.given = given
        self.trackers = {name: kind(name=name) for name, kind in tracked.items()}
        self.watchers = {prefix: [_named(m, prefix + m.name) for m in given] for prefix in prefixes}

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """All of them."""
        return [*self.trackers.values(), *(m for group in self.watchers.values() for m in group)]


def _named(metric: keras.metrics.Metric, name: str) -> keras.metrics.Metric:
    return type(metric).from_config({**metric.get_config(), "name": name})


def inputs_of(name: str, data: Any) -> Any:
    """What `fit` was given as the inputs of its batches, or their types; by feature as a rule.

    Args:
      name: of the argument.
      data: its value.

    Raises:
      TypeError: for a data frame, whose raw values no model reads.
    """
    parts = data.element_spec if isinstance(data, tf.data.Dataset) else data
    inputs = parts[0] if isinstance(parts, tuple) and parts else parts
    if isinstance(inputs, pd.DataFrame):
        raise TypeError(
            f"`{name}` must be batches of rows that were looked up, received a DataFrame: use "
            "tfpfd.data.from_rows(rows, schema)"
        )
    return inputs


class LabelledModel(keras.Model):
    """Base of the models that `fit` trains on labels of which some may be missing.

    A subclass says what a batch costs (`costs`, whose names and metrics are in `tracked`, those
    that are means over the rows with a label in `on_labels`) and which logits the metrics watch
    (`watched`). One with labels of several kinds makes other targets of a batch (`targets_of`),
    one of which only a part is served names that part (`served`), whose logits `predict` returns.
    """

    tracked: Mapping[str, type[keras.metrics.Metric]]
    on_labels: tuple[str, ...]
    prefixes: tuple[str, ...]
    served: str | None = None
    _board: Any = None

    def targets_of(self, x: Any, y: tf.Tensor, sample_weight: Any) -> Targets:
        """What a batch says beside its features."""
        lists = x.get(LIST) if isinstance(x, Mapping) else None
        return Targets(y, sample_weight, lists)

    def costs(self, outputs: Any, targets: Targets) -> dict[str, tf.Tensor]:
        """Scalars by name; `"loss"`, without the regularization, is what training minimises."""
        raise NotImplementedError

    def watched(self, outputs: Any) -> dict[str, tf.Tensor]:
        """Logits `[batch]` that the metrics watch, by the prefix of their names."""
        raise NotImplementedError

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: keras.losses.Loss | None = None,
        metrics: Iterable[keras.metrics.Metric] | None = None,
        **kwargs: Any,
    ) -> None:
        """Configures training.

        Args:
          optimizer: a Keras optimizer.
          loss: a Keras loss of labels and logits, such as
            `keras.losses.BinaryCrossentropy(from_logits=True)`. By default `CrossEntropy()`.
          metrics: Keras metrics of labels and logits. By default the AUC.
          **kwargs: as in Keras.

        Raises:
          TypeError: `loss` is no `keras.losses.Loss`, a metric no `keras.metrics.Metric`, or
            `loss_weights` or `weighted_metrics` is given.
          ValueError: `jit_compile` with a loss that looks at lists.
          NotImplementedError: under a `ParameterServerStrategy` on Keras 3.
        """
        check_strategy()
        label_loss = CrossEntropy() if loss is None else loss
        if not isinstance(label_loss, keras.losses.Loss):
            raise TypeError(
                "`loss` must be a keras.losses.Loss of labels and logits, such as "
                f"BinaryCrossentropy(from_logits=True), received {loss!r}"
            )
        if metrics is None:
            metrics = [keras.metrics.AUC(name="auc", from_logits=True)]
        watchers = list(metrics)
        for metric in watchers:
            if not isinstance(metric, keras.metrics.Metric):
                raise TypeError(f"`metrics` must hold keras.metrics.Metric, received {metric!r}")
        for name in ("loss_weights", "weighted_metrics"):
            if kwargs.get(name) is not None:
                raise TypeError(f"`{name}` has no meaning here: `metrics` are weighted already")
        self.label_loss = label_loss
        if kwargs.get("jit_compile") is True and self._list_losses():
            raise ValueError(
                f"`jit_compile` must be left out: {self._list_losses()[0].name} takes lists of "
                "other sizes in every batch, and XLA wants to know all sizes beforehand"
            )
        super().compile(optimizer=optimizer, **kwargs)
        self._board = Board(self.tracked, self.prefixes, watchers)

    def given_losses(self) -> list[keras.losses.Loss]:
        """The losses that training minimises."""
        return [self.label_loss]

    def _list_losses(self) -> list[ListLoss]:
        found = (list_loss_of(loss) for loss in self.given_losses())
        return [loss for loss in found if loss is not None]

    def check_batches(self, names: Collection[str]) -> None:
        """Refuses batches whose inputs have other names than training needs."""

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Trains; as in Keras, with batches as `tfpfd.data.from_rows` returns them.

        Raises:
          TypeError: rows came that were not looked up.
          ValueError: a column of scores or labels is not among the inputs, or a loss looks at
            lists, of which the batches say nothing.
        """
        # Here, as what is raised while training stands behind pages of Keras's own.
        for name, data in (("x", x), ("validation_data", kwargs.get("validation_data"))):
            inputs = inputs_of(name, data)
            if isinstance(inputs, Mapping):
                self.check_batches(list(inputs))
                if self._board is not None and LIST not in inputs and self._list_losses():
                    raise ValueError(without_lists(self._list_losses()[0]))
        if isinstance(x, tf.data.Dataset):
            # It is shuffled already, or isn't; Keras 3 warns of its own default, which is True.
            kwargs.setdefault("shuffle", False)
        return super().fit(x, *args, **kwargs)

    def predict_step(self, data: Any) -> Any:
        """What `predict` returns of a batch: needs no more features than what is served."""
        inputs, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        part = self if self.served is None else getattr(self, self.served)
        return part(inputs, training=False)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """What `fit` and `evaluate` show."""
        return [] if self._board is None else self._board.metrics

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        """The loss of a batch, a scalar; called by Keras."""
        if y is None:
            raise ValueError(
                "expected batches (features, labels) or (features, labels, weights), received "
                "features alone; a row without a label has the label NaN"
            )
        targets = self.targets_of(x, y, sample_weight)
        costs = self.costs(y_pred, targets)
        costs["loss"] += regularization(self)
        for name, tracker in self._board.trackers.items():
            labelled = targets.of(name).labelled
            counted = labelled if name in self.on_labels else tf.ones_like(labelled)
            rows = tf.reduce_sum(tf.cast(counted, tf.float32))
            tracker.update_state(costs[name], sample_weight=rows)
        return costs["loss"]

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        """The metrics so far; called by Keras."""
        every = self.targets_of(x, y, sample_weight)
        for prefix, logits in self.watched(y_pred).items():
            targets = every.of(prefix)
            weights = tf.where(targets.labelled, targets.weights, tf.zeros_like(targets.weights))
            for metric in self._board.watchers[prefix]:
                # Keras metrics may average over the last axis, so it must not be the batch.
                labels, column = targets.labels[:, None], logits[:, None]
                metric.update_state(labels, column, sample_weight=weights)
        return self.get_metrics_result()

    def get_compile_config(self) -> dict[str, Any] | None:
        """What `compile` was given, for Keras."""
        if self._board is None:
            return None
        parts = {
            "optimizer": self.optimizer,
            "loss": self.label_loss,
            "metrics": self._board.given,
        }
        return {name: keras.utils.serialize_keras_object(part) for name, part in parts.items()}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles a loaded model, for Keras."""
        revive = keras.utils.deserialize_keras_object
        self.compile(**{name: revive(part) for name, part in config.items()})
        self.optimizer.build(self.trainable_variables)
