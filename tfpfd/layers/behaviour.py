"""Behaviour encoders: a sequence of embeddings to one vector, blind to masked positions."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfpfd._arguments import check_integer
from tfpfd._keras import keras, register, register_formerly
from tfpfd.schema.table_feature import masked_mean


@register
class MeanPooling(keras.layers.Layer):
    """The mean of the embeddings of a sequence.

    >>> from tfpfd import MeanPooling
    >>> steps, valid = tf.constant([[[1.0], [3.0], [9.0]]]), tf.constant([[True, True, False]])
    >>> MeanPooling()(steps, valid=valid).numpy().tolist()
    [[2.0]]
    """

    def call(self, inputs: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
        """See `masked_mean`."""
        return masked_mean(inputs, valid)

    def width(self, dim: int) -> int:
        """Width of the output for embeddings of width `dim`."""
        return dim


@register
class SelfAttention(keras.layers.Layer):
    """Multi-head self-attention over a sequence, mean-pooled over the mask.

        mean_i [head_1(x)_i, head_2(x)_i, …] W + b
        head(x)_i = Σ_j softmax_j(⟨Q x_i, K x_j⟩ / √d) V x_j

    The behaviour encoder of "Privileged Features Distillation at Taobao Recommendations", which
    has 4 heads, dimension 32 and length 50. It has no position encoding, so the order of the
    sequence does not matter: as in the paper, a step says its time in its vector.

    >>> from tfpfd import SelfAttention
    >>> SelfAttention(heads=2, dim=6)(tf.ones([3, 5, 4]), valid=tf.ones([3, 5], tf.bool)).shape
    TensorShape([3, 6])

    Args:
      heads: number of heads.
      dim: width of the output; each head has `dim / heads`.

    Raises:
      ValueError: `heads` or `dim` is no positive integer, or `dim` can't be divided by `heads`.

    Reference:
      Xu et al., "Privileged Features Distillation at Taobao Recommendations", KDD 2020
      (arXiv 1907.05171), section 4.
    """

    def __init__(self, heads: int = 4, dim: int = 32, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_integer("heads", heads, least=1)
        check_integer("dim", dim, least=1)
        heads, dim = int(heads), int(dim)
        if dim % heads:
            raise ValueError(f"`dim` must be a multiple of `heads` ({heads}), received {dim}")
        self.heads = heads
        self.dim = dim
        self.attention = keras.layers.MultiHeadAttention(
            heads,
            key_dim=dim // heads,
            output_shape=dim,
            name="attention",
            dtype=self.dtype_policy.name,
        )

    def call(self, inputs: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
        """Encodes sequences.

        Args:
          inputs: `[batch, length, width]`.
          valid: bool `[batch, length]`.

        Returns:
          `[batch, dim]`.
        """
        inputs = tf.where(valid[..., None], inputs, tf.zeros_like(inputs))
        attended = self.attention(inputs, inputs, attention_mask=valid[:, None, :])
        return masked_mean(attended, valid)

    def width(self, dim: int) -> int:
        """Width of the output for embeddings of width `dim`."""
        return self.dim

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "heads": self.heads, "dim": self.dim}


@register_formerly("Recurrent")
class GRU(keras.layers.Layer):
    """A gated recurrent unit over a sequence, in its order: the last state.

        z = σ(W_z x + U_z h), r = σ(W_r x + U_r h)
        h ← z ⊙ h + (1 − z) ⊙ tanh(W x + r ⊙ (U h))

    with biases; it is Keras' own, and GRU4Rec's.

    Unlike `MeanPooling` and `SelfAttention` it knows what came first. An empty sequence gives
    zeros.

    >>> from tfpfd import GRU
    >>> GRU(dim=6)(tf.ones([3, 5, 4]), valid=tf.ones([3, 5], tf.bool)).shape
    TensorShape([3, 6])

    Args:
      dim: width of the output.

    Raises:
      ValueError: `dim` is no positive integer.

    Reference:
      Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", EMNLP 2014
      (arXiv 1406.1078); Hidasi et al., "Session-based Recommendations with Recurrent Neural
      Networks", ICLR 2016 (arXiv 1511.06939).
    """

    def __init__(self, dim: int = 32, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_integer("dim", dim, least=1)
        self.dim = int(dim)
        self.recurrence = keras.layers.GRU(
            self.dim, name="recurrence", dtype=self.dtype_policy.name
        )

    def call(self, inputs: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
        """Encodes sequences.

        Args:
          inputs: `[batch, length, width]`.
          valid: bool `[batch, length]`.

        Returns:
          `[batch, dim]`.
        """
        inputs = tf.where(valid[..., None], inputs, tf.zeros_like(inputs))
        return self.recurrence(inputs, mask=valid)

    def width(self, dim: int) -> int:
        """Width of the output for embeddings of width `dim`."""
        return self.dim

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dim": self.dim}
