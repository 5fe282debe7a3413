"""Gradient-boosted trees on the served features."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any

from tfpfd.evaluation.intervals import FloatArray
from tfpfd.evaluation.rivals.registry import Candidate, PointwiseRival
from tfpfd.evaluation.rivals.shown_rows import ShownRows

# What is tried on validation rows, besides how many trees there are.
LEAVES, ROWS_A_LEAF = (4, 8, 31), (20, 100)
TREES, TREES_A_STEP, LEARNING_RATE = 200, 10, 0.1


def _candidates(rows: ShownRows) -> Iterator[Candidate]:
    from sklearn.ensemble import HistGradientBoostingClassifier

    train, (inputs, validation, test) = rows.train, rows.numbers
    for leaves, least in itertools.product(LEAVES, ROWS_A_LEAF):
        # Without early stopping, which would part training rows at random.
        model = HistGradientBoostingClassifier(
            learning_rate=LEARNING_RATE,
            max_iter=TREES,
            max_leaf_nodes=leaves,
            min_samples_leaf=least,
            early_stopping=False,
            random_state=0,
        )
        model.fit(inputs, train.labels, sample_weight=train.weights)

        def after(trees: int, some: FloatArray, model: Any = model) -> FloatArray:
            staged = model.staged_predict_proba(some)
            return next(itertools.islice(staged, trees - 1, trees))[:, 1]

        stages = itertools.islice(
            model.staged_predict_proba(validation), TREES_A_STEP - 1, None, TREES_A_STEP
        )
        for number, scores in enumerate(stages, start=1):
            trees = number * TREES_A_STEP
            setting = f"{trees} trees of {leaves} leaves, {least} rows or more in each"
            yield Candidate(setting, scores[:, 1], partial(after, trees, test))


BOOSTED_TREES = PointwiseRival("trees", "boosted trees", _candidates)
