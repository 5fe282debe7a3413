"""Models with a score for each objective: of one network, or separate ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

from tfpfd._keras import keras, register, register_formerly
from tfpfd.distillation import Ranker
from tfpfd.distillation.schemas import check_same_features
from tfpfd.distillation.scorer import Scorer
from tfpfd.distillation.seen_features import seen_features_of
from tfpfd.layers import FeatureEncoder
from tfpfd.objectives.networks import ObjectiveNetwork
from tfpfd.objectives.objectives_model import ObjectivesModel, weighting_of
from tfpfd.objectives.weighting import EpsilonConstraint, FixedWeights
from tfpfd.schema import Schema, Sees


class _JointScorer(Scorer):
    """Gives logits by objective."""


# Keras 2 writes what stands in a list, as in `rankers`, under the name of its class: files from
# before there were scorers have this one.
_JointScorer.__name__ = "Ranker"


@register_formerly("MultiObjective")
class MultiTaskRanker(ObjectivesModel):
    """One model with a logit for each objective, trained on all of their labels.

        Σ_k w_k · L(y_k, f_k)

    The multi-task baseline: its scores are fused when serving (`fuse_scores`). Frozen, it is the
    one teacher of several objectives. Labels, losses and metrics: see `ObjectivesModel`. The
    primary objective has the name of the schema's label; those of the others are columns that
    `tfpfd.data.from_rows(…, labels=[…])` passes on. `predict` returns logits `[rows]` by
    objective. An objective without a positive label teaches a constant, or under a loss of lists
    nothing: see `check_objectives`.

    Args:
      schema: an adapted schema.
      network: `SharedBottom`, `MMoE`, `PLE`, or another layer from the vectors of the features
        to logits by objective; its own one.
      weights: w, by objective, at least 0, or `EpsilonConstraint`; by default 1.
      sees: as in `Ranker`.
      encoder: as in `Ranker`.
      unshared: as in `Ranker`.

    Raises:
      TypeError: `network` is no network of several objectives.
      ValueError: `weights` are not of the network's objectives, or what `Ranker` refuses.
    """

    def __init__(
        self,
        schema: Schema,
        network: ObjectiveNetwork,
        weights: Mapping[str, float] | FixedWeights | EpsilonConstraint | None = None,
        sees: Sees = "served",
        encoder: FeatureEncoder | None = None,
        unshared: Iterable[str] = (),
        **kwargs: Any,
    ) -> None:
        if not isinstance(network, ObjectiveNetwork):
            raise TypeError(
                "`network` must be one of several objectives, such as SharedBottom, received "
                f"{network!r}"
            )
        weights = dict.fromkeys(network.objectives, 1.0) if weights is None else weights
        super().__init__(schema.label, network.objectives, weighting_of(weights), **kwargs)
        # Of this name, as files have its weights under it.
        self.ranker = _JointScorer(
            seen_features_of(schema, sees, encoder, unshared), network, name="ranker"
        )
        self.built = True

    @property
    def rankers(self) -> list[Scorer]:
        """What reads table rows by a schema."""
        return [self.ranker]

    def call(
        self, inputs: Mapping[str, tf.Tensor], training: bool | None = None
    ) -> dict[str, tf.Tensor]:
        """Logits `[batch]` by objective."""
        return self.ranker(inputs, training=training)

    def get_config(self) -> dict[str, Any]:
        return {**self.ranker.get_config(), **super().get_config()}

    @classmethod
    def _revived(cls, config: dict[str, Any]) -> dict[str, Any]:
        """The arguments, of the configuration."""
        revive = keras.utils.deserialize_keras_object
        parts = {part: revive(config[part]) for part in ("network", "encoder")}
        # `own` is the name of `unshared` in files from before it had this one.
        unshared = config.get("unshared", config.get("own"))
        plain = {name: value for name, value in config.items() if name != "own"}
        schema = Schema.from_dict(config["schema"])
        return {**plain, **parts, "schema": schema, "unshared": unshared}


@register
class SeparateRankers(ObjectivesModel):
    """A ranker for each objective, trained together on the aggregate loss.

        Σ_k w_k · L(y_k, f_k)

    The baseline of separate models, whose scores are fused when serving: see `fuse_scores`, and
    `FusedTowers` for the export. Labels, metrics and `predict` as in `MultiTaskRanker`.

    Args:
      rankers: by objective, one of them the schema's label; with weights of their own.
      weights: w, by objective, at least 0, or `EpsilonConstraint`; by default 1.

    Raises:
      TypeError: one is no `Ranker`.
      ValueError: fewer than two, two that share weights, have other labels or would read the same
        table rows in different ways, or `weights` of other objectives.
    """

    def __init__(
        self,
        rankers: Mapping[str, Ranker],
        weights: Mapping[str, float] | FixedWeights | EpsilonConstraint | None = None,
        **kwargs: Any,
    ) -> None:
        check_rankers(rankers)
        label = next(iter(rankers.values())).schema.label
        weights = dict.fromkeys(rankers, 1.0) if weights is None else weights
        super().__init__(label, rankers, weighting_of(weights), **kwargs)
        ids = [id(weight) for ranker in rankers.values() for weight in ranker.weights]
        if len(set(ids)) < len(ids):
            raise ValueError(
                "`rankers` share weights: expected an encoder and a network of its own in each, or "
                "a MultiTaskRanker model"
            )
        # A list: not all that Keras saves by names can hold any name of a column.
        self.rankers = list(rankers.values())
        self.built = True

    def call(
        self, inputs: Mapping[str, tf.Tensor], training: bool | None = None
    ) -> dict[str, tf.Tensor]:
        """Logits `[batch]` by objective."""
        return {
            name: ranker(inputs, training=training)
            for name, ranker in zip(self.objectives, self.rankers, strict=True)
        }

    def get_config(self) -> dict[str, Any]:
        rankers = [keras.utils.serialize_keras_object(ranker) for ranker in self.rankers]
        named = dict(zip(self.objectives, rankers, strict=True))
        return {**super().get_config(), "rankers": named}

    @classmethod
    def _revived(cls, config: dict[str, Any]) -> dict[str, Any]:
        """The arguments, of the configuration."""
        revive = keras.utils.deserialize_keras_object
        return {**config, "rankers": {k: revive(r) for k, r in config["rankers"].items()}}


def check_rankers(rankers: Mapping[str, Ranker]) -> None:
    """Refuses others than two or more rankers, by objective, of one label and the same batches."""
    for name, ranker in rankers.items():
        if not isinstance(ranker, Ranker):
            raise TypeError(f"`rankers` must hold Rankers, received for '{name}' {ranker!r}")
    if len(rankers) < 2:
        raise ValueError(f"`rankers` must be two or more, received {list(rankers)}")
    labels = sorted({ranker.schema.label for ranker in rankers.values()})
    if len(labels) > 1:
        raise ValueError(
            f"`rankers` must have schemas with the same label, the primary objective's, received "
            f"{labels}"
        )
    check_same_features((f"the ranker of '{name}'", ranker) for name, ranker in rankers.items())
