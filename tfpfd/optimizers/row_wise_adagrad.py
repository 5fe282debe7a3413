"""Adagrad with one accumulator a row, which touches only the rows of the batch."""

from __future__ import annotations

import numbers
from typing import Any

import tensorflow as tf

from tfpfd._arguments import check_number
from tfpfd._keras import SparseOptimizer, add_to_rows, register, tf_variable


@register
class RowWiseAdagrad(SparseOptimizer):
    """Adagrad with one accumulator for each row of a variable.

    For a row w with gradient g:

        a ← a + mean(g²)
        w ← w − learning_rate · g / (√a + ε)

    A row of a vector is one number, so there it is Adagrad. Of an embedding table only the rows
    of the batch are read and written, where the stock Adam decays the whole table at every step;
    and its state is one number a row.

    Args:
      learning_rate: a number or a Keras schedule.
      initial_accumulator_value: start of `a`; above 0 it makes the first steps smaller.
      epsilon: ε, against a division by zero.
      name: of the optimizer.

    Raises:
      ValueError: `initial_accumulator_value` or `epsilon` is negative.

    Reference:
      Duchi et al., "Adaptive Subgradient Methods", JMLR 2011; one accumulator a row as in
      Gupta et al., "Training Recommender Systems at Scale", KDD 2021 (arXiv 2010.11305).
    """

    def __init__(
        self,
        learning_rate: Any = 0.01,
        initial_accumulator_value: float = 0.0,
        epsilon: float = 1e-7,
        name: str = "row_wise_adagrad",
        **kwargs: Any,
    ) -> None:
        given = {"initial_accumulator_value": initial_accumulator_value, "epsilon": epsilon}
        for argument, value in given.items():
            check_number(argument, value)
        if isinstance(learning_rate, numbers.Real):
            check_number("learning_rate", learning_rate)
        super().__init__(learning_rate, name, **kwargs)
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon

    def slots(self, variables: list[Any]) -> None:
        """Makes an accumulator `[rows]` for each variable."""
        self._accumulators = [
            self.slot(v, "accumulator", tuple(v.shape[:1]), self.initial_accumulator_value)
            for v in variables
        ]

    def update(self, gradient: Any, variable: tf.Variable, place: int, rate: tf.Tensor) -> None:
        """See the class."""
        accumulator = tf_variable(self._accumulators[place])
        if isinstance(gradient, tf.IndexedSlices):
            rows, values = gradient.indices, gradient.values
            sums = add_to_rows(accumulator, rows, _row_mean(tf.square(values)))
            add_to_rows(variable, rows, -self._step(values, sums, rate))
        else:
            accumulator.assign_add(_row_mean(tf.square(gradient)))
            variable.assign_sub(self._step(gradient, accumulator, rate))

    def _step(self, gradient: tf.Tensor, accumulator: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        root = tf.sqrt(accumulator) + self.epsilon
        for _ in range(gradient.shape.rank - 1):
            root = root[..., None]
        return rate * gradient / root

    def get_config(self) -> dict[str, Any]:
        config = {
            "initial_accumulator_value": self.initial_accumulator_value,
            "epsilon": self.epsilon,
        }
        return {**super().get_config(), **config}


def _row_mean(squares: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(squares, axis=list(range(1, squares.shape.rank)))
