"""KuaiRand-Pure: finding the publisher's files, reading and checking them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tfpfd._files import path_in
from tfpfd.datasets.checks import positions, require_columns

TERMS = (
    "KuaiRand is published at https://kuairand.com (https://zenodo.org/records/10439422) under "
    "CC BY-SA 4.0, to be cited as C. Gao et al., KuaiRand: An Unbiased Sequential Recommendation "
    "Dataset with Randomly Exposed Videos, CIKM 2022."
)

LOG_FILES = ("log_standard_4_08_to_4_21_pure.csv", "log_standard_4_22_to_5_08_pure.csv")
USER_FILE = "user_features_pure.csv"
VIDEO_FILE = "video_features_basic_pure.csv"
EARLIER_FILE = "user_history_until_4_24_pure.csv"

SIGNALS = (
    "is_click", "long_view", "is_like", "is_follow", "is_comment", "is_forward", "is_profile_enter",
)  # fmt: skip
DURATIONS = ("play_time_ms", "duration_ms", "profile_stay_time", "comment_stay_time")
_LOG = {
    **dict.fromkeys(("user_id", "video_id", "time_ms"), "int64"),
    **dict.fromkeys((*SIGNALS, "is_hate", "is_rand"), "int8"),
    **dict.fromkeys((*DURATIONS, "date", "hourmin", "tab"), "int32"),
}

USER_STRINGS = (
    "user_active_degree", "follow_user_num_range", "fans_user_num_range",
    "friend_user_num_range", "register_days_range",
)  # fmt: skip
USER_CODES = (
    "is_live_streamer", "is_video_author", *(f"onehot_feat{number}" for number in range(18))
)  # fmt: skip
VIDEO_STRINGS = ("video_type", "upload_type")
VIDEO_NUMBERS = ("video_duration", "server_width", "server_height")
# Codes hold gaps, and -124 for "unknown": as floats, of which the schema takes whole ones.
_USERS = {
    "user_id": "int64",
    **dict.fromkeys(USER_STRINGS, "str"),
    **dict.fromkeys(USER_CODES, "float64"),
}
_VIDEOS = {
    **dict.fromkeys(("video_id", "author_id"), "int64"),
    **dict.fromkeys((*VIDEO_STRINGS, "tag"), "str"),
    **dict.fromkeys((*VIDEO_NUMBERS, "music_type"), "float64"),
}
_EARLIER = {
    **dict.fromkeys(("user_id", "last_time_ms"), "int64"),
    **dict.fromkeys(("watch_seq", "like_seq", "long_watch_seq"), "str"),
}


@dataclass(frozen=True)
class KuaiRandTables:
    """What the files hold.

    Attributes:
      users: a row a user: `user_id`, `USER_STRINGS`, `USER_CODES` (float, NaN where unknown).
      videos: a row a video: `video_id`, `author_id`, `tags` (list of int), `VIDEO_STRINGS`,
        `VIDEO_NUMBERS` and `music_type` (float, NaN where unknown).
      log: a row an impression, without exact duplicates, by time; rows of one moment by user and
        then in the order of the files: `user_id`, `video_id`, `time_ms`, `tab`, `SIGNALS`,
        `DURATIONS`.
      earlier: what came before the log, by `"watched"`, `"liked"`, `"long_viewed"`: frames of
        `user_id`, `video_id` and `time_ms` in the order of time. Their own times aren't known:
        `time_ms` is that of the user's last one, so nothing looks earlier than it was.
    """

    users: pd.DataFrame
    videos: pd.DataFrame
    log: pd.DataFrame
    earlier: dict[str, pd.DataFrame]

    def positions(self, rows: pd.DataFrame, argument: str) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers in `users` and `videos` of `user_id` and `video_id`, each [num_rows].

        Raises:
          ValueError: naming `argument` and an id that isn't in its table.
        """
        return (
            positions(rows, argument, "user_id", self.users["user_id"], "users"),
            positions(rows, argument, "video_id", self.videos["video_id"], "videos"),
        )


