"""A student and its teachers, and the ways to train them that a demo compares."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from tfpfd._keras import keras
from tfpfd.distillation import Distillation, Ranker
from tfpfd.distillation.labelled_model import LabelledModel
from tfpfd.layers import FeatureEncoder
from tfpfd.schema import Schema, Sees

MakeNetwork = Callable[[Sees, bool], keras.layers.Layer]
MakeEncoder = Callable[[Schema, Collection[str]], FeatureEncoder]
MakeLoss = Callable[[], keras.losses.Loss]


class Parts:
    """A student, and teachers for it.

    Args:
      schema: an adapted schema.
      network: makes a network for a ranker that sees these features; the second argument says
        whether it shall be stronger than the student's.
      encoder: makes an encoder of some features of a schema.
      distillation_weight: λ, as `Distillation` takes it.
      unshared: names of the features that a teacher doesn't share with the student; None for an
        encoder of its own.
      soft_labels: makes the distillation loss; None for that of `Distillation`.
      task_weight: as `AuxiliaryTasks` takes it.
    """

    def __init__(
        self,
        schema: Schema,
        network: MakeNetwork,
        encoder: MakeEncoder,
        distillation_weight: Any = 0.5,
        unshared: Collection[str] | None = (),
        soft_labels: MakeLoss | None = None,
        task_weight: float = 0.1,
    ) -> None:
        self.schema, self.distillation_weight = schema, distillation_weight
        self.task_weight = task_weight
        self.soft_labels = soft_labels
        self._network, self._encoder, self._own = network, encoder, unshared
        served = encoder(schema, schema.features("served"))
        self.student = Ranker(schema, network("served", False), encoder=served)

    def teacher(self, sees: Sees, strong: bool = False) -> Ranker:
        """A teacher with this view; `strong`: with the stronger network."""
        network = self._network(sees, strong)
        # Of privileged features alone there is nothing to share.
        if self._own is None or sees == "privileged":
            encoder = self._encoder(self.schema, self.schema.features(sees))
            return Ranker(self.schema, network, sees=sees, encoder=encoder)
        encoder = self.student.encoder
        return Ranker(self.schema, network, sees=sees, encoder=encoder, unshared=self._own)


Compose = Callable[[Parts], LabelledModel]


def alone(parts: Parts) -> LabelledModel:
    """The student on labels."""
    return parts.student


def distilled(sees: Sees, strong: bool = False, **options: Any) -> Compose:
    """The student with a teacher; `options` are those of `Distillation`."""

    def compose(parts: Parts) -> LabelledModel:
        teacher = parts.teacher(sees, strong)
        loss = parts.soft_labels and parts.soft_labels()
        return Distillation(
            student=parts.student,
            teacher=teacher,
            distillation_weight=parts.distillation_weight,
            distillation_loss=loss,
            **options,
        )

    return compose
