"""Networks of several objectives: from the encoded features to a logit for each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfpfd._arguments import check_number
from tfpfd._keras import keras, register
from tfpfd.layers.dense import check_units, dense_stack
from tfpfd.layers.encoded import Encoded, Shapes, joined, joined_width


class ObjectiveNetwork(keras.layers.Layer):
    """Base of the networks of several objectives: what each reads, then a head for each.

    A `tfpfd.layers.Network` whose representation and logits come by objective. A subclass builds
    what lies below the heads (`build_parts`) and runs it (`represent`).

    Attributes:
      representation_width: of what a head reads, once built.

    Args:
      objectives: their names, those of the columns of their labels.
      head_units: width of each hidden layer of a head, before its logit; none by default.
      l2: strength of the L2 penalty on the kernels.
      batch_norm: whether hidden layers are batch normalised.

    Raises:
      ValueError: fewer than two objectives, one twice, or widths that aren't positive integers.
    """

    def __init__(
        self,
        objectives: Sequence[str],
        head_units: Sequence[int] = (),
        l2: float = 0.0,
        batch_norm: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(objectives, str) or len(set(objectives)) != len(objectives):
            raise ValueError(f"`objectives` must be names, each once, received {objectives!r}")
        if len(objectives) < 2:
            raise ValueError(f"`objectives` must be two or more, received {list(objectives)}")
        self.objectives = tuple(objectives)
        none = isinstance(head_units, Sequence) and not head_units
        self.head_units = () if none else check_units(head_units, "head_units")
        check_number("l2", l2)
        self.l2 = float(l2)
        self.batch_norm = batch_norm

    def build(self, input_shape: Shapes) -> None:
        self.representation_width = self.build_parts(joined_width(input_shape))
        self.heads = [
            self.stack(
                [*self.head_units, 1], self.representation_width, f"head_{i}", last_linear=True
            )
            for i in range(len(self.objectives))
        ]
        self.built = True

    def stack(
        self, units: Sequence[int], width: int, name: str, last_linear: bool = False
    ) -> keras.Sequential:
        """Dense layers with this network's settings; see `dense_stack`."""
        return dense_stack(
            units,
            width,
            name,
            l2=self.l2,
            batch_norm=self.batch_norm,
            dtype=self.dtype_policy.name,
            last_linear=last_linear,
        )

    def build_parts(self, width: int) -> int:
        """Builds what lies below the heads.

        Args:
          width: of all features together.

        Returns:
          The width of what a head reads.
        """
        raise NotImplementedError

    def represent(self, encoded: Encoded, training: bool | None = None) -> dict[str, tf.Tensor]:
        """What the head of each objective reads, `[batch, representation_width]`."""
        raise NotImplementedError

    def score(
        self, representation: Mapping[str, tf.Tensor], training: bool | None = None
    ) -> dict[str, tf.Tensor]:
        """Logits `[batch]` by objective, of what `represent` returned."""
        return {
            name: head(representation[name], training=training)[:, 0]
            for name, head in zip(self.objectives, self.heads, strict=True)
        }

    def call(self, inputs: Encoded, training: bool | None = None) -> dict[str, tf.Tensor]:
        """Logits `[batch]` by objective, of the encoded features."""
        return self.score(self.represent(inputs, training=training), training=training)

    def get_config(self) -> dict[str, Any]:
        config = {
            "objectives": list(self.objectives),
            "head_units": list(self.head_units),
            "l2": self.l2,
            "batch_norm": self.batch_norm,
        }
        return {**super().get_config(), **config}


@register
class SharedBottom(ObjectiveNetwork):
    """Dense layers that all objectives share, then a head for each: hard sharing.

    Args:
      units: width of each shared layer.
      objectives: their names, those of the columns of their labels.
      head_units: width of each hidden layer of a head, before its logit; none by default.
      **kwargs: `l2` and `batch_norm`, as in `MLP`.

    Reference:
      Caruana, "Multitask Learning", Machine Learning 28, 1997.
    """

    def __init__(
        self,
        units: Sequence[int],
        objectives: Sequence[str],
        head_units: Sequence[int] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(objectives, head_units, **kwargs)
        self.units = check_units(units)

    def build_parts(self, width: int) -> int:
        """Builds the shared layers."""
        self.bottom = self.stack(self.units, width, "bottom")
        return self.units[-1]

    def represent(self, encoded: Encoded, training: bool | None = None) -> dict[str, tf.Tensor]:
        """The last shared layer, the same for each objective."""
        return dict.fromkeys(self.objectives, self.bottom(joined(encoded), training=training))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": list(self.units)}
