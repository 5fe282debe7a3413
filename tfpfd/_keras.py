"""The differences between Keras 2 (TensorFlow 2.15, tf_keras) and Keras 3, in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

keras: Any = tf.keras
KERAS_3: bool = hasattr(keras, "ops")
# Keras 2 is numbered like the TensorFlow that it goes with.
KERAS_VERSION: str = keras.version() if KERAS_3 else tf.__version__

register: Callable[[type], type] = keras.utils.register_keras_serializable(package="tfpfd")


def register_formerly(name: str) -> Callable[[type], type]:
    """Registers a class also by the name that it has in files from before it had this one.

    Args:
      name: of the class then.
    """

    def also(kind: type) -> type:
        keras.utils.get_custom_objects()[f"tfpfd>{name}"] = kind
        return register(kind)

    return also


COUNTED_ONCE: dict[str, Any] = (
    {} if KERAS_3 else {"aggregation": tf.VariableAggregation.ONLY_FIRST_REPLICA}
)
"""For `add_weight`: what all replicas of a strategy write alike is not summed up."""


def tf_variable(variable: Any) -> tf.Variable:
    """The TensorFlow variable behind a Keras variable.

    Keras 3 wraps it, and converting the wrapper to a tensor reads the whole table where a gather
    would read the rows of the batch.
    """
    return getattr(variable, "_value", variable)


def check_strategy() -> None:
    """Refuses parameter servers and several replicas on Keras 3, whose `fit` can't use them."""
    strategy = tf.distribute.get_strategy()
    if not KERAS_3:
        return
    name = type(strategy).__name__
    servers = isinstance(strategy, tf.distribute.ParameterServerStrategy)
    replicas = 1 if servers else strategy.num_replicas_in_sync
    if servers or replicas > 1:
        raise NotImplementedError(
            f"{name if servers else f'{name} with {replicas} replicas'} works with the Keras 2 "
            "API alone: use TensorFlow 2.15, or tf_keras with TF_USE_LEGACY_KERAS=1 in "
            "the environment (stacks A and C)"
        )


