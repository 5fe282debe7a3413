"""`assets.extra` of an export: the served schema, the items, warm-up requests and the manifest."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from tfpfd.schema import Schema
from tfpfd.serving.checkpoint import variable_shapes
from tfpfd.serving.item_table import TABLE_TYPES
from tfpfd.serving.signatures import request_samples
from tfpfd.serving.signatures.signature import SAMPLES
from tfpfd.serving.warmup_requests import write_warmup_requests
from tfpfd.versions.manifest import checked_details, digest_of, origin, write_record

EXTRA, MANIFEST, SCHEMA, ITEMS = "assets.extra", "tfpfd.json", "schema.json", "items.parquet"
WARMUP_REQUESTS = "tf_serving_warmup_requests"


def write_extra(
    directory: Path,
    schema: Schema,
    facts: Mapping[str, Any],
    details: Mapping[str, Any] | None = None,
    parent: int | None = None,
    warmup_requests: bool = False,
) -> None:
    """Writes `assets.extra/` of a SavedModel that was just written, the manifest last.

    Besides `facts` the manifest holds the time, the versions of the packages, the shape of each
    variable, and the SHA-256 of every other file of the version, of the schema too.

    Args:
      directory: of the SavedModel, before it is published.
      schema: the served schema.
      facts: what the manifest says of this kind of export, such as `items`, `k` and `stripped`.
      details: what the caller adds, such as metrics and the time span of the rows.
      parent: number of the version that this one was made from.
      warmup_requests: whether to write requests for TF Serving to replay.
    """
    extra = directory / EXTRA
    extra.mkdir(exist_ok=True)
    (extra / SCHEMA).write_text(schema.to_json(), encoding="utf-8")
    requests = 0
    if warmup_requests:
        drawn = {"item_ids": _first_ids(extra / ITEMS), "k": facts.get("k", 1)}
        samples = request_samples(schema, facts)
        requests = write_warmup_requests(
            extra / WARMUP_REQUESTS, directory, schema, samples, **drawn
        )
    manifest = {
        **origin(),
        **facts,
        "parent": parent,
        "details": checked_details(details),
        "warm_up_requests": requests,
        "variables": variable_shapes(directory),
        "files": digests(directory),
    }
    write_record(extra / MANIFEST, manifest)


def read_manifest(directory: Path) -> dict[str, Any] | None:
    """What the manifest of a version says; None where there is none.

    Raises:
      ValueError: it can't be read.
    """
    file = directory / EXTRA / MANIFEST
    if not file.is_file():
        return None
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"'{file}' can't be read as JSON: {error}") from None
    if not isinstance(manifest, dict):
        raise ValueError(f"'{file}' must hold an object, received {type(manifest).__name__}")
    for name, (fits, what) in _FORMS.items():
        if name in manifest and not fits(manifest[name]):
            raise ValueError(f"'{file}': '{name}' must be {what}, received {manifest[name]!r:.100}")
    return manifest


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _is_shape(value: Any) -> bool:
    return isinstance(value, list) and all(type(size) is int for size in value)


def _are_samples(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(inputs, dict) and all(sample in SAMPLES for sample in inputs.values())
        for inputs in value.values()
    )


# What a manifest says that is used, and must be when it is there.
_FORMS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "stripped": (_are_texts, "a list of names"),
    "attributes": (_are_texts, "a list of names"),
    "signatures": (_are_samples, f"an object of inputs by signature, each of {list(SAMPLES)}"),
    "table": (lambda value: value in TABLE_TYPES, f"one of {list(TABLE_TYPES)}"),
    "k": (lambda value: _is_number(value) and value > 0, "an integer of at least 1"),
    "parent": (lambda value: value is None or _is_number(value), "the number of a version or null"),
    "details": (lambda value: isinstance(value, dict), "an object"),
    "variables": (
        lambda value: isinstance(value, dict) and all(map(_is_shape, value.values())),
        "an object of shapes",
    ),
    "files": (
        lambda value: (
            value is None
            or (
                isinstance(value, dict)
                and all(isinstance(digest, str) for digest in value.values())
            )
        ),
        "an object of hashes",
    ),
}


def read_schema(directory: Path) -> Schema:
    """The served schema of a version.

    Raises:
      FileNotFoundError: it is no export of tfpfd.
      ValueError: it can't be read.
    """
    file = directory / EXTRA / SCHEMA
    if not file.is_file():
        raise FileNotFoundError(
            f"'{directory}' is no export of tfpfd: expected {EXTRA}/{SCHEMA} in it"
        )
    try:
        return Schema.from_json(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"'{file}' can't be read as a schema: {error}") from None


def digests(directory: Path) -> dict[str, str]:
    """SHA-256 of every file of a version but the manifest, by its path in the version."""
    return {
        name: digest_of(file)
        for file in sorted(directory.rglob("*"))
        if file.is_file() and (name := file.relative_to(directory).as_posix()) != _OWN
    }


def changes(directory: Path, manifest: Mapping[str, Any]) -> list[str]:
    """What differs between the files of a version and those that its manifest tells of.

    Args:
      directory: of the version.
      manifest: its own.

    Returns:
      A sentence a file that was changed, removed or added, and an entry that is no plain file; none
      if all are as they were written.
    """
    odd = _odd_entries(directory)
    written = manifest.get("files")
    if not isinstance(written, Mapping):
        return [*odd, "the manifest holds no hashes of the files: they may have been changed"]
    found = digests(directory)
    changed = [name for name in found if found[name] != written.get(name, found[name])]
    return [
        *(f"file '{name}' is missing" for name in sorted(set(written) - set(found))),
        *(f"file '{name}' was added after the export" for name in found if name not in written),
        *(f"file '{name}' was changed after the export" for name in changed),
        *odd,
    ]


def _odd_entries(directory: Path) -> list[str]:
    """What no export writes and no hash covers: links, pipes and the like, empty directories."""
    findings = []
    for where, folders, files in os.walk(directory):
        for name in (*folders, *files):
            entry = Path(where, name)
            place, mode = entry.relative_to(directory).as_posix(), entry.lstat().st_mode
            if stat.S_ISLNK(mode):
                findings.append(f"'{place}' is a link: what it leads to may be another thing later")
            elif stat.S_ISDIR(mode):
                # TensorFlow leaves an empty folder of assets.
                if place != "assets" and not any(entry.iterdir()):
                    findings.append(f"directory '{place}' is empty: it was added after the export")
            elif not stat.S_ISREG(mode):
                findings.append(f"'{place}' is neither a file nor a directory")
    return sorted(findings)


_OWN = f"{EXTRA}/{MANIFEST}"


def _first_ids(file: Path, rows: int = 10_000) -> list[Any]:
    """Ids of the first items, to ask for; none where there is no item table."""
    if not file.is_file():
        return []
    with pa.parquet.ParquetFile(file) as table:
        name = table.schema_arrow.names[0]
        first = next(table.iter_batches(rows, columns=[name]), None)
    return first[name].to_pylist() if first is not None else []
