"""Inner products of all pairs of features, then dense layers."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfpfd._keras import register
from tfpfd.layers.deep import Deep
from tfpfd.layers.encoded import Encoded, Shapes, joined, joined_width
from tfpfd.layers.fields import Fields, check_pairs


@register
class DotInteraction(Deep):
    """`MLP([x, ⟨v_i, v_j⟩ for i < j])` with v_i the vectors of the features, x all of them.

    The interaction of DLRM. Features whose vectors are of another width than those of most are
    brought to it by a linear layer for the pairs.

    >>> import tfpfd
    >>> schema = tfpfd.Schema(
    ...     user=[tfpfd.Categorical("user", vocabulary=["ann", "bob"])],
    ...     item=[tfpfd.Categorical("film", vocabulary=["alien", "brazil"])],
    ... )
    >>> ranker = tfpfd.Ranker(schema, tfpfd.DotInteraction([8]))
    >>> rows = {"user": ["ann", "bob"], "film": ["brazil", "alien"], "label": [1.0, 0.0]}
    >>> tfpfd.score_rows(ranker, rows).shape
    (2,)

    Args:
      units: width of each hidden layer.
      l2: strength of the L2 penalty on the kernels.
      batch_norm: whether hidden layers are batch normalised.

    Raises:
      ValueError: `units` are no positive integers or `l2` is negative; when built, it has no two
        features.
      TypeError: `batch_norm` is neither True nor False.

    Reference:
      Naumov et al., "Deep Learning Recommendation Model for Personalization and Recommendation
      Systems", 2019 (arXiv 1906.00091), section 2.
    """

    def build_body(self, input_shape: Shapes) -> None:
        """Makes the hidden layers, and what brings vectors to one width."""
        check_pairs(self, input_shape)
        self.fields = Fields(name="fields", dtype=self.dtype_policy.name)
        self.fields.build(input_shape)
        count = self.fields.count
        self.pairs = np.ravel_multi_index(np.triu_indices(count, 1), (count, count))
        self.hidden = self.dense(joined_width(input_shape) + len(self.pairs))

    def represent(self, encoded: Encoded, training: bool | None = None) -> tf.Tensor:
        """The last hidden layer, `[batch, representation_width]`."""
        vectors = self.fields(encoded)
        products = tf.matmul(vectors, vectors, transpose_b=True)
        products = tf.reshape(products, [-1, self.fields.count**2])
        x = tf.cast(joined(encoded), self.compute_dtype)
        x = tf.concat([x, tf.gather(products, self.pairs, axis=1)], axis=1)
        return self.hidden(x, training=training)
