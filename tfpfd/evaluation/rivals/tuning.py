"""Rivals with the settings that validation data choose."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfpfd.evaluation.intervals import FloatArray
from tfpfd.evaluation.metrics import SMALLER_IS_BETTER, evaluate_rows
from tfpfd.evaluation.rivals.catalogue_rival import CatalogueRival
from tfpfd.evaluation.rivals.registry import POINTWISE, RETRIEVAL, Candidate, RetrievalRival
from tfpfd.evaluation.rivals.shown_rows import RivalRows, ShownRows
from tfpfd.schema import Schema

if TYPE_CHECKING:
    from scipy import sparse

# Of fewer rows one thread is as fast; several wait for each other on a busy machine, ten times as
# long.
ROWS_FOR_THREADS = 100_000


def retrieval_rivals(
    before: sparse.csr_matrix,
    both: sparse.csr_matrix,
    measure: Callable[[CatalogueRival], float],
) -> dict[str, tuple[str, CatalogueRival]]:
    """Chooses the settings of the rivals, and fits them with these to all that is known.

    Args:
      before: `[users, items]`, not 0 where a user had an item before the validation.
      both: the same with the validation, for the rival that is compared.
      measure: how good a rival is that was fitted to `before`, on validation users.

    Returns:
      By the name of the rival: its setting, for a reader, and itself.
    """
    users, items = before.nonzero()
    every_user, every_item = both.nonzero()
    chosen: dict[str, tuple[str, CatalogueRival]] = {}
    for name, rival in RETRIEVAL.items():
        if rival.most_items is not None and before.shape[1] > rival.most_items:
            continue

        def value_of(setting: Mapping[str, Any], rival: RetrievalRival = rival) -> float:
            return measure(rival.fit(users, items, before.shape, **setting))

        # One that is alone needs no choice.
        setting = max(rival.grid, key=value_of) if len(rival.grid) > 1 else rival.grid[0]
        fitted = rival.fit(every_user, every_item, both.shape, **setting)
        chosen[name] = (rival.told.format(**setting), fitted)
    return chosen


@dataclass(frozen=True)
class Tuned:
    """A rival, chosen on validation rows.

    Args:
      setting: what was chosen, for a reader.
      scores: probabilities `[rows]` of the test rows.
    """

    setting: str
    scores: FloatArray


def pointwise_rivals(
    train: RivalRows, validation: RivalRows, test: RivalRows, schema: Schema, metric: str
) -> dict[str, Tuned]:
    """Fits the rivals on training rows and chooses their settings on validation rows.

    Args:
      train: rows to fit on.
      validation: rows to choose on.
      test: rows to score; their labels aren't looked at.
      schema: names the features.
      metric: one of `evaluate_rows`.

    Raises:
      ValueError: the metric has no value on the validation rows.
      ImportError: without scikit-learn.
    """
    try:
        import sklearn  # noqa: F401
        from threadpoolctl import threadpool_limits  # scikit-learn needs it.
    except ImportError as error:
        raise ImportError(
            "pointwise rivals need scikit-learn: pip install 'tfpfd[audit]'"
        ) from error
    rows = ShownRows.of(train, validation, test, schema)
    with threadpool_limits(1 if len(train.labels) < ROWS_FOR_THREADS else None):
        return {
            name: _best(rival.candidates(rows), validation, metric)
            for name, rival in POINTWISE.items()
        }


def _best(candidates: Iterable[Candidate], validation: RivalRows, metric: str) -> Tuned:
    sign = -1 if metric in SMALLER_IS_BETTER else 1
    best, chosen = -math.inf, None
    for setting, scores, on_test in candidates:
        found = evaluate_rows(validation.labels, scores, validation.users, metrics=[metric])
        if sign * found[metric][0] > best:
            best, chosen = sign * found[metric][0], (setting, on_test)
    if chosen is None:
        raise ValueError(
            f"`metrics` begins with '{metric}', which has no value on the rows of `validation`: "
            "no user has rows of both labels"
        )
    return Tuned(chosen[0], chosen[1]())
