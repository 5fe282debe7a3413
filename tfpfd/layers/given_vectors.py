"""Rows of an embedding table set to vectors that are there before training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tfpfd.layers.encoder import FeatureEncoder
from tfpfd.schema.columns import column


def set_vectors(encoder: FeatureEncoder, table: str, ids: Any, vectors: Any) -> int:
    """Sets rows of an embedding table, such as to embeddings of another model.

    Training begins with them and goes on; of a table that the encoder has `frozen` they stay.
    Ids that have no vector here keep the row that they have. In the `make_student` of
    `tfpfd.retrain` it gives new ids theirs.

    >>> import tfpfd
    >>> films = tfpfd.Categorical("film", vocabulary=("alien", "brazil"))
    >>> schema = tfpfd.Schema(user=[], item=[films])
    >>> encoder = tfpfd.FeatureEncoder(schema, dims={"film": 2}, frozen=["film"])
    >>> set_vectors(encoder, "film", ["brazil", "casablanca"], [[1.0, 2.0], [3.0, 4.0]])
    1
    >>> encoder(schema.lookup({"film": ["brazil"]}))["film"].numpy().tolist()
    [[1.0, 2.0]]

    Args:
      encoder: whose table it is, such as `ranker.encoder`.
      table: its name, that of the `Categorical` that owns the vocabulary.
      ids: `[ids]`, each once; those out of the vocabulary are left out.
      vectors: `[ids, width]` finite numbers, as wide as the table (`dims` of the encoder).

    Returns:
      How many ids of the vocabulary have a vector now.

    Raises:
      ValueError: naming the argument, what was expected and what came.
    """
    owner = encoder.schema.vocabularies.get(table)
    if table not in encoder.tables or owner is None or owner.vocabulary is None:
        held = [n for n, f in encoder.schema.vocabularies.items() if f.vocabulary is not None]
        raise ValueError(
            f"`table` must name a vocabulary whose table the encoder has, of "
            f"{sorted(set(held) & set(encoder.tables))}, received {table!r}"
        )
    tables = encoder.tables[table]
    named = pd.Index(column(table, ids, owner.dtype, several=False, optional=False))
    if not named.is_unique:
        twice = named[named.duplicated()].tolist()[0]
        raise ValueError(f"`ids` must hold each id once, received {twice!r} more than once")
    with np.errstate(over="ignore"):
        given = np.asarray(vectors).astype(np.float32)
    if given.shape != (len(named), tables.dim):
        raise ValueError(
            f"`vectors` must be of shape ({len(named)}, {tables.dim}), a row an id and as wide as "
            f"the table '{table}', received {given.shape}"
        )
    if not np.isfinite(given).all():
        bad = np.flatnonzero(~np.isfinite(given).all(axis=1))
        raise ValueError(
            f"`vectors` must be finite as float32, received {len(bad)} rows that aren't, such as "
            f"that of {named.tolist()[bad[0]]!r}"
        )
    places = pd.Index(owner.vocabulary).get_indexer(named)
    found = places >= 0
    first = tables.offset[table] + owner.rows - len(owner.vocabulary)
    values = np.array(tables.table)
    values[first + places[found]] = given[found]
    tables.table.assign(values)
    return int(found.sum())
