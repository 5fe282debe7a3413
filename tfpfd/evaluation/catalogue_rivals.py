"""Rivals beside students that rank a catalogue."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from tfpfd.data.catalogue import CatalogueSplits
from tfpfd.evaluation.catalogue_rows import Asked, matrix_of
from tfpfd.evaluation.differences import Metrics
from tfpfd.evaluation.measured_rivals import MeasuredRivals
from tfpfd.evaluation.rivals import CatalogueRival
from tfpfd.evaluation.rivals.tuning import retrieval_rivals


def catalogue_rivals(
    data: CatalogueSplits,
    asked: Mapping[str, Asked],
    resamples: Mapping[str, np.ndarray],
    metrics: Collection[str],
    kept: np.ndarray | None = None,
    learned: pd.DataFrame | None = None,
) -> MeasuredRivals:
    """Fits `retrieval_rivals` to what all users chose, whether they are tested or not.

    Args:
      data: what users chose.
      asked: what is asked of the catalogue in the validation and in the test.
      resamples: multiplicities of the users, by part.
      metrics: "recall@k", "hit_rate@k" and "ndcg@k" of any k; the first chooses settings.
      kept: places of the training rows to learn from; None for all.
      learned: pairs that rivals learn from once their settings are chosen, as `data.pairs` gives
        them; None for what they learned from before, and the validation.
    """
    users = np.unique(data.pairs("history", "train", "validation", "test")[data.user].to_numpy())
    train = data.pairs("train") if kept is None else data.pairs("train").iloc[kept]
    before = pd.concat([data.pairs("history"), train], ignore_index=True)
    if learned is None:
        learned = pd.concat([before, data.pairs("validation")], ignore_index=True)
    first = next(iter(metrics))

    def found(rival: CatalogueRival, part: str, wanted: Collection[str]) -> Metrics:
        scores = rival.of(np.searchsorted(users, asked[part].users))
        return asked[part].measure(scores, wanted, resamples[part])

    tuned = retrieval_rivals(
        matrix_of(data, users, before),
        matrix_of(data, users, learned),
        lambda rival: float(found(rival, "validation", [first])[first][0]),
    )
    return MeasuredRivals(
        {name: found(rival, "test", metrics) for name, (_, rival) in tuned.items()},
        {name: setting for name, (setting, _) in tuned.items()},
    )
