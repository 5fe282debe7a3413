"""One ranker fitted to all objectives: scalarisation of the losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfpfd._keras import keras, register
from tfpfd.distillation import Ranker
from tfpfd.objectives.objectives_model import ObjectivesModel, weighting_of
from tfpfd.objectives.weighting import EpsilonConstraint, FixedWeights


@register
class Scalarised(ObjectivesModel):
    """Trains one ranker on the labels of all objectives; its one score is used directly.

        Σ_k w_k · L(y_k, f)

    or, with `EpsilonConstraint` for weights, the primary loss under bounds on the others (the
    ε-constraint method):

        model = Scalarised(ranker, weights={"booked": 1.0, "kept": 0.3})
        model = Scalarised(ranker, weights=EpsilonConstraint(bounds={"kept": 0.6}, rate=0.01))

    A high label means a high score in every objective, so of a cancellation the label is that it
    stayed away. The ranker is an ordinary one, and `tfpfd.export(model.ranker, …)` serves it.
    Labels, losses and metrics: see `ObjectivesModel`. `predict` returns the ranker's logits.

    Args:
      ranker: the one that will be served.
      weights: w, by objective, at least 0; or `EpsilonConstraint`, whose objectives are those that
        it bounds beside the primary one.

    Raises:
      TypeError: `ranker` is no `Ranker`.
      ValueError: a weight is negative or not finite, or all are 0.
    """

    _served = "ranker"

    def __init__(
        self,
        ranker: Ranker,
        weights: Mapping[str, float] | FixedWeights | EpsilonConstraint,
        **kwargs: Any,
    ) -> None:
        if not isinstance(ranker, Ranker):
            raise TypeError(f"`ranker` must be a Ranker, received {ranker!r}")
        label, weighting = ranker.schema.label, weighting_of(weights)
        super().__init__(label, weighting.names(label), weighting, **kwargs)
        self.ranker = ranker
        self.built = True

    @property
    def rankers(self) -> list[Ranker]:
        """What reads table rows by a schema."""
        return [self.ranker]

    def call(
        self, inputs: Mapping[str, tf.Tensor], training: bool | None = None
    ) -> dict[str, tf.Tensor]:
        """The ranker's logits `[batch]` under the name of each objective."""
        return dict.fromkeys(self.objectives, self.ranker(inputs, training=training))

    def get_config(self) -> dict[str, Any]:
        ranker = keras.utils.serialize_keras_object(self.ranker)
        return {**super().get_config(), "ranker": ranker}

    @classmethod
    def _revived(cls, config: dict[str, Any]) -> dict[str, Any]:
        """The arguments, of the configuration."""
        return {**config, "ranker": keras.utils.deserialize_keras_object(config["ranker"])}
