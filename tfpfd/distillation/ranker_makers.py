"""Functions that make rankers: looked at before they are called, and what they made."""

from __future__ import annotations

from typing import Any

from tfpfd._arguments import check_takes, shown
from tfpfd._keras import keras
from tfpfd.distillation.ranker import Ranker

_RANKER = "a tfpfd.Ranker"


def check_maker(name: str, maker: Any, *arguments: str) -> None:
    """Refuses what isn't a function that can be called with these arguments.

    Args:
      name: of the argument that holds it.
      maker: its value.
      arguments: what it will be called with, by what a message calls them.

    Raises:
      TypeError: naming the argument.
    """
    # A layer can be called too, but with inputs.
    is_layer = isinstance(maker, keras.layers.Layer)
    check_takes(name, shown(maker) if is_layer else maker, *arguments, makes=_RANKER)


def check_made(call: str, made: Any) -> None:
    """Refuses what is no ranker.

    Args:
      call: that made it, for the message.
      made: what it returned.

    Raises:
      TypeError: naming the call.
    """
    if not isinstance(made, Ranker):
        raise TypeError(f"`{call}` must return {_RANKER}, received {shown(made)}")
