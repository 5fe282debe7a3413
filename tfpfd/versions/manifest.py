"""What the records of versions share: when, by which packages, the hashes of files, strict JSON."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfpfd._keras import KERAS_VERSION
from tfpfd.version import __version__


def origin() -> dict[str, Any]:
    """What a record says of its writing: `created`, UTC in ISO 8601, and `packages`."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        "created": now.isoformat(timespec="seconds"),
        "packages": {"tfpfd": __version__, "tensorflow": tf.__version__, "keras": KERAS_VERSION},
    }


def write_record(file: Path, record: Mapping[str, Any]) -> None:
    """Writes a record as JSON.

    Raises:
      ValueError: it holds a number that isn't finite, for which JSON has no word.
    """
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    file.write_text(text, encoding="utf-8")


def checked_details(details: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a caller adds to a record, as JSON holds it.

    Raises:
      TypeError: it isn't a mapping of what JSON can hold.
    """
    try:
        return json.loads(json.dumps(dict(details or {}), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"`details` must be a mapping of what JSON can hold, received {details!r}: {error}"
        ) from None


def digest_of(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
