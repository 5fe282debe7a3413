"""What all models have in common that learn from labels of several objectives."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import tensorflow as tf

from tfpfd._keras import freeze, keras
from tfpfd.distillation.labelled import LabelledModel, LastValue
from tfpfd.distillation.losses import mean_loss
from tfpfd.distillation.targets import Targets
from tfpfd.objectives.labels import ObjectiveTargets, labels_of
from tfpfd.objectives.weighting import FixedWeights, Multipliers


class ObjectivesModel(LabelledModel):
    """Base of the models that are trained on labels of several objectives.

        Σ_k w_k · L(y_k, f_k)

    L is the label loss of `compile`, one for all objectives. y_k is the schema's label for the
    primary objective, which has its name, and else the column of that name that `labels=` of
    `tfpfd.data.from_rows` passes on; a row counts in the objectives of which it has a label.
    Metrics are `<objective>_loss` and, for each metric, `<objective>_auc` and so on.

    Args:
      label: name of the schema's label.
      objectives: names of the objectives.
      weighting: how the losses become one.
    """

    def __init__(
        self,
        label: str,
        objectives: Iterable[str],
        weighting: FixedWeights | Multipliers,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.label = label
        self.objectives = tuple(objectives)
        weighting.check(label, self.objectives)
        self.weighting = weighting
        self.on_labels = tuple(f"{name}_loss" for name in self.objectives)
        self.prefixes = tuple(f"{name}_" for name in self.objectives)
        self.tracked = {
            "loss": keras.metrics.Mean,
            **dict.fromkeys(self.on_labels, keras.metrics.Mean),
            **{f"{name}_multiplier": LastValue for name in weighting.multipliers()},
        }
        # No attribute of the model itself: Keras 2 would keep track of the tensors.
        self._last = SimpleNamespace(losses={})

    def check_batches(self, names: Collection[str]) -> None:
        """Refuses batches without the labels of an objective."""
        labels_of(self.label, self.objectives, dict.fromkeys(names), None)

    def targets_of(self, x: Any, y: tf.Tensor, sample_weight: Any) -> ObjectiveTargets:
        """The labels of a batch by objective."""
        return ObjectiveTargets(self.label, self.objectives, x, y, sample_weight)

    def costs(self, outputs: Mapping[str, tf.Tensor], targets: Targets) -> dict[str, tf.Tensor]:
        """The loss of each objective and what they add up to; see the class."""
        losses = {}
        for name in self.objectives:
            told = targets.of(f"{name}_loss")
            losses[name] = mean_loss(
                self.label_loss, told.labels, outputs[name], told, told.labelled
            )
        self._last.losses = losses
        shown = {f"{name}_multiplier": m for name, m in self.weighting.multipliers().items()}
        terms = {f"{name}_loss": loss for name, loss in losses.items()}
        return {"loss": self.weighting.total(losses), **terms, **shown}

    def watched(self, outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The logits of each objective."""
        return {f"{name}_": outputs[name] for name in self.objectives}

    def train_step(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """A step of Keras, then one of the weighting, if it learns."""
        logs = super().train_step(*args, **kwargs)
        self.weighting.learn(self._last.losses)
        return logs

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "weights": keras.utils.serialize_keras_object(self.weighting),
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> ObjectivesModel:
        config = dict(config)
        trainable = config.pop("trainable")
        config["weights"] = keras.utils.deserialize_keras_object(config["weights"])
        model = cls(**cls.revived(config))
        if not trainable:
            freeze(model)
        return model

    @classmethod
    def revived(cls, config: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a subclass, of its configuration."""
        raise NotImplementedError


def weighting_of(
    weights: Mapping[str, float] | FixedWeights | Multipliers,
) -> FixedWeights | Multipliers:
    """Weights as numbers by objective, or what takes their place, as the latter."""
    return weights if isinstance(weights, FixedWeights | Multipliers) else FixedWeights(weights)
