"""How the losses of several objectives become one: with fixed weights, or under constraints."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import tensorflow as tf

from tfpfd._keras import COUNTED_ONCE, keras, register, register_formerly
from tfpfd._replicas import summed
from tfpfd.distillation.losses import Term
from tfpfd.objectives.objective_weights import check_finite, check_shares


@register
class FixedWeights(keras.layers.Layer):
    """The weighted sum of losses, `Σ_k w_k · L_k`.

    Args:
      weights: w, by objective; at least 0.

    Raises:
      ValueError: a weight is negative or not finite, or all are 0.
    """

    def __init__(self, weights: Mapping[str, float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.values = check_shares(weights)
        self.built = True

    def names(self, label: str) -> tuple[str, ...]:
        """The objectives, of which `label` is the primary one."""
        return tuple(self.values)

    def check(self, label: str, objectives: Collection[str]) -> None:
        """Refuses others than the objectives of a model, of which `label` is the primary one."""
        if set(self.values) != set(objectives):
            raise ValueError(
                f"`weights` must be of {sorted(objectives)}, received {sorted(self.values)}"
            )

    def total(self, losses: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The sum, a scalar of scalars by objective."""
        return tf.add_n([self.values[name] * loss for name, loss in losses.items()])

    def multipliers(self) -> dict[str, tf.Tensor]:
        """What is learned, by objective: nothing."""
        return {}

    def learn(self, terms: Mapping[str, Term]) -> None:
        """Called after a step: nothing is learned."""

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "weights": dict(self.values)}


@register_formerly("Multipliers")
class EpsilonConstraint(keras.layers.Layer):
    """The ε-constraint method: losses are kept below bounds by Lagrange multipliers.

        min_θ L_1   subject to   L_k ≤ ε_k
        L_1 + Σ_k μ_k · (L_k − ε_k),    after each step  μ_k ← max(0, μ_k + rate · (L_k − ε_k))

    Descent in θ and ascent in μ, both by the losses of the batch. μ starts at 0; it rises while
    the constraint is broken and falls back to 0 where it holds anyway. A bound that can't be kept
    lets it rise for ever: watch `<objective>_multiplier`. A batch in which no row or list has a
    label of an objective leaves its multiplier as it is. Objectives without a bound have the
    weight 1. State of the model, so that saving keeps it.

    Args:
      bounds: ε, by objective, in the units of its loss; not of the primary one.
      rate: of the ascent, above 0.

    Raises:
      ValueError: a bound is not finite or not above 0, or `rate` isn't above 0.

    Reference:
      Haimes et al., "On a Bicriterion Formulation of the Problems of Integrated System
      Identification and System Optimization", IEEE Trans. SMC 1(3), 1971; multipliers by gradient
      ascent as in Arrow, Hurwicz and Uzawa, "Studies in Linear and Non-linear Programming", 1958.
    """

    def __init__(self, bounds: Mapping[str, float], rate: float = 0.01, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bounds = check_finite("bounds", bounds)
        low = {name: bound for name, bound in self.bounds.items() if bound <= 0}
        if low:
            raise ValueError(f"`bounds` of losses must be above 0, received {low}")
        if rate <= 0:
            raise ValueError(f"`rate` must be above 0, received {rate}")
        self.rate = float(rate)
        self.state = self.add_weight(
            name="multipliers",
            shape=(len(self.bounds),),
            dtype="float32",
            initializer="zeros",
            trainable=False,
            **COUNTED_ONCE,  # All replicas know the losses of the whole batch.
        )
        self.built = True

    def names(self, label: str) -> tuple[str, ...]:
        """The objectives, of which `label` is the primary one."""
        return (label, *self.bounds)

    def check(self, label: str, objectives: Collection[str]) -> None:
        """Refuses bounds of others than the objectives of a model, and of the primary one."""
        if label in self.bounds:
            raise ValueError(
                f"`bounds` name '{label}', the primary objective: expected bounds of the others, "
                f"as it is what is minimised, received {sorted(self.bounds)}"
            )
        unknown = sorted(set(self.bounds) - set(objectives))
        if unknown or len(self.bounds) == len(objectives):
            raise ValueError(
                f"`bounds` must be of some of {sorted(objectives)}, at least one left to be "
                f"minimised, received {sorted(self.bounds)}"
            )

    def total(self, losses: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The Lagrangian, a scalar of scalars by objective."""
        free = [loss for name, loss in losses.items() if name not in self.bounds]
        multipliers = self.multipliers()
        return tf.add_n(
            free + [multipliers[name] * (losses[name] - self.bounds[name]) for name in self.bounds]
        )

    def multipliers(self) -> dict[str, tf.Tensor]:
        """μ by objective, scalars."""
        values = tf.unstack(tf.convert_to_tensor(self.state), num=len(self.bounds))
        return dict(zip(self.bounds, values, strict=True))

    def learn(self, terms: Mapping[str, Term]) -> None:
        """The step of ascent, for the losses of the batch before the step of descent."""
        bounded = [terms[name] for name in self.bounds]
        totals, counts = tf.unstack(summed(tf.transpose(tf.stack(bounded))))
        values = totals / tf.maximum(counts, 1)
        excess = tf.where(counts == 0, 0.0, values - tf.constant(list(self.bounds.values())))
        self.state.assign(tf.nn.relu(tf.convert_to_tensor(self.state) + self.rate * excess))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "bounds": dict(self.bounds), "rate": self.rate}
