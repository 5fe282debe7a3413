"""What an audit reads of a coarse ranker's task: what users chose of a catalogue, split by time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tfpfd.data.positives import MakePrivileged, check_privileged, draw_lists, privileged_of
from tfpfd.schema import Schema


@dataclass(frozen=True, eq=False)
class CatalogueSplits:
    """What users chose of a catalogue, split: the data of a coarse ranker.

    `train`, `validation` and `test` hold a row for each item that a user chose, with the columns
    `user`, `item`, `keep` and the features of the user side, as of the moment of the choice. No
    row says what wasn't chosen: beside each, `drawn` items are drawn that the user wasn't shown.

        CatalogueSplits(likes, later_likes, last_likes, films, schema, "user_id", "film_id",
                        exposed=rated, privileged=cross_features, keep=["timestamp"])

    Args:
      train: what students learn from.
      validation: what followed, by which training stops early.
      test: what followed that, by which arms are compared.
      items: the catalogue: `item` and the features of the item side, a row an item.
      schema: names the features.
      user: column of the user's id.
      item: column of the item's id.
      exposed: columns `user` and `item` of what was shown until the end of training, beside
        `train`: not drawn, and not recommended again. To leave out what was shown later would tell
        training what users are going to see.
      seen: the same of what was shown between the end of training and the test, beside
        `validation`: not recommended again in the test.
      history: the same of what users chose before `train`: the rivals learn from it too, as the
        students do where it is in their features. It counts as shown.
      privileged: makes the privileged features, one column each, of a frame with the columns
        `user`, `item` and `keep`, in its order. Features that know the row's own choice would
        give it away: make them of what was strictly earlier.
      keep: columns of the rows that `privileged` reads, such as the time.
      drawn: items drawn beside each row.
    """

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame
    items: pd.DataFrame
    schema: Schema
    user: str
    item: str
    exposed: pd.DataFrame | None = None
    seen: pd.DataFrame | None = None
    history: pd.DataFrame | None = None
    privileged: MakePrivileged | None = None
    keep: Sequence[str] = ()
    drawn: int = 20

    def pairs(self, *names: str) -> pd.DataFrame:
        """The columns `user` and `item` of some of the frames, one after the other.

        Args:
          names: of the frames; those that are None hold nothing.
        """
        given = [frame for name in names if (frame := getattr(self, name)) is not None]
        # Ids have their type even where there are none.
        frames = given or [self.train.head(0)]
        return pd.concat([f[[self.user, self.item]] for f in frames], ignore_index=True)

    def draw(self, part: str) -> NDArray[np.int64]:
        """The item of each row of a part, and others drawn beside it: places in `items`.

        Args:
          part: `"train"`, `"validation"` or `"test"`.

        Returns:
          `[rows, 1 + drawn]`, the row's own item first.

        Raises:
          ValueError: as of `tfpfd.data.from_positives`.
        """
        return draw_lists(
            getattr(self, part),
            self.items,
            self.schema,
            self.user,
            self.item,
            self.shown_before(part),
            self.keep,
            self.drawn,
            seed=("train", "validation", "test").index(part),
        )

    def shown_before(self, part: str) -> pd.DataFrame:
        """Pairs of what users were shown before a part begins; for training, before it ends.

        Args:
          part: `"train"`, `"validation"` or `"test"`.
        """
        known = ("exposed", "history", "train")
        return self.pairs(*known, *(("validation", "seen") if part == "test" else ()))


def adapted(data: CatalogueSplits) -> Schema:
    """The schema, adapted to what is trained on if it isn't adapted yet.

    It learns from what was chosen, an item drawn beside each, and each item of the catalogue, none
    of which is unknown.

    Args:
      data: whose.

    Raises:
      ValueError: as of `Schema.adapt` and `CatalogueSplits.draw`.
    """
    schema, rows, items = data.schema, data.train, data.items
    if schema.adapted:
        return schema
    check_privileged(schema, data.privileged)
    candidates = data.draw("train")
    every = np.arange(len(rows))
    row = np.concatenate([every, every, np.arange(len(items)) % len(rows)])
    place = np.concatenate([candidates[:, 0], candidates[:, 1], np.arange(len(items))])
    frames = [
        rows[[f.name for f in schema.user]].iloc[row].reset_index(drop=True),
        items[[f.name for f in schema.item]].iloc[place].reset_index(drop=True),
    ]
    if data.privileged is not None and schema.features("privileged"):
        keys = rows[list(dict.fromkeys([data.user, *data.keep]))]
        made = privileged_of(data.privileged, keys, items[data.item], row, place)
        frames.append(made[list(schema.features("privileged"))])
    label = (np.arange(len(row)) < len(rows)).astype(np.float32)
    others = {schema.label: label}
    if schema.weight is not None:
        others[schema.weight] = rows[schema.weight].to_numpy()[row]
    if schema.list_key is not None:
        others[schema.list_key] = row
    return schema.adapt(pd.concat(frames, axis=1).assign(**others), verbose=0)
