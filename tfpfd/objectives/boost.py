"""Ad-hoc goals: a boost to the soft labels of the items that a rule picks."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

import tensorflow as tf

from tfpfd._arguments import is_number, shown
from tfpfd._keras import freeze, infer, keras, register_formerly
from tfpfd.distillation.precomputed_teacher import check_column
from tfpfd.distillation.schemas import rankers_of
from tfpfd.objectives.frozen import Frozen, flat, part_of

Rule = str | Callable[[Mapping[str, tf.Tensor]], tf.Tensor]


@register_formerly("Boosted")
class RuleBoost(Frozen):
    """A frozen scorer whose logits are raised where a rule says so.

        soft_i = s_i + β · r_i

    As the teacher of a `Distillation` it teaches the student a goal that has no label and needs no
    gradient, such as more new items on the first page, at training time:

        new = tfpfd.RuleBoost(tfpfd.FusedTeachers(…), "is_new", beta=0.5)

    Args:
      scorer: a frozen scorer: `FusedTeachers` with fixed weights, a ranker with
        `trainable = False`, another Keras model from inputs to logits `[batch]` or `[batch, 1]`, or
        a string, the name of a column of scores. One that learns is refused, as it would learn the
        labels through the boost.
      rule: name of a column of numbers `r_i` that `from_rows(…, extra_columns=[…])` passes on, made
        beforehand from whatever is known, served or not; or a function from the inputs of a batch
        to bool or numbers `[batch]`. Only a function registered with
        `keras.utils.register_keras_serializable` can be saved.
      beta: β, in units of the scorer's logit; negative to push down.

    Raises:
      TypeError: `scorer` is neither Keras layer nor string, or `rule` neither string nor callable.
      ValueError: `scorer` is trainable, or `beta` is no finite number; when called, a column is
        missing; when saved, the rule is a function that isn't registered.
      tf.errors.InvalidArgumentError: when called, where the rule gives a number that isn't finite.

    Reference:
      "Multi-objective Learning to Rank by Model Distillation", KDD 2024 (arXiv 2407.07181), ad-hoc
      and non-differentiable objectives.
    """

    def __init__(self, scorer: Any, rule: Rule, beta: float, **kwargs: Any) -> None:
        layer = part_of("`scorer`", scorer)
        if layer.trainable:
            raise ValueError(
                "`scorer` is trainable: it would learn the labels through the boost, so expected "
                "a frozen one; set `trainable = False`"
            )
        if not isinstance(rule, str) and not callable(rule):
            raise TypeError(
                "`rule` must be the name of a column or a function of inputs, received "
                f"{shown(rule)}"
            )
        if not is_number(beta) or not math.isfinite(beta):
            raise ValueError(f"`beta` must be a finite number, received {shown(beta)}")
        super().__init__([layer], **kwargs)
        self.rule = rule
        self.beta = float(beta)

    @property
    def rankers(self) -> list[Any]:
        """What in the scorer reads table rows by a schema."""
        return rankers_of(self.parts[0])

    def check_inputs(self, names: Collection[str]) -> None:
        """Raises a `ValueError` unless scorer and rule find their columns among the names."""
        super().check_inputs(names)
        if isinstance(self.rule, str):
            check_column(self.rule, names, "the rule")

    def call(self, inputs: Mapping[str, tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """RuleBoost logits `[batch]`."""
        self.freeze_parts()
        logits = flat(infer(self.parts[0], inputs))
        return tf.stop_gradient(logits + self.beta * self._picked(inputs))

    def _picked(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        if isinstance(self.rule, str):
            check_column(self.rule, inputs, "the rule")
            picked = inputs[self.rule]
        else:
            picked = self.rule(inputs)
        return tf.debugging.assert_all_finite(
            flat(picked),
            f"the rule {_name(self.rule)} must give every row a finite number",
        )

    def get_config(self) -> dict[str, Any]:
        rule: Any = self.rule
        if not isinstance(rule, str):
            # Others than functions, such as `functools.partial`, have no name to ask for.
            name = hasattr(rule, "__name__") and keras.utils.get_registered_name(rule)
            if not name or keras.utils.get_registered_object(name) is not rule:
                raise ValueError(
                    f"the rule {_name(rule)} can't be saved: register the function with "
                    "`keras.utils.register_keras_serializable`, or put its numbers into a column"
                )
            rule = {"function": name}
        scorer = keras.utils.serialize_keras_object(self.parts[0])
        scorer.pop("compile_config", None)
        return {"name": self.name, "scorer": scorer, "rule": rule, "beta": self.beta}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> RuleBoost:
        scorer, rule = keras.utils.deserialize_keras_object(config["scorer"]), config["rule"]
        freeze(scorer)  # Not every Keras generation writes it for a functional model.
        if isinstance(rule, Mapping):
            rule = keras.utils.get_registered_object(rule["function"], custom_objects)
        return cls(scorer, rule, config["beta"], name=config["name"])


def _name(rule: Rule) -> str:
    return repr(rule) if isinstance(rule, str) else getattr(rule, "__name__", repr(rule))
