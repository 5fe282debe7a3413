"""Rows without a label: items that a user was not shown, for which only the soft label counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tfpfd._arguments import check_integer, names_in
from tfpfd.data.frames import check_column_name, check_same_type, require_columns, require_every_id
from tfpfd.schema import Schema
from tfpfd.schema.feature import raw_columns
from tfpfd.schema.schema import check_schema


def sample_unexposed(
    rows: pd.DataFrame,
    items: pd.DataFrame,
    schema: Schema,
    *,
    user: str,
    item: str,
    exposed: pd.DataFrame | None = None,
    extra_columns: Sequence[str] = (),
    per_row: int = 4,
    seed: int = 0,
) -> pd.DataFrame:
    """Draws unexposed candidates for each row: the same user and moment, an item not shown.

    Coarse ranking meets them in service but never in the log; on them a teacher's soft labels are
    new information. Privileged features are left out of the result: what the row's item had would
    be wrong for the drawn one, so compute them before training.

    Args:
      rows: the labelled rows, with a column a served feature.
      items: the catalogue: `item` and the features of the item side, a row an item.
      schema: names the features of each side and the label.
      user: column of the user's id.
      item: column of the item's id.
      exposed: columns `user` and `item` of all that was shown so far; by default `rows`. Pass
        what was shown before training ended, not what came after.
      extra_columns: other columns of `rows` to keep, such as the time; those that the schema
        doesn't name may belong to the row's item, so they are left out otherwise.
      per_row: how many candidates a row; drawn uniformly, with replacement.
      seed: of the draw.

    Returns:
      `len(rows) * per_row` rows: the user side, the weight, the list key and `extra_columns` of the
      row, the drawn item's columns of `items`, and NaN as the label.

    Raises:
      ValueError: a column is missing, an id is missing or of another type in another frame, an
        item stands twice in `items`, `per_row` is below 1, or a user was shown every item.
    """
    extra_columns = names_in("extra_columns", extra_columns)
    drawn = draw_unexposed(rows, items, schema, user, item, exposed, extra_columns, per_row, seed)
    named = {user, *raw_columns(schema.user), schema.sample_weight, schema.list_key, *extra_columns}
    kept = rows[[name for name in rows.columns if name in named - set(items.columns)]]
    candidates = kept.iloc[np.repeat(np.arange(len(rows)), per_row)].reset_index(drop=True)
    features = items.iloc[drawn.ravel()].reset_index(drop=True)
    return pd.concat([candidates, features], axis=1).assign(**{schema.label: np.float32(np.nan)})


def draw_unexposed(
    rows: pd.DataFrame,
    items: pd.DataFrame,
    schema: Schema,
    user: str,
    item: str,
    exposed: pd.DataFrame | None,
    extra_columns: Sequence[str],
    per_row: int,
    seed: int,
) -> np.ndarray:
    """Draws items that the user of a row was not shown; the arguments are `sample_unexposed`'s.

    Returns:
      int64 `[rows, per_row]`, places in `items`.

    Raises:
      ValueError: as of `sample_unexposed`.
    """
    check_schema(schema)
    check_column_name("user", user)
    check_column_name("item", item)
    check_integer("seed", seed, least=0)
    shown = rows if exposed is None else exposed
    for name, frame, columns in (
        ("rows", rows, {user, item, *extra_columns}),
        ("items", items, {item, *raw_columns(schema.item)}),
        ("exposed", shown, {user, item}),
    ):
        require_columns(name, frame, columns)
        for column in (user, item):
            if column in frame:
                require_every_id(name, frame, column)
    check_same_type("rows", rows[user], "exposed", shown[user])
    check_same_type("items", items[item], "exposed", shown[item])
    check_integer("per_row", per_row, least=1)
    if not items[item].is_unique:
        twice = items[item][items[item].duplicated()].iloc[0]
        raise ValueError(f"`items` must hold each {item} once, received {twice} more than once")
    user_codes, users = pd.factorize(pd.concat([rows[user], shown[user]], ignore_index=True))
    shown_items = pd.Index(items[item]).get_indexer(shown[item])
    known = shown_items >= 0
    pairs = np.stack([user_codes[len(rows) :][known], shown_items[known]])
    user_of = np.repeat(user_codes[: len(rows)], per_row)
    return _draw_free(pairs, len(items), user_of, users, seed).reshape(len(rows), per_row)


def _draw_free(
    pairs: np.ndarray, items: int, user_of: np.ndarray, users: pd.Index, seed: int
) -> np.ndarray:
    """For each entry of `user_of` an item that doesn't stand beside the user in `pairs`.

    Memory grows with the pairs and the draws, not with users times items.
    """
    shown_user, shown_item = np.divmod(np.unique(pairs[0] * items + pairs[1]), max(items, 1))
    shown = np.bincount(shown_user, minlength=len(users))
    free = items - shown
    full = np.unique(user_of[free[user_of] == 0])
    if len(full):
        raise ValueError(
            f"no unexposed item is left for user {users[full[0]]}, who was shown all {items} items"
        )
    # The n-th free item of a user, n uniform: exact, however much of the catalogue was shown.
    nth = (np.random.default_rng(seed).random(len(user_of)) * free[user_of]).astype(np.int64)
    # It comes after the shown items that have at most n free ones before them.
    first = np.cumsum(shown) - shown
    free_before = shown_item - (np.arange(len(shown_item)) - first[shown_user])
    places = shown_user * (items + 1) + free_before
    passed = np.searchsorted(places, user_of * (items + 1) + nth, side="right") - first[user_of]
    return nth + passed
