"""What all models have in common that learn from labels of several objectives."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import tensorflow as tf

from tfpfd._keras import freeze, keras
from tfpfd.distillation.labelled_model import LabelledModel
from tfpfd.distillation.losses import Term, term_of
from tfpfd.distillation.schemas import rankers_of
from tfpfd.distillation.targets import Targets
from tfpfd.objectives.objective_labels import ObjectiveTargets, labels_of
from tfpfd.objectives.weighting import EpsilonConstraint, FixedWeights
from tfpfd.schema.weights_fingerprint import WeightsFingerprint


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
        weighting: FixedWeights | EpsilonConstraint,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.label = label
        self.objectives = tuple(objectives)
        self.schema_print = WeightsFingerprint(f"model '{self.name}'", list(self.objectives))
        weighting.check(label, self.objectives)
        self.weighting = weighting
        self._terms = self._shown = tuple(f"{name}_loss" for name in self.objectives)
        self._prefixes = tuple(f"{name}_" for name in self.objectives)
        self._numbers = tuple(f"{name}_multiplier" for name in weighting.multipliers())
        # By thread, as replicas run in threads of one process. No attribute of the model itself:
        # Keras 2 would keep track of the tensors.
        self._last = SimpleNamespace(terms={})

    def _check_batches(self, names: Collection[str], training: bool) -> None:
        """Refuses batches without a feature, or without the labels of an objective."""
        for ranker in rankers_of(self):
            ranker.check_inputs(names)
        labels_of(self.label, self.objectives, dict.fromkeys(names), None)

    def _targets_of(self, x: Any, y: tf.Tensor, sample_weight: Any) -> ObjectiveTargets:
        """The labels of a batch by objective."""
        return ObjectiveTargets(self.label, self.objectives, x, y, sample_weight)

    def _costs(self, outputs: Mapping[str, tf.Tensor], targets: Targets) -> dict[str, Term]:
        """The loss of each objective."""
        terms = {}
        for name in self.objectives:
            told = targets.of(f"{name}_")
            terms[name] = term_of(self.label_loss, told.labels, outputs[name], told, told.labelled)
        self._last.terms[threading.get_ident()] = terms
        return {f"{name}_loss": term for name, term in terms.items()}

    def _loss_of(self, means: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """What they add up to; see the class."""
        return self.weighting.total({name: means[f"{name}_loss"] for name in self.objectives})

    def _values(self) -> dict[str, tf.Tensor]:
        """The multipliers."""
        return {f"{name}_multiplier": m for name, m in self.weighting.multipliers().items()}

    def _watched(self, outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The logits of each objective."""
        return {f"{name}_": outputs[name] for name in self.objectives}

    def _after_step(self) -> None:
        """A step of the weighting, if it learns."""
        self.weighting.learn(self._last.terms.pop(threading.get_ident()))

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
        model = cls(**cls._revived(config))
        if not trainable:
            freeze(model)
        return model

    @classmethod
    def _revived(cls, config: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a subclass, of its configuration."""
        raise NotImplementedError


def weighting_of(
    weights: Mapping[str, float] | FixedWeights | EpsilonConstraint,
) -> FixedWeights | EpsilonConstraint:
    """Weights as numbers by objective, or what takes their place, as the latter."""
    return (
        weights if isinstance(weights, FixedWeights | EpsilonConstraint) else FixedWeights(weights)
    )
