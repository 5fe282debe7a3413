"""A line of versions on disk: each with its student, schema, parent and metrics."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tfpfd._files import path_in
from tfpfd._html import html_of, html_table, shown
from tfpfd._keras import KERAS_VERSION, keras
from tfpfd.distillation import Ranker
from tfpfd.distillation.servable import check_servable, check_type
from tfpfd.distillation.sharding import gathered
from tfpfd.retraining.allowed_classes import check_classes
from tfpfd.retraining.record import FORMAT, read_record
from tfpfd.schema import Schema
from tfpfd.versions.manifest import checked_details, digest_of, origin, write_record
from tfpfd.versions.store import check_writable, new_version, newest, versions

STUDENT, SCHEMA, RECORD = "student.keras", "schema.json", "version.json"
_OWN = ("parent", "created")


@dataclass(frozen=True)
class Version:
    """What a version on disk says of itself; `save_version` and `retrain` write it.

    Args:
      path: its directory, whose name is its number.
      parent: number of the version whose soft labels it learned from, or None.
      created: when it was written, UTC, as ISO 8601.
      metrics: by name; NaN for one that wasn't finite.
      details: what else is known of its training.
      packages: the versions of the packages that wrote it.
      files: SHA-256 of its files, by name.
      stripped: names of the privileged features that its line has known: see `Schema.stripped`.
    """

    path: Path
    parent: int | None
    created: str
    metrics: Mapping[str, float]
    details: Mapping[str, Any]
    packages: Mapping[str, str]
    files: Mapping[str, str]
    stripped: Sequence[str] = ()

    def __repr__(self) -> str:
        metrics = ", ".join(f"{name} {shown(value)}" for name, value in self.metrics.items())
        origin = "" if self.parent is None else f" of {self.parent}"
        return f"Version({self.number}{origin}, '{self.path}'{metrics and f', {metrics}'})"

    def _repr_html_(self) -> str:
        facts = {"directory": self.path, "parent": self.parent, "created": self.created}
        rows = [*facts.items(), *self.metrics.items(), *self.details.items()]
        return html_of(f"Version {self.number}", html_table(("", ""), rows))

    @property
    def number(self) -> int:
        """Its number in the line, from 0."""
        return int(self.path.name)

    @property
    def schema(self) -> Schema:
        """The schema of its student, from the file.

        Raises:
          FileNotFoundError: the file is missing.
          ValueError: the file isn't the one that was written.
        """
        return self._named(Schema.from_json(self._checked(SCHEMA).read_text(encoding="utf-8")))

    def load(self) -> Ranker:
        """The student, from the file, in the generation of Keras (2 or 3) that wrote it.

        Only classes that are registered by now, and Keras' own, are made: nothing is imported
        because a file names it.

        Raises:
          FileNotFoundError: the file is missing.
          ValueError: the file isn't the one that was written, or this Keras can't read it.
        """
        file = self._checked(STUDENT)
        try:
            check_classes(file)
            student = keras.models.load_model(file, compile=False)
            check_type(student)
        except Exception as error:  # Keras raises nearly anything here.
            raise ValueError(
                f"'{file}' is whole but was not read: expected Keras {self.packages['keras']}, "
                "which wrote it, and layers registered with "
                "`keras.utils.register_keras_serializable`; this is Keras "
                f"{KERAS_VERSION}, which says: {error}"
            ) from error
        student.schema = self._named(student.schema)
        return student

    def _named(self, schema: Schema) -> Schema:
        names = dict.fromkeys([*schema.stripped, *self.stripped])
        return dataclasses.replace(schema, stripped=tuple(names))

    def _checked(self, name: str) -> Path:
        file = self.path / name
        if not file.is_file():
            raise FileNotFoundError(f"'{file}' is missing: expected it in every version")
        if digest_of(file) != self.files[name]:
            raise ValueError(
                f"'{file}' isn't the file that was written with this version: expected the "
                f"SHA-256 of '{RECORD}', received another; it was cut short or changed since"
            )
        return file

    @classmethod
    def read(cls, path: str | os.PathLike) -> Version:
        """Reads a version's record; its student is read by `load`.

        Args:
          path: the directory of a version, or of a line for its newest version.

        Raises:
          FileNotFoundError: there is no version, or one without its record.
          ValueError: the record can't be read.
        """
        return cls._of(newest(path_in("path", path), RECORD, "version", first=0))

    @classmethod
    def _of(cls, path: Path) -> Version:
        if not path.name.isdecimal():  # Such as a link to the version in service.
            path = path.resolve()
        file = path / RECORD
        if not path.name.isdecimal():
            raise ValueError(f"'{path}' must be named by its number, as it was when written")
        if not file.is_file():
            raise FileNotFoundError(
                f"'{file}' is missing: expected it in every version; is this the directory of "
                "an export?"
            )
        try:
            return cls(path=path, **read_record(file))
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(f"'{file}' is no record of a version: {error}") from error


def save_version(
    path: str | os.PathLike,
    student: Ranker,
    metrics: Mapping[str, float] | None = None,
    parent: int | None = None,
    details: Mapping[str, Any] | None = None,
) -> Version:
    """Writes `<path>/<number>/`, the next version of a line; the first is 0.

    It holds `student.keras`, `schema.json` and `version.json`. Tables that lie in parts on several
    parameter servers are joined. It is written aside and moved into
    place in one step, so there is never half a version. What a server takes is another thing:
    see `tfpfd.export`.

    Args:
      path: the directory of the line.
      student: the ranker that is served, such as `model.student`.
      metrics: numbers by name, such as what `model.evaluate(…, return_dict=True)` returns. One
        that isn't finite is null in the file, which JSON has no number for.
      parent: number of the version that it learned from; None for one that learned from teachers.
      details: what else to remember, such as the time span of the rows: what JSON can hold.

    Returns:
      The version.

    Raises:
      OSError: the line can't be written.
      TypeError: `path` is no path, `student` no ranker, a metric no number, or `details` holds
        what JSON can't.
      ValueError: `student` sees privileged features or holds what does, or has diverged; a name
        stands both in `metrics` and in `details`, or there is no version `parent`.
    """
    check_servable(student)
    base = path_in("path", path)
    check_writable(base)
    finite = _checked_metrics({} if metrics is None else metrics)
    check_details(finite, details or {})
    if parent is not None and parent not in versions(base):
        raise ValueError(
            f"`parent` must be a version of '{base}', one of {list(versions(base))}, "
            f"received {parent!r}"
        )
    before = [] if parent is None else Version.read(base / str(parent)).stripped
    whole = gathered(student)
    with new_version(base, first=0) as (directory, published):
        whole.save(directory / STUDENT)
        (directory / SCHEMA).write_text(student.schema.to_json(), encoding="utf-8")
        record = {
            "format": FORMAT,
            "parent": parent,
            **origin(),
            "metrics": finite,
            "details": checked_details(details),
            "files": {name: digest_of(directory / name) for name in (STUDENT, SCHEMA)},
            "stripped": list(dict.fromkeys([*before, *student.schema.unserved])),
        }
        write_record(directory / RECORD, record)
    return Version.read(published[0])


def _checked_metrics(metrics: Any) -> dict[str, float | None]:
    """Metrics as JSON holds them: None for one that isn't finite."""
    if not isinstance(metrics, Mapping):
        raise TypeError(f"`metrics` must be numbers by name, received a {type(metrics).__name__}")
    finite = {}
    for name, value in metrics.items():
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise TypeError(
                f"`metrics` of '{name}' must be a number, received {value!r:.80}"
            ) from None
        finite[name] = number if math.isfinite(number) else None
    return finite


