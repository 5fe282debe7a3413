"""The training model: a student, a scorer of soft labels, and how much the scorer counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import tensorflow as tf

from tfpfd._keras import COUNTED_ONCE, declared_inputs, freeze, keras, register
from tfpfd.distillation.labelled import LabelledModel, LastValue
from tfpfd.distillation.losses import SoftCrossEntropy, mean_loss
from tfpfd.distillation.ranker import Ranker
from tfpfd.distillation.schedule import WarmUp
from tfpfd.distillation.schemas import check_same_features, rankers_of
from tfpfd.distillation.scores import check_inputs
from tfpfd.distillation.targets import Targets


@register
class Distillation(LabelledModel):
    """Trains a student on labels and on a teacher's soft labels, and the teacher on labels.

        (1-λ)·L_s(y, f_s) + λ·L_d(f_t, f_s) + L_t(y, f_t)

    f_s and f_t are the logits of student and teacher. No gradient of L_d reaches the teacher, so
    it learns from the labels alone; a frozen teacher (`trainable = False`) has no L_t and runs in
    inference mode. λ is 0 during the warm-up. Rows without a label (NaN) count in L_d alone.
    `predict` returns the student's logits.

    Args:
      student: the ranker that will be served.
      teacher: a ranker, or any Keras model from the same inputs to logits `[batch]`.
      weight: λ, a number, `WarmUp`, or another registered Keras object from step to λ.
      distillation_loss: L_d, a Keras loss whose targets are the teacher's logits, or one of
        `tfpfd.losses` that looks at lists; by default `SoftCrossEntropy()`.
      mutual: whether the teacher learns from the student's soft labels too, with the same λ:
        mutual learning, which the paper argues against, for comparison.
      auxiliary_head: whether L_d goes to a head of its own beside the student's logit, so that the
        logit that is served learns from labels alone and stays calibrated. The head reads what
        the logit is made of (the last hidden layer of an `MLP`, the products of a `TwoTower`); it
        belongs to this model, so an export of the student doesn't have it.

    Raises:
      ValueError: `student` sees privileged features or is the teacher, `weight` is no number in
        [0, 1], a frozen teacher shares weights with the student or is to learn mutually, a teacher
        shares other than by `encoder=student.encoder`, or was made for another schema.
      TypeError: `student` is no `Ranker`, or `teacher` no Keras model.

    Reference:
      Xu et al., "Privileged Features Distillation at Taobao Recommendations", KDD 2020
      (arXiv 1907.05171), eq. 5 and Algorithm 1. Mutual learning: Zhang et al., "Deep Mutual
      Learning", CVPR 2018.
    """

    tracked = {
        "loss": keras.metrics.Mean,
        "student_loss": keras.metrics.Mean,
        "teacher_loss": keras.metrics.Mean,
        "distillation_loss": keras.metrics.Mean,
        "distillation_weight": LastValue,
    }
    on_labels = ("student_loss", "teacher_loss")
    prefixes = ("student_", "teacher_")
    served = "student"

    def __init__(
        self,
        student: Ranker,
        teacher: keras.Model,
        weight: float | Any = 0.5,
        distillation_loss: keras.losses.Loss | None = None,
        mutual: bool = False,
        auxiliary_head: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(student, Ranker):
            raise TypeError(f"`student` must be a Ranker, received {student!r}")
        if not isinstance(teacher, keras.layers.Layer):
            raise TypeError(f"`teacher` must be a Keras model, received {teacher!r}")
        if student is teacher or student.sees != "served":
            raise ValueError(
                "`student` must be another ranker than `teacher` and see served features, "
                f"received one with sees='{student.sees}': are student and teacher swapped?"
            )
        check_same_features(
            [("`student`", student), *(("`teacher`", ranker) for ranker in rankers_of(teacher))]
        )
        self._shares = getattr(teacher, "encoder", None) is student.encoder
        self.student = student
        self.teacher = teacher
        self.mutual = mutual
        self._check_sharing()
        self.weight = weight if callable(weight) else WarmUp(weight)
        self.distillation_loss = distillation_loss or SoftCrossEntropy()
        self.head = None
        if auxiliary_head:
            self.head = keras.layers.Dense(1, name="auxiliary_head")
            self.head.build((None, student.network.units[-1]))
        self.step = self.add_weight(
            name="step",
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            **COUNTED_ONCE,
        )
        self.built = True

    def _check_sharing(self) -> None:
        students = {id(weight) for weight in self.student.weights}
        common = any(id(weight) in students for weight in self.teacher.weights)
        if self.mutual and not self.teacher.trainable:
            raise ValueError(
                "`mutual` needs a teacher that learns, received a frozen one: leave it trainable"
            )
        if common and not self.teacher.trainable:
            raise ValueError(
                "`teacher` is frozen but shares weights with `student`, whose training would "
                "change it: give the teacher an encoder of its own, or leave it trainable"
            )
        if common and not self._shares:
            raise ValueError(
                "`teacher` shares weights with `student` in a way that a saved model would lose: "
                "expected a Ranker with `encoder=student.encoder`"
            )

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Configures training; see `LabelledModel.compile`."""
        self._check_sharing()  # Again: the teacher may have been frozen since.
        super().compile(*args, **kwargs)

    def given_losses(self) -> list[keras.losses.Loss]:
        """Those of the labels and of the soft labels."""
        return [*super().given_losses(), self.distillation_loss]

    def check_batches(self, names: Collection[str]) -> None:
        """Refuses batches without the columns that the teacher reads; see `LabelledModel.fit`."""
        check_inputs(self.teacher, names)

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Trains; see `LabelledModel.fit`."""
        self._check_sharing()  # Once more: frozen after `compile`, the teacher would still change.
        return super().fit(*args, **kwargs)

    def call(
        self, inputs: Mapping[str, tf.Tensor], training: bool | None = None
    ) -> dict[str, tf.Tensor]:
        """Logits `[batch]` of `"student"`, `"teacher"`, and `"auxiliary"` if there is that head."""
        shared = self.student.encoder(inputs, training=training)
        if self.head is None:
            logits = {"student": self.student(inputs, training=training, shared=shared)}
        else:
            student, parts = self.student.call_with_representation(inputs, training, shared)
            logits = {"student": student, "auxiliary": self.head(parts)[:, 0]}
        if self._shares:
            teacher = self.teacher(inputs, training=training, shared=shared)
        else:
            given = declared_inputs(self.teacher, inputs)
            teacher = self.teacher(given, training=training and self.teacher.trainable)
        return {**logits, "teacher": tf.reshape(teacher, [-1])}

    def costs(self, outputs: Mapping[str, tf.Tensor], targets: Targets) -> dict[str, tf.Tensor]:
        """The terms of the loss; see the class."""
        student, teacher = outputs["student"], outputs["teacher"]
        taught = outputs.get("auxiliary", student)

        def on_labels(logits: tf.Tensor) -> tf.Tensor:
            return mean_loss(self.label_loss, targets.labels, logits, targets, targets.labelled)

        def on_soft_labels(scorer: tf.Tensor, learner: tf.Tensor) -> tf.Tensor:
            every_row = tf.ones_like(targets.labelled)
            soft_labels = tf.stop_gradient(scorer)
            return mean_loss(self.distillation_loss, soft_labels, learner, targets, every_row)

        terms = {
            "student_loss": on_labels(student),
            "teacher_loss": on_labels(teacher),
            "distillation_loss": on_soft_labels(teacher, taught),
            "distillation_weight": self.weight(tf.convert_to_tensor(self.step)),
        }
        share = terms["distillation_weight"]
        loss = (1 - share) * terms["student_loss"] + share * terms["distillation_loss"]
        if self.mutual:
            loss += (1 - share) * terms["teacher_loss"] + share * on_soft_labels(taught, teacher)
        elif self.teacher.trainable:
            loss += terms["teacher_loss"]
        return {"loss": loss, **terms}

    def watched(self, outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The logits of both."""
        return {"student_": outputs["student"], "teacher_": outputs["teacher"]}

    def train_step(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """A step of Keras, then the count of steps that the schedule goes by."""
        logs = super().train_step(*args, **kwargs)
        # Not the optimizer's count: this one is a weight, so any way of saving the model keeps it.
        self.step.assign_add(1)
        return logs

    def get_config(self) -> dict[str, Any]:
        parts = ("student", "teacher", "weight", "distillation_loss")
        serialized = {
            part: keras.utils.serialize_keras_object(getattr(self, part)) for part in parts
        }
        if self._shares:
            # Keras would write the shared encoder twice, and load it as two.
            serialized["teacher"]["config"]["encoder"] = None
        return {
            "name": self.name,
            "shares": self._shares,
            "frozen": not self.teacher.trainable,
            "mutual": self.mutual,
            "auxiliary_head": self.head is not None,
            **serialized,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Distillation:
        revive = keras.utils.deserialize_keras_object
        student = revive(config["student"])
        if config["shares"]:
            teacher = Ranker.from_config(
                {**config["teacher"]["config"], "encoder": student.encoder}
            )
        else:
            teacher = revive(config["teacher"])
        if config["frozen"]:  # Not every Keras generation writes it for a functional model.
            freeze(teacher)
        return cls(
            student,
            teacher,
            weight=revive(config["weight"]),
            distillation_loss=revive(config["distillation_loss"]),
            mutual=config["mutual"],
            auxiliary_head=config["auxiliary_head"],
            name=config["name"],
        )
