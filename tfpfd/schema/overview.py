"""Features in a line, and as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tfpfd._html import html_of, html_table
from tfpfd.schema.feature import Feature

SHOWN = 8
"""Names of a side that a line has room for."""

Groups = Mapping[str, tuple[Feature, ...]]


def names_by_side(groups: Groups) -> str:
    """The names of features, as far as there is room."""
    return "; ".join(
        f"{side}: {_names(feature.name for feature in group)}"
        for side, group in groups.items()
        if group
    )


def _names(names: Iterable[str]) -> str:
    every = list(names)
    more = [f"… {len(every) - SHOWN} more"] if len(every) > SHOWN else []
    return ", ".join([*every[:SHOWN], *more])


def features_html(title: str, groups: Groups, table_rows: Mapping[str, int | None]) -> str:
    """A table of features.

    Args:
      title: what stands above it.
      groups: the features of each side.
      table_rows: by feature, how many rows its table has; what isn't known is left out.
    """
    rows = [(name, *told, table_rows.get(name)) for name, told in kinds_and_sides(groups).items()]
    head = ("feature", "kind", "side", "rows of its table")
    return html_of(title, html_table(head, rows, numbers=head[3:]))


def kinds_and_sides(groups: Groups) -> dict[str, tuple[str, str]]:
    """The kind of each feature and the side that it is on, by name."""
    return {f.name: (type(f).__name__, side) for side, group in groups.items() for f in group}
