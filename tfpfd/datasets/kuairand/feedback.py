"""KuaiRand's feedback: which signal is a label, and which may teach a teacher about it.

After an impression the log notes a dozen signals. One of them is the label of a task; the others
are known only afterwards, so they are privileged ("post_event"), unless they define the label or
give it away.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tfpfd.datasets.kuairand.past import CROSS_COUNTS, CROSS_RATES
from tfpfd.schema import Numeric

LABELS = {
    "click": "is_click",
    "long_view": "long_view",
    "like": "is_like",
    "follow": "is_follow",
    "comment": "is_comment",
    "forward": "is_forward",
    "profile_enter": "is_profile_enter",
}
OF_IMPRESSIONS = ("click", "long_view")  # Tasks over all impressions; the others are given a click.
SECONDARY = ("is_like", "is_profile_enter", "is_comment", "is_follow")
CROSS = (*CROSS_COUNTS, *CROSS_RATES)
POST_EVENT = (
    "play_time_ms", "watch_ratio", "long_view", "is_like", "is_follow", "is_comment", "is_forward",
    "is_profile_enter", "profile_stay_time", "comment_stay_time",
)  # fmt: skip

_PLAY = "it is defined from the play time (a valid play)"
_REFUSED = {
    "is_click": {
        "play_time_ms": _PLAY,
        "watch_ratio": _PLAY,
        "long_view": "a long view is a click that lasted",
    },
    "long_view": {
        "play_time_ms": _PLAY,
        "watch_ratio": _PLAY,
        "is_click": "a long view is a click that lasted, so without a click there is none",
    },
    "is_comment": {"comment_stay_time": "hardly anybody writes without staying there"},
    "is_profile_enter": {"profile_stay_time": "only those who enter the profile stay there"},
}

# Nearly all zero: quantiles would put everything into one bucket.
_COUNT_EDGES = (0.25, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
_STAY_EDGES = (1.0, 1_000.0, 3_000.0, 10_000.0, 30_000.0)  # ms
_FLAG_EDGES = (0.5,)


def privileged_features(
    task: str, names: Sequence[str] | None = None
) -> dict[str, tuple[Numeric, ...]]:
    """The privileged features of a task by group, as a schema takes them.

    Args:
      task: one of `LABELS`.
      names: which ones. By default, of an impression those of `CROSS`; given a click those of
        `POST_EVENT` that the label allows.

    Raises:
      ValueError: an unknown task or feature, a name twice, or a feature that defines the label or
        gives it away.
    """
    if task not in LABELS:
        raise ValueError(f"`task` must be one of {list(LABELS)}, received {task!r}")
    label = LABELS[task]
    refused = {label: "it is the label", **_REFUSED.get(label, {})}
    if task not in OF_IMPRESSIONS:
        refused["is_click"] = "all rows of this task have a click"
    if names is None:
        names = CROSS if task in OF_IMPRESSIONS else [n for n in POST_EVENT if n not in refused]
    if isinstance(names, str) or len(set(names)) != len(names):
        raise ValueError(f"`privileged` must be a list of names, each once, received {names!r}")
    for name in names:
        if name in refused:
            raise ValueError(
                f"`privileged` must not name '{name}' for the label '{label}': {refused[name]}"
            )
        if name not in (*CROSS, *POST_EVENT):
            raise ValueError(
                f"`privileged` must name features out of {[*CROSS, *POST_EVENT]}, received {name!r}"
            )
    groups = {"cross": CROSS, "post_event": POST_EVENT}
    chosen = {
        group: tuple(_numeric(name) for name in names if name in known)
        for group, known in groups.items()
    }
    return {group: features for group, features in chosen.items() if features}


def objectives(task: str, names: Sequence[str] | None = None) -> tuple[str, ...]:
    """The labels that rows of a task can be ranked for, its own label first.

    The others are those of `SECONDARY` but for what a privileged feature is or gives away: a ranker
    that sees it knows the objective and has nothing to learn.

    Args:
      task: one of `LABELS`.
      names: the privileged features; as in `privileged_features`, which also says what is raised.
    """
    seen = {f.name for group in privileged_features(task, names).values() for f in group}
    label = LABELS[task]
    others = (
        name
        for name in SECONDARY
        if name != label and name not in seen and seen.isdisjoint(_REFUSED.get(name, {}))
    )
    return (label, *others)


def _numeric(name: str) -> Numeric:
    if name in CROSS_COUNTS:
        return Numeric(name, boundaries=_COUNT_EDGES)
    if name.endswith("_stay_time"):
        return Numeric(name, boundaries=_STAY_EDGES)
    if name in LABELS.values():
        return Numeric(name, boundaries=_FLAG_EDGES)
    return Numeric(name, buckets=10)


def feedback(log: pd.DataFrame) -> pd.DataFrame:
    """All labels and post-event features of impressions, float32.

    Args:
      log: rows of the log.

    Returns:
      Under the same index `LABELS`, and the times of `POST_EVENT` in ms; `watch_ratio` is the
      play time over the video's duration, 0 where no duration is known.
    """
    names = dict.fromkeys([*LABELS.values(), *POST_EVENT])
    duration = log["duration_ms"].to_numpy(float)
    ratio = np.where(duration > 0, log["play_time_ms"] / np.maximum(duration, 1.0), 0.0)
    return log.assign(watch_ratio=ratio)[list(names)].astype(np.float32)
