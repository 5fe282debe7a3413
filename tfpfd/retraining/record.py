"""The record of a version, `version.json`: what each part must be before it is used."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

FORMAT = 1


def read_record(file: Path) -> dict[str, Any]:
    """What a record says, without its format; metrics that weren't finite are NaN.

    Raises:
      ValueError: it is no JSON, or not that of a record, naming the part, what was expected and
        what came.
      RecursionError: it is nested without end.
    """
    record = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(record, dict):
        raise ValueError(f"expected an object, received {type(record).__name__}")
    found = record.pop("format", None)
    if found != FORMAT:
        raise ValueError(f"expected format {FORMAT}, received {found!r:.100}")
    missing = sorted(set(_FORMS) - {"stripped"} - set(record))
    unknown = sorted(set(record) - set(_FORMS))
    if missing or unknown:
        raise ValueError(
            f"expected {sorted(_FORMS)}, received it without {missing}, with {unknown}"
        )
    for name, value in record.items():
        fits, what = _FORMS[name]
        if not fits(value):
            raise ValueError(f"'{name}' must be {what}, received {value!r:.100}")
    metrics = {name: _number(value) for name, value in record["metrics"].items()}
    return {**record, "metrics": metrics}


def _number(value: Any) -> float:
    """A metric: null was none that is finite, and NaN is how it was once written."""
    return math.nan if value is None or not math.isfinite(value) else float(value)


def _are_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _is_time(value: Any) -> bool:
    try:
        return datetime.datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _is_metric(value: Any) -> bool:
    whole = type(value) is int and abs(value) < 2**63
    return value is None or whole or type(value) is float


_FORMS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "parent": (
        lambda value: value is None or (type(value) is int and 0 <= value < 2**63),
        "the number of a version or null",
    ),
    "created": (_is_time, "a time in ISO 8601 with its zone"),
    "metrics": (
        lambda value: isinstance(value, dict) and all(map(_is_metric, value.values())),
        "an object of numbers",
    ),
    "details": (lambda value: isinstance(value, dict), "an object"),
    "packages": (
        lambda value: _are_texts(value) and "keras" in value,
        "an object of versions, that of keras among them",
    ),
    "files": (
        lambda value: _are_texts(value) and {"student.keras", "schema.json"} <= set(value),
        "an object of the hashes of student.keras and schema.json",
    ),
    "stripped": (
        lambda value: isinstance(value, list) and all(isinstance(name, str) for name in value),
        "a list of names",
    ),
}
