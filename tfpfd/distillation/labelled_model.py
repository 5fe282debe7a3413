"""What a ranker alone and a distillation have in common: labels that may be missing, metrics."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import tensorflow as tf

from tfpfd._keras import check_strategy, keras, regularization
from tfpfd._replicas import summed
from tfpfd.data.epochs import epochs_of
from tfpfd.data.list_ids import LIST
from tfpfd.distillation.auc import AUC
from tfpfd.distillation.class_weights import with_class_weights
from tfpfd.distillation.compiled_metrics import CompiledMetrics
from tfpfd.distillation.fit_arguments import (
    by_name,
    check_arrays,
    check_batch_size,
    check_targets,
    inputs_of,
)
from tfpfd.distillation.fitting_losses import check_loss, metrics_in
from tfpfd.distillation.losses import CrossEntropy, Term
from tfpfd.distillation.losses.list_loss import ListLoss, list_loss_of, without_lists
from tfpfd.distillation.predicting import PredictingModel, traced_anew
from tfpfd.distillation.targets import Targets


class LabelledModel(PredictingModel):
    """Base of the models that `fit` trains on labels of which some may be missing.

    A subclass says what a batch costs (`_costs`, a mean for each name in `_terms`), what the means
    make together (`_loss_of`, by default their sum), and which logits the metrics watch
    (`_watched`). `_shown` are the terms that stand in the logs beside the loss, `_numbers` other
    numbers there (`_values`). One with labels of several kinds makes other targets of a batch
    (`_targets_of`).
    """

    _terms: tuple[str, ...]
    _shown: tuple[str, ...]
    _numbers: tuple[str, ...] = ()
    _prefixes: tuple[str, ...]
    _shown_metrics: Any = None

    def _targets_of(self, x: Any, y: tf.Tensor, sample_weight: Any) -> Targets:
        """What a batch says beside its features."""
        lists = x.get(LIST) if isinstance(x, Mapping) else None
        return Targets(y, sample_weight, lists)

    def _costs(self, outputs: Any, targets: Targets) -> dict[str, Term]:
        """The terms by name; without those that the batch can't say anything of."""
        raise NotImplementedError

    def _loss_of(self, means: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """What training minimises, without the regularization: a scalar of scalars by term."""
        return tf.add_n(list(means.values()))

    def _values(self) -> dict[str, tf.Tensor]:
        """Scalars by the names in `_numbers`."""
        return {}

    def _watched(self, outputs: Any) -> dict[str, tf.Tensor]:
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
          metrics: Keras metrics of labels and logits. By default `tfpfd.AUC()`.
          **kwargs: as in Keras.

        Raises:
          TypeError: `loss` is no `keras.losses.Loss`, a metric no `keras.metrics.Metric`, one of
            them is TF-Ranking's, or `loss_weights` or `weighted_metrics` is given.
          ValueError: a loss or metric doesn't fit rows of a label and a logit, which is tried out;
            `jit_compile` with a loss that looks at lists.
          NotImplementedError: under a strategy of several replicas or a `ParameterServerStrategy`
            on Keras 3.
        """
        check_strategy()
        label_loss = CrossEntropy() if loss is None else loss
        check_loss("loss", label_loss)
        watchers = [AUC()] if metrics is None else metrics_in(metrics)
        for name in ("loss_weights", "weighted_metrics"):
            if kwargs.get(name) is not None:
                raise TypeError(f"`{name}` has no meaning here: `metrics` are weighted already")
        self.label_loss = label_loss
        if kwargs.get("jit_compile") is True and self._list_losses():
            raise ValueError(
                f"`jit_compile` must be left out: {self._list_losses()[0].name} takes lists of "
                "other sizes in every batch, and XLA wants to know all sizes beforehand"
            )
        # Else Keras 2 warns of weights without metrics of its own.
        super().compile(optimizer=optimizer, **{**kwargs, "weighted_metrics": []})
        self._shown_metrics = CompiledMetrics(
            self._terms, self._shown, self._numbers, self._loss_of, self._prefixes, watchers
        )

    def _given_losses(self) -> list[keras.losses.Loss]:
        """The losses that training minimises."""
        return [self.label_loss]

    def _list_losses(self) -> list[ListLoss]:
        found = (list_loss_of(loss) for loss in self._given_losses())
        return [loss for loss in found if loss is not None]

    def _check_batches(self, names: Collection[str], training: bool) -> None:
        """Refuses batches whose inputs don't have the names that are needed.

        Args:
          names: of the inputs.
          training: whether `fit` is to learn from them; else they are for validation.
        """

    def _check_one_label(self) -> None:
        """Refuses `class_weight` where a row has more than one label."""
        if len(self._prefixes) > 1 and self._served is None:
            raise ValueError(
                "`class_weight` must be left out where there are labels of several objectives, as "
                "it says not whose classes: give rows a weight, or objectives `weights`"
            )

    def _check(self, argument: str, data: Any, training: bool) -> None:
        inputs = inputs_of(argument, data)
        check_targets(argument, data)
        if isinstance(inputs, Mapping):
            self._check_batches(list(inputs), training)
            if self._shown_metrics is not None and LIST not in inputs and self._list_losses():
                raise ValueError(without_lists(self._list_losses()[0]))

    def fit(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Trains; as in Keras, with batches as `tfpfd.data.from_rows` returns them.

        Validation rows of served features alone (`schema.served()`) are taken too; what needs
        others, such as the teacher's metrics and the loss, is then left out of the logs.

        With shuffled rows of `from_rows` the order of an epoch depends on the seed and the epoch
        alone. So a run that was killed, and resumed by `keras.callbacks.BackupAndRestore` at the
        end of the last epoch, is the run that wasn't, but for layers that draw at random, such as
        dropout. A second `fit` goes on with the epochs after the first one's, unless
        `initial_epoch` is given.

        Raises:
          TypeError: rows came that were not looked up.
          ValueError: a label in an array is out of [0, 1], a feature or a column of scores or
            labels is not among the inputs, a loss
            looks at lists, of which the batches say nothing, `batch_size` stands beside batches,
            or `BackupAndRestore` saves in the middle of an epoch.
        """
        # Here, as what is raised while training stands behind pages of Keras's own.
        check_strategy()
        kwargs = by_name(keras.Model.fit, (x, y, *args), kwargs)
        x, y = kwargs.pop("x"), kwargs.pop("y")
        self._check("x", x, training=True)
        check_arrays(y, kwargs.get("sample_weight"))
        check_batch_size(x, kwargs.get("batch_size"))
        validation = kwargs.get("validation_data")
        size = kwargs.get("validation_batch_size")
        check_batch_size(validation, size, "validation_batch_size")
        if validation is not None:
            self._check("validation_data", validation, training=False)
            if isinstance(validation, tuple):
                check_arrays(*validation[1:])
        if kwargs.get("class_weight") is not None:
            self._check_one_label()
            given = kwargs.pop("class_weight")
            x, kwargs = with_class_weights(given, x, y, kwargs)
        if isinstance(x, tf.data.Dataset):
            # It is shuffled already, or isn't; Keras 3 warns of its own default, which is True.
            kwargs.setdefault("shuffle", False)
        first = kwargs.get("initial_epoch", 0)
        with traced_anew(self), epochs_of(self, kwargs.get("callbacks"), first) as callbacks:
            return super().fit(x, y, **{**kwargs, "callbacks": callbacks})

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """The loss and the metrics of rows; as in Keras, with batches as `fit` takes them.

        Rows of served features alone: see `fit`.

        Raises:
          TypeError: rows came that were not looked up.
          ValueError: as of `fit`.
        """
        kwargs = by_name(keras.Model.evaluate, (x, *args), kwargs)
        self._check("x", kwargs["x"], training=False)
        check_arrays(kwargs.get("y"), kwargs.get("sample_weight"))
        if not kwargs.get("_use_cached_eval_dataset"):  # Of `fit`, whose size is that of `x`.
            check_batch_size(kwargs["x"], kwargs.get("batch_size"))
        with traced_anew(self):
            return super().evaluate(**kwargs)

    def train_on_batch(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """A step on one batch; as in Keras, refused as by `fit`."""
        kwargs = by_name(keras.Model.train_on_batch, (x, *args), kwargs)
        if kwargs.get("class_weight") is not None:
            self._check_one_label()
            given = kwargs.pop("class_weight")
            _, kwargs = with_class_weights(given, kwargs["x"], kwargs.get("y"), kwargs)
        with traced_anew(self):
            return super().train_on_batch(**kwargs)

    def test_on_batch(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The loss and the metrics of one batch; as in Keras, refused as by `evaluate`."""
        with traced_anew(self):
            return super().test_on_batch(x, *args, **kwargs)

    def train_step(self, data: Any) -> dict[str, Any]:
        """A step of Keras, of which nothing happens unless there is a batch.

        Keras learns that a dataset of unknown length is over from a step that finds no batch;
        what doesn't look at the batch, such as counting steps, may have been done by then.
        """
        self._check("x", data, training=True)
        # Keras 3 gives None for weights that a batch on its own doesn't have.
        held = [part for part in tf.nest.flatten(data) if part is not None]
        with tf.control_dependencies([tf.group(*held)]):
            logs = super().train_step(data)
            self._after_step()
        return logs

    def test_step(self, data: Any) -> dict[str, Any]:
        """A step of Keras, of a batch that this model can read."""
        self._check("x", data, training=False)
        return super().test_step(data)

    def _after_step(self) -> None:
        """What a subclass does after each step of training."""

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """What `fit` and `evaluate` show."""
        return [] if self._shown_metrics is None else self._shown_metrics.metrics

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        """The loss of a batch, a scalar; called by Keras.

        On several replicas it is a share, and the shares add up to the loss of the whole batch:
        each term is divided by the rows or lists that count on all of them together. 0 where the
        batch has no part of a term.
        """
        if y is None:
            raise ValueError(
                "expected batches (features, labels) or (features, labels, weights), received "
                "features alone; a row without a label has the label NaN"
            )
        targets = self._targets_of(x, y, sample_weight)
        targets.check()
        terms = self._costs(y_pred, targets)
        rows = tf.cast(tf.size(targets.labelled), tf.float32)
        penalty = tf.where(rows > 0, regularization(self), 0.0)
        self._shown_metrics.count(terms, self._values(), penalty, rows)
        if set(terms) != set(self._terms):
            return tf.zeros([])
        every, *counts = tf.unstack(summed(tf.stack([rows, *(t.count for t in terms.values())])))
        shares = {
            name: term.total / tf.maximum(count, 1)
            for (name, term), count in zip(terms.items(), counts, strict=True)
        }
        return self._loss_of(shares) + penalty * rows / tf.maximum(every, 1)

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        """The metrics so far; called by Keras."""
        every = self._targets_of(x, y, sample_weight)
        outputs = self._watched(y_pred)
        for prefix, logits in outputs.items():
            targets = every.of(prefix)
            weights = tf.where(targets.labelled, targets.weights, tf.zeros_like(targets.weights))
            self._shown_metrics.watch(prefix, targets.labels, logits, weights)
        return self._shown_metrics.known(self.get_metrics_result(), outputs)

    def get_compile_config(self) -> dict[str, Any] | None:
        """What `compile` was given, for Keras."""
        if self._shown_metrics is None:
            return None
        parts = {
            "optimizer": self.optimizer,
            "loss": self.label_loss,
            "metrics": self._shown_metrics.given,
        }
        return {name: keras.utils.serialize_keras_object(part) for name, part in parts.items()}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles a loaded model, for Keras."""
        revive = keras.utils.deserialize_keras_object
        self.compile(**{name: revive(part) for name, part in config.items()})
        self.optimizer.build(self.trainable_variables)
