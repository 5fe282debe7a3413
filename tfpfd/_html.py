"""Tables for notebooks: what `_repr_html_` of the public classes is made of."""

from __future__ import annotations

import html
from collections.abc import Collection, Iterable, Sequence
from typing import Any


def html_of(title: str, *tables: str) -> str:
    """A title and tables below each other.

    Args:
      title: text.
      tables: what `html_table` gives.
    """
    return f"<div><p><b>{html.escape(title)}</b></p>{''.join(tables)}</div>"


def html_table(
    head: Sequence[str], rows: Iterable[Sequence[Any]], numbers: Collection[str] = ()
) -> str:
    """A table of values, whose text is escaped.

    Args:
      head: names of the columns.
      rows: a value a column; None for an empty cell.
      numbers: the columns that stand to the right.
    """
    styles = [f"text-align:{'right' if name in numbers else 'left'}" for name in head]

    def line(tag: str, values: Sequence[Any]) -> str:
        cells = (
            f'<{tag} style="{style}">{html.escape(shown(value))}</{tag}>'
            for style, value in zip(styles, values, strict=True)
        )
        return f"<tr>{''.join(cells)}</tr>"

    body = "".join(line("td", row) for row in rows)
    return (
        f'<table style="margin-bottom:1em"><thead>{line("th", head)}</thead>'
        f"<tbody>{body}</tbody></table>"
    )


def shown(value: Any) -> str:
    """A value as text, in tables of HTML and of plain text: thousands with commas."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    whole = isinstance(value, int) and not isinstance(value, bool)
    return f"{value:,}" if whole else str(value)
