"""Invented items, and an untrained student of them, for the benchmarks of serving."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

import tfpfd

UNITS, K = [512, 256, 128], 100
PIECE = 500_000


def catalogue(items: int, first: int = 0) -> pd.DataFrame:
    """Invented items: an id, a category, a seller, tags, a price."""
    random = np.random.default_rng(first)
    return pd.DataFrame(
        {
            "item_id": [f"item-{i}" for i in range(first, first + items)],
            "category": random.integers(0, 1000, items).astype(str),
            "seller": random.integers(0, 20_000, items),
            "tags": list(random.integers(0, 500, (items, 3))),
            "price": random.lognormal(3, 1, items),
        }
    )


def pieces(items: int) -> Iterator[dict[str, pd.Series]]:
    """A large catalogue, of which a piece at a time is in memory."""
    for first in range(0, items, PIECE):
        yield dict(catalogue(min(PIECE, items - first), first).items())


def make_student(items: pd.DataFrame, units: Sequence[int] = UNITS) -> tfpfd.Ranker:
    """An untrained student: speed doesn't depend on the weights."""
    users = tuple(f"user-{i}" for i in range(10_000))
    declared = tfpfd.Schema(
        user=[tfpfd.Categorical("user_id", vocabulary=users), tfpfd.Sequence("seen", of="item_id")],
        item=[
            tfpfd.Categorical("item_id"),
            tfpfd.Categorical("category"),
            tfpfd.Categorical("seller", dtype="int"),
            tfpfd.Categorical("tags", dtype="int", length=3),
            tfpfd.Numeric("price"),
        ],
    )
    rows = items.assign(user_id="user-0", seen=[[]] * len(items), label=0.0)
    rows.at[0, "seen"] = ["item-0"]
    schema = declared.adapt(rows, verbose=0)
    return tfpfd.Ranker(schema, tfpfd.TwoTower(units), encoder=tfpfd.FeatureEncoder(schema, dim=32))
