"""What `fit`, `evaluate` and `predict` were given: refused before anything is traced."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tfpfd.schema.label_checks import refuse_labels, refuse_weights

_ARRAYS = np.ndarray | list | tuple | pd.Series | tf.Tensor


def inputs_of(name: str, data: Any) -> Any:
    """What `fit` was given as the inputs of its batches, or their types; by feature as a rule.

    Args:
      name: of the argument.
      data: its value.

    Raises:
      TypeError: for anything that no model reads, such as a data frame.
    """
    parts = data.element_spec if isinstance(data, tf.data.Dataset) else data
    inputs = parts[0] if isinstance(parts, tuple) and parts else parts
    # Anything else, such as a generator, is looked at when its batches come.
    if isinstance(inputs, pd.DataFrame | np.ndarray | tf.Tensor | tf.TypeSpec | list | tuple):
        kind = inputs if isinstance(inputs, tf.TypeSpec) else type(inputs).__name__
        raise TypeError(
            f"`{name}` must be batches of rows that were looked up, whose inputs are a dict by "
            f"feature, received a {kind}: use tfpfd.data.from_rows(rows, schema)"
        )
    return inputs


def check_targets(name: str, data: Any) -> None:
    """Refuses batches whose labels or weights have no place for one number a row.

    Args:
      name: of the argument.
      data: its value.

    Raises:
      ValueError: naming which they are, what was expected and what came.
    """
    parts = data.element_spec if isinstance(data, tf.data.Dataset) else data
    if not isinstance(parts, tuple):
        return
    for what, part in zip(("labels", "weights"), parts[1:], strict=False):
        shape = np.shape(part) if isinstance(part, list) else getattr(part, "shape", None)
        if part is None or (isinstance(shape, tf.TensorShape) and shape.rank is None):
            continue
        number_a_row = shape is not None and len(shape) in (1, 2) and tuple(shape[1:]) in ((), (1,))
        if not number_a_row:
            received = type(part).__name__ if shape is None else f"shape {tuple(shape)}"
            raise ValueError(
                f"the {what} of `{name}` must have the shape [batch], received {received}"
            )


def check_arrays(labels: Any, weights: Any = None) -> None:
    """Refuses labels and weights in arrays that `from_rows` would have refused.

    Args:
      labels: `y`, or None.
      weights: `sample_weight`, or None.

    Raises:
      ValueError: naming the argument.
    """
    if isinstance(labels, _ARRAYS):
        refuse_labels("`y` must have", np.asarray(labels, np.float32))
    if isinstance(weights, _ARRAYS):
        refuse_weights("`sample_weight` must have", np.asarray(weights, np.float32))


def check_batch_size(data: Any, size: Any, argument: str = "batch_size") -> None:
    """Refuses a size of batches beside what comes in batches already: Keras takes no notice of it.

    Args:
      data: what `fit` was given; arrays are a dict by feature, or a tuple that begins with one.
      size: of its batches, or None.
      argument: that says the size.

    Raises:
      ValueError: naming the argument.
    """
    if size is not None and data is not None and not isinstance(data, Mapping | tuple | list):
        raise ValueError(
            f"`{argument}` must be left out for a {type(data).__name__}, which has batches "
            f"already, received {size!r}: give it to what makes them, such as "
            "tfpfd.data.from_rows(rows, schema, batch_size=…)"
        )


def by_name(method: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> dict[str, Any]:
    """The arguments of a method of Keras by their names, wherever they stood.

    Raises:
      TypeError: the method has no such argument.
    """
    bound = inspect.signature(method).bind(None, *args, **kwargs)
    named = dict(list(bound.arguments.items())[1:])
    further = named.pop("kwargs", {})
    return {**named, **further}
