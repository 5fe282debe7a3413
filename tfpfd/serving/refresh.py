"""`tfpfd.refresh`: a new version of an export, with another catalogue and the same weights."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfpfd._arguments import names_in
from tfpfd._files import path_in
from tfpfd.schema.batches import Source
from tfpfd.serving.checkpoint import check_weights, write_emptied
from tfpfd.serving.inspection import inspect_export
from tfpfd.serving.item_writing import write_items
from tfpfd.serving.kept_embeddings import KeptEmbeddings
from tfpfd.serving.manifest import EXTRA
from tfpfd.serving.publish import publish
from tfpfd.serving.warmup_requests import can_write_warmup_requests
from tfpfd.versions.lock import alone_in
from tfpfd.versions.manifest import checked_details
from tfpfd.versions.store import check_writable

PARTS = ".refreshing"
_KEPT = ("k", "table", "attributes", "signatures", "stripped")


def refresh(
    path: str | os.PathLike,
    items: Source,
    details: Mapping[str, Any] | None = None,
    warmup_requests: bool | None = None,
    operations: Iterable[str] = (),
    verbose: int | bool = 1,
) -> Path:
    """Writes the next version of an export, its item table made anew.

    The item tower inside the newest version embeds the items, so neither the code nor the weights
    of the training are needed, and items may be added, removed or changed. All else is that
    version's: the graph byte for byte, `k`, the type of the table, the attributes.

    Memory holds one item table, besides ids and attributes. After a kill the same call goes on
    from the embeddings that were kept in `<path>/.refreshing`.

    Args:
      path: the directory of the model.
      items: the whole catalogue, rows of the item features: see `tfpfd.schema.raw_batches`.
      details: for the manifest, beside those of the version before.
      warmup_requests: as in `tfpfd.export`.
      operations: as in `tfpfd.export`.
      verbose: 0: silent, 1: a progress bar.

    Returns:
      The directory of the version; its manifest names the one that it was made from as `parent`.

    Raises:
      FileNotFoundError: there is no version, or it is no export of tfpfd.
      ImportError: `warmup_requests=True` without tensorflow-serving-api.
      ValueError: `path` is a version itself, its newest version has no item table or a weight that
        isn't finite, or `items` has bad rows.
      OSError: `path` can't be written, or is being refreshed.
      RuntimeError: the newest version isn't what was exported, or something privileged was found
        in the files written; nothing is published.
    """
    base = path_in("path", path)
    if (base / "saved_model.pb").is_file():
        raise ValueError(
            f"`path` must be the directory of a model, which holds versions, received '{base}', "
            "which is a version itself"
        )
    operations = names_in("operations", operations)
    found = inspect_export(base, operations=operations)
    schema = found.schema
    if schema is None:
        raise FileNotFoundError(f"'{found.path}' is no export of tfpfd: {found.findings[0]}")
    if found.findings:
        raise RuntimeError(f"'{found.path}' isn't what was exported: {'; '.join(found.findings)}")
    facts = {name: found.manifest[name] for name in _KEPT if name in found.manifest}
    if facts.get("table") is None:
        raise ValueError(f"'{found.path}' has no item table: there is nothing to refresh")
    check_weights(found.path)
    details = {**found.manifest.get("details", {}), **checked_details(details)}
    requests = can_write_warmup_requests(warmup_requests)
    check_writable(base)

    with _parts(base) as folder:

        def write(directory: Path) -> dict[str, Any]:
            embed = _without_items(found.path, directory)
            parts = KeptEmbeddings(folder, found.digest or "")
            return write_items(directory, embed, schema, items, parts, facts, verbose)

        return publish(
            base, write, schema, details, requests, operations, parent=int(found.path.name)
        )


def _without_items(parent: Path, directory: Path) -> Callable:
    """Copies a SavedModel but for its items, and returns its `item_embedding`."""
    # Without them, as they would take the memory that the new ones need.
    shutil.copytree(
        parent,
        directory,
        ignore=lambda where, names: {EXTRA, "variables"} if Path(where) == parent else set(),
        dirs_exist_ok=True,
    )
    write_emptied(parent, directory)
    model = tf.saved_model.load(str(directory))

    def embed(**columns: tf.Tensor) -> Mapping[str, tf.Tensor]:
        # The model owns the variables.
        return model.signatures["item_embedding"](**columns)

    return embed


@contextlib.contextmanager
def _parts(base: Path) -> Iterator[Path]:
    """The folder of the embeddings kept; it goes when the block ends without error, or is empty."""
    folder = base / PARTS
    folder.mkdir(exist_ok=True)
    with alone_in(folder, f"'{base}' is being refreshed"):
        try:
            yield folder
            shutil.rmtree(folder)
        except BaseException:
            # What was embedded stays for the next call; nothing doesn't.
            with contextlib.suppress(OSError):
                folder.rmdir()
            raise
