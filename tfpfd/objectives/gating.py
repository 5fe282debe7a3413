"""Weights of objectives that are learned: a small network over what is known of a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfpfd._arguments import check_integer
from tfpfd._keras import keras, register_formerly
from tfpfd.data.list_ids import LIST
from tfpfd.distillation.losses.list_loss import over_lists
from tfpfd.layers import FeatureEncoder
from tfpfd.objectives.objective_weights import checked_weights


@register_formerly("Gate")
class FusionGate(keras.layers.Layer):
    """Weights ω of objectives for each list, learned while the student trains.

        ω_k(list) = ω⁰_k · K · softmax(g(x̄))_k,    x̄ = mean of the encoded features over the list

    g is a network of one hidden layer whose last layer starts at zero, so training starts with
    ω = ω⁰. The softmax is positive, so an objective keeps the sign of its ω⁰, and one with ω⁰ = 0
    stays out. Given to `FusedTeachers` as `weights`, the gate is all that learns there: from the
    label loss of the fused score, which `Distillation` adds for a teacher that is trainable, and
    never from the student. So it leans towards what predicts the schema's label; objectives that
    oppose that label need an ω⁰ that is large enough, or soft targets of their own.

    Args:
      weights: ω⁰ by objective.
      encoder: an encoder of the gate's own, of features that are known of a list, such as the
        user's and the request's; of others the mean over the list counts. They need not be
        served, as the gate never is. A number of a list is a `Numeric` feature of the schema.
      units: width of the hidden layer.

    Raises:
      ValueError: a weight is no finite number, all are 0, or `units` is below 1.

    Reference:
      The future work of "Multi-objective Learning to Rank by Model Distillation", KDD 2024 (arXiv
      2407.07181): weights learned by a mixture of experts. This form of it is ours.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        encoder: FeatureEncoder,
        units: int = 8,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_integer("units", units, least=1)
        self.prior = checked_weights(weights)
        self.encoder = encoder
        self.units = units
        self.hidden = keras.layers.Dense(
            units, activation="relu", name="hidden", dtype=self.dtype_policy.name
        )
        self.hidden.build((None, sum(encoder.width(name) for name in encoder.features)))
        self.last = keras.layers.Dense(
            len(self.prior), kernel_initializer="zeros", name="last", dtype="float32"
        )
        self.last.build((None, units))
        self.built = True

    def call(self, inputs: Mapping[str, tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """ω `[batch, objectives]`, equal for the rows of a list, in the order of `weights`.

        Raises:
          ValueError: a feature is missing, or the batch doesn't say which rows share a list.
        """
        missing = [name for name in self.encoder.features if name not in inputs]
        if missing:
            raise ValueError(f"missing inputs {missing}: the gate needs table rows of them")
        if LIST not in inputs:
            raise ValueError(
                "the gate gives weights to whole lists, but the batch doesn't say which rows share "
                "one: declare `list_key` in the schema and make batches with "
                "`tfpfd.data.from_rows(…, by_list=True)`"
            )
        encoded = self.encoder(inputs, training=training)
        rows = tf.concat([encoded[name] for name in self.encoder.features], axis=1)
        lists = tf.reshape(inputs[LIST], [-1])
        means = over_lists(lambda values, of: of.spread(of.mean(values)), rows, lists)
        scores = tf.cast(self.last(self.hidden(means)), tf.float32)
        # Over their mean, not times K over their sum: 1 exactly where all are equal.
        shares = tf.exp(scores - tf.reduce_max(scores, axis=1, keepdims=True))
        shares /= tf.reduce_mean(shares, axis=1, keepdims=True)
        return tf.constant(list(self.prior.values())) * shares

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "weights": dict(self.prior),
            "encoder": keras.utils.serialize_keras_object(self.encoder),
            "units": self.units,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FusionGate:
        encoder = keras.utils.deserialize_keras_object(config["encoder"])
        return cls(**{**config, "encoder": encoder})
