"""A network of dense layers over all that is seen."""

from __future__ import annotations

import tensorflow as tf

from tfpfd._keras import keras, register
from tfpfd.layers.deep import Deep
from tfpfd.layers.dense import sum_of_sides
from tfpfd.layers.encoded import Shapes, joined, joined_width
from tfpfd.layers.encoded_once import EncodedOnce, has_own_way, is_repeated


@register
class MLP(Deep):
    """Dense layers over all sides that are seen, then one logit.

        x ← LeakyReLU(BatchNorm(W x + b)) a layer, and ⟨w, x⟩ + b at last

    >>> import tfpfd
    >>> schema = tfpfd.Schema(
    ...     user=[tfpfd.Categorical("user", vocabulary=["ann", "bob"])],
    ...     item=[tfpfd.Categorical("film", vocabulary=["alien", "brazil"])],
    ... )
    >>> ranker = tfpfd.Ranker(schema, tfpfd.MLP([8]))
    >>> rows = {"user": ["ann", "bob"], "film": ["brazil", "alien"], "label": [1.0, 0.0]}
    >>> tfpfd.score_rows(ranker, rows).shape
    (2,)

    Args:
      units: width of each hidden layer.
      l2: strength of the L2 penalty on the kernels.
      batch_norm: whether hidden layers are batch normalised.

    Raises:
      ValueError: `units` are no positive integers, or `l2` is negative.
      TypeError: `batch_norm` is neither True nor False.

    Reference:
      The fine ranker of Xu et al., "Privileged Features Distillation at Taobao Recommendations",
      KDD 2020 (arXiv 1907.05171).
    """

    def build_body(self, input_shape: Shapes) -> None:
        """Makes the hidden layers."""
        self.hidden = self.dense(joined_width(input_shape))

    @property
    def takes_repeated(self) -> bool:
        """Whether vectors may come as `Repeated`; not in a subclass with a way of its own."""
        return not has_own_way(self, MLP)

    def represent(self, encoded: EncodedOnce, training: bool | None = None) -> tf.Tensor:
        """The last hidden layer, `[batch, representation_width]`."""
        if not is_repeated(encoded):
            return self.hidden(joined(encoded), training=training)
        first, *others = self.hidden.layers
        x = sum_of_sides(first, encoded)
        for layer in others:
            normalizes = isinstance(layer, keras.layers.BatchNormalization)
            x = layer(x, training=training) if normalizes else layer(x)
        return x
