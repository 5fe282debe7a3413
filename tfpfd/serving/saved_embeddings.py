"""What an export ranks a catalogue by: embeddings of users and of its items."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from tfpfd.schema import raw_batches
from tfpfd.schema.batches import Source, rows_of
from tfpfd.schema.feature import raw_columns
from tfpfd.serving.manifest import read_schema
from tfpfd.serving.saved_scores import BATCH, unchanged


def saved_embeddings(path: str | Path, users: Source) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The embeddings of users and of all items, of which an export's scores are inner products.

    To measure what is served, and not what it was made of:

        of_users, of_items, ids = tfpfd.saved_embeddings("saved_models/films", users)
        scores = Embeddings(of_users, of_items)
        evaluate_catalogue(scores, relevant, seen, ks=(10, 50))

    `relevant` and `seen` hold places in `ids`: `pd.Index(ids).get_indexer(films)`. The network's
    bias, which the export adds to each score, changes no order.

    Args:
      path: an export of a two-tower student with items, or the directory of its versions, of which
        the newest counts.
      users: raw rows with the user features of the served schema, a row a user: see
        `tfpfd.schema.raw_batches`.

    Returns:
      Embeddings of the users float32 `[users, width]` and of the items float32 `[items, width]`, as
      the table holds them, whatever its type, and ids of the items `[items]`, strings or int64.

    Raises:
      FileNotFoundError: there is no export at `path`.
      ValueError: naming the column, what was expected and what came; `users` is empty; the export
        has no items, or isn't as it was written.
    """
    directory = unchanged(path)
    schema = read_schema(directory)
    model = tf.saved_model.load(str(directory))  # It owns the variables.
    if not hasattr(model, "item_embeddings"):
        raise ValueError(
            f"`path` must be an export with items, received '{directory}' with the signatures "
            f"{sorted(model.signatures)}"
        )
    embed, found = model.signatures["user_embedding"], []
    for raw in raw_batches(users, raw_columns(schema.user), size=BATCH):
        if rows_of(raw):
            columns = schema.columns(raw, schema.user)
            tensors = {name: tf.constant(values) for name, values in columns.items()}
            found.append(embed(**tensors)["embedding"].numpy())
    if not found:
        raise ValueError("`users` is empty: expected a row a user, received none")
    items = tf.cast(model.item_embeddings, tf.float32)
    if hasattr(model, "item_scales"):
        items *= model.item_scales[:, None]
    ids = model.item_ids.numpy()
    if ids.dtype == object:
        ids = np.array([one.decode() for one in ids], object)
    return np.concatenate(found), items.numpy(), ids
