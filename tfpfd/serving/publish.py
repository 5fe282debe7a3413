"""What every way to a new version ends with: describe it, inspect it, publish it."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfpfd.schema import Schema
from tfpfd.serving.inspection import inspect_export
from tfpfd.serving.manifest import EXTRA, write_extra
from tfpfd.versions.store import new_version


def publish(
    base: Path,
    write: Callable[[Path], Mapping[str, Any]],
    schema: Schema,
    details: Mapping[str, Any],
    warmup_requests: bool,
    operations: Iterable[str],
    parent: int | None = None,
) -> Path:
    """Writes a version aside, inspects it, and moves it into place.

    Args:
      base: the directory of the model.
      write: writes a SavedModel into a directory that holds `assets.extra`, and returns what its
        manifest says of this kind of export.
      schema: the served schema.
      details: for the manifest.
      warmup_requests: whether to write warm-up requests.
      operations: see `inspect`.
      parent: number of the version that this one was made from.

    Returns:
      The directory of the version.

    Raises:
      OSError: `base` can't be written.
      RuntimeError: something privileged was found in the files written; nothing is published.
    """
    with _as_os_error(base), new_version(base) as (directory, published):
        (directory / EXTRA).mkdir()
        facts = write(directory)
        write_extra(
            directory,
            schema,
            facts,
            details=details,
            parent=parent,
            warmup_requests=warmup_requests,
        )
        findings = inspect_export(directory, operations=operations).findings
        if findings:
            raise RuntimeError(f"the export was not published: {'; '.join(findings)}")
    return published[0]


@contextlib.contextmanager
def _as_os_error(base: Path) -> Iterator[None]:
    """Turns TensorFlow's errors of writing, such as of a full disk, into those of the system."""
    try:
        yield
    except tf.errors.OpError as error:
        full = isinstance(error, tf.errors.ResourceExhaustedError)
        number = errno.ENOSPC if full else errno.EIO
        what = f"a version could not be written, and none was published: {error.message}"
        raise OSError(number, what, str(base)) from error
