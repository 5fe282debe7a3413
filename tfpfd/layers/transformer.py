"""Transformer blocks over a sequence of embeddings."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfpfd._arguments import check_flag, check_integer
from tfpfd._keras import keras, register, tf_variable
from tfpfd.schema.table_feature import masked_mean


@register
class Block(keras.layers.Layer):
    """One block of a `Transformer`, `[batch, length, dim]` to the same.

    Args:
      heads: of the attention.
      dim: width of the steps.
    """

    def __init__(self, heads: int, dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads, self.dim = heads, dim
        layers, policy = keras.layers, self.dtype_policy.name
        self.attention_norm = layers.LayerNormalization(name="attention_norm", dtype=policy)
        self.attention = layers.MultiHeadAttention(
            heads, key_dim=dim // heads, name="attention", dtype=policy
        )
        self.forward_norm = layers.LayerNormalization(name="forward_norm", dtype=policy)
        self.inner = layers.Dense(dim, activation="relu", name="inner", dtype=policy)
        self.outer = layers.Dense(dim, name="outer", dtype=policy)

    def call(self, inputs: tf.Tensor, seen: tf.Tensor) -> tf.Tensor:
        """Each step with what it sees of the others.

        Args:
          inputs: `[batch, length, dim]`.
          seen: bool `[batch, length, length]`, whether a step sees another one.
        """
        normed = self.attention_norm(inputs)
        x = inputs + self.attention(normed, normed, attention_mask=seen)
        return x + self.outer(self.inner(self.forward_norm(x)))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "heads": self.heads, "dim": self.dim}


@register
class Transformer(keras.layers.Layer):
    """Blocks of multi-head self-attention and a feed-forward layer, each added to its input.

        x ← x + MultiHead(LN(x)), x ← x + W_2 ReLU(W_1 LN(x) + b_1) + b_2

    over the steps, brought to width `dim` by a linear layer, plus a learned vector of how many
    steps came after each; at last LN. Its output is that of the last step where that one is told
    from the others, as it sees what came before (`causal`) or is the candidate; else the mean.

    - SASRec: `Transformer(layers=2, heads=1, dim=50, causal=True)`;
    - the Behavior Sequence Transformer: `Transformer(layers=1, heads=8, candidate=True)`, whose
      outputs of all steps stand side by side in the paper, and whose positions are times;
    - steps that say their time in their vectors need no positions: `positions=0`.

    >>> import tensorflow as tf
    >>> from tfpfd import Transformer
    >>> encoder = Transformer(layers=2, heads=1, dim=8, causal=True)
    >>> encoder(tf.ones([3, 5, 4]), valid=tf.ones([3, 5], tf.bool)).shape  # rows, steps, width
    TensorShape([3, 8])

    Args:
      layers: how many blocks.
      heads: of the attention; each has `dim / heads`.
      dim: width of the output.
      causal: whether a step sees only itself and those before.
      positions: how many of the last steps have a position of their own; those before share the
        one of the first of these. 0: steps have none.
      candidate: whether the candidate's vector is the last step. It is then for fine rankers and
        teachers, as `TargetAttention`.

    Raises:
      ValueError: a number isn't an integer that makes sense, or `dim` can't be divided by `heads`.
      TypeError: a flag is neither True nor False.

    Reference:
      Vaswani et al., "Attention Is All You Need", NeurIPS 2017 (arXiv 1706.03762); Kang and
      McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018 (arXiv 1808.09781); Chen et
      al., "Behavior Sequence Transformer for E-commerce Recommendation in Alibaba", 2019
      (arXiv 1905.06874).
    """

    def __init__(
        self,
        layers: int = 1,
        heads: int = 4,
        dim: int = 32,
        causal: bool = False,
        positions: int = 50,
        candidate: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_integer("layers", layers, least=1)
        check_integer("heads", heads, least=1)
        check_integer("dim", dim, least=1)
        check_integer("positions", positions, least=0)
        check_flag("causal", causal)
        check_flag("candidate", candidate)
        if dim % heads:
            raise ValueError(f"`dim` must be a multiple of `heads` ({heads}), received {dim}")
        self.depth, self.heads, self.dim = int(layers), int(heads), int(dim)
        self.causal, self.positions = bool(causal), int(positions)
        self.candidate = bool(candidate)
        policy = self.dtype_policy.name
        self.of_step = keras.layers.Dense(self.dim, name="of_step", dtype=policy)
        # Its own, as a candidate may be of another width.
        self.of_candidate = (
            keras.layers.Dense(self.dim, name="of_candidate", dtype=policy) if candidate else None
        )
        self.blocks = [
            Block(self.heads, self.dim, name=f"block_{i}", dtype=policy) for i in range(self.depth)
        ]
        self.norm = keras.layers.LayerNormalization(name="norm", dtype=policy)

    def build(self, input_shape: Any) -> None:
        self.position = (
            self.add_weight(
                name="position",
                shape=(self.positions, self.dim),
                initializer=keras.initializers.RandomUniform(-0.05, 0.05),
            )
            if self.positions
            else None
        )
        self.built = True

    @property
    def attends(self) -> bool:
        """Whether the candidate is the last step."""
        return self.candidate

    def call(
        self, inputs: tf.Tensor, valid: tf.Tensor, candidate: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Encodes sequences.

        Args:
          inputs: `[batch, length, width]`.
          valid: bool `[batch, length]`.
          candidate: `[batch, its width]`, where it is a step.

        Returns:
          `[batch, dim]`; zeros for a row without a step.
        """
        x = self.of_step(tf.where(valid[..., None], inputs, tf.zeros_like(inputs)))
        if self.of_candidate is not None:
            last = self.of_candidate(tf.cast(candidate, self.compute_dtype))
            x = tf.concat([x, last[:, None]], axis=1)
            valid = tf.concat([valid, tf.ones_like(last[:, :1], tf.bool)], axis=1)
        counted = tf.cast(valid, tf.int32)
        after = tf.cumsum(counted, axis=1, exclusive=True, reverse=True)
        if self.position is not None:
            rows = tf.minimum(after, self.positions - 1)
            x += tf.cast(tf.nn.embedding_lookup(tf_variable(self.position), rows), x.dtype)
        # That a masked step sees itself changes nothing, and no softmax is over nothing.
        seen = valid[:, None, :] | tf.eye(tf.shape(x)[1], dtype=tf.bool)
        if self.causal:
            place = tf.range(tf.shape(x)[1])
            seen &= place[:, None] >= place
        for block in self.blocks:
            x = block(x, seen=seen)
        told_apart = self.causal or self.candidate
        return masked_mean(self.norm(x), valid & (after == 0) if told_apart else valid)

    def width(self, dim: int) -> int:
        """Width of the output for embeddings of width `dim`."""
        return self.dim

    def get_config(self) -> dict[str, Any]:
        names = ("heads", "dim", "causal", "positions", "candidate")
        settings = {name: getattr(self, name) for name in names}
        return {**super().get_config(), "layers": self.depth, **settings}
