"""Lists to train a coarse ranker on: an item that a user chose, and others drawn beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from tfpfd._arguments import check_flag, check_integer, check_takes, names_in, without_numpy
from tfpfd.data.dataset import prefetched
from tfpfd.data.frames import check_frame
from tfpfd.data.unexposed import draw_unexposed
from tfpfd.data.whole_lists import ListColumns, whole_lists
from tfpfd.schema import Schema, raw_batches
from tfpfd.schema.feature import Feature, raw_columns
from tfpfd.schema.label_checks import check_target
from tfpfd.schema.schema import check_schema

MakePrivileged: TypeAlias = Callable[[pd.DataFrame], pd.DataFrame]
"""Makes privileged features of a frame of users, items and moments, in its order."""

_CHUNK = 2**17  # Rows whose privileged features are computed at a time.


def from_positives(
    rows: pd.DataFrame,
    items: pd.DataFrame,
    schema: Schema,
    *,
    user: str,
    item: str,
    exposed: pd.DataFrame | None = None,
    drawn: int = 20,
    privileged: MakePrivileged | None = None,
    extra_columns: Sequence[str] = (),
    batch_size: int = 1024,
    shuffle: bool = False,
    seed: int = 0,
) -> tf.data.Dataset:
    """Batches of lists: the item of each row, with the label 1, and drawn ones with the label 0.

    So a coarse ranker is trained for what it does in service, to find the item among the
    catalogue; one that learned to tell liked from disliked among what was shown has never met the
    rest. Items are drawn uniformly among those that the user was not shown, once for all epochs.

        train = tfpfd.data.from_positives(
            likes, films, schema, user="user_id", item="film_id", shuffle=True
        )
        model.compile("adam", loss=tfpfd.losses.ListwiseSoftmax())

    What a user and an item have is looked up and held once a row and once an item: 40,000 rows
    with 20 drawn items and histories of 50 need some 20 MB, and the user side is encoded once a
    list.

    Args:
      rows: what users chose, a row each: `user`, `item` and the features of the user side.
      items: the catalogue: `item` and the features of the item side, a row an item.
      schema: an adapted schema.
      user: column of the user's id.
      item: column of the item's id.
      exposed: columns `user` and `item` of all that was shown so far, beside `rows`.
      drawn: items drawn for each row.
      privileged: makes the privileged features, one column each, of a frame with the columns
        `user`, `item` and `extra_columns`, in its order; needed if the schema has some.
      extra_columns: columns of `rows` that `privileged` reads, such as the time.
      batch_size: rows that a batch holds at most, in whole lists.
      shuffle: whether every epoch has another order of lists.
      seed: of the draw and of the order.

    Returns:
      A dataset as `from_rows(…, by_list=True)` returns it; a list has the weight of its row.

    Raises:
      TypeError: `extra_columns` is one string.
      ValueError: as of `sample_unexposed` and `from_rows`; the item of a row is not in `items`; or
        the schema has privileged features and nothing makes them.
    """
    check_schema(schema)
    check_privileged(schema, privileged)
    check_integer("batch_size", batch_size, least=1)
    check_flag("shuffle", shuffle)
    candidates = draw_lists(rows, items, schema, user, item, exposed, extra_columns, drawn, seed)
    columns = look_up_lists(rows, items, schema, user, item, candidates, privileged, extra_columns)
    counts = np.full(len(rows), drawn + 1)
    return prefetched(whole_lists(columns, counts, batch_size, shuffle, seed))


def check_privileged(schema: Schema, privileged: MakePrivileged | None) -> None:
    """Refuses a schema with privileged features that nothing makes, and what is no function."""
    hidden = schema.features("privileged")
    if hidden and privileged is None:
        raise ValueError(
            f"`privileged` must make the schema's privileged features {list(hidden)} of the drawn "
            "items too: expected a function, or `schema.served()`, received None"
        )
    if privileged is not None:
        check_takes("privileged", privileged, "frame", makes="a frame of features")


def draw_lists(
    rows: pd.DataFrame,
    items: pd.DataFrame,
    schema: Schema,
    user: str,
    item: str,
    exposed: pd.DataFrame | None,
    extra_columns: Sequence[str],
    drawn: int,
    seed: int,
) -> NDArray[np.int64]:
    """The item of each row, and others drawn beside it; the arguments are `from_positives`'s.

    Returns:
      `[rows, 1 + drawn]`, places in `items`; the row's own item comes first.

    Raises:
      TypeError: as of `from_positives`.
      ValueError: as of `from_positives`.
    """
    check_integer("drawn", drawn, least=1)
    check_integer("seed", seed, least=0)
    extra_columns = names_in("extra_columns", extra_columns)
    check_frame("rows", rows)
    if rows.empty:
        raise ValueError("`rows` must hold at least one row, received none")
    if exposed is not None:
        check_frame("exposed", exposed)
    if exposed is not None and {user, item} <= set(exposed.columns) & set(rows.columns):
        # Else a row's own item could be drawn beside it, as what the user didn't choose.
        exposed = pd.concat([exposed[[user, item]], rows[[user, item]]], ignore_index=True)
    found = draw_unexposed(rows, items, schema, user, item, exposed, extra_columns, drawn, seed)
    chosen = pd.Index(items[item]).get_indexer(rows[item])
    if (chosen < 0).any():
        lacking = without_numpy(rows[item].to_numpy()[chosen < 0][0])
        raise ValueError(
            f"`items` must hold the item of every row, received none for {(chosen < 0).sum()} "
            f"of {len(rows)}, such as {item} {lacking!r}"
        )
    return np.concatenate([chosen[:, None], found], axis=1)


def look_up_lists(
    rows: pd.DataFrame,
    items: pd.DataFrame,
    schema: Schema,
    user: str,
    item: str,
    candidates: NDArray[np.int64],
    privileged: MakePrivileged | None,
    extra_columns: Sequence[str],
) -> ListColumns:
    """Looks up what the lists of `draw_lists` hold; the other arguments are `from_positives`'s.

    Args:
      candidates: `[rows, 1 + drawn]` as of `draw_lists`.
      privileged: not None where the schema has privileged features: see `check_privileged`.

    Raises:
      ValueError: as of `from_positives`.
    """
    hidden = schema.features("privileged")
    labels = np.zeros(candidates.shape, np.float32)
    labels[:, 0] = 1
    targets = [labels.ravel()]
    size = candidates.shape[1]
    if schema.sample_weight is not None:
        _, weights = check_target(
            rows.assign(**{schema.label: 1.0}), schema.label, schema.sample_weight
        )
        assert weights is not None  # The schema has one.
        targets.append(np.repeat(weights, size))
    inputs = {}
    if privileged is not None and hidden:
        keys = rows[list(dict.fromkeys([user, *extra_columns]))]
        places = np.repeat(np.arange(len(rows)), size)
        made = privileged_of(privileged, keys, items[item], places, candidates.ravel())
        inputs = _looked_up(made, schema, hidden.values())
    return ListColumns(
        (inputs, *targets),
        _looked_up(rows, schema, schema.user),
        _looked_up(items, schema, schema.item),
        candidates.ravel(),
    )


def privileged_of(
    make: MakePrivileged,
    keys: pd.DataFrame,
    ids: pd.Series,
    row: NDArray[np.int64],
    place: NDArray[np.int64],
) -> pd.DataFrame:
    """What `make` says of pairs of a row and an item, some at a time.

    Args:
      make: the `privileged` of `from_positives`.
      keys: the user and what else `make` reads, a row each.
      ids: of the items.
      row: `[pairs]`, places in `keys`.
      place: `[pairs]`, places in `ids`.

    Raises:
      ValueError: `make` makes another number of rows.
    """
    made = []
    for some in np.array_split(np.arange(len(row)), -(-len(row) // _CHUNK)):
        asked = keys.iloc[row[some]].reset_index(drop=True)
        asked[ids.name] = ids.to_numpy()[place[some]]
        made.append(make(asked))
        check_frame("privileged(frame)", made[-1])
        if len(made[-1]) != len(asked):
            raise ValueError(
                f"`privileged` must make a row for each of {len(asked)}, received {len(made[-1])}"
            )
    return pd.concat(made, ignore_index=True)


def _looked_up(
    frame: pd.DataFrame, schema: Schema, features: Iterable[Feature]
) -> dict[str, np.ndarray]:
    """Inputs of some features, and what says whose they are."""
    features = tuple(features)
    raw = next(raw_batches(frame, raw_columns(features), len(frame)))
    columns = schema.columns(raw, features)
    with tf.init_scope():  # Now, also where a strategy calls this while it traces.
        ids = schema.lookup_of(features)({n: tf.constant(v) for n, v in columns.items()})
        return {name: rows.numpy() for name, rows in ids.items()}
