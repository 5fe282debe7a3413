"""What a network is: from the vectors of the features to a logit a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

import tensorflow as tf

from tfpfd.layers.encoded import Encoded, Shapes

ByRow: TypeAlias = "tf.Tensor | Mapping[str, tf.Tensor]"
"""A tensor with a row for each of the batch; by objective, of a network of several."""


class Network(Protocol):
    """What a ranker takes as `network`: any Keras layer that has these methods.

    It gets the vector of each feature by side, so it may join, cross or attend as it likes:
    `tfpfd.layers.joined` puts them beside each other. Its `call` must give what `score` makes of
    `represent`; both exist as auxiliary heads read what logits are made of. A ranker tries a
    network out and refuses in one line what doesn't fulfil this. To be saved, a network is
    registered, and made again by `from_config` of its `get_config`, as every Keras layer.

    A network whose attribute `takes_repeated` is true may get vectors that rows of a group have in
    common as `tfpfd.layers.Repeated`; others get every row. One whose attribute `sides_apart` is
    true, as that of `TwoTower`, can't be a student's whose user features attend with the candidate.
    One with a method `build_body`, which makes only what `represent` reads, can be in a `TwoTower`.

    Example, a factorization machine: `Σ_{i<j} ⟨v_i, v_j⟩ + b` with v the vectors of the features:

    >>> import tfpfd
    >>> keras = tf.keras
    >>> @keras.utils.register_keras_serializable("films")
    ... class FactorizationMachine(keras.layers.Layer):
    ...     def build(self, input_shape):
    ...         shapes = [shape for side in input_shape.values() for shape in side.values()]
    ...         self.representation_width = shapes[0][-1]
    ...         self.bias = self.add_weight(name="bias", shape=(), initializer="zeros")
    ...         self.built = True
    ...
    ...     def represent(self, encoded, training=None):
    ...         vectors = tf.stack([x for side in encoded.values() for x in side.values()], axis=1)
    ...         squares = tf.reduce_sum(vectors**2, axis=1)
    ...         return (tf.reduce_sum(vectors, axis=1) ** 2 - squares) / 2
    ...
    ...     def score(self, representation, training=None):
    ...         return tf.reduce_sum(representation, axis=1) + self.bias
    ...
    ...     def call(self, inputs, training=None):
    ...         return self.score(self.represent(inputs, training=training), training=training)
    >>> schema = tfpfd.Schema(
    ...     user=[tfpfd.Categorical("user", vocabulary=["ann", "bob"])],
    ...     item=[tfpfd.Categorical("film", vocabulary=["alien", "brazil"])],
    ... )
    >>> ranker = tfpfd.Ranker(schema, FactorizationMachine())
    >>> rows = {"user": ["ann", "bob"], "film": ["brazil", "alien"], "label": [1.0, 0.0]}
    >>> tfpfd.score_rows(ranker, rows).shape
    (2,)
    """

    @property
    def representation_width(self) -> int:
        """Width of what `represent` returns, once built; also that of embeddings of towers."""
        ...

    def build(self, input_shape: Shapes) -> None:
        """Makes the weights.

        Args:
          input_shape: `(None, width)` by side and feature.
        """
        ...

    def represent(self, encoded: Encoded, training: bool | None = None) -> ByRow:
        """What the logit is made of.

        Args:
          encoded: `[batch, width]` by side and feature.
          training: as in Keras.

        Returns:
          `[batch, representation_width]`, or that by objective.
        """
        ...

    def score(self, representation: Any, training: bool | None = None) -> ByRow:
        """Logits `[batch]`, or those by objective, of what `represent` returned."""
        ...

    def __call__(self, inputs: Encoded, training: bool | None = None) -> ByRow:
        """As `score` of `represent`; a layer of Keras has its own, which runs its `call`."""
        ...
