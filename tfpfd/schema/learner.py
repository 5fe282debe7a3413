"""What learns from a column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Learner(Protocol):
    """Learns from a column, batch by batch."""

    def update(self, values: Any) -> None:
        """Takes in what `Feature.teaches` made of a batch."""

    def learned(self) -> Any:
        """What `Feature.with_learned` takes."""


class ByName:
    """Several learners, each of something else.

    Args:
      parts: by the name of what each learns of.
    """

    def __init__(self, parts: Mapping[str, Learner]) -> None:
        self._parts = parts

    def update(self, values: Mapping[str, Any]) -> None:
        """Takes in a batch; what nothing is to be learned of is passed over."""
        for name, part in self._parts.items():
            part.update(values[name])

    def learned(self) -> dict[str, Any]:
        """What each learned, by its name."""
        return {name: part.learned() for name, part in self._parts.items()}
