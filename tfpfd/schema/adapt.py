"""What `Schema.adapt` does: one pass over rows, from which features learn."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import numpy as np

from tfpfd._keras import keras
from tfpfd.schema.batches import Source, count_rows, raw_batches, rows_of
from tfpfd.schema.declaration_checks import check_all_missing
from tfpfd.schema.feature import Feature


def learn(
    source: Source,
    names: Iterable[str],
    features: Mapping[str, Feature],
    served: Collection[str],
    check: Callable[[Mapping[str, Any], Iterable[Feature]], dict[str, np.ndarray]],
    label: str,
    labels_of: Callable[[Mapping[str, Any]], np.ndarray],
    verbose: int,
) -> dict[str, Any]:
    """What features learn of rows, by the names of those that have something to learn.

    Args:
      source: the rows: see `tfpfd.schema.raw_batches`.
      names: of the columns to read.
      features: of the schema, by name.
      served: names of those that are served, from whose columns alone they learn.
      check: `Schema.columns`.
      label: column of the label.
      labels_of: checked labels `[rows]` of a batch, NaN on rows without one.
      verbose: 0: silent, 1: a progress bar.

    Raises:
      ValueError: naming the column, what was expected and what came.
    """
    learners = {name: f.learner() for name, f in features.items() if not f.learned}
    progress = keras.utils.Progbar(count_rows(source), verbose=verbose, unit_name="row")
    rows, held = 0, dict.fromkeys([*features, label], 0)
    for raw in raw_batches(source, list(names)):
        if rows_of(raw) == 0:
            continue
        columns = check(raw, features.values())
        for name, feature in features.items():
            held[name] += feature.held(columns)
            for owner, values in feature.teaches(columns, features).items():
                if owner in learners and (name in served or owner not in served):
                    learners[owner].update(values)
        held[label] += int((~np.isnan(labels_of(raw))).sum())
        rows += rows_of(raw)
        progress.update(rows)
    if rows == 0:
        raise ValueError("`source` is empty: expected rows to learn from, received none")
    check_all_missing(held, rows)
    return {name: learner.learned() for name, learner in learners.items()}
