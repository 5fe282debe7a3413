"""What a signature of an export is: its name, its inputs, a sample of them, and its answer."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, get_args

import tensorflow as tf

from tfpfd.schema import Schema, Side

Model = TypeVar("Model")
Sample = Literal["item_ids", "k", "missing"]
SAMPLES: tuple[Sample, ...] = get_args(Sample)


@dataclass(frozen=True)
class RequestInput:
    """What a request says besides features.

    Attributes:
      shape: such as `(None, None)` for `[batch, n]`; None for one of any rank.
      dtype: of the tensor.
      sample: what warm-up requests hold: `"item_ids"` of the catalogue, `"k"`, a number a row from
        1 to the export's own k, or `"missing"`: the value that says nothing.
    """

    shape: tuple[int | None, ...] | None
    dtype: tf.DType
    sample: Sample = "missing"

    def __post_init__(self) -> None:
        if self.sample not in SAMPLES:
            raise ValueError(f"`sample` must be one of {list(SAMPLES)}, received {self.sample!r}")


class Signature(abc.ABC, Generic[Model]):
    """One question that an export answers.

    A signature of one's own is a class of these, given to `tfpfd.export`:

        class ScoreOfAll(Signature[ServedCatalogue]):
            name = "score_of_all"

            def answer(self, model, features, request):
                vectors = model.table.vectors(tf.range(model.table.rows))
                user = model.embedding("user", features)
                return {"scores": tf.matmul(user, vectors, transpose_b=True) + model.bias}

        tfpfd.export(student, items, "saved_models/films", signatures=[ScoreOfAll()])

    It is traced, saved, inspected and warmed up like those that each export has, and needs no code
    where it is served, refreshed or inspected.

    Attributes:
      name: what a request calls it by.
      sides: whose features it takes.
    """

    name: str
    sides: tuple[Side, ...] = ("user",)

    def inputs(self, schema: Schema, attributes: Iterable[str]) -> dict[str, RequestInput]:
        """What a request says besides the features, by name; nothing unless it is overridden.

        Args:
          schema: the served schema.
          attributes: names of item features that requests filter by.
        """
        return {}

    @abc.abstractmethod
    def answer(
        self, model: Model, features: dict[str, tf.Tensor], request: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """The outputs by name, made of TensorFlow's operations and of what `model` holds.

        Args:
          model: with items a `ServedCatalogue`, for one side alone `Towers`, else `ServedRankers`.
          features: raw values `[batch]`, or `[batch, width]` of several values a row.
          request: what `inputs` names.
        """

    def traced(
        self,
        model: Model,
        features: Mapping[str, tf.TensorSpec],
        inputs: Mapping[str, RequestInput],
    ) -> Callable:
        """The signature as a function of a graph.

        Args:
          model: what it computes with.
          features: the raw features that it takes.
          inputs: the others.

        Raises:
          TypeError: `answer` returns something else than tensors by name.
        """

        def function(**given: tf.Tensor) -> dict[str, tf.Tensor]:
            request = {name: given.pop(name) for name in inputs}
            outputs = self.answer(model, given, request)
            named = isinstance(outputs, dict) and all(isinstance(key, str) for key in outputs)
            if not named or not outputs or not all(map(tf.is_tensor, outputs.values())):
                raise TypeError(
                    f"signature '{self.name}' must return a dict of tensors by name, received "
                    f"{outputs!r:.200}"
                )
            return outputs

        function.__name__ = self.name  # The graph's functions are named after it.
        others = {name: tf.TensorSpec(i.shape, i.dtype, name=name) for name, i in inputs.items()}
        return concrete(function, {**others, **features})


def concrete(function: Callable, specs: Mapping[str, tf.TensorSpec]) -> Callable:
    """`function` traced for inputs by name."""
    return tf.function(function, autograph=False).get_concrete_function(**specs)


def checked_signatures(given: Any, taken: Iterable[str]) -> list[Signature]:
    """Signatures of one's own, if an export can have them.

    Args:
      given: what was given.
      taken: names of the signatures that the export has anyway.

    Raises:
      TypeError: one is no `Signature`, or they are no list.
      ValueError: a name that is no word, or that another signature has, or a side that is none.
    """
    listed = list(given) if isinstance(given, Iterable) else [given]
    if not isinstance(given, Iterable) or not all(isinstance(one, Signature) for one in listed):
        names = [type(one).__name__ if isinstance(one, Signature) else one for one in listed]
        raise TypeError(f"`signatures` must be objects of Signature in a list, received {names}")
    names = [getattr(one, "name", None) for one in listed]
    for place, name in enumerate(names):
        if not isinstance(name, str) or not name.isidentifier() or name.startswith("__"):
            raise ValueError(f"`signatures` must have a word for a name each, received {name!r}")
        if name in taken or name in names[:place]:
            raise ValueError(
                f"`signatures` must have names of their own, received '{name}', which another "
                f"signature has: {[*taken, *names[:place]]}"
            )
        sides = listed[place].sides
        if not set(sides) <= {"user", "item"}:
            raise ValueError(
                f"signature '{name}' must have `sides` of 'user' and 'item' in a tuple, received "
                f"{sides!r}"
            )
    return listed
