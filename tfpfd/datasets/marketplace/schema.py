"""The simulated marketplace's columns by the side that they are known on."""

from __future__ import annotations

from tfpfd.datasets.marketplace.observed import NUM_STYLES
from tfpfd.datasets.marketplace.past_clicks import HISTORY_LENGTH
from tfpfd.datasets.marketplace.rows import (
    CROSS_FEATURES,
    OBJECTIVES,
    POST_EVENT_FEATURES,
    Task,
)
from tfpfd.schema import Categorical, Numeric, Schema, Sequence

PRIVILEGED: dict[Task, dict[str, tuple[str, ...]]] = {
    "click": {"cross": CROSS_FEATURES},
    "purchase": {"post_event": POST_EVENT_FEATURES},
    "objectives": {},
}


def make_schema(task: Task) -> Schema:
    """The schema of a task, not adapted yet; the page (`visit`) is the list."""
    return Schema(
        user=(
            Categorical("user_id", dtype="int"),
            Categorical("segment", dtype="int"),
            Numeric("age"),
            Numeric("thrift"),
            Sequence("history", of="item_id", length=HISTORY_LENGTH),
        ),
        item=(
            Categorical("item_id", dtype="int"),
            Categorical("category", dtype="int"),
            Categorical("seller_id", dtype="int"),
            Numeric("price"),
            Numeric("photo_score"),
            *(Numeric(f"style_{number}") for number in range(NUM_STYLES)),
        ),
        privileged={
            kind: tuple(Numeric(name) for name in names) for kind, names in PRIVILEGED[task].items()
        },
        label=OBJECTIVES[task][0],
        list_key="visit",
    )
