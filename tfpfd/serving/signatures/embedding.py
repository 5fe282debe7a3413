"""`user_embedding` and `item_embedding`: what one tower gives."""

from __future__ import annotations

import tensorflow as tf

from tfpfd.schema import Side
from tfpfd.serving.signatures.signature import Signature
from tfpfd.serving.two_tower_module import Towers


class Embedding(Signature[Towers]):
    """Features of a side → `embedding` `[batch, width]`.

    Args:
      side: `"user"` or `"item"`.
    """

    def __init__(self, side: Side) -> None:
        self.name = f"{side}_embedding"
        self.sides = (side,)

    def answer(
        self, model: Towers, features: dict[str, tf.Tensor], request: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """As of `Signature`."""
        return {"embedding": model.embedding(self.sides[0], features)}
