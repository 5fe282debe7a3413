"""One scorer out of several: a ranker for each objective, fused into one soft label."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfpfd._keras import infer, keras, register
from tfpfd.data.list_ids import LIST
from tfpfd.distillation import Ranker
from tfpfd.distillation.losses.reduction import check_temperature
from tfpfd.distillation.schemas import check_same_features, rankers_of
from tfpfd.distillation.scorer import Scorer, encoded_once
from tfpfd.objectives.frozen import Frozen, flat, part_of
from tfpfd.objectives.gating import FusionGate
from tfpfd.objectives.normalization import NORMALIZATIONS, Normalize, normalized
from tfpfd.objectives.objective_weights import checked_weights


@register
class FusedTeachers(Frozen):
    """A weighted sum of the scores of one trained teacher for each objective.

        soft_i = Σ_k ω_k · s_k,i

    s_k,i is what the teacher of objective k says of row i, after `normalize`. As the teacher of a
    `Distillation` it makes soft labels for a student that is then served alone:

        fused = tfpfd.FusedTeachers({"book": ranker, "cancel": "cancel_score"},
                                    weights={"book": 1.0, "cancel": -0.3})
        model = tfpfd.Distillation(student=student, teacher=fused, distillation_weight=1 - α,
                                   distillation_loss=tfpfd.losses.SoftListwiseSoftmax(T))
        model.compile(optimizer, loss=tfpfd.losses.ListwiseSoftmax(T))

    which minimises `α · CE(hard labels) + (1-α) · CE(soft labels)` over lists; pointwise and
    pairwise losses take the same place. To a loss the sum is the teacher's logit, whichever
    `normalize`; `predict` gives it, for a label store.

    Teachers run forward only. They are frozen here and for good, also where somebody sets
    `trainable = True` later, and run in inference mode, so they have no gradient, no optimizer
    state and no update of batch normalisation. Rankers that share an encoder run it once a batch.
    A teacher that was trained on other data with other vocabularies can't read these batches:
    write its scores into a column, and name that.

    Args:
      teachers: by objective, a ranker, another Keras model or layer from the same inputs to
        logits `[batch]` or `[batch, 1]`, or a string, the name of a column of scores (see
        `PrecomputedTeacher`). Or one model, whose call returns logits by objective.
      weights: ω by objective, of the same objectives; negative ones are allowed, and may sum
        to 0. Or a `FusionGate`, which learns them for each list; it alone makes this trainable.
      normalize: what s_k is made of the logits f_k of a teacher. `"logits"`: f_k / T.
        `"probabilities"`: σ(f_k / T). `"softmax"`: softmax of f_k / T over each list. `"standard"`:
        f_k minus its mean over the list, over its standard deviation there; 0 in a list of one row
        or of equal scores. The latter two need lists in the batch, in any order of rows.
      temperature: T above 0, by which logits are divided before they are normalised: where
        teachers are so sure that their probabilities saturate, a T above 1 keeps differences. It
        is not the temperature of the losses, which divides the sum.

    Raises:
      TypeError: a teacher is neither Keras layer nor string.
      ValueError: objectives of `teachers` and `weights` differ, all weights are 0, `normalize` is
        unknown, `temperature` isn't above 0 or has no effect, rankers were made for different
        schemas, or teachers share weights other than by one encoder of rankers.
      tf.errors.InvalidArgumentError: when called, where a teacher's score isn't finite. A row
        without a score isn't masked, as its soft label would then be made of other objectives
        than its neighbours'.

    Reference:
      "Multi-objective Learning to Rank by Model Distillation", KDD 2024 (arXiv 2407.07181),
      eq. 14 and 15.
    """

    def __init__(
        self,
        teachers: Mapping[str, Any] | keras.layers.Layer,
        weights: Mapping[str, float] | FusionGate,
        normalize: Normalize = "logits",
        temperature: float = 1.0,
        **kwargs: Any,
    ) -> None:
        self._check_settings(normalize, temperature)
        joint = isinstance(teachers, keras.layers.Layer)
        parts = [teachers] if joint else _layers(teachers)
        gate = weights if isinstance(weights, FusionGate) else None
        super().__init__(parts, gate, **kwargs)
        given = checked_weights(gate.prior if gate else weights)
        named = getattr(teachers, "objectives", given) if joint else teachers
        if set(named) != set(given):
            raise ValueError(
                f"`weights` must name the objectives of `teachers`, {sorted(named)}, received "
                f"{sorted(given)}"
            )
        self.objectives = list(named)
        self.weights_of = {objective: given[objective] for objective in self.objectives}
        self.joint = joint
        self.normalize = normalize
        self.temperature = temperature
        if not joint:
            self._check_teachers()

    @staticmethod
    def _check_settings(normalize: str, temperature: float) -> None:
        if normalize not in NORMALIZATIONS:
            raise ValueError(
                f"`normalize` must be one of {list(NORMALIZATIONS)}, received {normalize!r}"
            )
        check_temperature(temperature)
        if normalize == "standard" and temperature != 1:
            raise ValueError(
                "`temperature` has no effect on standard scores: expected 1 with "
                f"normalize='standard', received {temperature}"
            )

    def _check_teachers(self) -> None:
        teachers = dict(zip(self.objectives, self.parts, strict=True))
        check_same_features(
            (f"the teacher of '{objective}'", ranker)
            for objective, teacher in teachers.items()
            for ranker in rankers_of(teacher)
        )
        for (one, first), (other, second) in itertools.combinations(teachers.items(), 2):
            held = {id(weight) for weight in first.weights}
            common = any(id(weight) in held for weight in second.weights)
            if first is second or (common and not _share_encoder(first, second)):
                raise ValueError(
                    f"the teachers of '{one}' and '{other}' share weights in a way that a saved "
                    "model would lose: expected rankers with the same `encoder`, or one model "
                    "that returns logits by objective as `teachers`"
                )

    @property
    def rankers(self) -> list[Any]:
        """The teachers that read table rows by a schema."""
        return [ranker for part in self.parts for ranker in rankers_of(part)]

    def scores(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Logits float32 `[batch]` of each teacher, by objective.

        Args:
          inputs: of a batch.

        Raises:
          ValueError: a column of scores or a feature is missing, or the model of all objectives
            returns others.
          tf.errors.InvalidArgumentError: a score isn't finite.
        """
        self.freeze_parts()
        if self.joint:
            found = infer(self.parts[0], inputs)
            if not isinstance(found, Mapping) or set(found) != set(self.objectives):
                what = sorted(found) if isinstance(found, Mapping) else type(found).__name__
                raise ValueError(
                    "`teachers` must return logits by objective, "
                    f"{sorted(self.objectives)}, received {what}"
                )
        else:
            found = self._one_by_one(inputs)
        return {objective: _checked(objective, found[objective]) for objective in self.objectives}

    def _one_by_one(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        rankers = [teacher for teacher in self.parts if isinstance(teacher, Scorer)]
        encoded = iter(encoded_once(rankers, inputs, training=False))
        return {
            objective: (
                teacher(inputs, training=False, shared=next(encoded))
                if isinstance(teacher, Scorer)
                else infer(teacher, inputs)
            )
            for objective, teacher in zip(self.objectives, self.parts, strict=True)
        }

    def call(self, inputs: Mapping[str, tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """Fused scores `[batch]`."""
        scores = tf.stack(list(self.scores(inputs).values()), axis=1) / self.temperature
        scores = tf.stop_gradient(normalized(scores, self.normalize, inputs.get(LIST)))
        return tf.reduce_sum(self._omega(inputs, training) * scores, axis=1)

    def _omega(self, inputs: Mapping[str, tf.Tensor], training: bool | None) -> tf.Tensor:
        """`[objectives]`, or `[batch, objectives]` of a gate."""
        if self.learner is None:
            return tf.constant(list(self.weights_of.values()))
        places = [list(self.learner.prior).index(objective) for objective in self.objectives]
        return tf.gather(self.learner(inputs, training=training), places, axis=1)

    def get_config(self) -> dict[str, Any]:
        parts = [keras.utils.serialize_keras_object(part) for part in self.parts]
        shared: dict[str, int] = {}
        for place, part in enumerate(parts):
            # How a teacher was trained says nothing about what it is here.
            part.pop("compile_config", None)
            first = next(i for i in range(place + 1) if self._same_encoder(i, place))
            if first < place:
                # Keras would write the shared encoder twice, and load it as two.
                part["config"]["encoder"] = None
                shared[str(place)] = first
        return {
            "name": self.name,
            "objectives": list(self.objectives),
            "joint": self.joint,
            "parts": parts,
            "shared": shared,
            "weights": dict(self.weights_of),
            "gate": self.learner and keras.utils.serialize_keras_object(self.learner),
            "normalize": self.normalize,
            "temperature": self.temperature,
        }

    def _same_encoder(self, one: int, other: int) -> bool:
        return one == other or _share_encoder(self.parts[one], self.parts[other])

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> FusedTeachers:
        parts: list[Any] = []
        for place, part in enumerate(config["parts"]):
            if str(place) in config["shared"]:
                encoder = parts[config["shared"][str(place)]].encoder
                parts.append(Ranker.from_config({**part["config"], "encoder": encoder}))
            else:
                parts.append(keras.utils.deserialize_keras_object(part))
        settings = {key: config[key] for key in ("weights", "normalize", "temperature", "name")}
        if config["gate"]:
            settings["weights"] = keras.utils.deserialize_keras_object(config["gate"])
        if config["joint"]:
            return cls(parts[0], **settings)
        return cls(dict(zip(config["objectives"], parts, strict=True)), **settings)


def _layers(teachers: Mapping[str, Any]) -> list[keras.layers.Layer]:
    if not isinstance(teachers, Mapping) or not teachers:
        raise TypeError(
            "`teachers` must map objectives to teachers, or be one Keras model, received "
            f"{teachers!r}"
        )
    return [part_of(f"`teachers` of '{name}'", teacher) for name, teacher in teachers.items()]


def _share_encoder(one: Any, other: Any) -> bool:
    both = isinstance(one, Scorer) and isinstance(other, Scorer)
    return both and one.encoder is other.encoder


def _checked(objective: str, logits: tf.Tensor) -> tf.Tensor:
    return tf.debugging.assert_all_finite(
        flat(logits), f"the teacher of '{objective}' must score every row with a finite number"
    )
