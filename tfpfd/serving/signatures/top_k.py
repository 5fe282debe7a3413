"""`top_k` and `serving_default`: a user's best items of the whole catalogue."""

from __future__ import annotations

from collections.abc import Iterable

import tensorflow as tf

from tfpfd.schema import Schema
from tfpfd.serving.exact_search import best_of
from tfpfd.serving.signatures.signature import RequestInput, Signature
from tfpfd.serving.two_tower_module import ServedCatalogue

K = "k"


class TopK(Signature[ServedCatalogue]):
    """User features and `k` → `item_ids` and `scores` `[batch, k]`."""

    name = "top_k"

    def inputs(self, schema: Schema, attributes: Iterable[str]) -> dict[str, RequestInput]:
        """As of `Signature`."""
        # A request may hold one number, or one a row, which TF Serving's rows and batches need.
        return {K: RequestInput(None, tf.int32, sample="k")}

    def answer(
        self,
        model: ServedCatalogue,
        features: dict[str, tf.Tensor],
        request: dict[str, tf.Tensor],
    ) -> dict[str, tf.Tensor]:
        """As of `Signature`."""
        return _best(model, features, request[K])


class DefaultTopK(Signature[ServedCatalogue]):
    """User features → what `top_k` gives for the k of the export."""

    name = "serving_default"

    def answer(
        self,
        model: ServedCatalogue,
        features: dict[str, tf.Tensor],
        request: dict[str, tf.Tensor],
    ) -> dict[str, tf.Tensor]:
        """As of `Signature`."""
        return _best(model, features, tf.constant(model.k))


def _best(
    model: ServedCatalogue, features: dict[str, tf.Tensor], k: tf.Tensor
) -> dict[str, tf.Tensor]:
    user, rows = model.embedding("user", features), model.table.rows

    def scores_of(start: tf.Tensor, stop: tf.Tensor) -> tf.Tensor:
        return model.table.scores(user, start, stop)

    scores, found = best_of(scores_of, rows, tf.shape(user)[0], model.at_most(k, rows))
    # Added to k scores an item, as it changes no order.
    return {"item_ids": tf.gather(model.item_ids, found), "scores": scores + model.bias}
