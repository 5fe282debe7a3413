"""Dense layers, the parts of networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfpfd._arguments import without_numpy
from tfpfd._keras import keras, tf_variable
from tfpfd.layers.encoded import Encoded, joined
from tfpfd.layers.encoded_once import EncodedOnce, Repeated, once


def check_units(units: Sequence[int], argument: str = "units") -> tuple[int, ...]:
    """The widths as a tuple; refuses none, and those that are no positive integers."""
    several = isinstance(units, Sequence) and len(units) > 0
    sizes = tuple(map(without_numpy, units)) if several else ()
    if not several or any(type(size) is not int or size < 1 for size in sizes):
        raise ValueError(
            f"`{argument}` must be one or more positive integers in a list, the width of each "
            f"layer, received {units!r}"
        )
    return sizes


def dense_stack(
    units: Sequence[int],
    width: int,
    name: str,
    *,
    l2: float,
    batch_norm: bool,
    dtype: Any,
    last_linear: bool = False,
) -> keras.Sequential:
    """Dense layers, each followed by batch normalisation and a leaky ReLU.

    Args:
      units: width of each layer.
      width: of the input.
      name: of the stack.
      l2: strength of the L2 penalty on the kernels.
      batch_norm: whether there is batch normalisation.
      dtype: policy of the layers, that of their owner, whatever the global one is by now.
      last_linear: whether the last layer goes without normalisation and activation. It computes
        in float32, also in mixed precision: what it gives is served.
    """
    stack = keras.Sequential(name=name)
    for i, size in enumerate(units):
        regularizer = keras.regularizers.L2(l2) if l2 else None
        linear = last_linear and i == len(units) - 1
        policy = "float32" if linear else dtype
        stack.add(keras.layers.Dense(size, kernel_regularizer=regularizer, dtype=policy))
        if not linear:
            if batch_norm:
                # With Keras' .99 the statistics of inference lag hundreds of steps behind, and
                # early epochs are judged by another function than the one that was trained.
                stack.add(keras.layers.BatchNormalization(momentum=0.9, dtype=policy))
            stack.add(keras.layers.LeakyReLU(dtype=policy))
    stack.build((None, width))
    return stack


def sum_of_sides(dense: keras.layers.Dense, encoded: EncodedOnce) -> tf.Tensor:
    """A linear layer of all sides beside each other, `W [x_1, x_2] + b = W_1 x_1 + W_2 x_2 + b`.

    The part of what rows of a group have in common is computed once a group.
    """
    kernel, bias = (
        tf.cast(tf.convert_to_tensor(tf_variable(weights)), dense.compute_dtype)
        for weights in (dense.kernel, dense.bias)
    )
    total, start = bias, 0
    for side in sorted(encoded):
        parts = encoded[side].values()
        width = sum((x.values if isinstance(x, Repeated) else x).shape[1] for x in parts)
        rows = kernel[start : start + width]

        def part(of_side: Encoded, rows: tf.Tensor = rows) -> tf.Tensor:
            return tf.matmul(tf.cast(joined(of_side), rows.dtype), rows)

        total += once(part, {side: encoded[side]})
        start += width
    return total
