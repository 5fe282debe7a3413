"""Approximate search over an export's items: ScaNN in a SavedModel of its own, FAISS beside it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import tensorflow as tf

from tfpfd._arguments import check_integer
from tfpfd._files import path_in
from tfpfd.integrations.packages import require
from tfpfd.schema import raw_batches
from tfpfd.schema.batches import Source, rows_of
from tfpfd.schema.feature import raw_columns
from tfpfd.serving import inspect_export
from tfpfd.serving.item_table import UNKNOWN_SCORE
from tfpfd.serving.manifest import EXTRA, ITEMS, read_schema
from tfpfd.serving.newest_version import latest
from tfpfd.serving.signatures.signature import concrete
from tfpfd.serving.signatures.top_k import K
from tfpfd.versions.store import check_writable, new_version

BATCH = 256
FEWEST, SAMPLE = 1000, 250_000
"""Items that ScaNN is given at least, and that its tree is trained on at most."""


def item_table(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """The items of an export, for any library of nearest neighbours by inner product.

    Args:
      path: a version of a two-tower student, or the directory of its versions: the newest.

    Returns:
      Ids `[items]`, and embeddings float32 `[items, width]`, whatever the type of the table that
      is served.

    Raises:
      FileNotFoundError: there is no SavedModel at `path`.
      RuntimeError: the export isn't what was written: see `tfpfd.inspect_export`.
      ValueError: it has no table of items.
    """
    found = inspect_export(path)
    if found.findings:
        raise RuntimeError(f"'{found.path}' isn't what was exported: {'; '.join(found.findings)}")
    file = found.path / EXTRA / ITEMS
    if not file.is_file():
        raise ValueError(f"'{found.path}' has no table of items")
    ids, embeddings = pyarrow.parquet.read_table(file).columns
    values = np.concatenate([chunk.flatten().to_numpy() for chunk in embeddings.chunks])
    return ids.to_numpy(), values.reshape(len(ids), -1)


def faiss_index(path: str | os.PathLike, description: str = "Flat") -> Any:
    """A FAISS index of the items of an export, by inner product.

        index = faiss_index("saved_models/films", "IVF1024,Flat")
        index.nprobe = 256
        faiss.write_index(index, "films.faiss")
        scores, rows = index.search(user_embeddings, 100)
        best = item_table("saved_models/films")[0][rows]

    User embeddings are what the export's signature `user_embedding` gives. The scores are inner
    products; the export's own have the network's bias besides, `tf.saved_model.load(path).bias`,
    which changes no order.

    Args:
      path: see `item_table`.
      description: of the index, for `faiss.index_factory`; `"Flat"` is exact.

    Returns:
      The index, trained and filled; row i is the i-th item of `item_table`.

    Raises:
      FileNotFoundError: see `item_table`, as for the others.
      ImportError: FAISS isn't installed.
      RuntimeError: the export isn't what was written.
      ValueError: FAISS doesn't know `description`, or can't build it of so many items.
    """
    faiss = require("faiss")
    _, embeddings = item_table(path)
    try:
        index = faiss.index_factory(embeddings.shape[1], description, faiss.METRIC_INNER_PRODUCT)
        index.train(embeddings)
        index.add(embeddings)
    except RuntimeError as error:
        raise ValueError(
            f"`description` {description!r} gives no index of {len(embeddings)} items: "
            # Behind the signature of a function of C++, and where it is.
            f"{str(error).strip().rsplit(': ', 1)[-1]}"
        ) from None
    return index


def scann_model(
    path: str | os.PathLike,
    out: str | os.PathLike,
    leaves: int | None = None,
    searched: int | None = None,
    rescored: int = 400,
    k: int = 100,
) -> Path:
    """Writes `<out>/<version>/`: a SavedModel with an export's user tower and ScaNN over its items.

    Its signatures are `serving_default` and `top_k` of the export, with the same inputs and
    outputs; fewer than k items may be found, and the rest is then filled with the id "" or -1 and
    the lowest float. Its graph holds ScaNN's own operations, so only programs that loaded them can
    run it (`import scann`, or a server built with them). Rules, candidates and `tfpfd.refresh`
    remain the export's: after a refresh call this again.

    A tree picks `searched` of its `leaves`, items in them are scored by 4 bits for 2 dimensions,
    and the best are scored again exactly.

    Args:
      path: see `item_table`.
      out: the directory of the new model.
      leaves: into how many parts the items are split; by default the root of their number.
      searched: how many of them a request looks into; a quarter by default. More find more.
      rescored: how many items get exact scores; at least as many as are asked for do.
      k: how many items `serving_default` returns.

    Returns:
      The directory of the version.

    Raises:
      FileNotFoundError: see `item_table`.
      ImportError: ScaNN can't be used here.
      OSError: `out` can't be written.
      RuntimeError: the export isn't what was written: see `tfpfd.inspect_export`.
      ValueError: a number below 1, more leaves than items, fewer than 1,000 items, or `out` is the
        export.

    Reference:
      Guo et al., "Accelerating Large-Scale Inference with Anisotropic Vector Quantization", ICML
      2020.
    """
    operations = require("scann.scann_ops.py.scann_ops")
    target = path_in("out", out)
    directory = latest(path_in("path", path))
    ids, embeddings = item_table(directory)
    if len(ids) < FEWEST:
        # ScaNN itself ends the process where there are too few to make its codes of.
        raise ValueError(
            f"'{path}' has {len(ids)} items: ScaNN needs {FEWEST}, and fewer are found as fast by "
            "the export's own exact search"
        )
    leaves = round(len(ids) ** 0.5) if leaves is None else leaves
    searched = max(leaves // 4, 1) if searched is None else searched
    for name, value in {
        "leaves": leaves,
        "searched": searched,
        "rescored": rescored,
        "k": k,
    }.items():
        check_integer(name, value, least=1)
    if leaves > len(ids):
        raise ValueError(f"`leaves` must be at most the {len(ids)} items, received {leaves}")
    if target.resolve() in (directory.resolve(), directory.resolve().parent):
        raise ValueError(
            f"`out` must be another directory than the export's, received '{out}': a server would "
            "take the new model for a version of it"
        )
    check_writable(target)
    sample = min(len(ids), SAMPLE)
    searcher = (
        operations.builder(embeddings, k, "dot_product")
        .tree(leaves, min(searched, leaves), training_sample_size=sample)
        .score_ah(2, anisotropic_quantization_threshold=0.2)
        .reorder(rescored)
        .build()
    )
    export = tf.saved_model.load(str(directory))
    module = _ScannModule(export, searcher.serialize_to_module())
    embed = export.signatures["user_embedding"]
    functions = module.functions(embed, operations, rescored, k)
    with new_version(target) as (directory, published):
        tf.saved_model.save(module, str(directory), signatures=functions)
    return published[0]


class _ScannModule(tf.Module):
    """What the search needs of an export, and the searcher."""

    def __init__(self, export: Any, searcher: tf.Module) -> None:
        super().__init__(name="tfpfd_scann")
        self.lookup = export.lookup
        self.weights = {name: export.weights[name] for name in ("encoder", "user_tower")}
        self.item_ids = export.item_ids
        # An export from before there was one, or of a network without it, has none.
        self.bias = getattr(export, "bias", None)
        self.searcher = searcher

    def functions(
        self, embed: Any, operations: Any, rescored: int, default_k: int
    ) -> dict[str, Callable]:
        """The signatures."""
        nothing = "" if self.item_ids.dtype == tf.string else -1
        bias = 0.0 if self.bias is None else self.bias

        def top_k(k: tf.Tensor, **features: tf.Tensor) -> dict[str, tf.Tensor]:
            user = embed(**features)["embedding"]
            number = tf.clip_by_value(tf.reduce_max(k), 0, tf.size(self.item_ids))
            asked = tf.maximum(number, 1)  # ScaNN can't look for none.
            rows, scores = operations.searcher_from_module(self.searcher).search_batched(
                user, asked, tf.maximum(asked, rescored)
            )
            # It answers with as many columns as it found items.
            missing = [[0, 0], [0, tf.maximum(number - tf.shape(rows)[1], 0)]]
            rows = tf.pad(rows[:, :number], missing)
            scores = tf.pad(scores[:, :number], missing, constant_values=np.nan)
            is_item = tf.math.is_finite(scores)
            ids = tf.gather(self.item_ids, tf.where(is_item, rows, 0))
            return {
                "item_ids": tf.where(is_item, ids, nothing),
                "scores": tf.where(is_item, scores + bias, UNKNOWN_SCORE),
            }

        user = dict(embed.structured_input_signature[1])
        return {
            "serving_default": concrete(lambda **features: top_k(default_k, **features), user),
            "top_k": concrete(top_k, {K: tf.TensorSpec(None, tf.int32, name=K), **user}),
        }


def recall(path: str | os.PathLike, users: Source, found: np.ndarray) -> float:
    """How much of the exact answer an approximate one holds.

    Args:
      path: the export: see `item_table`.
      users: rows of its user features: see `tfpfd.schema.raw_batches`.
      found: ids `[users, k]`, the items found for each user, in any order.

    Returns:
      The mean share of the k best items by the export's `top_k` that are among those found.

    Raises:
      FileNotFoundError: there is no export at `path`.
      ValueError: naming the column, what was expected and what came; `found` has another shape; the
        export has no items.
    """
    found = np.asarray(found)
    if found.ndim != 2 or not found.shape[1]:
        raise ValueError(f"`found` must be of the shape [users, k], received {found.shape}")
    directory = latest(path_in("path", path))
    schema = read_schema(directory)
    model = tf.saved_model.load(str(directory))  # It owns the variables.
    if "top_k" not in model.signatures:
        raise ValueError(f"'{directory}' has no table of items: there is no exact answer")
    k, exact = tf.constant(found.shape[1]), []
    for raw in raw_batches(users, raw_columns(schema.user), size=BATCH):
        if rows_of(raw):
            columns = schema.columns(raw, schema.user)
            features = {name: tf.constant(values) for name, values in columns.items()}
            exact += list(model.signatures["top_k"](k=k, **features)["item_ids"].numpy())
    if len(exact) != len(found):
        raise ValueError(
            f"`found` must have a row for each of the {len(exact)} users, received {len(found)}"
        )
    shares = [len({*_plain(a)} & {*_plain(b)}) / len(a) for a, b in zip(exact, found, strict=True)]
    return float(np.mean(shares))


def _plain(ids: np.ndarray) -> list:
    """Ids as Python has them: a SavedModel answers with bytes."""
    return [i.decode("utf-8", "replace") if isinstance(i, bytes) else i for i in ids.tolist()]
