"""KuaiRand's columns by the side that they are known on."""

from __future__ import annotations

from collections.abc import Sequence as Names

from tfpfd.datasets.kuairand.feedback import LABELS, privileged_features
from tfpfd.datasets.kuairand.files import USER_CODES, USER_STRINGS, VIDEO_NUMBERS, VIDEO_STRINGS
from tfpfd.datasets.kuairand.past import HISTORY_LENGTH, USER_STATISTICS, VIDEO_STATISTICS
from tfpfd.schema import Categorical, Numeric, Schema, Sequence
from tfpfd.schema.features import Feature

LIST_KEY = "user_id"
TABS = tuple(range(15))
HOURS = tuple(range(24))
MOST_TAGS = 3  # of a video
RARE = 10  # A user's code that fewer rows hold is left out of the vocabulary.


def make_schema(task: str, privileged: Names[str] | None, ids: bool) -> Schema:
    """The schema of a task, not adapted yet.

    Args:
      task: one of `LABELS`.
      privileged: as in `privileged_features`.
      ids: whether raw ids are features.
    """
    user: tuple[Feature, ...] = (
        Categorical("tab", dtype="int", vocabulary=TABS),
        Categorical("hour", dtype="int", vocabulary=HOURS),
        *(Categorical(name) for name in USER_STRINGS),
        *(Categorical(name, dtype="int", optional=True, min_count=RARE) for name in USER_CODES),
        *(Numeric(name) for name in USER_STATISTICS),
        Sequence("clicked_tags", of="tags", length=HISTORY_LENGTH),
        Sequence("liked_tags", of="tags", length=HISTORY_LENGTH),
    )
    # One bucket for all: the export learns which video is which, and a model nothing.
    video_id = Categorical("video_id", dtype="int", hash_buckets=None if ids else 1)
    item: tuple[Feature, ...] = (
        video_id,
        Categorical("tags", dtype="int", length=MOST_TAGS),
        *(Categorical(name) for name in VIDEO_STRINGS),
        Categorical("music_type", dtype="int", optional=True),
        *(Numeric(name, optional=True) for name in VIDEO_NUMBERS),
        *(Numeric(name) for name in VIDEO_STATISTICS),
    )
    if ids:
        user = (
            Categorical("user_id", dtype="int"),
            *user,
            Sequence("clicked", of="video_id", length=HISTORY_LENGTH),
            Sequence("liked", of="video_id", length=HISTORY_LENGTH),
        )
        item = (*item, Categorical("author_id", dtype="int"))
    return Schema(
        user=user,
        item=item,
        privileged=privileged_features(task, privileged),
        label=LABELS[task],
        list_key=LIST_KEY,
    )
