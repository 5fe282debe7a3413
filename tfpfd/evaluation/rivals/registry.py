"""What a rival is, and the rivals that there are, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tfpfd.evaluation.intervals import FloatArray
from tfpfd.evaluation.rivals.catalogue_rival import CatalogueRival
from tfpfd.evaluation.rivals.shown_rows import ShownRows


@dataclass(frozen=True)
class RetrievalRival:
    """What an expert would try first where a catalogue is ranked.

    Args:
      name: what code calls it.
      title: what a reader calls it.
      fit: gives a `CatalogueRival` of users `[n]`, items `[n]` (who had what, in numbers from 0),
        how many of each there are, and a setting by keyword.
      grid: settings, of which the best on validation users is chosen.
      told: a setting for a reader, as `str.format` takes it; "" for nothing.
      most_items: it is left out of a larger catalogue; None: of none.
    """

    name: str
    title: str
    fit: Callable[..., CatalogueRival]
    grid: Sequence[Mapping[str, Any]] = ({},)
    told: str = ""
    most_items: int | None = None


class Candidate(NamedTuple):
    """A rival with one of its settings.

    Args:
      setting: for a reader.
      scores: probabilities `[rows]` of the validation rows.
      on_test: gives those of the test rows, which are only scored by the setting that is chosen.
    """

    setting: str
    scores: FloatArray
    on_test: Callable[[], FloatArray]


@dataclass(frozen=True)
class PointwiseRival:
    """What an expert would try first where rows of what was shown are scored.

    Args:
      name: what code calls it.
      title: what a reader calls it.
      candidates: fits it to training rows, with one setting after the other.
    """

    name: str
    title: str
    candidates: Callable[[ShownRows], Iterator[Candidate]]


RETRIEVAL: dict[str, RetrievalRival] = {}
"""Rivals that rank a catalogue, by name."""
POINTWISE: dict[str, PointwiseRival] = {}
"""Rivals that score rows, by name."""


def register_rival(rival: RetrievalRival | PointwiseRival) -> None:
    """Makes a rival known, so that every comparison and audit has it.

        tfpfd.evaluation.register_rival(
            tfpfd.evaluation.RetrievalRival("newest", "the newest items", newest)
        )

    Args:
      rival: its name, its title, and how it is fitted.

    Raises:
      TypeError: it is no rival.
      ValueError: the name is another's.
    """
    if not isinstance(rival, RetrievalRival | PointwiseRival):
        raise TypeError(
            f"`rival` must be a RetrievalRival or a PointwiseRival, received {rival!r:.100}"
        )
    if rival.name in RETRIEVAL or rival.name in POINTWISE:
        raise ValueError(f"`name` must be a new one, received '{rival.name}', which is taken")
    if isinstance(rival, RetrievalRival):
        RETRIEVAL[rival.name] = rival
    else:
        POINTWISE[rival.name] = rival


def title_of_rival(name: str) -> str:
    """What a reader calls a rival; a name that is no rival's stays."""
    rival = RETRIEVAL.get(name) or POINTWISE.get(name)
    return rival.title if rival else name
