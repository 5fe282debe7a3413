"""The schema: every feature declared once, with the side that it is known on."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from tfpfd._arguments import shown
from tfpfd.schema.adapt import learn
from tfpfd.schema.batch_fingerprints import check_fingerprints, fingerprints
from tfpfd.schema.batches import Source
from tfpfd.schema.declaration_checks import (
    check_columns_named,
    check_declarations,
    features_of,
    groups_of,
    refuse_columns,
    refuse_what_is_known,
)
from tfpfd.schema.feature import Feature, raw_columns
from tfpfd.schema.label_checks import check_target
from tfpfd.schema.lookup import Lookup
from tfpfd.schema.overview import features_html, names_by_side
from tfpfd.schema.schema_json import fields_of, parsed, plain_of

Side = Literal["user", "item", "privileged"]
Sees = Literal["served", "all", "privileged"]
SIDES: dict[Sees, tuple[Side, ...]] = {
    "served": ("user", "item"),
    "all": ("user", "item", "privileged"),
    "privileged": ("privileged",),
}


@dataclass(frozen=True)
class Schema:
    """Declares every feature once: its kind, and the side on which it is known.

    >>> import pandas as pd
    >>> from tfpfd import Categorical, Numeric, Schema, Sequence
    >>> rows = pd.DataFrame(
    ...     {
    ...         "user": ["ann", "bob", "ann"],
    ...         "read": [["emma"], [], ["emma", "ulysses"]],
    ...         "book": ["ulysses", "emma", "walden"],
    ...         "seconds": [40.0, 2.0, 75.0],
    ...         "label": [1.0, 0.0, 1.0],
    ...     }
    ... )
    >>> schema = Schema(
    ...     user=[Categorical("user"), Sequence("read", of="book", length=2)],
    ...     item=[Categorical("book")],
    ...     privileged={"post_event": [Numeric("seconds", buckets=2)]},
    ... )
    >>> schema = schema.adapt(rows, verbose=0)  # learns vocabularies and bucket edges
    >>> schema.vocabularies["book"].vocabulary
    ('emma', 'ulysses', 'walden')
    >>> list(schema.features("served"))
    ['user', 'read', 'book']

    A plain value: `adapt` returns another schema and leaves this one as it is.

    Args:
      user: features of the user and the request.
      item: features of the item.
      privileged: features known only in training, by kind: `"cross"` (of user and item, too dear
        to compute for every candidate) or `"post_event"` (known only afterwards).
      label: column of the label, in [0, 1]; NaN on rows without a label.
      sample_weight: column of the sample weight, if there is one.
      list_key: column that rows of one list (request, user) share, if there is one.
      stripped: names of privileged features that `served` took away, so that an export made of
        what is left still knows what to look for; two schemas that differ in it alone are equal.

    Raises:
      ValueError: a name twice, a privileged feature named as served, a vocabulary that no
        feature owns.
    """

    user: tuple[Feature, ...]
    item: tuple[Feature, ...]
    privileged: Mapping[str, tuple[Feature, ...]] = dataclasses.field(default_factory=dict)
    label: str = "label"
    sample_weight: str | None = None
    list_key: str | None = None
    stripped: tuple[str, ...] = dataclasses.field(default=(), compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "user", features_of("user", self.user))
        object.__setattr__(self, "item", features_of("item", self.item))
        object.__setattr__(self, "privileged", groups_of(self.privileged))
        if isinstance(self.stripped, str):
            raise ValueError(f"`stripped` must be names in a tuple, received {self.stripped!r}")
        object.__setattr__(self, "stripped", tuple(self.stripped))
        check_columns_named(self.label, self.sample_weight, self.list_key)
        check_declarations(self.user, self.item, self.privileged, (self.label, self.sample_weight))

    def __repr__(self) -> str:
        return f"Schema({names_by_side(self.groups)}{'' if self.adapted else '; to be adapted'})"

    def _repr_html_(self) -> str:
        features, known = self.features(), self.adapted
        columns = {"label": self.label, "weight": self.sample_weight, "lists": self.list_key}
        named = ", ".join(f"{what} in '{column}'" for what, column in columns.items() if column)
        title = f"Schema of {len(features)} features{'' if known else ', to be adapted'}; {named}"
        sizes = {name: self.table_rows(f) or None for name, f in features.items()} if known else {}
        return features_html(title, self.groups, sizes)

    @property
    def groups(self) -> dict[str, tuple[Feature, ...]]:
        """The features of each side, those that are privileged by what they are."""
        hidden = {f"privileged ({kind})": group for kind, group in self.privileged.items()}
        return {"user": self.user, "item": self.item, **hidden}

    @property
    def sides(self) -> dict[Side, tuple[Feature, ...]]:
        """The features of each side."""
        privileged = tuple(feature for group in self.privileged.values() for feature in group)
        return {"user": self.user, "item": self.item, "privileged": privileged}

    def features(self, sees: Sees = "all") -> dict[str, Feature]:
        """The features that a ranker with this view sees, by name, in the order of the sides.

        Args:
          sees: `"served"`, `"all"` or `"privileged"`.

        Raises:
          ValueError: for another value of `sees`.
        """
        if sees not in SIDES:
            raise ValueError(f"`sees` must be one of {list(SIDES)}, received {sees!r}")
        return {feature.name: feature for side in SIDES[sees] for feature in self.sides[side]}

    @property
    def vocabularies(self) -> dict[str, Any]:
        """The features that own a vocabulary, by name."""
        return {name: f for name, f in self.features().items() if f.has_vocabulary}

    @property
    def adapted(self) -> bool:
        """Whether all vocabularies and bucket edges are known, so that rows can be looked up."""
        return all(feature.learned for feature in self.features().values())

    def served(self) -> Schema:
        """The schema without its privileged features, of which it keeps the names."""
        return dataclasses.replace(self, privileged={}, stripped=self.unserved)

    @property
    def unserved(self) -> tuple[str, ...]:
        """Names of the columns that must not be served: privileged here, or in what it was of."""
        hidden = (*self.stripped, *raw_columns(self.sides["privileged"]))
        served = raw_columns(self.features("served").values())
        return tuple(dict.fromkeys(name for name in hidden if name not in served))

    def table_rows(self, feature: Feature) -> int:
        """Number of rows of the embedding tables that `feature` uses."""
        known = self.features()
        return sum(feature.table_rows(name, known) for name in feature.tables)

    def raw_spec(self, feature: Feature) -> tf.TensorSpec:
        """Shape and type of the raw column of `feature` in a request, the batch first."""
        return feature.signature(self.features())[feature.name]

    @functools.cached_property
    def lookup(self) -> Lookup:
        """Raw columns to the inputs of batches; needs every vocabulary and boundary."""
        return self.lookup_of(self.features().values())

    def lookup_of(self, features: Iterable[Feature]) -> Lookup:
        """The lookup of some of the features."""
        return Lookup(features, self.features())

    @functools.cached_property
    def fingerprints(self) -> dict[str, str]:
        """What decides which inputs the values of features become, by feature."""
        return fingerprints(self.features().values(), self.features())

    def check_inputs(
        self, owner: str, names: Collection[str], features: Iterable[str], required: bool
    ) -> None:
        """Refuses looked-up rows of another schema.

        Args:
          owner: what a message calls the reader.
          names: of a batch's inputs.
          features: names of those that are read.
          required: whether inputs that don't say their schema are refused too.

        Raises:
          ValueError: naming the features that differ.
        """
        known = self.features()
        prints = {c: self.fingerprints[name] for name in features for c in known[name].columns}
        check_fingerprints(owner, prints, names, required)

    def columns(self, raw: Mapping[str, Any], features: Iterable[Feature]) -> dict[str, np.ndarray]:
        """Checks raw columns and brings them into the form that `lookup` takes.

        Raises:
          ValueError: naming the columns, what was expected and what came.
        """
        checked: dict[str, np.ndarray] = {}
        refused: list[str] = []
        known = self.features()
        for feature in features:
            try:
                checked.update(feature.check(raw, known))
            except ValueError as error:
                refused.append(str(error))
        refuse_columns(refused)
        return checked

    def target(self, raw: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray | None]:
        """Labels `[rows]`, NaN on rows without one, and weights `[rows]` or None; float32.

        Raises:
          ValueError: a label outside [0, 1], a weight that is negative or missing.
        """
        return check_target(raw, self.label, self.sample_weight)

    def adapt(self, source: Source, verbose: int | bool = 1) -> Schema:
        """Learns what is not given: vocabularies and bucket edges, in one pass over the data.

        Memory is bounded by the vocabularies, whatever the number of rows. Every column is
        checked on the way. A vocabulary that served features use is learned from their columns
        alone, so that an export tells nothing of privileged ones: an id that only privileged
        columns hold is out of it. One that privileged features alone use is learned from them.

        Args:
          source: the rows: see `tfpfd.schema.raw_batches`.
          verbose: 0: silent, 1: a progress bar.

        Returns:
          The adapted schema.

        Raises:
          ValueError: naming the column, what was expected and what came; everything is learned or
            given already.
        """
        if self.adapted:
            refuse_what_is_known(self.features())
        features = self.features()
        learned = learn(
            source,
            self.column_names,
            features,
            self.features("served"),
            self.columns,
            self.label,
            lambda raw: self.target(raw)[0],
            int(verbose),
        )
        return self.replacing({n: features[n].with_learned(what) for n, what in learned.items()})

    @property
    def column_names(self) -> list[str]:
        """Every column the schema names: features, label, weight, list key."""
        others = (self.label, self.sample_weight, self.list_key)
        return list(dict.fromkeys([*raw_columns(self.features().values()), *filter(None, others)]))

    def replacing(self, new: Mapping[str, Feature]) -> Schema:
        """The schema with other features in the place of some.

        Args:
          new: features by the name of the one to replace.
        """

        def swap(group: Iterable[Feature]) -> tuple[Feature, ...]:
            return tuple(new.get(feature.name, feature) for feature in group)

        privileged = {kind: swap(group) for kind, group in self.privileged.items()}
        return dataclasses.replace(
            self, user=swap(self.user), item=swap(self.item), privileged=privileged
        )

    def to_dict(self) -> dict[str, Any]:
        """The schema as plain lists, dicts, strings and numbers."""
        return plain_of(vars(self))

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Schema:
        """The inverse of `to_dict`.

        Raises:
          ValueError: written in another format, or no schema's form, naming what is wrong.
        """
        return cls(**fields_of(plain))

    def to_json(self) -> str:
        """The schema as JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Schema:
        """The inverse of `to_json`.

        Raises:
          TypeError: `text` is no string.
          ValueError: `text` is no JSON, or not that of a schema, naming what is wrong.
        """
        return cls.from_dict(parsed(text))


def check_schema(schema: Any) -> None:
    """Refuses what is no schema.

    Raises:
      TypeError: naming the argument.
    """
    if not isinstance(schema, Schema):
        raise TypeError(
            f"`schema` must be a tfpfd.Schema, received {shown(schema)}; is it in another "
            "argument's place?"
        )
