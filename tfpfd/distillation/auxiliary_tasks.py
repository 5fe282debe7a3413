"""The multi-task baseline: privileged features as things to predict, not to read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import tensorflow as tf

from tfpfd._arguments import check_number
from tfpfd._keras import keras, register_formerly
from tfpfd.distillation.labelled_model import LabelledModel
from tfpfd.distillation.losses import Term, term_of
from tfpfd.distillation.losses.reduction import row_term
from tfpfd.distillation.model_parts import check_part
from tfpfd.distillation.ranker import Ranker
from tfpfd.distillation.targets import Targets
from tfpfd.schema.batch_fingerprints import columns_of
from tfpfd.schema.feature import raw_columns


@register_formerly("MultiTask")
class AuxiliaryTasks(LabelledModel):
    """Trains a student on labels and, by a head for each privileged feature, on those.

        L(y, f) + task_weight · Σ_k L_k(x*_k, h_k)

    Hard sharing: a head is one dense layer on what the student's logit is made of (the last hidden
    layer of an `MLP`, the products of a `TwoTower`). L_k is the squared error for a numeric
    feature, on its bucket as a quantile in [0, 1], and the cross entropy for a categorical one;
    of several values a row, their mean (see `Feature.target_loss`). Where a feature is missing it
    doesn't count; rows without a label count in the heads alone. The heads belong to this model,
    so an export of the student doesn't have them.

    Args:
      student: the ranker that will be served.
      task_weight: of the sum of the heads' losses; the paper chose it from .01 to 2.

    Raises:
      TypeError: `student` is no `Ranker`.
      ValueError: `student` sees privileged features, its schema has none, or one
        that can't be predicted, or `task_weight` is negative.

    Reference:
      The baseline "MTL" of Xu et al., "Privileged Features Distillation at Taobao
      Recommendations", KDD 2020 (arXiv 1907.05171).
    """

    _terms = _shown = ("student_loss", "auxiliary_loss")
    _prefixes = ("student_",)
    _served = "student"

    def __init__(self, student: Ranker, task_weight: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(student, Ranker):
            raise TypeError(f"`student` must be a Ranker, received {student!r}")
        if student.sees != "served":
            raise ValueError(
                f"`student` must see served features, received one with sees='{student.sees}'"
            )
        check_number("task_weight", task_weight)
        check_part("`student`", student)
        self._features = {f.name: f for f in student.schema.sides["privileged"]}
        if not self._features:
            raise ValueError("`student` has a schema without privileged features to predict")
        self.student = student
        self.task_weight = float(task_weight)
        self.heads = []
        for name, feature in self._features.items():
            width = feature.target_width(student.schema.features())
            head = keras.layers.Dense(width, name=name, dtype="float32")
            head.build((None, student.network.representation_width))
            self.heads.append(head)
        self.built = True

    def call(
        self, inputs: Mapping[str, tf.Tensor], training: bool | None = None
    ) -> dict[str, tf.Tensor]:
        """Logits `[batch]` of `"student"` and the loss `[batch]` of each head under its name."""
        student, parts = self.student._call_with_representation(inputs, training)
        losses, known = {}, self.student.schema.features()
        for (name, feature), head in zip(self._features.items(), self.heads, strict=True):
            if set(feature.columns) <= set(inputs):
                output = tf.cast(head(parts), tf.float32)
                losses[f"head_{name}"] = feature.target_loss(inputs, output, known)
        return {"student": student, **losses}

    def _check_batches(self, names: Collection[str], training: bool) -> None:
        """Refuses batches without what the student reads; for training, or is to predict."""
        self.student.check_inputs(names)
        missing = [name for name in raw_columns(self._features.values()) if name not in names]
        if training and missing:
            raise ValueError(
                f"missing inputs {missing}: the heads are to predict these privileged features, "
                f"received {columns_of(names)}"
            )

    def _costs(self, outputs: Mapping[str, tf.Tensor], targets: Targets) -> dict[str, Term]:
        """The terms of the loss; of rows without a privileged feature the student's alone."""
        logits = outputs["student"]
        student = term_of(self.label_loss, targets.labels, logits, targets, targets.labelled)
        heads = [v for name, v in outputs.items() if name.startswith("head_")]
        if len(heads) < len(self.heads):
            return {"student_loss": student}
        every = tf.ones_like(targets.labelled)
        auxiliary = row_term(tf.add_n(heads), targets.weights, every)
        return {"student_loss": student, "auxiliary_loss": auxiliary}

    def _loss_of(self, means: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The weighted sum of the terms; see the class."""
        return means["student_loss"] + self.task_weight * means["auxiliary_loss"]

    def _watched(self, outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The student's logits."""
        return {"student_": outputs["student"]}

    def get_config(self) -> dict[str, Any]:
        student = keras.utils.serialize_keras_object(self.student)
        return {"name": self.name, "student": student, "task_weight": self.task_weight}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> AuxiliaryTasks:
        student = keras.utils.deserialize_keras_object(config["student"])
        # Its name in files from before it had this one.
        task_weight = config["task_weight" if "task_weight" in config else "weight"]
        return cls(student, task_weight, name=config["name"])
