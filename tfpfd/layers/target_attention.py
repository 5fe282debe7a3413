"""Target attention: the candidate picks what counts of a user's behaviour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfpfd._keras import keras, register, tf_variable
from tfpfd.layers.dense import check_units
from tfpfd.layers.row_blocks import RowBlocks


@register
class TargetAttention(keras.layers.Layer):
    """`Σ_j a(e_j, v) · e_j` over the steps e_j, weighted by how they go with the candidate v.

        a(e, v) = MLP([e, v, e ⊙ v])

    the activation unit of the Deep Interest Network. As there, the weights aren't normalised by a
    softmax, so that the sum also says how strong an interest is, and the hidden layers have a
    PReLU. The difference e − v of its code is left out, as a dense layer of e and v has it. v is
    the vector of those of the item's features that the steps are of, side by side; where it has
    another width than a step, a linear layer brings it to that.

    It mixes both sides, so it is for fine rankers and for any teacher: a two-tower student, whose
    items are run ahead of the requests, is refused. Rows of a list share their steps: a user's
    history isn't repeated for them.

    >>> import tfpfd
    >>> schema = tfpfd.Schema(
    ...     user=[tfpfd.Sequence("seen", of="film", length=3)],
    ...     item=[tfpfd.Categorical("film", vocabulary=["alien", "brazil", "cube"])],
    ... )
    >>> encoder = tfpfd.FeatureEncoder(schema, behaviour=tfpfd.TargetAttention([8]))
    >>> ranker = tfpfd.Ranker(schema, tfpfd.MLP([8]), encoder=encoder)
    >>> rows = {"seen": [["alien", "cube"], []], "film": ["brazil", "alien"], "label": [1.0, 0.0]}
    >>> tfpfd.score_rows(ranker, rows).shape
    (2,)

    Args:
      units: width of each hidden layer of the activation unit; the paper has one of 36.

    Raises:
      ValueError: `units` are no positive integers.

    Reference:
      Zhou et al., "Deep Interest Network for Click-Through Rate Prediction", KDD 2018
      (arXiv 1706.06978), eq. 3 and figure 2.
    """

    attends = True
    takes_repeated = True

    def __init__(self, units: Sequence[int] = (36,), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = check_units(units)
        first, *others = self.units
        policy = self.dtype_policy.name
        self.of_step = keras.layers.Dense(first, name="of_step", dtype=policy)
        self.of_candidate = keras.layers.Dense(
            first, use_bias=False, name="of_candidate", dtype=policy
        )
        # One slope a unit, for every step alike.
        self.activations = [
            keras.layers.PReLU(shared_axes=[1, 2], name=f"activation_{i}", dtype=policy)
            for i in range(len(self.units))
        ]
        self.hidden = [
            keras.layers.Dense(size, name=f"hidden_{i}", dtype=policy)
            for i, size in enumerate(others)
        ]
        self.weight = keras.layers.Dense(1, name="weight", dtype=policy)

    def build(self, input_shape: Any) -> None:
        width = input_shape[-1]
        self.of_product = self.add_weight(
            name="of_product", shape=(width, self.units[0]), initializer="glorot_uniform"
        )
        # Of no use, and never built, where a candidate is as wide as a step.
        self.projection = keras.layers.Dense(
            width, use_bias=False, name="projection", dtype=self.dtype_policy.name
        )
        self.built = True

    def call(
        self,
        inputs: tf.Tensor,
        valid: tf.Tensor,
        candidate: tf.Tensor,
        place: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Encodes sequences.

        Args:
          inputs: steps, `[batch, length, width]`, or `[groups, length, width]` with `place`.
          valid: bool, `[batch, length]` or `[groups, length]`.
          candidate: `[batch, its width]`.
          place: int32 `[batch]`, the group of each row; None: each row has its own steps.

        Returns:
          `[batch, width]`; zeros for a row without steps.
        """
        steps = tf.where(valid[..., None], inputs, tf.zeros_like(inputs))
        candidate = tf.cast(candidate, self.compute_dtype)
        if candidate.shape[-1] != inputs.shape[-1]:
            candidate = self.projection(candidate)
        kernel = tf.cast(tf.convert_to_tensor(tf_variable(self.of_product)), self.compute_dtype)
        of_step, of_candidate = self.of_step(steps), self.of_candidate(candidate)
        if place is None:
            product = tf.matmul(steps * candidate[:, None], kernel)
            first = (of_step + of_candidate[:, None] + product)[:, None]
            return tf.matmul(self._weights(first, valid), steps)[:, 0]
        groups = RowBlocks(place, tf.shape(steps)[0])
        steps, of_step, valid = (tf.gather(x, groups.of) for x in (steps, of_step, valid))
        # Multiplied with the candidates, not with the steps, which all rows of a block share.
        kernels = groups.blocks(candidate)[..., None] * kernel
        product = tf.einsum("bsdh,bld->bslh", kernels, steps)
        first = of_step[:, None] + groups.blocks(of_candidate)[:, :, None] + product
        return groups.rows(tf.matmul(self._weights(first, valid), steps))

    def _weights(self, first: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
        """a, `[rows, places, length]`, of the first layer `[rows, places, length, units]`."""
        hidden = self.activations[0](first)
        for dense, activation in zip(self.hidden, self.activations[1:], strict=True):
            hidden = activation(dense(hidden))
        weights = self.weight(hidden)[..., 0]
        return tf.where(valid[:, None], weights, tf.zeros_like(weights))

    def width(self, dim: int) -> int:
        """Width of the output for steps of width `dim`."""
        return dim

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": list(self.units)}