def check_details(metrics: Mapping[str, Any], details: Mapping[str, Any]) -> None:
    """Refuses details that a version can't hold, or whose names are taken.

    Raises:
      TypeError: `details` holds what JSON can't.
      ValueError: a name is a metric's too, or one of a line's own columns.
    """
    taken = [name for name in details if name in metrics or name in _OWN]
    taken += [name for name in metrics if name in _OWN]
    if taken:
        raise ValueError(
            f"`metrics` and `details` name {taken}: expected names used once, and none of "
            f"{list(_OWN)}, as each is a column of the lineage"
        )
    checked_details(details)


def lineage(path: str | os.PathLike) -> pd.DataFrame:
    """The versions of a line, as they say of themselves.

    Args:
      path: the directory of the line.

    Returns:
      A row a version, by its number: `parent` (missing for one that learned from teachers),
      `created`, then its metrics and details.

    Raises:
      FileNotFoundError: there is no version, or one without its record.
      ValueError: a record can't be read.
    """
    found = versions(path_in("path", path))
    if not found:
        raise FileNotFoundError(
            f"'{path}' holds no version: expected versions in directories named 0, 1, …"
        )
    read = {number: Version._of(directory) for number, directory in found.items()}
    rows = [
        {"parent": version.parent, "created": version.created, **version.metrics, **version.details}
        for version in read.values()
    ]
    try:
        frame = pd.DataFrame(rows, index=pd.Index(list(read), name="version"))
    except OverflowError:
        raise ValueError(f"'{path}' has details that are numbers too large for a table") from None
    # Numbers of versions, not floats, although the first has no parent.
    created = pd.to_datetime(frame["created"], utc=True)
    return frame.assign(parent=frame["parent"].astype("Int64"), created=created)
