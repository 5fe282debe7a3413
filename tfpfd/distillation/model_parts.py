"""What may be a part of a model that trains several: no class with a training of its own."""

from __future__ import annotations

import re
from typing import Any

from tfpfd._keras import rename
from tfpfd.distillation.labelled_model import LabelledModel

_GIVEN_BY_KERAS = re.compile(r"(ranker|student|teacher)(_\d+)?")
_OWN = ("tfpfd.", "keras.", "tf_keras.")


def check_part(owner: str, ranker: Any) -> None:
    """Refuses a part of a model whose class changes how it is trained, which nobody would call.

    Args:
      owner: what a message calls it.
      ranker: the part; other layers than a `LabelledModel` have no such methods.

    Raises:
      TypeError: naming the method.
    """
    for name in ("_costs", "_loss_of", "_targets_of", "compute_loss"):
        defined = next((k for k in type(ranker).__mro__ if name in vars(k)), object)
        if isinstance(ranker, LabelledModel) and not defined.__module__.startswith(_OWN):
            raise TypeError(
                f"{owner} is a {type(ranker).__name__} with a `{name}` of its own, which is called "
                "when it is fitted alone, not here: expected a ranker that is trained by "
                "`compile(loss=…)`"
            )


def name_part(ranker: Any, name: str) -> None:
    """Calls a ranker by its part in a model, unless it was given a name of its own.

    Args:
      ranker: a `Ranker`.
      name: such as `"student"`.
    """
    if _GIVEN_BY_KERAS.fullmatch(ranker.name) and ranker.name != name:
        rename(ranker, name)
        ranker._note_name()
