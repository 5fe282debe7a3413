"""Rows scored by an export: soft labels from what is in service."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from tfpfd._files import path_in
from tfpfd.schema import raw_batches
from tfpfd.schema.batches import Source, rows_of
from tfpfd.schema.feature import raw_columns
from tfpfd.serving.manifest import changes, read_manifest, read_schema
from tfpfd.serving.newest_version import latest

BATCH = 4096


def unchanged(path: str | Path) -> Path:
    """The version at `path`, or the newest of those in it; refuses one that isn't as written."""
    directory = latest(path_in("path", path))
    manifest = read_manifest(directory) or {}
    # Versions from before there were hashes have none to go by.
    if changed := changes(directory, manifest) if manifest.get("files") else []:
        raise ValueError(f"'{directory}' isn't what was exported: {'; '.join(changed)}")
    return directory


def saved_scores(path: str | Path, rows: Source) -> np.ndarray:
    """The logits that an export gives to rows of a user and an item each.

    A column of them is a label store: the version in service, or a ranker of another objective,
    teaches without being loaded, whatever its vocabularies.

        rows["book_score"] = tfpfd.saved_scores("saved_models/book", rows)
        batches = tfpfd.data.from_rows(rows, schema, extra_columns=["book_score"])
        fused = tfpfd.FusedTeachers({"book": "book_score", …}, weights={"book": 1.0, …})

    The item side is computed from the rows too, so an item need not be in the export's table.

    Args:
      path: an export of one ranker, with items or without, or the directory of its versions, of
        which the newest counts.
      rows: raw rows with all features of the served schema: see `tfpfd.schema.raw_batches`.

    Returns:
      float32 `[rows]`.

    Raises:
      FileNotFoundError: there is no export at `path`.
      ValueError: naming the column, what was expected and what came; `rows` is empty; the export
        is of a tower alone, or of several rankers, or isn't as it was written.
    """
    directory = unchanged(path)
    schema = read_schema(directory)
    model = tf.saved_model.load(str(directory))  # It owns the variables.
    signatures = model.signatures
    bias = getattr(model, "bias", 0.0)  # Exports from before there was one have none.
    if "score" not in signatures and not {"user_embedding", "item_embedding"} <= set(signatures):
        raise ValueError(
            f"`path` must be an export of one ranker, received '{directory}' with the signatures "
            f"{sorted(signatures)}"
        )

    def embedded(side: str, raw: dict[str, tf.Tensor]) -> tf.Tensor:
        given = {name: raw[name] for name in raw_columns(getattr(schema, side))}
        return signatures[f"{side}_embedding"](**given)["embedding"]

    def logits(raw: dict[str, tf.Tensor]) -> tf.Tensor:
        if "score" in signatures:
            return signatures["score"](**raw)["logit"]
        return tf.reduce_sum(embedded("user", raw) * embedded("item", raw), axis=1) + bias

    features = list(schema.features("served").values())
    scores = []
    for raw in raw_batches(rows, raw_columns(features), size=BATCH):
        if rows_of(raw):
            columns = schema.columns(raw, features)
            tensors = {name: tf.constant(values) for name, values in columns.items()}
            scores.append(logits(tensors).numpy())
    if not scores:
        raise ValueError("`rows` is empty: expected rows to score, received none")
    return np.concatenate(scores)
