"""The parts of a report, and how they are written as Markdown and as HTML."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2733; max-width: 62rem;
       margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; }
h2 { font-size: 1.1rem; margin-top: 2.2rem; }
.verdict { font-size: 1.1rem; padding: .8rem 1rem; border-left: 5px solid #1f6fb4;
           background: #eef4fa; }
.warning { padding: .5rem 1rem; border-left: 5px solid #c58b1a; background: #fdf6e6; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .87rem;
        margin: 1rem 0; }
th, td { padding: .25rem .8rem .25rem 0; text-align: left; border-bottom: 1px solid #e2e7ec; }
thead th { border-bottom: 2px solid #9aa7b4; }
tbody th { font-weight: normal; }
td { white-space: nowrap; }
img { max-width: 100%; }
"""


@dataclass(frozen=True)
class Heading:
    """A heading."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Note:
    """A paragraph."""

    text: str
    kind: Literal["", "verdict", "warning"] = ""


@dataclass(frozen=True)
class Listing:
    """Points of a list."""

    points: Sequence[str]


@dataclass(frozen=True)
class Picture:
    """A figure, and the name of the file that it is saved in."""

    name: str
    about: str
    figure: Figure


# A frame is a table.
Block: TypeAlias = Heading | Note | Listing | Picture | pd.DataFrame


def to_markdown(blocks: Sequence[Block]) -> str:
    """The blocks as Markdown; pictures are `NAME.png` beside it."""
    return "\n\n".join(map(_markdown, blocks)) + "\n"


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {block.text}"
    if isinstance(block, Note):
        wrapped = {"verdict": f"**{block.text}**", "warning": f"> **Warning.** {block.text}"}
        return wrapped.get(block.kind, block.text)
    if isinstance(block, Listing):
        return "\n".join(f"- {point}" for point in block.points)
    if isinstance(block, Picture):
        return f"![{block.about}]({block.name}.png)"
    rows = [["", *block.columns], ["---"] * (1 + len(block.columns))]
    rows += [list(row) for row in block.itertuples(name=None)]
    return "\n".join(f"| {' | '.join(_escaped(entry) for entry in row)} |" for row in rows)


def _escaped(entry: str) -> str:
    return entry.replace("|", "\\|").replace("*", "\\*")


def to_html(title: str, blocks: Sequence[Block]) -> str:
    """The blocks as an HTML page that needs no other file."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{html.escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
{chr(10).join(map(_html, blocks))}
</body>
</html>
"""


def _html(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{html.escape(block.text)}</h{block.level}>"
    if isinstance(block, Note):
        label = "<b>Warning.</b> " if block.kind == "warning" else ""
        return f'<p class="{block.kind}">{label}{html.escape(block.text)}</p>'
    if isinstance(block, Listing):
        points = "".join(f"<li>{html.escape(point)}</li>" for point in block.points)
        return f"<ul>{points}</ul>"
    if isinstance(block, Picture):
        drawn = io.BytesIO()
        block.figure.savefig(drawn, dpi=110)
        data = base64.b64encode(drawn.getvalue()).decode("ascii")
        about = html.escape(block.about)
        return f'<p><img alt="{about}" src="data:image/png;base64,{data}"></p>'
    return block.to_html(border=0)
