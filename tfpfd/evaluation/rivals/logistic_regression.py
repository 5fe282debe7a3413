"""Logistic regression on the served features.

Numbers are standardised; a missing one is the mean, and says so in a column of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from tfpfd.evaluation.intervals import FloatArray
from tfpfd.evaluation.rivals.registry import Candidate, PointwiseRival
from tfpfd.evaluation.rivals.shown_rows import ShownRows

# What is tried on validation rows.
PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)


def _candidates(rows: ShownRows) -> Iterator[Candidate]:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train = rows.train
    imputer = SimpleImputer(add_indicator=True, keep_empty_features=True)
    scaling = make_pipeline(imputer, StandardScaler()).fit(rows.numbers[0])
    inputs, validation, test = (scaling.transform(part) for part in rows.numbers)
    for penalty in PENALTIES:
        # Of the mean loss; scikit-learn's C stands before a sum over the rows.
        model = LogisticRegression(C=1 / (penalty * len(inputs)), max_iter=1000)
        model.fit(inputs, train.labels, sample_weight=train.weights)

        def rates(some: FloatArray, model: Any = model) -> FloatArray:
            return model.predict_proba(some)[:, 1]

        yield Candidate(f"l2 {penalty:g}", rates(validation), partial(rates, test))


LOGISTIC_REGRESSION = PointwiseRival("logistic", "logistic regression", _candidates)
