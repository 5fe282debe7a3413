"""Ids of a vocabulary: one a row, or several."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import tensorflow as tf

from tfpfd._arguments import without_numpy
from tfpfd.schema.cells import Cells
from tfpfd.schema.feature import Feature
from tfpfd.schema.id_feature import IdFeature
from tfpfd.schema.kind_arguments import (
    check_name,
    check_optional,
    check_positive,
    check_rate,
    check_unique,
)
from tfpfd.schema.kind_json import LATER, TRAINING
from tfpfd.schema.kinds import register_kind
from tfpfd.schema.learner import Learner
from tfpfd.schema.separated import Separated
from tfpfd.schema.table_feature import PADDING_ROWS
from tfpfd.schema.vocabulary import VocabularyLearner, hash_table
from tfpfd.schema.weighted import Weighted

Dtype = Literal["string", "int"]


@register_kind
@dataclass(frozen=True)
class Categorical(IdFeature):
    """A feature of ids: one a row, or several (`length`).

    Its vocabulary is learned by `Schema.adapt`, unless it is given, hashed, or another feature's.

    Several ids of a row are averaged; with `weights`, by weights of their own:

    >>> import pandas as pd
    >>> from tfpfd import FeatureEncoder, Schema
    >>> tags = Categorical("tags", length=2, weights="shares")
    >>> rows = pd.DataFrame({"tags": [["war", "love"], []], "shares": [[3.0, 1.0], []]})
    >>> schema = Schema(user=[], item=[tags]).adapt(rows.assign(label=1.0), verbose=0)
    >>> raw = schema.columns(rows, schema.item)
    >>> inputs = schema.lookup({name: tf.constant(values) for name, values in raw.items()})
    >>> inputs["shares"].numpy().tolist()
    [[0.75, 0.25], [0.0, 0.0]]
    >>> Categorical("genres", length=3, separator="|").signature({"genres": Categorical("genres")})
    {'genres': TensorSpec(shape=(None,), dtype=tf.string, name='genres')}

    Args:
      name: the column.
      dtype: `"string"`, or `"int"` for non-negative integers.
      vocabulary: the known values, when they are given and not learned.
      hash_buckets: number of rows that values are hashed into, in place of a vocabulary.
      of: name of the `Categorical` whose vocabulary and table this one uses.
      oov: number of rows that values outside the vocabulary are spread over by their hash.
      length: most values a row may hold. None: exactly one. Of longer rows the last are kept.
      optional: whether a value may be missing (None, NaN, "" or negative).
      min_count: when learned, a value seen less often is left out of the vocabulary.
      max_size: when learned, the largest number of values kept, the most frequent first.
      weights: of several values, the column of their weights, lists as long as those of the values.
        Weights are of at least 0, and are divided by their sum in a row.
      separator: of several values, what parts them in a string, such as `"drama|war"`; None: a row
        holds a list.
      oov_rate: how often, in training, an id is taken for one outside the vocabulary, so that the
        row of those means something: that of new users and items. A rate in [0, 1).
    """

    name: str
    dtype: Dtype = "string"
    vocabulary: tuple[str, ...] | tuple[int, ...] | None = field(default=None, repr=False)
    hash_buckets: int | None = None
    of: str | None = None
    oov: int = 1
    length: int | None = None
    optional: bool = False
    min_count: int = 1
    max_size: int | None = None
    weights: str | None = field(default=None, metadata=LATER)
    separator: str | None = field(default=None, metadata=LATER)
    oov_rate: float = field(default=0.0, metadata=TRAINING)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dtype not in ("string", "int"):
            raise ValueError(
                f"`dtype` of feature '{self.name}' must be 'string' or 'int', "
                f"received {self.dtype!r}"
            )
        sources = {"vocabulary": self.vocabulary, "hash_buckets": self.hash_buckets, "of": self.of}
        given = [name for name, value in sources.items() if value is not None]
        if len(given) > 1:
            raise ValueError(
                f"feature '{self.name}' takes at most one of `vocabulary`, `hash_buckets` and "
                f"`of`, received {' and '.join(f'`{name}`' for name in given)}"
            )
        check_optional(self.name, self.optional)
        check_positive(self.name, "oov", self.oov)
        check_positive(self.name, "min_count", self.min_count)
        for argument in ("hash_buckets", "length", "max_size"):
            if getattr(self, argument) is not None:
                check_positive(self.name, argument, getattr(self, argument))
        check_rate(self.name, self.oov_rate)
        if self.weights is not None:
            check_name(self.weights)
        if self.separator is not None and (type(self.separator) is not str or not self.separator):
            raise ValueError(
                f"`separator` of feature '{self.name}' must be a string of some letters, "
                f"received {self.separator!r}"
            )
        self._check_unused()
        if self.vocabulary is not None:
            self._check_vocabulary()

    def _check_unused(self) -> None:
        """Refuses arguments that would be ignored."""
        ignored: list[str] = []
        if self.of is not None:
            ignored = ["dtype", "oov", "min_count", "max_size"]
        elif self.hash_buckets is not None:
            ignored = ["oov", "min_count", "max_size", "oov_rate"]
        ignored += ["weights", "separator"] if self.length is None else ["optional"]
        if self.separator is not None:
            ignored.append("weights")
        defaults = {f.name: f.default for f in fields(self)}
        given = [name for name in ignored if getattr(self, name) != defaults[name]]
        if given:
            raise ValueError(
                f"feature '{self.name}' has no use for {' and '.join(f'`{n}`' for n in given)}: "
                "with `of` they are the other feature's, hashing has no vocabulary, several "
                "values (`length`) may always be none, and they alone have weights or a separator, "
                "of which a row has one"
            )

    def _check_vocabulary(self) -> None:
        if isinstance(self.vocabulary, str) or not isinstance(self.vocabulary, Iterable):
            raise ValueError(
                f"`vocabulary` of feature '{self.name}' must be a tuple, "
                f"received {self.vocabulary!r}"
            )
        vocabulary = tuple(map(without_numpy, self.vocabulary))
        for value in vocabulary:
            # Empty strings and negative integers are how a missing value is written.
            if self.dtype == "string":
                valid = type(value) is str and value != ""
            else:
                valid = type(value) is int and 0 <= value < 2**63
            if not valid:
                what = "non-empty strings" if self.dtype == "string" else "int from 0 to 2**63 - 1"
                raise ValueError(
                    f"`vocabulary` of feature '{self.name}' must hold {what}, received {value!r}"
                )
        check_unique(f"`vocabulary` of feature '{self.name}'", vocabulary)
        object.__setattr__(self, "vocabulary", vocabulary)

    @property
    def table(self) -> str:
        """Name of the vocabulary, and so of the embedding table."""
        return self.of or self.name

    @property
    def borrowed(self) -> tuple[str, ...]:
        """The feature whose vocabulary it is `of`."""
        return () if self.of is None else (self.of,)

    @property
    def has_vocabulary(self) -> bool:
        """Whether the vocabulary is its own."""
        return self.of is None

    @property
    def is_id(self) -> bool:
        """Whether a row holds exactly one value."""
        return self.length is None

    @property
    def filtered_by(self) -> Literal["values"] | None:
        """Requests name the values that they want; none of those in one string."""
        return "values" if self.separator is None else None

    @property
    def _cells(self) -> Cells:
        """One id a row, or how several are held."""
        if self.separator is not None:
            return Separated(self.separator)
        return super()._cells if self.weights is None else Weighted(self.weights)

    @property
    def rows(self) -> int:
        """Rows of the table: padding, out of vocabulary, values."""
        if self.hash_buckets is not None:
            return PADDING_ROWS + self.hash_buckets
        if self.vocabulary is None:
            raise ValueError(
                f"feature '{self.name}' has no vocabulary of its own yet: call "
                "`schema = schema.adapt(data)` first, or give one"
            )
        return PADDING_ROWS + self.oov + len(self.vocabulary)

    @property
    def learned(self) -> bool:
        """Whether nothing is left for `Schema.adapt` to learn."""
        return any(x is not None for x in (self.vocabulary, self.hash_buckets, self.of))

    @property
    def holds_learned(self) -> bool:
        """Whether it has a vocabulary that is no other feature's."""
        return bool(self.vocabulary)

    def learner(self) -> Learner:
        """Counts values."""
        return VocabularyLearner(self.min_count, self.max_size)

    def with_learned(self, learned: tuple) -> Categorical:
        """The feature with this vocabulary."""
        return dataclasses.replace(self, vocabulary=learned)

    def forgotten(self) -> Categorical:
        """The feature without its vocabulary."""
        return dataclasses.replace(self, vocabulary=None)

    def new_values(self, other: Feature) -> list:
        """Values of the other vocabulary that this one doesn't have, in their order."""
        assert isinstance(other, Categorical)
        before = set(self.vocabulary or ())
        return [value for value in other.vocabulary or () if value not in before]

    def enlarged(self, other: Feature) -> Categorical:
        """The feature with new values behind its own, as far as `max_size` leaves room."""
        if self.vocabulary is None:
            return self
        room = None if self.max_size is None else max(0, self.max_size - len(self.vocabulary))
        new: Any = (*self.vocabulary, *self.new_values(other)[:room])
        return dataclasses.replace(self, vocabulary=new)

    def resource(self) -> tf.lookup.experimental.MutableHashTable | None:
        """The vocabulary as a hash table.

        A mutable one keeps its entries among the variables of a SavedModel; a static one would put
        them into the graph, which ends at 2 GB.
        """
        if self.vocabulary is None:
            return None
        dtype = tf.string if self.dtype == "string" else tf.int64
        return hash_table(self.vocabulary, dtype, self.oov)
