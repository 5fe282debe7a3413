"""The deep and cross network: products of features, of a degree that its layers say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfpfd._arguments import check_integer
from tfpfd._keras import keras, register
from tfpfd.layers.deep import Deep
from tfpfd.layers.encoded import Encoded, Shapes, joined, joined_width


@register
class DCN(Deep):
    """Cross layers over all sides that are seen, then dense layers, then one logit.

        x_{l+1} = x_0 ⊙ (W_l x_l + b_l) + x_l

    with x_0 the vectors of all features side by side; with a `rank`, W_l = U_l V_l, where V_l
    brings x to so many numbers. So l layers hold products of up to l + 1 numbers of features. It is
    the stacked form of DCN-V2.

    >>> import tfpfd
    >>> schema = tfpfd.Schema(
    ...     user=[tfpfd.Categorical("user", vocabulary=["ann", "bob"])],
    ...     item=[tfpfd.Categorical("film", vocabulary=["alien", "brazil"])],
    ... )
    >>> ranker = tfpfd.Ranker(schema, tfpfd.DCN(cross_layers=2, units=[8], rank=4))
    >>> rows = {"user": ["ann", "bob"], "film": ["brazil", "alien"], "label": [1.0, 0.0]}
    >>> tfpfd.score_rows(ranker, rows).shape
    (2,)

    Args:
      cross_layers: how many.
      units: width of each dense layer after them.
      rank: of the kernels of cross layers; None: full.
      l2: strength of the L2 penalty on the kernels.
      batch_norm: whether dense layers are batch normalised.

    Raises:
      ValueError: `cross_layers`, `units` or `rank` are no positive integers, or `l2` is negative.
      TypeError: `batch_norm` is neither True nor False.

    Reference:
      Wang et al., "DCN V2: Improved Deep & Cross Network and Practical Lessons for Web-scale
      Learning to Rank Systems", WWW 2021 (arXiv 2008.13535), eq. 1 and 2.
    """

    def __init__(
        self,
        cross_layers: int = 2,
        units: Sequence[int] = (512, 256, 128),
        rank: int | None = None,
        l2: float = 0.0,
        batch_norm: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, l2, batch_norm, **kwargs)
        check_integer("cross_layers", cross_layers, least=1)
        if rank is not None:
            check_integer("rank", rank, least=1)
        self.cross_layers = int(cross_layers)
        self.rank = None if rank is None else int(rank)

    def build_body(self, input_shape: Shapes) -> None:
        """Makes the cross layers and the dense ones."""
        width = joined_width(input_shape)
        self.crosses = [self._cross(i, width) for i in range(self.cross_layers)]
        self.hidden = self.dense(width)

    def _cross(self, place: int, width: int) -> keras.Sequential:
        """What a cross layer multiplies x_0 with."""
        sizes = [width] if self.rank is None else [self.rank, width]
        stack = keras.Sequential(name=f"cross_{place}")
        for i, size in enumerate(sizes):
            regularizer = keras.regularizers.L2(self.l2) if self.l2 else None
            stack.add(
                keras.layers.Dense(
                    size,
                    use_bias=i == len(sizes) - 1,
                    kernel_regularizer=regularizer,
                    dtype=self.dtype_policy.name,
                )
            )
        stack.build((None, width))
        return stack

    def represent(self, encoded: Encoded, training: bool | None = None) -> tf.Tensor:
        """The last dense layer, `[batch, representation_width]`."""
        first = x = tf.cast(joined(encoded), self.compute_dtype)
        for cross in self.crosses:
            x = first * cross(x) + x
        return self.hidden(x, training=training)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cross_layers": self.cross_layers, "rank": self.rank}
