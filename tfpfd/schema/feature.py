"""What a feature kind is: all that anything else needs to know of a column, in one class."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from tfpfd._keras import keras
from tfpfd.schema.columns import is_missing
from tfpfd.schema.kind_arguments import check_name, replace_numpy
from tfpfd.schema.kind_json import checked_fields, settings_of
from tfpfd.schema.learner import Learner
from tfpfd.schema.table_requests import Asked, Embedded

Known = Mapping[str, "Feature"]
"""The features of a schema by name: what a feature borrows a vocabulary from is in it."""
Columns = Mapping[str, np.ndarray]
Tensors = Mapping[str, tf.Tensor]


class Feature(abc.ABC):
    """A feature of a schema: the base class of all kinds.

    A kind is a frozen dataclass under `register_kind`, whose fields are plain values: its JSON, its
    equality and what tells its batches from those of other settings come from them. It must have
    `name` and define `check`, `signature`, `sample`, `look_up`, `inputs`, `width` and `combine`;
    `tests/schema/test_new_kind.py` has one in full. Kinds of table rows derive from
    `tfpfd.schema.table_feature.TableFeature`, which defines the last three.

    A column goes this way: `check` brings what a frame or a request holds into arrays, `learner`
    learns from these, `look_up` makes of them the inputs of a batch, in training and in the graph
    that is served, `asks` says which table rows they need, and `combine` makes one vector of it.
    """

    name: str

    def __post_init__(self) -> None:
        replace_numpy(self)
        check_name(self.name)

    # What it is declared as.

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its raw columns, and of its inputs in a batch; the first one is its own name."""
        return (self.name,)

    @property
    def borrowed(self) -> tuple[str, ...]:
        """Names of the features whose vocabularies it uses."""
        return ()

    @property
    def has_vocabulary(self) -> bool:
        """Whether it has a vocabulary that others may borrow and that new rows may enlarge."""
        return False

    @property
    def is_id(self) -> bool:
        """Whether it is one id a row, so that it can identify an item."""
        return False

    @property
    def is_number(self) -> bool:
        """Whether it is one number a row, such as a price."""
        return False

    @property
    def filtered_by(self) -> Literal["values", "bounds"] | None:
        """What a request may ask of it where it is an item's: some values, bounds, or nothing."""
        return None

    @property
    def history_of(self) -> str | None:
        """The table of what it is a history of, in ids; None if it is none."""
        return None

    # Raw columns.

    @abc.abstractmethod
    def check(self, raw: Mapping[str, Any], known: Known) -> dict[str, np.ndarray]:
        """Brings raw columns into the form that `look_up` and a served request take.

        Args:
          raw: of its `columns`, whatever `raw_batches` yields.
          known: the features of the schema.

        Returns:
          Arrays `[rows, ...]` by column, as `signature` says; see `tfpfd.schema.columns.column`.

        Raises:
          ValueError: naming the column, what was expected and what came.
        """

    @abc.abstractmethod
    def signature(self, known: Known) -> dict[str, tf.TensorSpec]:
        """Shape and type of each raw column in a request, the batch first; by column."""

    @abc.abstractmethod
    def sample(self, rows: int, known: Known, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Raw values as a request may hold them, `[rows, ...]` by column; for warm-up."""

    def held(self, columns: Columns) -> int:
        """How many values of checked columns aren't missing."""
        return int((~is_missing(columns[self.name])).sum())

    # What `Schema.adapt` learns.

    @property
    def learned(self) -> bool:
        """Whether nothing of its own is left for `Schema.adapt` to learn."""
        return True

    @property
    def holds_learned(self) -> bool:
        """Whether it holds what `Schema.adapt` would learn of other features of its kind."""
        return False

    def learner(self) -> Learner:
        """A new learner; asked for where it isn't `learned`."""
        raise NotImplementedError

    def teaches(self, columns: Columns, known: Known) -> dict[str, Any]:
        """What checked columns teach, by the name of the feature that learns it."""
        return {self.name: columns[self.name]}

    def with_learned(self, learned: Any) -> Feature:
        """The feature with what its learner learned."""
        raise NotImplementedError

    def forgotten(self) -> Feature:
        """The feature without ids that it learned, so that those of other rows can be learned."""
        return self

    def new_values(self, other: Feature) -> list:
        """The ids of another feature like it that this one doesn't have, in their order."""
        return []

    def enlarged(self, other: Feature) -> Feature:
        """The feature with its ids, and behind them new ones of another feature like it."""
        return self

    # Raw columns to inputs.

    def resource(self) -> Any:
        """What lookups need besides the graph, such as a hash table; made once a vocabulary."""
        return None

    @abc.abstractmethod
    def look_up(
        self, raw: Tensors, known: Known, resources: Mapping[str, Any]
    ) -> dict[str, tf.Tensor]:
        """Raw columns to the inputs of a batch, in TensorFlow: it is served as it stands here.

        Args:
          raw: of its `columns`, as `signature` says; ragged ones are padded already.
          known: itself, and the features that it borrows from.
          resources: of those that have one, by name.

        Returns:
          `[batch, ...]` by column, as `inputs` says.
        """

    @abc.abstractmethod
    def inputs(self) -> dict[str, tf.TensorSpec]:
        """Shape and type of what `look_up` makes, the batch first; by column."""

    @property
    def inputs_are(self) -> str:
        """What a message calls inputs of the right type."""
        return ", ".join(spec.dtype.name for spec in self.inputs().values())

    def zeroed(self, inputs: Columns) -> dict[str, np.ndarray]:
        """Inputs that say of every row what those of a missing value say."""
        return {name: np.zeros_like(inputs[name]) for name in self.columns}

    @property
    def oov_rates(self) -> dict[str, float]:
        """How often, in training, ids are taken for unknown ones; by column, of those that are."""
        return {}

    def unknown(self, column: str, rows: tf.Tensor, known: Known) -> tf.Tensor:
        """Inputs of a column of `oov_rates`, were all its ids unknown; what is missing stays so."""
        raise NotImplementedError

    def probe(self, rows: int, known: Known) -> dict[str, np.ndarray]:
        """Inputs of all sorts, with which a ranker is tried out: numbers from -1 to 1."""
        found = {}
        for name, spec in self.inputs().items():
            shape = (rows, *spec.shape[1:])
            values = np.linspace(-1, 1, int(np.prod(shape)))
            found[name] = values.reshape(shape).astype(spec.dtype.as_numpy_dtype)
        return found

    # Inputs to one vector.

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the embedding tables that it reads, those of the features that own them."""
        return ()

    @property
    def rows(self) -> int:
        """Rows of the table that it owns; row 0 is that of a missing value.

        Raises:
          ValueError: it owns none, or is still to learn.
        """
        raise ValueError(f"feature '{self.name}' has no embedding table")

    def table_rows(self, table: str, known: Known) -> int:
        """Rows of one of its `tables`."""
        return known[table].rows

    def asks(self, inputs: Tensors) -> list[Asked]:
        """The table rows that a batch needs; what all features ask for is gathered at once."""
        return []

    def layer(
        self,
        behaviour: Callable[[str, int], keras.layers.Layer],
        dims: Mapping[str, int],
        policy: str,
    ) -> keras.layers.Layer | None:
        """The layer with weights of its own that `combine` uses, new and built; None: none.

        Args:
          behaviour: makes a built layer for sequences like the encoder's, of a name and the width
            of a step's vector. `combine` calls it with steps `[batch, length, width]` and `valid`,
            bool `[batch, length]`.
          dims: widths of its `tables`.
          policy: name of the encoder's dtype policy, for layers of one's own.
        """
        return None

    @abc.abstractmethod
    def width(self, dims: Mapping[str, int], layer: Any) -> int:
        """Width of the vector that `combine` makes; the arguments are those of `layer` and it."""

    @abc.abstractmethod
    def combine(self, inputs: Tensors, embedded: Sequence[Embedded], layer: Any) -> tf.Tensor:
        """One vector `[batch, width]`.

        Args:
          inputs: of its `columns`.
          embedded: an entry for each of `asks`.
          layer: what `layer` made; one that attends has its candidate already.
        """

    # As something to predict, and for models other than networks.

    def target_width(self, known: Known) -> int:
        """Width of the head that predicts it where it is privileged.

        Raises:
          ValueError: its kind can't be predicted.
        """
        raise ValueError(
            f"feature '{self.name}' can't be predicted: a {type(self).__name__} has no loss of a "
            "head; expected a kind that has one, such as Categorical, Numeric or Sequence"
        )

    def target_loss(self, inputs: Tensors, output: tf.Tensor, known: Known) -> tf.Tensor:
        """The loss `[batch]` of a head's output `[batch, target_width]`; 0 where it is missing."""
        raise NotImplementedError

    def ids(self, columns: Columns) -> tuple[np.ndarray, np.ndarray] | None:
        """Row numbers `[members]`, ascending, and the ids there; None where it has no ids."""
        return None

    def numbers(self, columns: Columns) -> list[np.ndarray]:
        """What of checked columns is a number already, `[rows]` each, NaN where missing."""
        return []

    # As plain data.

    def settings(self) -> dict[str, Any]:
        """All that decides what its inputs are, as plain data."""
        return settings_of(self)

    def to_dict(self) -> dict[str, Any]:
        """Its kind and those of its arguments that aren't the defaults."""
        arguments = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
            if field.init and getattr(self, field.name) != field.default
        }
        return {"kind": type(self).__name__, **arguments}

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any]) -> Feature:
        """A feature of this kind of its arguments, as JSON has them.

        Raises:
          ValueError: naming what is wrong, what was expected and what came.
        """
        arguments = checked_fields(cls, entries)
        try:
            return cls(**arguments)
        except (TypeError, OverflowError) as error:
            raise ValueError(
                f"no {cls.__name__} can be made of {arguments!r:.200}: {error}"
            ) from None


def raw_columns(features: Iterable[Feature]) -> list[str]:
    """The names of the raw columns of features, in their order."""
    return [column for feature in features for column in feature.columns]


def tables_of(features: Iterable[Feature]) -> set[str]:
    """The names of the embedding tables that features read."""
    return {table for feature in features for table in feature.tables}
