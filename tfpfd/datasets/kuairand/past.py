"""What KuaiRand's log knew before a moment: counts, rates and histories.

Users and videos are row numbers of their tables here, authors and tags integers, times
milliseconds; each is an array `[num_rows]`, and so is every answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tfpfd.data.past import Past, Span
from tfpfd.datasets.kuairand.files import KuaiRandTables

USER_STATISTICS = ("user_impressions", "user_click_rate", "user_like_rate")
VIDEO_STATISTICS = ("video_impressions", "video_click_rate", "video_like_rate")
HISTORIES = ("clicked", "liked", "clicked_tags", "liked_tags")
PAIRS = ("user_tag", "user_author", "user_video")
CROSS_COUNTS = (
    *(f"{pair}_{what}" for pair in PAIRS for what in ("impressions", "clicks")),
    *("clicked_same_tag", "clicked_same_author", "clicked_same_video"),
)
CROSS_RATES = tuple(f"{pair}_click_rate" for pair in PAIRS)
HISTORY_LENGTH = 50  # videos, or tags
PRIOR_WEIGHT = 5.0  # impressions, or clicks, that a smoothed rate starts with


class Catalogue:
    """Author and tags of each video.

    Args:
      videos: a row a video, with `author_id` and `tags` (list of int).
    """

    def __init__(self, videos: pd.DataFrame) -> None:
        self.author = pd.factorize(videos["author_id"])[0].astype(np.int64)
        self.num_tags = videos["tags"].map(len).to_numpy(np.int64)
        self._tags = videos["tags"].explode().dropna().to_numpy().astype(np.int64)
        self._first = np.cumsum(self.num_tags) - self.num_tags

    def tags(self, video: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All tags of all rows, `[num_tags]`, and before them the row that each belongs to."""
        count = self.num_tags[video]
        row = np.repeat(np.arange(len(video)), count)
        within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
        return row, self._tags[self._first[video][row] + within]


@dataclass(frozen=True, eq=False)
class Events:
    """Some behaviour: who, what and when."""

    user: np.ndarray
    video: np.ndarray
    time: np.ndarray

    @classmethod
    def of(cls, rows: pd.DataFrame, name: str, source: KuaiRandTables) -> Events:
        """The events in a frame with `user_id`, `video_id` and `time_ms`."""
        return cls(*source.positions(rows, name), rows["time_ms"].to_numpy(np.int64))

    def __getitem__(self, rows: np.ndarray) -> Events:
        return Events(self.user[rows], self.video[rows], self.time[rows])

    def then(self, later: Events) -> Events:
        """These events before `later` ones of the same moment."""
        pairs = ((self.user, later.user), (self.video, later.video), (self.time, later.time))
        return Events(*(np.concatenate(pair) for pair in pairs))


class Tally:
    """Impressions, clicks, and likes given a click, by key."""

    def __init__(
        self, key: np.ndarray, time: np.ndarray, clicks: np.ndarray, likes: np.ndarray
    ) -> None:
        self._past = Past(key, time)
        self._clicks, self._likes = clicks[self._past.order], likes[self._past.order]

    def before(self, key: np.ndarray, time: np.ndarray) -> tuple[np.ndarray, ...]:
        """Impressions, clicks and likes of `key` before `time`."""
        span = self._past.before(key, time)
        return span.count, span.total(self._clicks), span.total(self._likes)


class History:
    """The latest videos of each user."""

    def __init__(self, events: Events, catalogue: Catalogue) -> None:
        self._past = Past(events.user, events.time)
        ordered = events[self._past.order]
        self._catalogue, self._videos = catalogue, ordered.video
        row, self._tags = catalogue.tags(ordered.video)
        self._tags_before = np.concatenate([[0], np.cumsum(catalogue.num_tags[ordered.video])])
        # In these, an event's place among all events stands in place of its time.
        place = np.arange(len(ordered.video))
        self._same = {
            "tag": Past(_pair(ordered.user[row], self._tags), row),
            "author": Past(_pair(ordered.user, catalogue.author[ordered.video]), place),
            "video": Past(_pair(ordered.user, ordered.video), place),
        }

    def before(self, user: np.ndarray, time: np.ndarray) -> Span:
        """The user's latest events before `time`, at most 50."""
        return self._past.before(user, time).last(HISTORY_LENGTH)

    def ids(self, span: Span, video_ids: np.ndarray) -> np.ndarray:
        """The ids of the videos, oldest first: an array a row."""
        return span.values(video_ids[self._videos])

    def tags(self, span: Span) -> np.ndarray:
        """The tags of the videos, oldest first: an array of at most 50 a row."""
        tags = Span(self._tags_before[span.first], self._tags_before[span.stop])
        return tags.last(HISTORY_LENGTH).values(self._tags)

    def same(self, span: Span, user: np.ndarray, video: np.ndarray) -> dict[str, np.ndarray]:
        """How many of the videos have the tag, the author, or are the video of the row."""

        def count(what: str, rows: np.ndarray | slice, key: np.ndarray) -> np.ndarray:
            past, pair = self._same[what], _pair(user[rows], key)
            until_end, until_start = (past.before(pair, p[rows]) for p in (span.stop, span.first))
            return until_end.count - until_start.count

        row, tag = self._catalogue.tags(video)
        everything = slice(None)
        return {
            "clicked_same_tag": _mean(count("tag", row, tag), row, len(video)),
            "clicked_same_author": count("author", everything, self._catalogue.author[video]),
            "clicked_same_video": count("video", everything, video),
        }


