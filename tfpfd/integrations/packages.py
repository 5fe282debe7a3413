"""Packages that not every installation can use: imported where they are needed, or explained."""

from __future__ import annotations

import importlib
from types import ModuleType

from tfpfd._keras import KERAS_3

_NEEDS = {
    "tensorflow_recommenders": 'pip install "tfpfd[tfrs]", and on TensorFlow 2.16 or newer '
    "TF_USE_LEGACY_KERAS=1 in the environment before TensorFlow is imported (stacks A and C)",
    "tensorflow_ranking": 'Python 3.10 or 3.11 and pip install "tfpfd[ranking]", which brings '
    "TensorFlow 2.15 (stack A)",
    "scann": 'Linux, Python 3.10 or 3.11 and pip install "tfpfd[scann]" beside TensorFlow 2.15, '
    "which its operations are built for (stack A)",
    "faiss": 'pip install "tfpfd[faiss]"',
}
_KERAS_2 = ("tensorflow_recommenders", "tensorflow_ranking")


def require(name: str) -> ModuleType:
    """Imports a module of TensorFlow Recommenders, TensorFlow Ranking, ScaNN or FAISS.

    Args:
      name: of the module.

    Raises:
      ImportError: it isn't installed or can't be used here; says which install or setting helps.
    """
    package = name.split(".")[0]
    reason = ""
    if KERAS_3 and package in _KERAS_2:
        reason = "it needs Keras 2 or tf_keras, and this is Keras 3"
    if not reason:
        try:
            return importlib.import_module(name)
        except Exception as error:  # An unusable one fails with more than ImportError.
            reason = f"{type(error).__name__}: {error}"
    raise ImportError(f"{package} can't be used here ({reason}). It needs {_NEEDS[package]}.")
