"""Data sets by name, and what each of them can."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from tfpfd._arguments import check_takes, shown
from tfpfd.datasets.protocol import DataSet

Ability = Literal["simulated", "true rates", "user ids", "catalogue"]
"""What not every data set can.

- `"simulated"`: it is made, not read, so there is no path to a copy of it.
- `"true rates"`: it is a `WithTrueRates`.
- `"user ids"`: the id of the user is a feature.
- `"catalogue"`: it is a `WithCatalogue`.
"""


@dataclass(frozen=True)
class Registered:
    """A data set by name.

    Args:
      name: what `--data` calls it.
      load: gives it, from the path of a copy on this machine or None.
      abilities: what it can.

    Raises:
      TypeError: `load` is no function of a path.
      ValueError: an ability that there isn't, or a name that can't be told from a path.
    """

    name: str
    load: Callable[[Path | None], DataSet]
    abilities: Collection[Ability] = frozenset()

    def __post_init__(self) -> None:
        check_takes("load", self.load, "path", makes="the data set")
        known = get_args(Ability)
        if unknown := [one for one in self.abilities if one not in known]:
            raise ValueError(f"`abilities` must be of {list(known)}, received {unknown}")
        if not self.name or set(self.name) & set(":/\\"):
            raise ValueError(f"`name` must be a word without : and /, received {self.name!r}")


DATASETS: dict[str, Registered] = {}
"""What `register` was given, by name."""


def register(entry: Registered) -> None:
    """Makes a data set known, so that `tfpfd audit --data NAME` takes it.

        tfpfd.datasets.register(tfpfd.datasets.Registered("shop", lambda path: read_shop(path)))

    Args:
      entry: its name, how to load it, what it can.

    Raises:
      TypeError: `entry` is no `Registered`.
      ValueError: the name is another's.
    """
    if not isinstance(entry, Registered):
        raise TypeError(f"`entry` must be a Registered, received {shown(entry)}")
    if entry.name in DATASETS:
        raise ValueError(f"`name` must be a new one, received '{entry.name}', which is taken")
    DATASETS[entry.name] = entry


def can(name: str | None, ability: Ability) -> bool:
    """Whether there is a data set of this name that can do so."""
    return name in DATASETS and ability in DATASETS[name].abilities


def path_of(name: str, path: str) -> Path:
    """The copy of a data set that `--data NAME:PATH` means.

    Raises:
      ValueError: it is simulated.
      FileNotFoundError: nothing is at the path.
    """
    if can(name, "simulated"):
        raise ValueError(f"`--data {name}:{path}`: {name} is simulated and has no path")
    if not (path and Path(path).exists()):
        raise FileNotFoundError(f"`--data {name}:{path}`: nothing is at '{path}'")
    return Path(path)
