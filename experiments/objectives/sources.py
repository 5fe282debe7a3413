"""Where the tasks of several objectives come from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.objectives.objective_task import ObjectiveSource
from experiments.rows_task import RowsRecipe
from tfpfd.datasets import kuairand, marketplace


def _short_videos(rows: pd.DataFrame, train: pd.DataFrame) -> np.ndarray:
    return (rows["video_duration"] < train["video_duration"].quantile(0.25)).to_numpy()


SOURCES: dict[str, ObjectiveSource] = {
    "marketplace": ObjectiveSource(
        lambda path: marketplace("objectives", users=2000),
        omega={"cancelled": -0.3, "rated_well": 0.5},
        rule=lambda rows, train: rows["new_seller"].to_numpy(),
        goal="items of new sellers",
        recipe=RowsRecipe(
            dim=8, embedding_l2=0.0, batch_size=4096, epochs=12, distillation_weight=0.8
        ),
        avoided={"cancelled": "kept"},
    ),
    "kuairand": ObjectiveSource(
        kuairand.load,
        omega={"is_like": 0.3, "is_profile_enter": 0.3, "is_comment": 0.2, "is_follow": 0.2},
        rule=_short_videos,
        goal="videos shorter than three quarters of those shown",
        recipe=RowsRecipe(embedding_l2=0.0, batch_size=2048, epochs=12, distillation_weight=0.8),
    ),
}
"""Several objectives on impressions: purchases first on the marketplace, clicks on KuaiRand."""
RANKING = {
    "ndcg": "NDCG",
    "purchase_rate": "true purchase rate",
    "cancelled": "purchases cancelled",
    "rated_well": "purchases rated well",
    "is_like": "NDCG of likes",
    "is_profile_enter": "NDCG of profile visits",
    "is_comment": "NDCG of comments",
    "is_follow": "NDCG of follows",
    "exposure": "exposure of the ad-hoc goal",
}
"""Titles of the metrics of rankings."""
