"""DeepFM: a factorization machine and dense layers of the same vectors."""

from __future__ import annotations

import tensorflow as tf

from tfpfd._keras import keras, register
from tfpfd.layers.deep import Deep
from tfpfd.layers.encoded import Encoded, Shapes, joined, joined_width
from tfpfd.layers.fields import Fields, check_pairs


@register
class DeepFM(Deep):
    """`⟨w, x⟩ + Σ_{i<j} ⟨v_i, v_j⟩ + MLP(x)` with v_i the vectors of the features, x all of them.

    The pairs are summed as `½ Σ_d ((Σ_i v_id)² − Σ_i v_id²)`, in float32. Where the paper has one
    number an id for the linear term, it is linear in the id's vector here. Features whose vectors
    are of another width than those of most are brought to it by a linear layer for the pairs.

    >>> import tfpfd
    >>> schema = tfpfd.Schema(
    ...     user=[tfpfd.Categorical("user", vocabulary=["ann", "bob"])],
    ...     item=[tfpfd.Categorical("film", vocabulary=["alien", "brazil"])],
    ... )
    >>> ranker = tfpfd.Ranker(schema, tfpfd.DeepFM([8]))
    >>> rows = {"user": ["ann", "bob"], "film": ["brazil", "alien"], "label": [1.0, 0.0]}
    >>> tfpfd.score_rows(ranker, rows).shape
    (2,)

    Args:
      units: width of each hidden layer.
      l2: strength of the L2 penalty on the kernels of hidden layers.
      batch_norm: whether hidden layers are batch normalised.

    Raises:
      ValueError: `units` are no positive integers or `l2` is negative; when built, it has no two
        features.
      TypeError: `batch_norm` is neither True nor False.

    Reference:
      Guo et al., "DeepFM: A Factorization-Machine based Neural Network for CTR Prediction", IJCAI
      2017 (arXiv 1703.04247), eq. 1 to 4.
    """

    @property
    def representation_width(self) -> int:
        """Width of the last hidden layer, of the pairs, and 1 for the linear term."""
        return self.units[-1] + self.fields.width + 1

    def build_body(self, input_shape: Shapes) -> None:
        """Makes the hidden layers, the linear term, and what brings vectors to one width."""
        check_pairs(self, input_shape)
        width = joined_width(input_shape)
        self.fields = Fields(name="fields", dtype=self.dtype_policy.name)
        self.fields.build(input_shape)
        self.hidden = self.dense(width)
        self.linear = keras.layers.Dense(1, use_bias=False, name="linear", dtype="float32")
        self.linear.build((None, width))

    def represent(self, encoded: Encoded, training: bool | None = None) -> tf.Tensor:
        """The last hidden layer, the pairs by dimension, and the linear term, side by side.

        float32 `[batch, representation_width]`.
        """
        x = joined(encoded)
        # Two large numbers are subtracted.
        vectors = tf.cast(self.fields(encoded), tf.float32)
        pairs = (tf.reduce_sum(vectors, axis=1) ** 2 - tf.reduce_sum(vectors**2, axis=1)) / 2
        hidden = tf.cast(self.hidden(x, training=training), tf.float32)
        return tf.concat([hidden, pairs, self.linear(x)], axis=1)

    def score(self, representation: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Logits `[batch]` of what `represent` returned."""
        deep, others = tf.split(representation, [self.units[-1], self.fields.width + 1], axis=1)
        return self.logit(deep)[:, 0] + tf.reduce_sum(others, axis=1)
