"""Which classes a saved student may name: Keras imports the modules that a file names."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tfpfd._keras import keras

# Plain values that Keras writes in the form of an object.
_VALUES = ("__tuple__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__")
_MODULES = (
    "keras",
    "keras.activations",
    "keras.constraints",
    "keras.dtype_policies",
    "keras.initializers",
    "keras.layers",
    "keras.losses",
    "keras.metrics",
    "keras.mixed_precision",
    "keras.models",
    "keras.optimizers",
    "keras.optimizers.schedules",
    "keras.regularizers",
)
_FUNCTIONS = ("activations", "constraints", "initializers", "losses", "metrics", "regularizers")
# They run code, or load a model from wherever they say.
_REFUSED = ("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "SavedScorer")


def check_classes(file: Path) -> None:
    """Refuses a saved model that names a class that is neither registered nor Keras' own.

    Args:
      file: what `model.save("….keras")` wrote.

    Raises:
      ValueError: naming the classes; or it isn't such a file.
    """
    try:
        with zipfile.ZipFile(file) as parts:
            config = json.loads(parts.read("config.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, RecursionError) as error:
        raise ValueError(f"it isn't what Keras saves: {error}") from None
    if isinstance(config, Mapping):
        config = {**config, "compile_config": None}  # Not read: students are loaded uncompiled.
    refused = [f"'{module}.{name}'" for module, name in _named(config)]
    if refused:
        raise ValueError(
            f"it names {', '.join(dict.fromkeys(refused))}, which aren't registered: import the "
            "modules of layers of your own first; nothing was imported or run"
        )


def _named(config: Any) -> Iterator[tuple[Any, Any]]:
    """Module and name of each class and function in a configuration that is refused."""
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            if "class_name" in value and "config" in value and not _is_allowed(value):
                named = value["config"] if value["class_name"] == "function" else None
                yield value.get("module"), named or value["class_name"]
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _is_allowed(value: Mapping[str, Any]) -> bool:
    module, name, registered = (value.get(k) for k in ("module", "class_name", "registered_name"))
    if name in _VALUES:
        return True
    if name == "function":
        name, modules = value["config"], [getattr(keras, part) for part in _FUNCTIONS]
        known = _registered(name) is not None
        return known or (isinstance(name, str) and any(hasattr(part, name) for part in modules))
    found = _registered(registered)
    if found is not None:
        return found.__name__ not in _REFUSED
    if module is None:
        module = "keras.layers"  # As Keras wrote it before 2.12.
    if module not in _MODULES or not isinstance(name, str) or name in _REFUSED:
        return False
    owner: Any = keras
    for part in module.split(".")[1:]:
        owner = getattr(owner, part, None)
    return isinstance(getattr(owner, name, None), type)


def _registered(name: Any) -> Any:
    return keras.utils.get_registered_object(name) if isinstance(name, str) else None
