"""A user's behaviour, in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Sequence as Several
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from tfpfd._keras import keras
from tfpfd.schema.feature import Tensors
from tfpfd.schema.id_feature import IdFeature
from tfpfd.schema.kind_arguments import check_positive, check_rate
from tfpfd.schema.kind_json import TRAINING
from tfpfd.schema.kinds import register_kind
from tfpfd.schema.table_requests import Embedded


@register_kind
@dataclass(frozen=True)
class Sequence(IdFeature):
    """A user's behaviour: ids of another feature's vocabulary in order, the oldest first.

    The short form of a `Behaviour`, whose steps have more than an id.

    Args:
      name: the column; each row holds any number of values, also none.
      of: name of the `Categorical` whose vocabulary and table the values belong to.
      length: how many values are used. Of longer rows the last, most recent, are kept.
      oov_rate: how often, in training, a value is taken for one outside the vocabulary: see
        `Categorical`.
    """

    name: str
    of: str
    length: int = 50

    optional: bool = field(default=True, init=False, repr=False)

    oov_rate: float = field(default=0.0, metadata=TRAINING)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.of, str) or not self.of:
            raise ValueError(
                f"`of` of sequence '{self.name}' must name a Categorical, received {self.of!r}"
            )
        check_positive(self.name, "length", self.length)
        check_rate(self.name, self.oov_rate)

    @property
    def table(self) -> str:
        """Name of the vocabulary, and so of the embedding table."""
        return self.of

    @property
    def borrowed(self) -> tuple[str, ...]:
        """The feature whose vocabulary it is `of`."""
        return (self.of,)

    @property
    def history_of(self) -> str:
        """What its ids are of."""
        return self.of

    def layer(
        self,
        behaviour: Callable[[str, int], keras.layers.Layer],
        dims: Mapping[str, int],
        policy: str,
    ) -> keras.layers.Layer:
        """One like the encoder's, of its own."""
        return behaviour(self.name, dims[self.of])

    def width(self, dims: Mapping[str, int], layer: Any) -> int:
        """That of what the layer makes."""
        return layer.width(dims[self.of])

    def combine(self, inputs: Tensors, embedded: Several[Embedded], layer: Any) -> tf.Tensor:
        """What the layer makes of the vectors."""
        (one,) = embedded
        return layer(one.vectors, valid=one.valid)
