"""What every way to a new version with items ends with: fill, describe, inspect, publish."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tfpfd._versions import new_version
from tfpfd.schema import Schema
from tfpfd.schema.batches import Source
from tfpfd.serving.fill import Parts, fill
from tfpfd.serving.inspection import inspect
from tfpfd.serving.manifest import EXTRA, ITEMS, write_extra


def publish(
    base: Path,
    write: Callable[[Path], Callable],
    schema: Schema,
    items: Source,
    facts: Mapping[str, Any],
    details: Mapping[str, Any],
    warm_up: bool,
    verbose: int | bool,
    parent: int | None = None,
    parts: Parts | None = None,
) -> Path:
    """Writes a version aside, inspects it, and moves it into place.

    Args:
      base: the directory of the model.
      write: writes a SavedModel without items into a directory and returns its `item_embedding`.
      schema: the served schema.
      items: the catalogue.
      facts: for the manifest; `table` and `attributes` say what the item table is like.
      details: for the manifest.
      warm_up: whether to write warm-up requests.
      verbose: 0: silent, 1: a progress bar.
      parent: number of the version that this one was made from.
      parts: where embeddings are kept meanwhile; by default with what is written aside.

    Returns:
      The directory of the version.

    Raises:
      ValueError: `items` has bad rows.
      OSError: `base` can't be written.
      RuntimeError: something privileged was found in the files written; nothing is published.
    """
    with new_version(base) as (directory, published):
        embed = write(directory)
        (directory / EXTRA).mkdir()
        aside = directory / "parts"
        sizes = fill(
            directory,
            embed,
            schema,
            items,
            parts or Parts(aside, ""),
            facts["table"],
            facts["attributes"],
            directory / EXTRA / ITEMS,
            verbose,
        )
        shutil.rmtree(aside, ignore_errors=True)
        write_extra(
            directory, schema, {**facts, **sizes}, details=details, parent=parent, warm_up=warm_up
        )
        findings = inspect(directory).findings
        if findings:
            raise RuntimeError(f"the export was not published: {'; '.join(findings)}")
    return published[0]
