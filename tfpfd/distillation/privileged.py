"""Which objects know privileged features, and whether a student holds one of them."""

from __future__ import annotations

import collections
import functools
import weakref
from collections.abc import Iterable, Iterator, Mapping
from types import BuiltinMethodType, FunctionType, MethodType, MethodWrapperType, ModuleType
from typing import Any

import numpy as np
import tensorflow as tf

from tfpfd._keras import keras, tf_variable
from tfpfd.layers import FeatureEncoder, Tables
from tfpfd.schema import Feature, Schema
from tfpfd.schema.feature import tables_of

# Weak: what nobody holds, a student can't hold either.
_KNOWN: weakref.WeakKeyDictionary[keras.layers.Layer, str] = weakref.WeakKeyDictionary()
_PARTS: weakref.WeakSet[keras.layers.Layer] = weakref.WeakSet()
_VARIABLES: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
_OWNERS: dict[int, str] = {}


def remember(what: str, holder: keras.layers.Layer, parts: Iterable[keras.layers.Layer]) -> None:
    """Notes a layer that knows privileged features.

    Args:
      what: a message calls it.
      holder: the layer, some of whose weights a student may share.
      parts: layers of its own, of whose weights a student may hold none.
    """
    _KNOWN[holder] = what
    for part in parts:
        _KNOWN[part] = what
        _PARTS.add(part)
    _note_variables()


def _note_variables() -> None:
    """Notes the weights of all parts; some layers make theirs when they are called first."""
    for part in list(_PARTS):
        base = part.base if isinstance(part, FeatureEncoder) else None
        shared = {id(weight) for weight in base.weights} if base is not None else set()
        for weight in part.weights:
            if id(weight) not in shared:
                for variable in (weight, tf_variable(weight)):
                    _VARIABLES[id(variable)] = variable
                    _OWNERS[id(variable)] = _KNOWN[part]


def privileged_variables() -> Iterator[tuple[tf.Variable, str]]:
    """The variables that know privileged features, and what each is of."""
    _note_variables()
    for key, variable in list(_VARIABLES.items()):
        yield tf_variable(variable), _OWNERS[key]


def privileged_inside(student: Any, schema: Schema) -> tuple[str, str] | None:
    """What a student holds that knows other features than those served.

    It goes through attributes, containers, closures, partial and bound functions, whether Keras
    tracks them or not, the nearest first. It goes by object, and doesn't know a copy.

    Args:
      student: a ranker.
      schema: its own.

    Returns:
      The path of attributes to the first such object, and what that is; None if there is none.
    """
    _note_variables()
    features = schema.features("served")
    waiting = collections.deque([("student", student)])
    # What Keras keeps beside the attributes of a layer comes last: it says less of where.
    last: collections.deque[tuple[str, Any]] = collections.deque()
    seen: dict[int, Any] = {}
    while waiting or last:
        path, held = (waiting or last).popleft()
        if id(held) in seen or isinstance(held, _OPAQUE):
            continue
        seen[id(held)] = held  # Kept, so that no other object gets its address meanwhile.
        what = _privileged(held, features)
        if what is not None:
            return path, what
        for step, child in _children(held):
            (last if step.startswith("._") else waiting).append((path + step, child))
    return None


def _privileged(held: Any, features: Mapping[str, Any]) -> str | None:
    if _VARIABLES.get(id(held)) is held:
        return f"a weight of {_OWNERS[id(held)]}"
    if isinstance(held, keras.layers.Layer) and held in _KNOWN:
        return _KNOWN[held]
    hidden: set[str] = set()
    if hasattr(held, "sees") and isinstance(getattr(held, "schema", None), Schema):
        # A ranker that was copied has another identity, and still says what it sees.
        hidden = set(held.schema.features(held.sees)) - set(features)
    if isinstance(held, FeatureEncoder):
        hidden = set(held.features) - set(features)
    elif isinstance(held, Tables):
        hidden = set(held.rows) - tables_of(features.values())
    return f"a {type(held).__name__} of {sorted(hidden)}" if hidden else None


# Plain values, and what Keras holds for training alone or in common.
_OPAQUE = (
    type(None), str, bytes, int, float, complex, type, ModuleType, np.generic, np.dtype,
    tf.Tensor, tf.Operation, tf.Graph, tf.DType, tf.TensorShape, tf.TypeSpec, tf.data.Dataset,
    tf.distribute.Strategy, keras.optimizers.Optimizer, keras.callbacks.Callback,
    Schema, Feature,
)  # fmt: skip


def _children(held: Any) -> Iterator[tuple[str, Any]]:
    """What an object holds, by the end of the path to it."""
    if isinstance(held, Mapping):
        yield from ((f"[{key!r}]", value) for key, value in list(held.items()))
        yield ".keys()", [key for key in held if not isinstance(key, str)]
    elif isinstance(held, list | tuple | set | frozenset | collections.deque):
        yield from ((f"[{i}]", value) for i, value in enumerate(list(held)))
    elif isinstance(held, np.ndarray):
        values = held.ravel().tolist() if held.dtype == object else ()
        yield from ((f"[{i}]", value) for i, value in enumerate(values))
    elif isinstance(held, weakref.ref):
        yield "()", held()
    elif isinstance(held, functools.partial):
        yield from ((".func", held.func), (".args", held.args), (".keywords", held.keywords))
    elif isinstance(held, MethodType | BuiltinMethodType | MethodWrapperType):
        yield from ((".__self__", held.__self__), (".__func__", getattr(held, "__func__", None)))
    elif isinstance(held, FunctionType):
        yield ".__defaults__", (held.__defaults__, held.__kwdefaults__)
        for name, cell in zip(held.__code__.co_freevars, held.__closure__ or (), strict=True):
            try:
                yield f".{name}", cell.cell_contents
            except ValueError:  # Not filled yet.
                continue
    elif isinstance(held, tf.types.experimental.ConcreteFunction):
        yield ".variables", held.variables
    elif isinstance(held, tf.types.experimental.PolymorphicFunction):
        yield ".python_function", held.python_function
        return
    yield from ((f".{name}", value) for name, value in list(_attributes(held).items()))


def _attributes(held: Any) -> dict[str, Any]:
    if isinstance(held, tf.types.experimental.ConcreteFunction | tf.Variable):
        return {}
    slots = [vars(kind).get("__slots__", ()) for kind in type(held).__mro__]
    names = [name for group in slots for name in ([group] if isinstance(group, str) else group)]
    # Of a descriptor without a value `getattr` raises, which gives the default.
    found = {name: getattr(held, name, None) for name in names if name != "__weakref__"}
    return {**found, **getattr(held, "__dict__", {})}
