"""`score`: what a ranker makes of users and items that the request describes."""

from __future__ import annotations

import tensorflow as tf

from tfpfd.serving.ranker_module import ServedRankers
from tfpfd.serving.signatures.signature import Signature


class Score(Signature[ServedRankers]):
    """User and item features → `logit` and `probability` `[batch]`."""

    name = "score"
    sides = ("user", "item")

    def answer(
        self, model: ServedRankers, features: dict[str, tf.Tensor], request: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """As of `Signature`."""
        (logit,) = model.logits(features).values()
        return {"logit": logit, "probability": tf.sigmoid(logit)}
