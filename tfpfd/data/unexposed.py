"""Rows without a label: items that a user was not shown, for which only the soft label counts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tfpfd.schema import Schema


def sample_unexposed(
    rows: pd.DataFrame,
    items: pd.DataFrame,
    schema: Schema,
    *,
    user: str,
    item: str,
    exposed: pd.DataFrame | None = None,
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
      per_row: how many candidates a row; drawn uniformly, with replacement.
      seed: of the draw.

    Returns:
      `len(rows) * per_row` rows: the columns of `rows` without privileged ones, with the drawn
      item, its features, and NaN as the label.

    Raises:
      ValueError: a column is missing, an item stands twice in `items`, `per_row` is below 1, or a
        user was shown every item.
    """
    shown = rows if exposed is None else exposed
    for name, frame, columns in (
        ("rows", rows, {user, item}),
        ("items", items, {item, *(feature.name for feature in schema.item)}),
        ("exposed", shown, {user, item}),
    ):
        missing = sorted(columns - set(frame.columns))
        if missing:
            raise ValueError(
                f"`{name}` misses the columns {missing}, received {sorted(map(str, frame.columns))}"
            )
    if per_row < 1:
        raise ValueError(f"`per_row` must be at least 1, received {per_row}")
    if not items[item].is_unique:
        twice = items[item][items[item].duplicated()].iloc[0]
        raise ValueError(f"`items` must hold each {item} once, received {twice!r} more than once")
    user_codes, users = pd.factorize(pd.concat([rows[user], shown[user]], ignore_index=True))
    shown_items = pd.Index(items[item]).get_indexer(shown[item])
    known = shown_items >= 0
    taken = np.zeros((len(users), len(items)), bool)
    taken[user_codes[len(rows) :][known], shown_items[known]] = True
    drawn = _draw_free(taken, np.repeat(user_codes[: len(rows)], per_row), users, seed)
    item_columns = [item, *(f.name for f in schema.item if f.name != item)]
    replaced = {*item_columns, schema.label, *(f.name for f in schema.sides["privileged"])}
    kept = rows[[name for name in rows.columns if name not in replaced]]
    candidates = kept.loc[kept.index.repeat(per_row)].reset_index(drop=True)
    features = items[item_columns].iloc[drawn].reset_index(drop=True)
    return pd.concat([candidates, features], axis=1).assign(**{schema.label: np.float32(np.nan)})


def _draw_free(taken: np.ndarray, user_of: np.ndarray, users: pd.Index, seed: int) -> np.ndarray:
    """For each entry of `user_of` a column of `taken` that is False in that user's row."""
    free = (~taken).sum(axis=1)
    full = np.unique(user_of[free[user_of] == 0])
    if len(full):
        raise ValueError(
            f"no unexposed item is left for user {users[full[0]]!r}, who was shown all "
            f"{taken.shape[1]} items"
        )
    # The n-th free item of a user, n uniform: exact, however much of the catalogue was shown.
    nth = (np.random.default_rng(seed).random(len(user_of)) * free[user_of]).astype(np.int64)
    order = np.argsort(taken, axis=1, kind="stable")
    return order[user_of, nth]
