"""Models in a line, as `summary()` and as HTML: their parts, with shapes and parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tfpfd._html import html_of, html_table, shown
from tfpfd._keras import keras
from tfpfd.schema.overview import kinds_and_sides

HEAD = ("part", "type", "output", "parameters")


@dataclass(frozen=True)
class Part:
    """A part of a model.

    Attributes:
      name: what it is to the model, such as "student: network".
      layer: the layer.
      output: its shapes.
    """

    name: str
    layer: Any
    output: str = "logits [batch]"


class OverviewModel(keras.Model):
    """Base of models that show their parts.

    A subclass names them (`_overview_parts`), and what a line says of it beside its name
    (`_overview_words`).
    """

    def _overview_parts(self) -> list[Part]:
        """Its parts; by default the layers that Keras knows."""
        return [Part(layer.name, layer, "") for layer in self.layers]

    def _overview_words(self) -> Iterable[str]:
        """What a line says of it."""
        return ()

    def _overview_tables(self) -> list[str]:
        """Tables of HTML below that of the parts."""
        return []

    def summary(
        self,
        line_length: int | None = None,
        positions: list[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: list[str] | None = None,
    ) -> None:
        """Prints its parts, their outputs and parameters; what two share is counted once.

        Args:
          line_length: as in Keras, whose own table is printed where this or another of its
            arguments is given.
          positions: likewise.
          print_fn: what prints a line, in place of `print`.
          expand_nested: likewise.
          show_trainable: likewise.
          layer_range: likewise.
        """
        if any((line_length, positions, expand_nested, show_trainable, layer_range)):
            super().summary(
                line_length=line_length,
                positions=positions,
                print_fn=print_fn,
                expand_nested=expand_nested,
                show_trainable=show_trainable,
                layer_range=layer_range,
            )
            return
        for line in _lines([HEAD, *_rows(self._overview_parts())]):
            (print_fn or print)(line)
        (print_fn or print)(_total(self))

    def __repr__(self) -> str:
        words = (f"'{self.name}'", *self._overview_words(), f"{_size(self.weights):,} parameters")
        return f"{type(self).__name__}({', '.join(words)})"

    def _repr_html_(self) -> str:
        title = f"{type(self).__name__} '{self.name}': {_total(self)}"
        parts = html_table(HEAD, _rows(self._overview_parts()), numbers=HEAD[3:])
        return html_of(title, parts, *self._overview_tables())


class RankerOverview(OverviewModel):
    """What a model shows that has `encoders` and a `network`, a `schema` and `sees`."""

    def _overview_parts(self) -> list[Part]:
        """Its encoders and its network."""
        return parts_of_ranker(self)

    def _overview_words(self) -> Iterable[str]:
        """Its network and what it sees."""
        return type(self.network).__name__, f"sees='{self.sees}'"

    def _overview_tables(self) -> list[str]:
        """Its features."""
        return [features_table({self.name: self})]


def parts_of_ranker(ranker: Any, owner: str = "") -> list[Part]:
    """Its encoders and its network.

    Args:
      ranker: with `encoders`, `network`, `schema` and `sees`.
      owner: what it is to the model that it is a part of.
    """
    before = f"{owner}: " if owner else ""
    holders = _encoder_by_feature(ranker)
    parts = []
    for place, encoder in enumerate(ranker.encoders):
        widths = [encoder.width(name) for name, one in holders.items() if one is encoder]
        output = f"{len(widths)} features [batch, {sum(widths)}]"
        parts.append(Part(f"{before}{'own ' if place else ''}encoder", encoder, output))
    return [*parts, Part(f"{before}network", ranker.network)]


def parts_of(layer: Any, owner: str) -> list[Part]:
    """The parts of a ranker, or a layer of another kind as a whole.

    Args:
      layer: a ranker, or another layer.
      owner: what it is to the model that it is a part of.
    """
    return parts_of_ranker(layer, owner) if hasattr(layer, "encoders") else [Part(owner, layer)]


def _encoder_by_feature(ranker: Any) -> dict[str, Any]:
    """Which of its encoders makes the vector of each feature that a ranker sees."""
    # The first one may hold what it doesn't share, too.
    last = list(reversed(ranker.encoders))
    names = ranker.schema.features(ranker.sees)
    return {name: next(one for one in last if name in one.features) for name in names}


def features_table(rankers: Mapping[str, Any]) -> str:
    """A table of the features that rankers see, in HTML.

    Args:
      rankers: with `encoders`, `schema` and `sees`, by what they are to the model.
    """
    rows: list[tuple[Any, ...]] = []
    known: set[tuple[int, str]] = set()
    for owner, ranker in rankers.items():
        described, features = kinds_and_sides(ranker.schema.groups), ranker.schema.features()
        for name, encoder in _encoder_by_feature(ranker).items():
            where = (id(encoder), name)
            size = "shared" if where in known else encoder.parameters(name)
            known.add(where)
            table_rows = ranker.schema.table_rows(features[name]) or None
            rows.append((owner, name, *described[name], table_rows, encoder.width(name), size))
    head = ("ranker", "feature", "kind", "side", "rows of its table", "width", "parameters")
    return html_table(head, rows, numbers=head[4:])


def _rows(parts: Iterable[Part]) -> Iterator[tuple[str, str, str, int | str]]:
    """A line a part; weights that an earlier one has are shared, and not counted again."""
    known: dict[int, str] = {}
    for part in parts:
        weights = {id(weight): weight for weight in part.layer.weights}
        others = dict.fromkeys(known[key] for key in weights if key in known)
        new = [weight for key, weight in weights.items() if key not in known]
        known.update(dict.fromkeys((id(weight) for weight in new), part.name))
        # Tables that an encoder of its own borrows are told of with the other one.
        size = _size(new) if new or not others else f"shared with {', '.join(others)}"
        yield part.name, type(part.layer).__name__, part.output, size


def _lines(rows: Iterable[Iterable[Any]]) -> list[str]:
    """A table in plain text."""
    cells = [[shown(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]


def _size(weights: Iterable[Any]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


def _total(model: Any) -> str:
    trained = _size(model.trainable_weights)
    rest = _size(model.weights) - trained
    return f"{trained:,} parameters are trained, {rest:,} are not"
