"""The metrics of a compiled model: means of terms, the loss that they make, logits watched."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import tensorflow as tf

from tfpfd._keras import COUNTED_ONCE, keras
from tfpfd.distillation.losses import Term

LossOf = Callable[[Mapping[str, tf.Tensor]], tf.Tensor]
"""From the means of terms, by name, to the loss."""


class LastValue(keras.metrics.Metric):
    """Shows the last value it was given."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.value = self.add_weight(name="value", shape=(), initializer="zeros", **COUNTED_ONCE)

    def update_state(self, value: tf.Tensor, sample_weight: Any = None) -> None:
        self.value.assign(value)

    def result(self) -> tf.Tensor:
        return tf.convert_to_tensor(self.value)


class _Loss(keras.metrics.Metric):
    """What means of terms make together.

    A mean of the losses of batches would go by the batch size: a term counts other rows or lists
    than the next one, and their share changes from batch to batch.

    Args:
      loss_of: the loss, of the means so far.
      hidden: means that stand in no log, whose state is this metric's.
    """

    def __init__(
        self, loss_of: Callable[[], tf.Tensor], hidden: Iterable[keras.metrics.Metric]
    ) -> None:
        super().__init__(name="loss")
        self._loss_of = loss_of
        self.hidden = list(hidden)

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: the means are updated one by one."""

    def result(self) -> tf.Tensor:
        return self._loss_of()

    def reset_state(self) -> None:
        for metric in self.hidden:
            metric.reset_state()


class CompiledMetrics:
    """The metrics of a compiled model.

    A plain object: Keras 2 would count the state of metrics that it finds on a model among the
    model's weights.

    Args:
      terms: names of the terms of the loss.
      shown: names of those that are shown beside the loss.
      values: names of the numbers that are shown as they last were.
      loss_of: what the means of the terms make.
      prefixes: of the outputs whose logits are watched.
      given: the metrics that watch each of them.
    """

    def __init__(
        self,
        terms: Iterable[str],
        shown: Iterable[str],
        values: Iterable[str],
        loss_of: LossOf,
        prefixes: Iterable[str],
        given: list[keras.metrics.Metric],
    ) -> None:
        self.given = given
        self._terms = {name: keras.metrics.Mean(name=name) for name in terms}
        self._shown = [self._terms[name] for name in shown]
        self._values = {name: LastValue(name=name) for name in values}
        self._watchers = {
            prefix: [_named(m, prefix + m.name) for m in given] for prefix in prefixes
        }
        penalty = keras.metrics.Mean(name="regularization")

        def loss() -> tf.Tensor:
            means = {name: tracker.result() for name, tracker in self._terms.items()}
            return loss_of(means) + penalty.result()

        self._penalty = penalty
        hidden = [m for m in self._terms.values() if m not in self._shown]
        self._loss = _Loss(loss, [*hidden, penalty])
        self._absent: set[str] = set()

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """All that stand in the logs."""
        watchers = (metric for group in self._watchers.values() for metric in group)
        return [self._loss, *self._shown, *self._values.values(), *watchers]

    def count(
        self,
        terms: Mapping[str, Term],
        values: Mapping[str, tf.Tensor],
        penalty: tf.Tensor,
        rows: tf.Tensor,
    ) -> None:
        """Counts a batch.

        Args:
          terms: by name; those that the batch can't say anything of are left out.
          values: by name.
          penalty: scalar, the regularization.
          rows: float32 scalar, the rows of the batch.
        """
        for name, term in terms.items():
            self._terms[name].update_state(term.mean, sample_weight=term.count)
        for name, value in values.items():
            self._values[name].update_state(value)
        self._penalty.update_state(penalty, sample_weight=rows)
        self._absent = set(self._terms) - set(terms)
        if self._absent:
            self._absent.add("loss")

    def watch(self, prefix: str, labels: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor) -> None:
        """Shows the logits of an output to its metrics.

        Args:
          prefix: of the output.
          labels: `[batch]`.
          logits: `[batch]`.
          weights: `[batch]`, 0 on rows without a label.
        """
        for metric in self._watchers[prefix]:
            # Keras metrics may average over the last axis, so it must not be the batch.
            metric.update_state(labels[:, None], logits[:, None], sample_weight=weights)

    def known(self, results: Mapping[str, Any], prefixes: Collection[str]) -> dict[str, Any]:
        """Without those that the batch counted last says nothing of.

        Args:
          results: by name of the metric.
          prefixes: of the outputs that were watched.
        """
        silent = {
            metric.name
            for prefix, group in self._watchers.items()
            if prefix not in prefixes
            for metric in group
        }
        return {k: v for k, v in results.items() if k not in silent | self._absent}


def _named(metric: keras.metrics.Metric, name: str) -> keras.metrics.Metric:
    return type(metric).from_config({**metric.get_config(), "name": name})
