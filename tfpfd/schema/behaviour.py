"""A user's behaviour, in order, with what is known of each step."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Sequence as Several
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfpfd._keras import keras
from tfpfd.schema.aligned_lists import flat_columns, last_held, missing_of, places, rectangle
from tfpfd.schema.behaviour_steps import by_step, checked_steps, dims_of, embedded_by_step
from tfpfd.schema.columns import come_padded, is_missing, warn_of_padding
from tfpfd.schema.feature import Columns, Feature, Known, Tensors
from tfpfd.schema.kind_arguments import check_positive
from tfpfd.schema.kinds import feature_of, register_kind
from tfpfd.schema.learner import ByName, Learner
from tfpfd.schema.table_feature import mean_of_held
from tfpfd.schema.table_requests import Asked, Embedded
from tfpfd.schema.vocabulary import cross_entropy, members


@register_kind
@dataclass(frozen=True)
class Behaviour(Feature):
    """A user's behaviour: steps in order, the oldest first, each of an id and what is beside it.

    The columns hold lists, aligned: the n-th entries of a row's lists are of its n-th step. A step
    is where its id is, and its vector is those of all its features beside each other; the encoder's
    `behaviour` makes one vector of them. How long ago a step was, or how long it took, takes the
    place of positions (see the reference). `Sequence` is its short form, of ids alone.

    >>> import pandas as pd
    >>> from tfpfd import Categorical, FeatureEncoder, Numeric, Schema
    >>> read = Behaviour(
    ...     "read",
    ...     length=2,
    ...     steps=[Categorical("read", of="book"), Numeric("minutes", form="value")],
    ... )
    >>> rows = pd.DataFrame({"read": [["emma", "walden"], []], "minutes": [[10.0, 30.0], []]})
    >>> rows = rows.assign(book=["emma", "walden"], label=[1.0, 0.0])
    >>> schema = Schema(user=[read], item=[Categorical("book")]).adapt(rows, verbose=0)
    >>> FeatureEncoder(schema, dim=3).width("read")
    4

    Args:
      name: the column of the ids.
      length: how many steps are used. Of longer rows the last, most recent, are kept.
      steps: a feature of one value a row for each column, its entries' kind. The first one is
        `Categorical(name, of=…)`. Others may have a vocabulary or edges of their own.

    Reference:
      Xu et al., "Privileged Features Distillation at Taobao Recommendations", KDD 2020
      (arXiv 1907.05171).
    """

    name: str
    length: int = 50
    steps: tuple[Feature, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self.name, "length", self.length)
        object.__setattr__(self, "steps", checked_steps(self.name, self.steps))

    def _known(self, known: Known) -> dict[str, Feature]:
        """The features of the schema, and those of steps that own a vocabulary or a table."""
        return {**known, **{step.name: step for step in self.steps[1:]}}

    def _replaced(self, steps: Iterable[Feature]) -> Behaviour:
        return dataclasses.replace(self, steps=tuple(steps))

    @property
    def columns(self) -> tuple[str, ...]:
        """One a step's feature."""
        return tuple(step.name for step in self.steps)

    @property
    def borrowed(self) -> tuple[str, ...]:
        """Those that features of steps are `of`."""
        return tuple(dict.fromkeys(name for step in self.steps for name in step.borrowed))

    @property
    def history_of(self) -> str:
        """What its ids are of."""
        return self.steps[0].tables[0]

    def check(self, raw: Mapping[str, Any], known: Known) -> dict[str, np.ndarray]:
        """Checked entries `[rows, width]` by column, padded with what is written if missing."""
        flat, lengths = flat_columns(raw, self.columns)
        first, *others = self.steps
        inner = self._known(known)
        optional: Feature = dataclasses.replace(first, optional=come_padded(lengths))  # type: ignore[type-var]
        ids = optional.check({self.name: flat[self.name]}, inner)[self.name]
        held = ~is_missing(ids)
        row, place = places(lengths, held)
        found = {self.name: rectangle(ids[held], row, place, len(lengths))}
        if ids.dtype.kind == "i":
            warn_of_padding(self.name, found[self.name])
        for step in others:
            values = step.check({step.name: flat[step.name][held]}, inner)[step.name]
            found[step.name] = rectangle(values, row, place, len(lengths))
        return found

    def signature(self, known: Known) -> dict[str, tf.TensorSpec]:
        """Lists of what each step's feature takes, `[batch, width]`."""
        inner, found = self._known(known), {}
        for step in self.steps:
            spec = step.signature(inner)[step.name]
            shape = [None, None, *spec.shape[1:]]
            found[step.name] = tf.TensorSpec(shape, spec.dtype, name=step.name)
        return found

    def sample(self, rows: int, known: Known, random: np.random.Generator) -> dict[str, np.ndarray]:
        """As many steps in a row as there may be, or fewer."""
        width = int(random.integers(1, self.length + 1))
        beyond = np.arange(width) >= random.integers(0, width + 1, (rows, 1))
        inner, found = self._known(known), {}
        for step in self.steps:
            values = step.sample(rows * width, inner, random)[step.name]
            values = values.reshape(rows, width, *values.shape[1:])
            values[beyond] = missing_of(values.dtype)
            found[step.name] = values
        return found

    def held(self, columns: Columns) -> int:
        """How many entries the column has that has fewest."""
        return min(int((~is_missing(columns[name])).sum()) for name in self.columns)

    @property
    def learned(self) -> bool:
        """Whether the features of steps are."""
        return all(step.learned for step in self.steps)

    @property
    def holds_learned(self) -> bool:
        """Whether a step's feature does."""
        return any(step.holds_learned for step in self.steps)

    def learner(self) -> Learner:
        """Those of the steps' features."""
        return ByName({step.name: step.learner() for step in self.steps if not step.learned})

    def teaches(self, columns: Columns, known: Known) -> dict[str, Any]:
        """The entries, to those that they are of; and by column, to itself."""
        held = ~is_missing(columns[self.name])
        lent: dict[str, list[np.ndarray]] = {}
        own: dict[str, np.ndarray] = {}
        for step in self.steps:
            entries = {step.name: columns[step.name][held]}
            for owner, values in step.teaches(entries, self._known(known)).items():
                if owner in step.borrowed:
                    lent.setdefault(owner, []).append(values)
                else:
                    own[owner] = values
        return {**{owner: np.concatenate(parts) for owner, parts in lent.items()}, self.name: own}

    def with_learned(self, learned: Mapping[str, Any]) -> Behaviour:
        """The behaviour with what features of steps learned."""
        return self._replaced(
            step.with_learned(learned[step.name]) if step.name in learned else step
            for step in self.steps
        )

    def forgotten(self) -> Behaviour:
        """The behaviour without ids that steps learned."""
        return self._replaced(step.forgotten() for step in self.steps)

    def enlarged(self, other: Feature) -> Behaviour:
        """The behaviour with new ids of another one behind its own."""
        assert isinstance(other, Behaviour)
        return self._replaced(
            step.enlarged(one) for step, one in zip(self.steps, other.steps, strict=True)
        )

    def resource(self) -> dict[str, Any] | None:
        """Those of vocabularies that steps own, by column."""
        found = {step.name: step.resource() for step in self.steps}
        return {name: held for name, held in found.items() if held is not None} or None

    def look_up(
        self, raw: Tensors, known: Known, resources: Mapping[str, Any]
    ) -> dict[str, tf.Tensor]:
        """What each step's feature makes of the last steps, which stand in front."""
        ids = raw[self.name]
        held = ids != "" if ids.dtype == tf.string else ids >= 0
        inner = self._known(known)
        tables = {**resources, **(resources.get(self.name) or {})}
        found = {}
        for step in self.steps:
            # What pads is missing, of which each kind makes zeros.
            entries = by_step(last_held(raw[step.name], held, self.length))
            values = step.look_up({step.name: entries}, inner, tables)[step.name]
            found[step.name] = tf.reshape(values, [-1, self.length, *values.shape[1:]])
        return found

    def inputs(self) -> dict[str, tf.TensorSpec]:
        """What features of steps take, `[batch, length, ...]`."""
        found = {}
        for step in self.steps:
            spec = step.inputs()[step.name]
            shape = [None, self.length, *spec.shape[1:]]
            found[step.name] = tf.TensorSpec(shape, spec.dtype, name=step.name)
        return found

    @property
    def oov_rates(self) -> dict[str, float]:
        """Those of the steps' features."""
        return {name: rate for step in self.steps for name, rate in step.oov_rates.items()}

    def unknown(self, column: str, rows: tf.Tensor, known: Known) -> tf.Tensor:
        """As its step's feature says."""
        step = self.steps[self.columns.index(column)]
        return step.unknown(column, rows, self._known(known))

    def probe(self, rows: int, known: Known) -> dict[str, np.ndarray]:
        """Those of the steps' features, one after the other."""
        inner, found = self._known(known), {}
        for step in self.steps:
            values = step.probe(rows * self.length, inner)[step.name]
            found[step.name] = values.reshape(rows, self.length, *values.shape[1:])
        return found

    @property
    def tables(self) -> tuple[str, ...]:
        """All that features of steps read."""
        return tuple(dict.fromkeys(name for step in self.steps for name in step.tables))

    def table_rows(self, table: str, known: Known) -> int:
        """Rows of a table, were it one of a step's feature; see `Feature.table_rows`."""
        return self._known(known)[table].rows

    def asks(self, inputs: Tensors) -> list[Asked]:
        """The rows of all steps."""
        return [
            Asked(one.table, tf.reshape(one.rows, [-1, self.length * one.rows.shape[1]]))
            for step, flat in self._steps(inputs)
            for one in step.asks(flat)
        ]

    def _steps(self, inputs: Tensors) -> Iterator[tuple[Feature, dict[str, tf.Tensor]]]:
        """The feature of each column, and its inputs, a step after the other."""
        for step in self.steps:
            yield step, {step.name: by_step(inputs[step.name])}

    def layer(
        self,
        behaviour: Callable[[str, int], keras.layers.Layer],
        dims: Mapping[str, int],
        policy: str,
    ) -> keras.layers.Layer:
        """One like the encoder's, of its own."""
        for step in self.steps:
            if step.layer(behaviour, dims_of(step, dims), policy) is not None:
                raise ValueError(
                    f"`steps` of behaviour '{self.name}' must be of kinds without weights besides "
                    f"tables, such as a Vector without `projection`, received {step!r}"
                )
        return behaviour(self.name, self._width(dims))

    def _width(self, dims: Mapping[str, int]) -> int:
        """Width of a step's vector."""
        return sum(step.width(dims_of(step, dims), None) for step in self.steps)

    def width(self, dims: Mapping[str, int], layer: Any) -> int:
        """That of what the layer makes."""
        return layer.width(self._width(dims))

    def combine(self, inputs: Tensors, embedded: Several[Embedded], layer: Any) -> tf.Tensor:
        """What the layer makes of the steps' vectors."""
        given, parts = iter(embedded), []
        for step, flat in self._steps(inputs):
            found = [embedded_by_step(next(given), self.length) for _ in step.asks(flat)]
            parts.append(step.combine(flat, found, None))
        # The first ones are embeddings, of the encoder's own type.
        steps = tf.concat([tf.cast(part, parts[0].dtype) for part in parts], axis=1)
        steps = tf.reshape(steps, [-1, self.length, steps.shape[1]])
        return layer(steps, valid=inputs[self.name] > 0)

    def target_width(self, known: Known) -> int:
        """A logit for each row of the table of its ids."""
        return known[self.history_of].rows

    def target_loss(self, inputs: Tensors, output: tf.Tensor, known: Known) -> tf.Tensor:
        """The mean cross entropy of its ids."""
        rows = inputs[self.name]
        return mean_of_held(cross_entropy(rows, output), rows)

    def ids(self, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
        """Those of the steps that are used."""
        return members(columns[self.name], self.length)

    def numbers(self, columns: Columns) -> list[np.ndarray]:
        """How many steps a row has."""
        return [np.bincount(self.ids(columns)[0], minlength=len(columns[self.name]))]

    def settings(self) -> dict[str, Any]:
        """All that decides what its inputs are, as plain data."""
        steps = [[type(step).__name__, step.settings()] for step in self.steps]
        return {"name": self.name, "length": self.length, "steps": steps}

    def to_dict(self) -> dict[str, Any]:
        """Its kind and its arguments."""
        return {**super().to_dict(), "steps": [step.to_dict() for step in self.steps]}

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any]) -> Behaviour:
        """A behaviour of its arguments, as JSON has them; see `Feature.from_dict`."""
        steps = entries.get("steps", ())
        if isinstance(steps, list | tuple):
            entries = {**entries, "steps": [feature_of(step) for step in steps]}
        return super().from_dict(entries)  # type: ignore[return-value]