class LogPast:
    """Answers what was known before a moment.

    Args:
      source: the log, the videos and, for the histories alone, what came before the log.

    Raises:
      ValueError: a user or a video that isn't in its table.
    """

    def __init__(self, source: KuaiRandTables) -> None:
        self._catalogue = catalogue = Catalogue(source.videos)
        self._video_ids = source.videos["video_id"].to_numpy(np.int64)
        log = Events.of(source.log, "log", source)
        click = source.log["is_click"].to_numpy(np.int64)
        like = source.log["is_like"].to_numpy(np.int64)
        row, tag = catalogue.tags(log.video)

        def tally(key: np.ndarray, rows: np.ndarray | slice = slice(None)) -> Tally:
            clicks = click[rows]
            return Tally(key, log.time[rows], clicks, clicks * like[rows])

        self._everybody = tally(np.zeros_like(log.user))
        self._user, self._video = tally(log.user), tally(log.video)
        self._pairs = {
            "user_tag": tally(_pair(log.user[row], tag), row),
            "user_author": tally(_pair(log.user, catalogue.author[log.video])),
            "user_video": tally(_pair(log.user, log.video)),
        }
        self._clicked = History(_earlier("long_viewed", source).then(log[click == 1]), catalogue)
        self._liked = History(_earlier("liked", source).then(log[like == 1]), catalogue)

    def histories(self, user: np.ndarray, time: np.ndarray) -> dict[str, np.ndarray]:
        """`HISTORIES`: an array of ids or tags a row, shared by rows with the same past."""
        clicked, liked = self._clicked.before(user, time), self._liked.before(user, time)
        return {
            "clicked": self._clicked.ids(clicked, self._video_ids),
            "liked": self._liked.ids(liked, self._video_ids),
            "clicked_tags": self._clicked.tags(clicked),
            "liked_tags": self._liked.tags(liked),
        }

    def of_user(self, user: np.ndarray, time: np.ndarray) -> dict[str, np.ndarray]:
        """`USER_STATISTICS`."""
        return self._statistics("user", self._user, user, time)

    def of_video(self, video: np.ndarray, time: np.ndarray) -> dict[str, np.ndarray]:
        """`VIDEO_STATISTICS`."""
        return self._statistics("video", self._video, video, time)

    def _statistics(
        self, name: str, tally: Tally, key: np.ndarray, time: np.ndarray
    ) -> dict[str, np.ndarray]:
        seen, clicks, likes = self._everybody.before(np.zeros_like(key), time)
        click_rate, like_rate = (clicks + 1) / (seen + 2), (likes + 1) / (clicks + 2)
        seen, clicks, likes = tally.before(key, time)
        return {
            f"{name}_impressions": seen,
            f"{name}_click_rate": _smoothed(clicks, seen, click_rate),
            f"{name}_like_rate": _smoothed(likes, clicks, like_rate),
        }

    def cross(self, user: np.ndarray, video: np.ndarray, time: np.ndarray) -> dict[str, np.ndarray]:
        """`CROSS_COUNTS` and `CROSS_RATES`."""
        own_rate = self.of_user(user, time)["user_click_rate"]
        row, tag = self._catalogue.tags(video)
        keys = {
            "user_author": _pair(user, self._catalogue.author[video]),
            "user_video": _pair(user, video),
        }
        columns: dict[str, np.ndarray] = {}
        for pair, tally in self._pairs.items():
            if pair == "user_tag":
                of_tags = tally.before(_pair(user[row], tag), time[row])
                seen, clicks = (_mean(values, row, len(video)) for values in of_tags[:2])
            else:
                seen, clicks, _ = tally.before(keys[pair], time)
            columns[f"{pair}_impressions"] = seen
            columns[f"{pair}_clicks"] = clicks
            columns[f"{pair}_click_rate"] = _smoothed(clicks, seen, own_rate)
        return {**columns, **self._clicked.same(self._clicked.before(user, time), user, video)}


def _earlier(kind: str, source: KuaiRandTables) -> Events:
    """What came before the log, unless the log begins before it ends, and so holds it already."""
    rows, first = source.earlier[kind], source.log.groupby("user_id")["time_ms"].min()
    before = rows["time_ms"] < rows["user_id"].map(first).fillna(np.inf)
    return Events.of(rows[before], f"earlier {kind}", source)


def _pair(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """One number for two, of which the second is below 2^32."""
    return first.astype(np.int64) << 32 | second


def _mean(values: np.ndarray, row: np.ndarray, num_rows: int) -> np.ndarray:
    """Means of values by their row, 0 for rows without any."""
    total = np.bincount(row, weights=values, minlength=num_rows)
    return total / np.maximum(np.bincount(row, minlength=num_rows), 1)


def _smoothed(part: np.ndarray, whole: np.ndarray, prior: np.ndarray) -> np.ndarray:
    return (part + PRIOR_WEIGHT * prior) / (whole + PRIOR_WEIGHT)
