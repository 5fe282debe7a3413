"""`top_k_where`: a user's best items among those that the rules of the request let through."""

from __future__ import annotations

from collections.abc import Iterable

import tensorflow as tf

from tfpfd.schema import Schema
from tfpfd.serving.exact_search import best_of
from tfpfd.serving.item_table import UNKNOWN_SCORE
from tfpfd.serving.request_rules import ALLOWED, BLOCKED, history_of, passing, rule_inputs
from tfpfd.serving.signatures.signature import RequestInput, Signature
from tfpfd.serving.signatures.top_k import K, TopK
from tfpfd.serving.two_tower_module import ServedCatalogue


class TopKWhere(Signature[ServedCatalogue]):
    """User features, `k` and rules → `item_ids` and `scores` `[batch, k]`.

    Where the rules let fewer through, the rest is filled with the id "" or -1 and the lowest float.
    """

    name = "top_k_where"

    def inputs(self, schema: Schema, attributes: Iterable[str]) -> dict[str, RequestInput]:
        """As of `Signature`."""
        # What rules ask of attributes is missing in samples: such a rule doesn't hold.
        rules = {
            name: RequestInput(
                tuple(spec.shape),
                spec.dtype,
                sample="item_ids" if name in (ALLOWED, BLOCKED) else "missing",
            )
            for name, spec in rule_inputs(schema, attributes).items()
        }
        return {**TopK().inputs(schema, attributes), **rules}

    def answer(
        self,
        model: ServedCatalogue,
        features: dict[str, tf.Tensor],
        request: dict[str, tf.Tensor],
    ) -> dict[str, tf.Tensor]:
        """As of `Signature`."""
        user, rows = model.embedding("user", features), model.table.rows
        met = [features[name] for name in history_of(model.schema)]
        passes = passing(model.attributes, model.item_rows, rows, request, met)

        def scores_of(start: tf.Tensor, stop: tf.Tensor) -> tf.Tensor:
            let_through = tf.transpose(passes[:, start:stop])
            return tf.where(let_through, model.table.scores(user, start, stop), UNKNOWN_SCORE)

        k = model.at_most(request[K], rows)
        scores, found = best_of(scores_of, rows, tf.shape(user)[0], k)
        ids = tf.gather(model.item_ids, found)
        passed = scores > UNKNOWN_SCORE
        nothing = "" if model.item_ids.dtype == tf.string else -1
        return {
            "item_ids": tf.where(passed, ids, nothing),
            "scores": tf.where(passed, scores + model.bias, UNKNOWN_SCORE),
        }
