"""Rows scored by an export: soft labels from what is in service."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from tfpfd.schema import Schema, raw_batches
from tfpfd.schema.batches import Source, rows_of
from tfpfd.serving.manifest import EXTRA, SCHEMA
from tfpfd.serving.versions import latest

BATCH = 4096


def saved_scores(path: str | Path, rows: Source) -> np.ndarray:
    """The logits that an export gives to rows of a user and an item each.

    A column of them is a label store: the version in service, or a ranker of another objective,
    teaches without being loaded, whatever its vocabularies.

        rows["book_score"] = tfpfd.saved_scores("saved_models/book", rows)
        batches = tfpfd.data.from_rows(rows, schema, keep=["book_score"])
        fused = tfpfd.FusedTeachers({"book": "book_score", …}, weights={"book": 1.0, …})

    The item side is computed from the rows too, so an item need not be in the export's table.

    Args:
      path: an export of `tfpfd.export`, or the directory of its versions, of which the newest
        counts.
      rows: raw rows with all features of the served schema: see `tfpfd.schema.raw_batches`.

    Returns:
      float32 `[rows]`.

    Raises:
      FileNotFoundError: there is no export at `path`.
      ValueError: naming the column, what was expected and what came; `rows` is empty.
    """
    directory = latest(Path(path))
    written = directory / EXTRA / SCHEMA
    if not written.is_file():
        raise FileNotFoundError(
            f"'{directory}' is no export of tfpfd: expected {EXTRA}/{SCHEMA} in it"
        )
    schema = Schema.from_json(written.read_text(encoding="utf-8"))
    model = tf.saved_model.load(str(directory))

    def embedded(side: str, raw: dict[str, np.ndarray]) -> tf.Tensor:
        names = [feature.name for feature in getattr(schema, side)]
        given = {name: tf.constant(raw[name]) for name in names}
        return model.signatures[f"{side}_embedding"](**given)["embedding"]

    features = list(schema.features("served").values())
    scores = []
    for raw in raw_batches(rows, [feature.name for feature in features], size=BATCH):
        if rows_of(raw):
            columns = schema.columns(raw, features)
            products = embedded("user", columns) * embedded("item", columns)
            scores.append(tf.reduce_sum(products, axis=1).numpy())
    if not scores:
        raise ValueError("`rows` is empty: expected rows to score, received none")
    return np.concatenate(scores)
