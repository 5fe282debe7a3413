"""Weights that are cut into parts, which lie on several parameter servers."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfpfd._keras import keras
from tfpfd.layers import Tables


def sharded_weight(model: keras.Model) -> str | None:
    """What a message calls a weight that lies in parts on several servers; None if none does."""
    cut = {id(owner): owner for weight in model.weights if (owner := _owner(weight)) is not None}
    if not cut:
        return None
    for layer in model.submodules:
        if isinstance(layer, Tables) and id(layer.table) in cut:
            return f"the table of {list(layer.rows)}"
    part = next(iter(cut.values())).variables[0]
    return f"the weight '{part.name.split('/part_')[0]}'"


def gathered(model: keras.Model) -> keras.Model:
    """The model, or, where weights of it lie in parts, one like it that holds them whole.

    Args:
      model: of a class that its configuration makes anew.

    Raises:
      ValueError: the weights lie in parts, and a strategy is in force that would cut them again.
    """
    name = sharded_weight(model)
    if name is None:
        return model
    if tf.distribute.has_strategy():
        raise ValueError(
            f"{name} lies in parts on several servers, and is joined outside of "
            "`strategy.scope()` alone: call this there"
        )
    weights, joined = [], set[int]()
    for weight in model.weights:
        owner = _owner(weight)
        if owner is None:
            weights.append(weight.numpy())
        elif id(owner) not in joined:
            joined.add(id(owner))
            weights.append(tf.concat([part.value() for part in owner.variables], axis=0).numpy())
    whole = type(model).from_config(model.get_config())
    whole.set_weights(weights)
    return whole


def _owner(weight: Any) -> Any:
    """The variable that a weight is a part of, if it is."""
    reference = getattr(weight, "_sharded_container", None)
    return None if reference is None else reference()
