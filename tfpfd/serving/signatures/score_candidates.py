"""`score_candidates`: the scores of the items that a request names."""

from __future__ import annotations

from collections.abc import Iterable

import tensorflow as tf

from tfpfd.schema import Schema
from tfpfd.serving.item_embeddings import item_id_of
from tfpfd.serving.item_table import UNKNOWN_SCORE
from tfpfd.serving.signatures.signature import RequestInput, Signature
from tfpfd.serving.two_tower_module import ServedCatalogue

CANDIDATES = "candidate_ids"


class ScoreCandidates(Signature[ServedCatalogue]):
    """User features and `candidate_ids` `[batch, n]` → `scores` `[batch, n]`.

    The lowest float for an id that isn't in the table.
    """

    name = "score_candidates"

    def inputs(self, schema: Schema, attributes: Iterable[str]) -> dict[str, RequestInput]:
        """As of `Signature`."""
        dtype = schema.raw_spec(item_id_of(schema)).dtype
        return {CANDIDATES: RequestInput((None, None), dtype, sample="item_ids")}

    def answer(
        self,
        model: ServedCatalogue,
        features: dict[str, tf.Tensor],
        request: dict[str, tf.Tensor],
    ) -> dict[str, tf.Tensor]:
        """As of `Signature`."""
        rows = model.item_rows.lookup(request[CANDIDATES])
        vectors = model.table.vectors(tf.maximum(rows, 0))
        scores = tf.einsum("bd,bnd->bn", model.embedding("user", features), vectors)
        return {"scores": tf.where(rows >= 0, scores + model.bias, UNKNOWN_SCORE)}
