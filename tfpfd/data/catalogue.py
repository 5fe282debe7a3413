"""The data of a coarse ranker: what users chose of a catalogue, split by time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from tfpfd._arguments import check_integer, names_in
from tfpfd.data.frames import (
    check_column_name,
    check_same_type,
    require_columns,
    require_every_id,
)
from tfpfd.data.positives import (
    MakePrivileged,
    check_privileged,
    draw_lists,
    from_positives,
    privileged_of,
)
from tfpfd.schema import Schema
from tfpfd.schema.feature import raw_columns
from tfpfd.schema.schema import check_schema

PARTS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class CatalogueSplits:
    """What users chose of a catalogue, split: the data of a coarse ranker.

    `train`, `validation` and `test` hold a row for each item that a user chose, with the columns
    `user`, `item`, `extra_columns` and the features of the user side, as of the moment of the
    choice, those of a user in the order of time: the first of them says how the user was as a part
    began. No row says what wasn't chosen: beside each, `drawn` items are drawn that the user wasn't
    shown.

        CatalogueSplits(likes, later_likes, last_likes, films, schema, "user_id", "film_id",
                        exposed=rated, privileged=cross_features, extra_columns=["timestamp"])

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
        `user`, `item` and `extra_columns`, in its order. Features that know the row's own choice
        would give it away: make them of what was strictly earlier.
      extra_columns: columns of the rows that `privileged` reads, such as the time.
      drawn: items drawn beside each row.

    Raises:
      TypeError: a frame, the schema, a name or `privileged` is of another type.
      ValueError: a column or an id is missing, ids are of another type than in `train`, or `drawn`
        is below 1.
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
    extra_columns: Sequence[str] = ()
    drawn: int = 20

    def __post_init__(self) -> None:
        check_schema(self.schema)
        check_column_name("user", self.user)
        check_column_name("item", self.item)
        object.__setattr__(self, "extra_columns", names_in("extra_columns", self.extra_columns))
        check_integer("drawn", self.drawn, least=1)
        if self.privileged is not None:
            check_privileged(self.schema, self.privileged)
        self._check_frames()

    def _check_frames(self) -> None:
        pair, schema = (self.user, self.item), self.schema
        of_user = (*self.extra_columns, *raw_columns(schema.user))
        weight = () if schema.sample_weight is None else (schema.sample_weight,)
        for name in (*PARTS, "exposed", "seen", "history"):
            frame = getattr(self, name)
            if frame is None and name not in PARTS:
                continue
            columns = (*pair, *of_user, *weight) if name in PARTS else pair
            require_columns(name, frame, dict.fromkeys(columns))
            for column in pair:
                require_every_id(name, frame, column)
                check_same_type(name, frame[column], "train", self.train[column])
        require_columns("items", self.items, {self.item, *raw_columns(schema.item)})
        require_every_id("items", self.items, self.item)
        check_same_type("items", self.items[self.item], "train", self.train[self.item])

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
            self.extra_columns,
            self.drawn,
            seed=PARTS.index(part),
        )

    def shown_before(self, part: str) -> pd.DataFrame:
        """Pairs of what users were shown before a part begins; for training, before it ends.

        Args:
          part: `"train"`, `"validation"` or `"test"`.
        """
        known = ("exposed", "history", "train")
        return self.pairs(*known, *(("validation", "seen") if part == "test" else ()))

    def adapt(self, schema: Schema | None = None) -> Schema:
        """The schema, adapted to what is trained on if it isn't adapted yet.

        It learns from what was chosen, an item drawn beside each, and each item of the catalogue,
        none of which is unknown.

        Args:
          schema: another one to adapt, of columns that are there; by default that of the data.

        Raises:
          ValueError: as of `Schema.adapt` and `draw`.
        """
        schema, rows, items = schema or self.schema, self.train, self.items
        if schema.adapted:
            return schema
        check_privileged(schema, self.privileged)
        candidates = self.draw("train")
        every = np.arange(len(rows))
        row = np.concatenate([every, every, np.arange(len(items)) % len(rows)])
        place = np.concatenate([candidates[:, 0], candidates[:, 1], np.arange(len(items))])
        frames = [
            rows[raw_columns(schema.user)].iloc[row].reset_index(drop=True),
            items[raw_columns(schema.item)].iloc[place].reset_index(drop=True),
        ]
        if self.privileged is not None and schema.features("privileged"):
            keys = rows[list(dict.fromkeys([self.user, *self.extra_columns]))]
            made = privileged_of(self.privileged, keys, items[self.item], row, place)
            frames.append(made[raw_columns(schema.features("privileged").values())])
        frame = pd.concat(frames, axis=1)
        frame[schema.label] = (np.arange(len(row)) < len(rows)).astype(np.float32)
        if schema.sample_weight is not None:
            frame[schema.sample_weight] = rows[schema.sample_weight].to_numpy()[row]
        if schema.list_key is not None and schema.list_key not in frame:  # It may be the user's id.
            frame[schema.list_key] = row
        return schema.adapt(frame, verbose=0)

    def batches(
        self,
        part: str,
        schema: Schema,
        batch_size: int = 1024,
        shuffle: bool = False,
        seed: int = 0,
    ) -> tf.data.Dataset:
        """Batches of lists of a part: what was chosen, and what is drawn beside it.

        Args:
          part: `"train"`, `"validation"` or `"test"`.
          schema: an adapted schema.
          batch_size: rows that a batch holds at most, in whole lists.
          shuffle: whether every epoch has another order of lists.
          seed: of the draw and of the order.

        Returns:
          As of `tfpfd.data.from_positives`.

        Raises:
          ValueError: `part` is none, or as of `from_positives`.
        """
        if part not in PARTS:
            raise ValueError(f"`part` must be one of {list(PARTS)}, received {part!r}")
        return from_positives(
            getattr(self, part),
            self.items,
            schema,
            user=self.user,
            item=self.item,
            exposed=self.shown_before(part),
            drawn=self.drawn,
            privileged=self.privileged if schema.features("privileged") else None,
            extra_columns=self.extra_columns,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
        )