def declared_inputs(layer: Any, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a layer is to be given of a batch: all, or what a functional model declares by name.

    Given more, Keras 3 hands its inputs the tensors that come first in the alphabet.
    """
    declared = declared_names(layer)
    if not declared or not set(declared) <= set(inputs):
        return inputs
    return {name: inputs[name] for name in declared}


def declared_names(layer: Any) -> list[str]:
    """The names of inputs that a functional model declares; none of another layer."""
    declared = getattr(layer, "_inputs_struct" if KERAS_3 else "_nested_inputs", None)
    return list(declared) if isinstance(declared, Mapping) else []


def infer(layer: Any, inputs: Mapping[str, Any]) -> Any:
    """What a layer says of a batch in inference mode, given what it declares."""
    return layer(declared_inputs(layer, inputs), training=False)


def freeze(layer: Any) -> None:
    """Freezes a layer and all that it holds, even where its own flag says so already.

    Keras 3 does nothing when a flag is set to what it is, so parts that were made after it was set
    would stay trainable.
    """
    layer.trainable = True
    layer.trainable = False


def rename(layer: Any, name: str) -> None:
    """Gives a layer another name; its weights keep theirs, by which nothing finds them."""
    if KERAS_3:
        layer.name = name
    else:
        layer._name = name


def _deduplicated(gradient: tf.IndexedSlices) -> tf.IndexedSlices:
    """Sums the slices of a row that occurs several times."""
    rows, place = tf.unique(gradient.indices)
    summed = tf.math.unsorted_segment_sum(gradient.values, place, tf.shape(rows)[0])
    return tf.IndexedSlices(summed, rows, gradient.dense_shape)


def add_to_rows(variable: tf.Variable, rows: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Adds `values` to rows of a variable, none of them twice, and returns what they are now.

    Args:
      variable: `[rows, ...]`.
      rows: `[n]`, each row at most once.
      values: `[n, ...]`.
    """
    if isinstance(tf.distribute.get_strategy(), tf.distribute.ParameterServerStrategy):
        # Other workers write too, so reading and writing must be one operation.
        variable.scatter_add(tf.IndexedSlices(values, rows))
        return tf.gather(variable, rows)
    # TensorFlow 2.21 takes seven times as long to add to rows as to overwrite them.
    sums = tf.gather(variable, rows) + values
    variable.scatter_update(tf.IndexedSlices(sums, rows))
    return sums


class SparseOptimizer(keras.optimizers.Optimizer):
    """Base of optimizers that write `update(gradient, variable, place, rate)` and `slots`.

    `gradient` is a tensor, or `IndexedSlices` in which no row occurs twice; `variable` is a
    `tf.Variable`, `place` its position among the trainable variables.
    """

    def __init__(self, learning_rate: Any, name: str, **kwargs: Any) -> None:
        if KERAS_3:
            number = isinstance(learning_rate, int | np.number)
            rate = float(learning_rate) if number else learning_rate
            super().__init__(learning_rate=rate, name=name, **kwargs)
        else:
            # Its default of 0 would read and write every row of every table at each step.
            kwargs.setdefault("weight_decay", None)
            super().__init__(name=name, jit_compile=False, **kwargs)
            self._learning_rate = self._build_learning_rate(learning_rate)

    def build(self, variables: list[Any]) -> None:
        """Makes the state; called by Keras."""
        done = self.built if KERAS_3 else getattr(self, "_built", False)
        super().build(variables)
        if not done:
            self._built = True
            self.slots(variables)

    def slots(self, variables: list[Any]) -> None:
        """Makes the state of each variable with `slot`."""
        raise NotImplementedError

    def slot(self, variable: Any, name: str, shape: tuple[int, ...], value: float) -> tf.Variable:
        """Adds a state variable for `variable`, of any `shape`, filled with `value`."""
        if KERAS_3:
            return self.add_variable(
                shape=shape,
                initializer=keras.initializers.Constant(value),
                dtype=variable.dtype,
                name=f"{variable.path.replace('/', '_')}_{name}",
            )
        start = tf.fill(shape, tf.cast(value, variable.dtype))
        return self.add_variable_from_reference(variable, name, shape=shape, initial_value=start)

    def update(self, gradient: Any, variable: tf.Variable, place: int, rate: tf.Tensor) -> None:
        """Updates one variable and its state."""
        raise NotImplementedError

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any = None) -> None:
        """Updates one variable; called by Keras, the rate by Keras 3 alone."""
        if KERAS_3:
            place = self._get_variable_index(variable)
        else:
            place = self._index_dict[self._var_key(variable)]
            learning_rate = self.learning_rate
        rate = tf.cast(learning_rate, variable.dtype)
        self.update(gradient, tf_variable(variable), place, rate)

    def _clip_gradients(self, grads: list[Any]) -> list[Any]:
        # Called by Keras. Before clipping, as the norm of a row is that of the sum of its slices.
        summed = [_deduplicated(g) if isinstance(g, tf.IndexedSlices) else g for g in grads]
        return super()._clip_gradients(summed)

    def _deduplicate_sparse_grad(self, grads: list[Any]) -> list[Any]:
        # Called by Keras 2, after clipping: done already.
        return grads

    def get_config(self) -> dict[str, Any]:
        if KERAS_3:
            return super().get_config()
        config = super().get_config()
        config.pop("jit_compile", None)
        config.pop("is_legacy_optimizer", None)
        return {**config, "learning_rate": self._serialize_hyperparameter(self._learning_rate)}


def regularization(model: Any) -> tf.Tensor:
    """Sum of the losses that layers of `model` added, scalar."""
    return tf.add_n([tf.cast(loss, tf.float32) for loss in model.losses] or [tf.zeros([])])
