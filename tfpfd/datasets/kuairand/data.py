"""KuaiRand-Pure: impressions of short videos, with what is known before and after each of them."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from tfpfd.datasets.checks import require_integers, require_one_row_each
from tfpfd.datasets.kuairand.feedback import (
    LABELS,
    OF_IMPRESSIONS,
    feedback,
    objectives,
    privileged_features,
)
from tfpfd.datasets.kuairand.files import TERMS, KuaiRandTables, read
from tfpfd.datasets.kuairand.past import LogPast
from tfpfd.datasets.kuairand.schema import LIST_KEY, make_schema
from tfpfd.schema import Schema

VALIDATION_FROM, TEST_FROM = "2022-05-01", "2022-05-04"
CHINA = datetime.timezone(datetime.timedelta(hours=8))


def kuairand_pure(
    path: str | Path,
    task: str = "click",
    *,
    privileged: Sequence[str] | None = None,
    ids: bool = False,
    validation_from: str = VALIDATION_FROM,
    test_from: str = TEST_FROM,
) -> KuaiRand:
    """Loads KuaiRand-Pure: 1.4 million impressions of 7,583 videos, 27,285 users, 31 days of 2022.

    The data are published at https://kuairand.com (https://zenodo.org/records/10439422) under
    CC BY-SA 4.0, to be cited as Gao et al., "KuaiRand: An Unbiased Sequential Recommendation
    Dataset with Randomly Exposed Videos", CIKM 2022. They are read from the disk, never downloaded;
    source and licence are printed to stderr.

    **Tasks.** `"click"` and `"long_view"` are about all impressions. `"like"`, `"follow"`,
    `"comment"`, `"forward"` and `"profile_enter"` are about clicked ones. A click here is a valid
    play (mostly: of more than 7 seconds), a long view one of 18 seconds; a like given a click
    stands where a shop has a conversion. None of them is a purchase.

    **Several objectives.** All rows hold all labels, 0 or 1, and `KuaiRand.objectives` names those
    to rank for: that of the task and, as secondary ones, `is_like`, `is_profile_enter`,
    `is_comment` and `is_follow`. Of all impressions these are rare: 2 % at most. Lists are users:
    of a user and day there are about two rows, too few to rank.

    **Privileged features.** Cross features (`"cross"`) are the default for all impressions, what
    happened after the click (`"post_event"`) for clicked ones. A feature that defines the label
    or gives it away is refused: `is_click` and `long_view` are defined from the play time, and
    `comment_stay_time` all but tells `is_comment`.

    **Ids.** Models that see raw user and video ids overfit on this log within two epochs and end
    up worse than those that don't. So by default none sees the user's and author's id, and the
    video's id, which an export needs to name what it serves, falls into one hash bucket: every
    video has the same embedding. With `ids=True` they are features like others, and there are
    histories of video ids beside those of tags.

    Args:
      path: a folder with the publisher's files, plain or gzipped, itself or in `data`:
        `user_features_pure.csv`, `video_features_basic_pure.csv` and one or both of
        `log_standard_4_08_to_4_21_pure.csv` and `log_standard_4_22_to_5_08_pure.csv`. Where there
        is `user_history_until_4_24_pure.csv` (`user_id`, `last_time_ms`, and, ids separated by
        spaces, `watch_seq`, `like_seq`, `long_watch_seq`: what a user watched, liked and watched
        long before a log that begins later), histories start with it; otherwise they start empty.
      task: whose label is to be predicted.
      privileged: names of the privileged features, see `KuaiRand`; by default those above.
      ids: whether raw ids of users, videos and authors are features.
      validation_from: first day of the validation rows, "YYYY-MM-DD"; days are those in China.
      test_from: first day of the test rows.

    Returns:
      The data, its splits and its features.

    Raises:
      FileNotFoundError: naming the files that are missing.
      ValueError: a wrong column or type in a file; an unknown task; a privileged feature that is
        unknown or refused; a split without rows.
    """
    data = KuaiRand(
        read(path),
        task,
        privileged,
        ids,
        validation_from,
        test_from,
    )
    data.check_parts()
    print(f"kuairand_pure: read from {path}. {TERMS}", file=sys.stderr)
    return data


@dataclass(frozen=True, eq=False)
class KuaiRand:
    """Users, videos and impressions; labelled rows split by time; features as of any moment.

    **What a feature may know.** Statistics and histories are strictly past: they come from
    impressions with a smaller `time_ms`, of whatever part, and rows of one millisecond don't see
    each other. Days begin at midnight in China by `time_ms`: the log's own `date` differs near
    midnight in one row of a hundred, and some training rows would be later than validation rows.

    **Served features.** Of the user: what the publisher knows (strings, codes), the `tab` of the
    app and the `hour` of the request, `user_impressions`, `user_click_rate`, `user_like_rate` and
    histories of at most 50 entries, oldest first: `clicked_tags`, `liked_tags` (and with ids
    `clicked`, `liked`). Of the video: `tags`, kind, size, duration and `video_impressions`,
    `video_click_rate`, `video_like_rate`. What was clicked before the log begins isn't known, so
    histories of clicks start with earlier long views.

    **Cross features** (privileged), for user u and video v: `user_tag_impressions`,
    `user_tag_clicks` and `user_tag_click_rate` count u's past impressions and clicks of a tag of v,
    averaged over its tags; `user_author_…` of its author; `user_video_…` of v itself;
    `clicked_same_tag`, `…_author` and `…_video` count within u's history of 50 clicks.

    **Rates** start from a prior of weight 5: (c + 5 r) / (n + 5) for c clicks of n impressions,
    where r is the rate of everybody, (c + 1) / (n + 2), before the moment, and u's own rate in
    cross features. A like rate is one of likes given a click.

    **Post-event features** (privileged): `play_time_ms`, `watch_ratio`, `profile_stay_time`,
    `comment_stay_time` (ms), and the signals in `kuairand.feedback.LABELS` but the click.

    Attributes:
      source: what the files hold.
      task, privileged, ids, validation_from, test_from: as in `kuairand_pure`.
    """

    source: KuaiRandTables
    task: str
    privileged: Sequence[str] | None
    ids: bool
    validation_from: str
    test_from: str

    def __post_init__(self) -> None:
        privileged_features(self.task, self.privileged)  # Raises where one is refused.
        require_one_row_each("users", self.source.users, ["user_id"])
        require_one_row_each("videos", self.source.videos, ["video_id"])
        self.source.positions(self.source.log, "log")  # Raises where an id is unknown.

    def check_parts(self) -> None:
        """Raises a `ValueError` unless there are training, validation and test rows."""
        if self._borders[0] >= self._borders[1]:
            raise ValueError(
                f"`validation_from` must be before `test_from`, received {self.validation_from} "
                f"and {self.test_from}"
            )
        for part, name in enumerate(("training", "validation", "test")):
            if not len(self._rows_of(part)):
                days = [
                    datetime.datetime.fromtimestamp(time / 1000, CHINA).date()
                    for time in self.source.log["time_ms"].agg(["min", "max"])
                ]
                raise ValueError(
                    f"`validation_from` and `test_from` must leave {name} rows of the task "
                    f"'{self.task}', received {self.validation_from} and {self.test_from} "
                    f"for a log from {days[0]} to {days[1]}"
                )

    @property
    def label(self) -> str:
        """The column of the label."""
        return LABELS[self.task]

    @property
    def objectives(self) -> tuple[str, ...]:
        """The columns of the labels to rank for, the task's own first; all are 0 or 1.

        A secondary one that a privileged feature is or gives away isn't among them. So by default
        all four are for impressions, and none given a click, where what follows is privileged.
        """
        return objectives(self.task, self.privileged)

    @property
    def list_key(self) -> str:
        """The column that the rows of one list share."""
        return LIST_KEY

    @cached_property
    def train(self) -> pd.DataFrame:
        """Rows before `validation_from`: `features`, all labels and all post-event features."""
        return self._labelled(0)

    @cached_property
    def validation(self) -> pd.DataFrame:
        """Rows from `validation_from` on and before `test_from`, with the columns of `train`."""
        return self._labelled(1)

    @cached_property
    def test(self) -> pd.DataFrame:
        """Rows from `test_from` on, with the columns of `train`."""
        return self._labelled(2)

    @cached_property
    def items(self) -> pd.DataFrame:
        """The item side of all videos, a row a video, as known when the test rows begin."""
        video = np.arange(len(self.source.videos))
        return self._item_side(video, np.full(len(video), self._borders[1]))

    @cached_property
    def exposed_until_training(self) -> pd.DataFrame:
        """(user_id, video_id) of all that a user was shown before `validation_from`."""
        log = self.source.log[self._part_of_rows == 0]
        shown = pd.concat([self.source.earlier["watched"], log], ignore_index=True)
        return shown[["user_id", "video_id"]].drop_duplicates(ignore_index=True)

    @property
    def schema(self) -> Schema:
        """The columns by role, not adapted yet."""
        return make_schema(self.task, self.privileged, self.ids)

    def features(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Joins and computes all features of (user, video, moment), shown or not.

        What happens after an impression isn't among them: nobody knows it of a video not shown.

        Args:
          rows: frame of n rows with the integer columns `user_id`, `video_id`, `time_ms` and
            `tab`; others are not read.

        Returns:
          Frame of n rows in the same order, under the same index: the four columns, `hour`, the
          served and the cross features. Statistics are float32 and never NaN; histories are
          arrays, which rows with the same past share.
        """
        keys = ("user_id", "video_id", "time_ms", "tab")
        require_integers("rows", rows, keys)
        user, video = self.source.positions(rows, "rows")
        time = rows["time_ms"].to_numpy(np.int64)
        joined = (
            rows[list(keys)].drop(columns="video_id").reset_index(drop=True),
            pd.DataFrame({"hour": (time // 3_600_000 + 8) % 24}),  # China is 8 hours ahead.
            self.source.users.drop(columns="user_id").take(user).reset_index(drop=True),
            _float32(self._past.of_user(user, time)),
            pd.DataFrame(self._past.histories(user, time)),
            self._item_side(video, time),
            _float32(self._past.cross(user, video, time)),
        )
        return pd.concat(joined, axis=1).set_axis(rows.index, axis=0)

    def _item_side(self, video: np.ndarray, time: np.ndarray) -> pd.DataFrame:
        known = self.source.videos.take(video).reset_index(drop=True)
        return pd.concat([known, _float32(self._past.of_video(video, time))], axis=1)

    def _labelled(self, part: int) -> pd.DataFrame:
        rows = self._rows_of(part)
        return pd.concat([self.features(rows), feedback(rows)], axis=1)

    def _rows_of(self, part: int) -> pd.DataFrame:
        """Rows of the log that are the task's: 0 train, 1 validation, 2 test."""
        of_task = self._part_of_rows == part
        if self.task not in OF_IMPRESSIONS:
            of_task &= (self.source.log["is_click"] == 1).to_numpy()
        return self.source.log[of_task].reset_index(drop=True)

    @cached_property
    def _part_of_rows(self) -> np.ndarray:
        """[num_impressions] 0 train, 1 validation, 2 test."""
        return np.searchsorted(self._borders, self.source.log["time_ms"].to_numpy(), side="right")

    @cached_property
    def _borders(self) -> tuple[int, int]:
        """Milliseconds at which validation and test begin."""
        days = (("validation_from", self.validation_from), ("test_from", self.test_from))
        return _midnight(*days[0]), _midnight(*days[1])

    @cached_property
    def _past(self) -> LogPast:
        return LogPast(self.source)


def _midnight(argument: str, day: str) -> int:
    try:
        date = datetime.date.fromisoformat(day)
    except (TypeError, ValueError):
        raise ValueError(f"`{argument}` must be a day as YYYY-MM-DD, received {day!r}") from None
    moment = datetime.datetime.combine(date, datetime.time(), CHINA)
    return int(moment.timestamp()) * 1000


def _float32(columns: dict[str, np.ndarray]) -> pd.DataFrame:
    return pd.DataFrame(columns).astype(np.float32)
