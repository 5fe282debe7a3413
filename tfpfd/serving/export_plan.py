"""What each kind of export writes: its module, its signatures, and what its manifest says."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tfpfd._arguments import check_integer
from tfpfd.distillation import Ranker
from tfpfd.schema import Schema, Side
from tfpfd.schema.feature import raw_columns
from tfpfd.serving.item_table import TableType, check_table_type
from tfpfd.serving.ranker_module import RankerModule, ServedRankers
from tfpfd.serving.request_rules import rule_inputs
from tfpfd.serving.signatures import (
    OF_A_CATALOGUE,
    OF_A_RANKER,
    OF_A_SIDE,
    OF_RANKERS,
    Signature,
    samples_of,
)
from tfpfd.serving.signatures.rank import ORDER, VALUE
from tfpfd.serving.signatures.signature import checked_signatures
from tfpfd.serving.student_checks import check_names, checked_student
from tfpfd.serving.two_tower_module import ServedCatalogue, TowerModule, Towers, TwoTowerModule


@dataclass(frozen=True)
class ExportPlan:
    """What an export writes.

    Attributes:
      module: refers to parts of the student and to nothing else.
      model: what the signatures compute with.
      signatures: the first is `serving_default` too, unless one has that name.
      schema: the student's.
      facts: what the manifest says of this kind of export.
    """

    module: Any
    model: Any
    signatures: Sequence[Signature]
    schema: Schema
    facts: dict[str, Any]

    def functions(self) -> dict[str, Callable]:
        """The signatures by name, traced."""
        specs, attributes = self.module.lookup.signature(), self.facts.get("attributes", ())
        traced = {}
        for one in self.signatures:
            features = _features(self.schema, one)
            inputs = one.inputs(self.schema, attributes)
            traced[one.name] = one.traced(
                self.model, {name: specs[name] for name in features}, inputs
            )
        return {"serving_default": traced[self.signatures[0].name], **traced}

    def with_more(self, given: Any) -> ExportPlan:
        """The plan with signatures of one's own besides.

        Args:
          given: `Signature` objects.

        Raises:
          TypeError: one is no `Signature`.
          ValueError: one has a name that is taken, or features of a side that isn't exported, or
            an input with the name of a feature.
        """
        own = checked_signatures(given, ["serving_default", *(one.name for one in self.signatures)])
        specs, attributes = self.module.lookup.signature(), self.facts.get("attributes", ())
        for one in own:
            if lacking := [name for name in _features(self.schema, one) if name not in specs]:
                raise ValueError(
                    f"signature '{one.name}' takes features {lacking}, which this export hasn't: "
                    f"expected `sides` of those that it has, received {one.sides}"
                )
        _check_inputs(self.schema, own, attributes)
        samples = {one.name: samples_of(one, self.schema, attributes) for one in own}
        facts = {**self.facts, "signatures": samples}
        return dataclasses.replace(self, signatures=(*self.signatures, *own), facts=facts)


class TowerPlan(ExportPlan):
    """What an export of one tower writes: of the variables those that its signatures read."""

    def functions(self) -> dict[str, Callable]:
        """The signatures by name, traced."""
        functions = super().functions()
        self.module.hold(functions.values())
        return functions


def catalogue_plan(student: Any, k: int, table: TableType, attributes: list[str]) -> ExportPlan:
    """A two-tower student with a table of items.

    Args:
      student: a ranker with a `TwoTower` that sees served features.
      k: how many items `serving_default` returns.
      table: type of the item table.
      attributes: names of item features that requests filter by.

    Raises:
      TypeError: `student` is no ranker with a two-tower network.
      ValueError: it sees privileged features, a user feature has the name of another input, or one
        of the other arguments is wrong.
    """
    student = checked_student(student, two_tower=True)
    check_integer("k", k, least=1)
    check_table_type(table)
    schema = student.schema
    rule_inputs(schema, attributes)
    _check_inputs(schema, OF_A_CATALOGUE, attributes)
    module = TwoTowerModule(student, table, attributes)
    facts = {"k": int(k), "table": table, "attributes": attributes}
    model = ServedCatalogue(student, module, int(k))
    return ExportPlan(module, model, OF_A_CATALOGUE, schema, facts)


def ranker_plan(student: Any) -> ExportPlan:
    """One ranker: features → `logit` and `probability`.

    Raises:
      TypeError: it is no ranker.
      ValueError: it sees privileged features.
    """
    rankers = {"student": checked_student(student)}
    module = RankerModule(rankers)
    model = ServedRankers(rankers, module.lookup, None)
    return ExportPlan(module, model, OF_A_RANKER, student.schema, {})


def expected_value_plan(rankers: Mapping[str, Ranker], price: str | None) -> ExportPlan:
    """Several rankers: features → their probabilities, the product, and the order by it.

    Raises:
      TypeError: one is no ranker.
      ValueError: there is none, their schemas differ, one sees privileged features, or has the name
        of another output, or `price` is no number of the schema.
    """
    if not rankers:
        raise ValueError("`student` is an empty mapping: expected rankers by name")
    for one in rankers.values():
        checked_student(one)
    schema = next(iter(rankers.values())).schema
    for name, one in rankers.items():
        if one.schema.served() != schema.served():
            raise ValueError(
                f"`student` must hold rankers of the same served schema, received for '{name}' "
                "another: adapt one schema and give it to all of them"
            )
    taken = sorted({VALUE, ORDER} & set(rankers))
    if taken:
        raise ValueError(f"`student` has rankers named {taken}, as other outputs are: rename them")
    numbers = [name for name, feature in schema.features("served").items() if feature.is_number]
    if price is not None and price not in numbers:
        raise ValueError(f"`price` must be a served Numeric, of {numbers}, received {price!r}")
    module = RankerModule(rankers)
    model = ServedRankers(rankers, module.lookup, price)
    facts = {"rankers": list(rankers), "price": price}
    return ExportPlan(module, model, OF_RANKERS, schema, facts)


def tower_plan(student: Any, side: Side) -> ExportPlan:
    """One tower: features of its side → `embedding`.

    A logit is the inner product of the two towers' embeddings plus the bias, which the manifest of
    either holds as `bias`: 0 if the network has none.

    Raises:
      TypeError: `student` is no ranker with a two-tower network.
      ValueError: it sees privileged features, or `side` is no side.
    """
    student = checked_student(student, two_tower=True)
    if side not in OF_A_SIDE:
        raise ValueError(f"`side` must be 'user' or 'item', received {side!r}")
    module = TowerModule(student, side)
    bias = student.network.bias
    facts = {"side": side, "bias": 0.0 if bias is None else float(bias)}
    model = Towers(student, module.lookup)
    return TowerPlan(module, model, OF_A_SIDE[side], student.schema, facts)


def _features(schema: Schema, signature: Signature) -> list[str]:
    """Names of the columns of the features that a signature takes."""
    return [name for side in signature.sides for name in raw_columns(schema.sides[side])]


def _check_inputs(
    schema: Schema, signatures: Sequence[Signature], attributes: Sequence[str]
) -> None:
    """Refuses features with the name of another input of a signature that takes them."""
    taken = [
        name
        for one in signatures
        for name in _features(schema, one)
        if name in one.inputs(schema, attributes)
    ]
    check_names(list(dict.fromkeys(taken)))