def read(path: str | Path) -> KuaiRandTables:
    """Reads a folder with the publisher's files, plain or gzipped, itself or in `data`.

    Args:
      path: the folder. Of the two log files it may hold either or both; the file of earlier
        behaviour is optional.

    Raises:
      FileNotFoundError: no such folder, or a file is missing in it.
      ValueError: a file without a column, cut short, with something else than numbers in it, a
        signal other than 0 or 1 or a negative time; no rows.
    """
    path = path_in("path", path)
    if not path.is_dir():
        raise FileNotFoundError(
            f"`path` must be a folder with KuaiRand-Pure, received {path}. {TERMS}"
        )
    found = {name: _find(path, name) for name in (*LOG_FILES, USER_FILE, VIDEO_FILE, EARLIER_FILE)}
    missing = [name for name in (USER_FILE, VIDEO_FILE) if found[name] is None]
    if not any(found[name] for name in LOG_FILES):
        missing.append(" or ".join(LOG_FILES))
    if missing:
        raise FileNotFoundError(
            f"`path` must hold {', '.join(missing)} (.csv or .csv.gz), "
            f"received {path} without. {TERMS}"
        )
    log = pd.concat([_read_log(found[n]) for n in LOG_FILES if found[n]], ignore_index=True)
    # All columns count: the same video may be shown twice in one millisecond, in two hours.
    log = log.drop_duplicates().sort_values(["time_ms", "user_id"], kind="stable")
    if log.empty:
        raise ValueError(f"`path` must hold impressions, received {path} with empty log files")
    videos = _read(found[VIDEO_FILE], _VIDEOS)
    tags = videos.pop("tag").fillna("").str.split(",").map(lambda row: [int(t) for t in row if t])
    earlier = found[EARLIER_FILE]
    return KuaiRandTables(
        users=_read(found[USER_FILE], _USERS),
        videos=videos.assign(tags=tags),
        log=log.drop(columns=["date", "hourmin", "is_hate", "is_rand"]).reset_index(drop=True),
        earlier=_sequences(None if earlier is None else _read(earlier, _EARLIER)),
    )


def _find(path: Path, name: str) -> Path | None:
    candidates = (
        folder / f"{name}{end}" for folder in (path, path / "data") for end in ("", ".gz")
    )
    return next((file for file in candidates if file.is_file()), None)


def _read(file: Path | None, types: dict[str, str]) -> pd.DataFrame:
    assert file is not None
    try:
        return _parse(file, types)
    except EOFError as error:
        raise ValueError(f"`{file.name}` must be whole, received one cut short: {error}") from None


def _parse(file: Path, types: dict[str, str]) -> pd.DataFrame:
    require_columns(file.name, pd.read_csv(file, nrows=0), list(types))
    try:
        # Only "" is missing: to pandas "NA" and "None" would be too.
        return pd.read_csv(
            file, dtype=types, usecols=list(types), keep_default_na=False, na_values=[""]
        )
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"`{file.name}` must hold numbers of the types "
            f"{ {name: kind for name, kind in types.items() if kind != 'str'} }, "
            f"received: {error}"
        ) from error


def _read_log(file: Path | None) -> pd.DataFrame:
    log = _read(file, _LOG)
    assert file is not None
    allowed = {**dict.fromkeys(SIGNALS, (0, 1)), **dict.fromkeys(DURATIONS, (0, math.inf))}
    for name, (low, high) in allowed.items():
        other = log[name][(log[name] < low) | (log[name] > high)]
        if not other.empty:
            wanted = "0 or 1" if high == 1 else "no negative time"
            raise ValueError(
                f"`{file.name}` must hold {wanted} in '{name}', received {other.iloc[0]} in "
                f"{len(other)} rows"
            )
    return log


def _sequences(rows: pd.DataFrame | None) -> dict[str, pd.DataFrame]:
    """A row a video out of a row a user with ids separated by spaces."""
    columns = {"watched": "watch_seq", "liked": "like_seq", "long_viewed": "long_watch_seq"}
    if rows is None:
        nothing = np.empty(0, np.int64)
        empty = pd.DataFrame({"user_id": nothing, "video_id": nothing, "time_ms": nothing})
        return dict.fromkeys(columns, empty)
    return {kind: _explode(rows, column) for kind, column in columns.items()}


def _explode(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    ids = rows[column].fillna("").str.split()
    lengths = ids.map(len).to_numpy(np.int64)
    return pd.DataFrame({
        "user_id": np.repeat(rows["user_id"].to_numpy(), lengths),
        "video_id": ids.explode().dropna().to_numpy().astype(np.int64),
        "time_ms": np.repeat(rows["last_time_ms"].to_numpy(), lengths),
    })  # fmt: skip
