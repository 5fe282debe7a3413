"""The training model: a student, a scorer of soft labels, and how much the scorer counts."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import tensorflow as tf

from tfpfd._arguments import check_flag
from tfpfd._keras import COUNTED_ONCE, declared_inputs, freeze, keras, register
from tfpfd.distillation.fitting_losses import check_loss
from tfpfd.distillation.labelled_model import LabelledModel
from tfpfd.distillation.losses import SoftCrossEntropy, Term, term_of
from tfpfd.distillation.model_parts import check_part, name_part
from tfpfd.distillation.overview import Part, features_table, parts_of
from tfpfd.distillation.precomputed_teacher import check_inputs
from tfpfd.distillation.privileged import remember
from tfpfd.distillation.ranker import Ranker
from tfpfd.distillation.schedule import schedule_of
from tfpfd.distillation.schemas import check_same_features, rankers_of
from tfpfd.distillation.shared_weights import check_sharing
from tfpfd.distillation.targets import Targets


@register
class Distillation(LabelledModel):
    """Trains a student on labels and on a teacher's soft labels, and the teacher on labels.

        (1-λ)·L_s(y, f_s) + λ·L_d(f_t, f_s) + L_t(y, f_t)

    f_s and f_t are the logits of student and teacher. No gradient of L_d reaches the teacher, so
    it learns from the labels alone; a frozen teacher (`trainable = False`) has no L_t and runs in
    inference mode. λ is 0 during the warm-up. Rows without a label (NaN) count in L_d alone.
    `predict` returns the student's logits.

    >>> import pandas as pd
    >>> from tfpfd import MLP, Categorical, Schema, TwoTower, data
    >>> schema = Schema(
    ...     user=[Categorical("user", vocabulary=("ann", "bob"))],
    ...     item=[Categorical("book", vocabulary=("emma", "ulysses"))],
    ...     privileged={"post_event": [Categorical("shelf", vocabulary=("read", "left"))]},
    ... )
    >>> student = Ranker(schema, TwoTower([8]))
    >>> teacher = Ranker(schema, MLP([8]), sees="all", encoder=student.encoder)
    >>> rows = pd.DataFrame(
    ...     {"user": ["ann", "bob"], "book": ["emma"] * 2, "shelf": ["read", "left"]}
    ... ).assign(label=[1.0, 0.0])
    >>> model = Distillation(student=student, teacher=teacher)
    >>> model.compile(optimizer="adam", metrics=[])
    >>> history = model.fit(data.from_rows(rows, schema), epochs=2, verbose=0).history
    >>> len(history["student_loss"]), len(history["distillation_loss"])
    (2, 2)

    Args:
      student: the ranker that will be served.
      teacher: a ranker, or any Keras model from the same inputs to logits `[batch]`.
      distillation_weight: λ, a number, `WarmUp`, or another registered Keras object from step to λ.
      distillation_loss: L_d, a Keras loss whose targets are the teacher's logits, or one of
        `tfpfd.losses` that looks at lists; by default `SoftCrossEntropy()`.
      mutual: whether the teacher learns from the student's soft labels too, with the same λ:
        mutual learning, which the paper argues against, for comparison.
      auxiliary_head: whether L_d goes to a head of its own beside the student's logit, so that the
        logit that is served learns from labels alone and stays calibrated. The head reads what
        the logit is made of (the last hidden layer of an `MLP`, the products of a `TwoTower`); it
        belongs to this model, so an export of the student doesn't have it.

    Raises:
      ValueError: `student` sees privileged features or is the teacher, `distillation_weight` is no
        number in [0, 1], a frozen teacher shares weights with the student or is to learn mutually,
        a teacher shares other than by `encoder=student.encoder`, or was made for another schema.
      TypeError: `student` is no `Ranker`, or `teacher` no Keras model.

    Reference:
      Xu et al., "Privileged Features Distillation at Taobao Recommendations", KDD 2020
      (arXiv 1907.05171), eq. 5 and Algorithm 1. Mutual learning: Zhang et al., "Deep Mutual
      Learning", CVPR 2018.
    """

    _numbers = ("distillation_weight",)
    _prefixes = ("student_", "teacher_")
    _served = "student"

    def __init__(
        self,
        *,
        student: Ranker,
        teacher: keras.Model,
        distillation_weight: float | Any = 0.5,
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
        if student is teacher:
            raise ValueError("`student` and `teacher` must be two rankers, received the same one")
        if student.sees != "served":
            raise ValueError(
                "`student` must be a ranker of served features, received one with "
                f"sees='{student.sees}': are student and teacher swapped?"
            )
        hidden = student.schema.features("privileged")
        if isinstance(teacher, Ranker) and teacher.sees == "all" and not hidden:
            warnings.warn(
                "`teacher` sees='all', but its schema has no privileged features: it knows no "
                "more than the student; say sees='served' if that is meant",
                stacklevel=2,
            )
        check_flag("mutual", mutual)
        check_flag("auxiliary_head", auxiliary_head)
        check_part("`student`", student)
        check_part("`teacher`", teacher)
        check_same_features(
            [("`student`", student), *(("`teacher`", ranker) for ranker in rankers_of(teacher))]
        )
        self._shares = getattr(teacher, "encoder", None) is student.encoder
        for name, part in (("student", student), ("teacher", teacher)):
            if type(part) is Ranker:
                name_part(part, name)
        self.student = student
        self.teacher = teacher
        self.mutual = mutual
        self._check_sharing()
        if not rankers_of(teacher):
            # What it reads is not known, so a student may not hold it.
            remember(f"the teacher '{teacher.name}' of a Distillation", teacher, [teacher])
        self.distillation_weight = schedule_of(distillation_weight)
        self.distillation_loss = distillation_loss or SoftCrossEntropy()
        check_loss("distillation_loss", self.distillation_loss, soft=True)
        self._terms = ("student_loss", "teacher_loss", "distillation_loss")
        if mutual:
            self._terms += ("mutual_loss",)
        self._shown = self._terms
        self.head = None
        if auxiliary_head:
            self.head = keras.layers.Dense(1, name="auxiliary_head", dtype="float32")
            self.head.build((None, student.network.representation_width))
        self.step = self.add_weight(
            name="step",
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            **COUNTED_ONCE,
        )
        self.built = True

    def _overview_parts(self) -> list[Part]:
        """Those of student and teacher, and the auxiliary head."""
        rankers = {"student": self.student, "teacher": self.teacher}
        parts = [part for name, one in rankers.items() for part in parts_of(one, name)]
        return parts if self.head is None else [*parts, Part("auxiliary head", self.head)]

    def _overview_words(self) -> Iterable[str]:
        """Student and teacher."""
        return f"student={self.student!r}", f"teacher={self.teacher!r}"

    def _overview_tables(self) -> list[str]:
        """The features of both."""
        rankers = {"student": self.student, "teacher": self.teacher}
        seen = {name: one for name, one in rankers.items() if isinstance(one, Ranker)}
        return [features_table(seen)]

    def _check_sharing(self) -> None:
        check_sharing(self.student, self.teacher, self.mutual, self._shares)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Configures training; see `LabelledModel.compile`."""
        self._check_sharing()  # Again: the teacher may have been frozen since.
        super().compile(*args, **kwargs)

    def _given_losses(self) -> list[keras.losses.Loss]:
        """Those of the labels and of the soft labels."""
        return [*super()._given_losses(), self.distillation_loss]

    def _check_batches(self, names: Collection[str], training: bool) -> None:
        """Refuses batches without an input of student or teacher.

        Rows for validation may be of served features alone.
        """
        self.student.check_inputs(names)
        if training or self._hears(names):
            check_inputs(self.teacher, names)

    def _hears(self, names: Collection[str]) -> bool:
        """Whether a batch isn't one of served features alone, where the teacher sees others."""
        privileged = [
            feature.name
            for ranker in rankers_of(self.teacher)
            for feature in ranker.schema.sides["privileged"]
            if ranker.sees != "served"
        ]
        return not privileged or any(name in names for name in privileged)

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Trains; see `LabelledModel.fit`."""
        self._check_sharing()  # Once more: frozen after `compile`, the teacher would still change.
        return super().fit(*args, **kwargs)

    def call(
        self, inputs: Mapping[str, tf.Tensor], training: bool | None = None
    ) -> dict[str, tf.Tensor]:
        """Logits `[batch]` of `"student"`, `"teacher"`, and `"auxiliary"` if there is that head.

        In inference, rows of served features alone have no `"teacher"` that sees others.
        """
        shared = self.student.encoder(inputs, training=training, repeated=True)
        if self.head is None:
            logits = {"student": self.student(inputs, training=training, shared=shared)}
        else:
            student, parts = self.student._call_with_representation(inputs, training, shared)
            logits = {"student": student, "auxiliary": self.head(parts)[:, 0]}
        if not training and not self._hears(inputs):
            return logits
        if self._shares:
            teacher = self.teacher(inputs, training=training, shared=shared)
        else:
            given = declared_inputs(self.teacher, inputs)
            teacher = self.teacher(given, training=training and self.teacher.trainable)
        if teacher.shape.rank == 0:
            raise ValueError(
                f"the teacher '{self.teacher.name}' must give logits [batch], received one number"
            )
        teacher = tf.cast(tf.reshape(teacher, [-1]), tf.float32)
        if not self.teacher.trainable:
            # Else its NaN would be every weight's of the student after one step.
            teacher = tf.debugging.assert_all_finite(
                teacher, f"the frozen teacher '{self.teacher.name}' gives logits that aren't finite"
            )
        return {**logits, "teacher": teacher}

    def _costs(self, outputs: Mapping[str, tf.Tensor], targets: Targets) -> dict[str, Term]:
        """The terms of the loss; of rows without the teacher's logits the student's alone."""
        student = outputs["student"]
        taught = outputs.get("auxiliary", student)

        def on_labels(logits: tf.Tensor) -> Term:
            return term_of(self.label_loss, targets.labels, logits, targets, targets.labelled)

        def on_soft_labels(scorer: tf.Tensor, learner: tf.Tensor) -> Term:
            every_row = tf.ones_like(targets.labelled)
            soft_labels = tf.stop_gradient(scorer)
            return term_of(self.distillation_loss, soft_labels, learner, targets, every_row)

        terms = {"student_loss": on_labels(student)}
        if "teacher" in outputs:
            teacher = outputs["teacher"]
            terms["teacher_loss"] = on_labels(teacher)
            terms["distillation_loss"] = on_soft_labels(teacher, taught)
            if self.mutual:
                terms["mutual_loss"] = on_soft_labels(taught, teacher)
        return terms

    def _loss_of(self, means: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The sum of the terms, weighted by λ as of now; see the class."""
        share = self._values()["distillation_weight"]
        loss = (1 - share) * means["student_loss"] + share * means["distillation_loss"]
        if self.mutual:
            return loss + (1 - share) * means["teacher_loss"] + share * means["mutual_loss"]
        return loss + means["teacher_loss"] if self.teacher.trainable else loss

    def _values(self) -> dict[str, tf.Tensor]:
        """λ."""
        return {"distillation_weight": self.distillation_weight(tf.convert_to_tensor(self.step))}

    def _watched(self, outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The logits of both, as far as they are known."""
        both = ("student", "teacher")
        return {f"{name}_": outputs[name] for name in both if name in outputs}

    def _after_step(self) -> None:
        """Counts the steps that the schedule goes by."""
        # Not the optimizer's count: this one is a weight, so any way of saving the model keeps it.
        self.step.assign_add(1)

    def get_config(self) -> dict[str, Any]:
        parts = ("student", "teacher", "distillation_weight", "distillation_loss")
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
            student=student,
            teacher=teacher,
            # Its name in files from before it had this one.
            distillation_weight=revive(config.get("distillation_weight", config.get("weight"))),
            distillation_loss=revive(config["distillation_loss"]),
            mutual=config["mutual"],
            auxiliary_head=config["auxiliary_head"],
            name=config["name"],
        )
