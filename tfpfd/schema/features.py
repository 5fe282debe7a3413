"""The kinds of feature a schema is made of: plain values that know their table's size."""

from __future__ import annotations

import itertools
import keyword
import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, fields
from typing import Literal

from tfpfd._arguments import plain

Dtype = Literal["string", "int"]

# Every table starts with one row for padding and missing values, so that a mask is `ids > 0`.
PADDING_ROWS = 1


def _check_name(name: object) -> None:
    # A signature of a SavedModel takes features as keyword arguments.
    usable = (
        isinstance(name, str)
        and name.isascii()
        and name.isidentifier()
        and not keyword.iskeyword(name)
        and not name.startswith("_")
    )
    if not usable:
        raise ValueError(
            "`name` of a feature must be a string of ASCII letters, digits and _, a letter first, "
            f"and no Python keyword, received {name!r}"
        )


def _make_plain(feature: Feature) -> None:
    """Replaces NumPy's integers, strings and truth values: JSON has no place for them."""
    for argument in fields(feature):
        object.__setattr__(feature, argument.name, plain(getattr(feature, argument.name)))


def _check_optional(owner: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ValueError(
            f"`optional` of feature '{owner}' must be True or False, received {value!r}"
        )


def _check_positive(owner: str, argument: str, value: object, least: int = 1) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(
            f"`{argument}` of feature '{owner}' must be an integer of at least {least}, "
            f"received {value!r}"
        )


@dataclass(frozen=True)
class Categorical:
    """A feature of ids: one a row, or several (`length`).

    Its vocabulary is learned by `Schema.adapt`, unless it is given, hashed, or another feature's.

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

    def __post_init__(self) -> None:
        _make_plain(self)
        _check_name(self.name)
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
        _check_optional(self.name, self.optional)
        _check_positive(self.name, "oov", self.oov)
        _check_positive(self.name, "min_count", self.min_count)
        for argument in ("hash_buckets", "length", "max_size"):
            if getattr(self, argument) is not None:
                _check_positive(self.name, argument, getattr(self, argument))
        self._check_unused()
        if self.vocabulary is not None:
            self._check_vocabulary()

    def _check_unused(self) -> None:
        """Refuses arguments that would be ignored."""
        ignored: list[str] = []
        if self.of is not None:
            ignored = ["dtype", "oov", "min_count", "max_size"]
        elif self.hash_buckets is not None:
            ignored = ["oov", "min_count", "max_size"]
        if self.length is not None:
            ignored.append("optional")
        defaults = {f.name: f.default for f in fields(self)}
        given = [name for name in ignored if getattr(self, name) != defaults[name]]
        if given:
            raise ValueError(
                f"feature '{self.name}' has no use for {' and '.join(f'`{n}`' for n in given)}: "
                "with `of` they are the other feature's, hashing has no vocabulary, and several "
                "values may always be none"
            )

    def _check_vocabulary(self) -> None:
        if isinstance(self.vocabulary, str) or not isinstance(self.vocabulary, Iterable):
            raise ValueError(
                f"`vocabulary` of feature '{self.name}' must be a tuple, "
                f"received {self.vocabulary!r}"
            )
        vocabulary = tuple(map(plain, self.vocabulary))
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
        _check_unique(f"`vocabulary` of feature '{self.name}'", vocabulary)
        object.__setattr__(self, "vocabulary", vocabulary)

    @property
    def table(self) -> str:
        """Name of the vocabulary, and so of the embedding table."""
        return self.of or self.name

    @property
    def learned(self) -> bool:
        """Whether nothing is left for `Schema.adapt` to learn."""
        return any(x is not None for x in (self.vocabulary, self.hash_buckets, self.of))

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


@dataclass(frozen=True)
class Numeric:
    """A number, put into buckets by edges that are given or learned as quantiles.

    Args:
      name: the column.
      buckets: how many buckets of equal frequency `Schema.adapt` aims for.
      boundaries: ascending bucket edges, when they are given and not learned. A value equal to
        an edge belongs to the bucket above it.
      optional: whether a value may be missing (None or NaN).
    """

    name: str
    buckets: int = 10
    boundaries: tuple[float, ...] | None = None
    optional: bool = False

    length: None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        _make_plain(self)
        _check_name(self.name)
        _check_optional(self.name, self.optional)
        _check_positive(self.name, "buckets", self.buckets, least=2)
        if self.boundaries is None:
            return
        try:
            edges = tuple(float(edge) for edge in self.boundaries)
        except (TypeError, ValueError):
            edges = (math.nan,)  # No numbers: refused below.
        ascending = all(low < high for low, high in itertools.pairwise(edges))
        if not ascending or not all(math.isfinite(edge) for edge in edges):
            raise ValueError(
                f"`boundaries` of feature '{self.name}' must be finite and ascending numbers, "
                f"received {self.boundaries!r}"
            )
        object.__setattr__(self, "boundaries", edges)

    @property
    def table(self) -> str:
        """Name of the embedding table."""
        return self.name

    @property
    def learned(self) -> bool:
        """Whether nothing is left for `Schema.adapt` to learn."""
        return self.boundaries is not None

    @property
    def rows(self) -> int:
        """Rows of the table: missing, then one a bucket."""
        if self.boundaries is None:
            raise ValueError(
                f"feature '{self.name}' has no bucket boundaries yet: call "
                "`schema = schema.adapt(data)` first, or give them"
            )
        return PADDING_ROWS + len(self.boundaries) + 1


@dataclass(frozen=True)
class Sequence:
    """A user's behaviour: ids of another feature's vocabulary in order, the oldest first.

    Args:
      name: the column; each row holds any number of values, also none.
      of: name of the `Categorical` whose vocabulary and table the values belong to.
      length: how many values are used. Of longer rows the last, most recent, are kept.
    """

    name: str
    of: str
    length: int = 50

    optional: bool = field(default=True, init=False, repr=False)

    def __post_init__(self) -> None:
        _make_plain(self)
        _check_name(self.name)
        if not isinstance(self.of, str) or not self.of:
            raise ValueError(
                f"`of` of sequence '{self.name}' must name a Categorical, received {self.of!r}"
            )
        _check_positive(self.name, "length", self.length)

    @property
    def table(self) -> str:
        """Name of the vocabulary, and so of the embedding table."""
        return self.of

    @property
    def learned(self) -> bool:
        """A sequence has nothing of its own to learn."""
        return True


Feature = Categorical | Numeric | Sequence


def _check_unique(what: str, values: tuple[Hashable, ...]) -> None:
    if len(set(values)) != len(values):
        seen: set[Hashable] = set()
        twice = next(value for value in values if value in seen or seen.add(value))  # type: ignore[func-returns-value]
        raise ValueError(f"{what} must not repeat a value, received {twice!r} more than once")
