"""Rivals that score rows of what was shown: biases, logistic regression, boosted trees."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tfpfd.evaluation.intervals import FloatArray
from tfpfd.evaluation.metrics import SMALLER_IS_BETTER, evaluate_rows
from tfpfd.evaluation.rivals import BiasModel
from tfpfd.evaluation.target_encoding import ServedFeatures
from tfpfd.schema import Schema, raw_batches

# What is tried on validation rows.
SHRINKAGES = (1.0, 3.0, 10.0, 30.0, 100.0)
PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
LEAVES, ROWS_A_LEAF = (4, 8, 31), (20, 100)
# A sum of effects may lie outside [0, 1]. Beyond this part of the mean rate, and of what it leaves
# to 1, a rate is only neared.
FLOOR = 0.02
TREES, TREES_A_STEP, LEARNING_RATE = 200, 10, 0.1
# Of fewer rows one thread is as fast; several wait for each other on a busy machine, ten times as
# long.
ROWS_FOR_THREADS = 100_000


@dataclass(frozen=True)
class Rows:
    """Rows as rivals take them.

    Args:
      columns: the served columns, checked.
      users: `[rows]` user ids.
      items: `[rows]` item ids.
      labels: `[rows]`, 0 or 1.
      weights: `[rows]` of a mean of 1, or None.
    """

    columns: dict[str, NDArray]
    users: NDArray
    items: NDArray
    labels: FloatArray
    weights: FloatArray | None

    @classmethod
    def of(
        cls, name: str, frame: pd.DataFrame, schema: Schema, user_key: str, item_key: str | None
    ) -> Rows:
        """Checks the rows of a frame.

        Args:
          name: of the argument.
          frame: the rows; those without a label are left out of `train`, and refused elsewhere.
          schema: names the columns.
          user_key: the column of the user id.
          item_key: the column of the item id; None where there are no items.

        Raises:
          ValueError: naming the column, what was expected and what came.
        """
        features = schema.features("served").values()
        others = (schema.label, schema.weight, user_key, item_key)
        names = dict.fromkeys([*(f.name for f in features), *(key for key in others if key)])
        if frame.empty:
            raise ValueError(f"`{name}` must have rows, received none")
        (raw,) = raw_batches(frame, list(names), size=len(frame))
        labels, weights = schema.target(raw)
        kept = ~np.isnan(labels) if name == "train" else np.ones(len(labels), bool)
        found = np.unique(labels[kept])
        if found.tolist() != [0, 1]:
            raise ValueError(
                f"label column '{schema.label}' of `{name}`: expected 0 and 1, "
                f"received {found[:3].tolist()}"
            )
        if weights is not None:
            if not weights[kept].any():
                raise ValueError(
                    f"weight column '{schema.weight}' of `{name}`: expected one above 0, "
                    "received zeros"
                )
            weights = weights[kept].astype(np.float64) / weights[kept].mean()
        return cls(
            {key: values[kept] for key, values in schema.columns(raw, features).items()},
            np.asarray(frame[user_key])[kept],
            np.asarray(frame[item_key])[kept] if item_key else np.zeros(int(kept.sum()), int),
            labels[kept].astype(np.float64),
            weights,
        )


# What a rival says of the validation rows, what of the test rows, and by which setting: test rows
# are only scored by the setting that is chosen.
Candidate = tuple[str, FloatArray, Callable[[], FloatArray]]


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
    train: Rows, validation: Rows, test: Rows, schema: Schema, metric: str
) -> dict[str, Tuned]:
    """Fits the rivals on training rows and chooses their settings on validation rows.

    - "bias": `BiasModel`, by its shrinkage; see `as_rates`.
    - "logistic": logistic regression on standardised `ServedFeatures`, by its penalty. A missing
      number is the mean, and says so in a column of its own.
    - "trees": gradient-boosted trees on the same numbers, by their leaves, the rows in one and how
      many trees there are.

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
    features = ServedFeatures(schema, train.columns, train.labels, train.weights)
    parts = (features.train, features.numbers(validation.columns), features.numbers(test.columns))
    candidates = {
        "bias": _biases(train, validation, test),
        "logistic": _logistic(parts, train),
        "trees": _trees(parts, train),
    }
    with threadpool_limits(1 if len(train.labels) < ROWS_FOR_THREADS else None):
        return {name: _best(some, validation, metric) for name, some in candidates.items()}


def _best(candidates: Iterable[Candidate], validation: Rows, metric: str) -> Tuned:
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


def as_rates(sums: FloatArray, mean: float) -> FloatArray:
    """Probabilities of sums of effects, in the same order.

    With f = .02 r, r the mean rate, a sum x below f becomes f·exp((x − f) / r); likewise at the
    other end, with 1 − x and 1 − r. What lies between stays.

    Args:
      sums: `[rows]`, of any size.
      mean: the mean rate, within (0, 1).

    Returns:
      `[rows]` within (0, 1).
    """

    def bounded(values: FloatArray, rate: float) -> FloatArray:
        floor = FLOOR * rate
        return np.where(values < floor, floor * np.exp((values - floor) / rate), values)

    return 1 - bounded(1 - bounded(np.asarray(sums, np.float64), mean), 1 - mean)


def _biases(train: Rows, validation: Rows, test: Rows) -> Iterator[Candidate]:
    for shrinkage in SHRINKAGES:
        model = BiasModel(train.users, train.items, train.labels, shrinkage)

        def rates(rows: Rows, model: BiasModel = model) -> FloatArray:
            return as_rates(model.predict(rows.users, rows.items), train.labels.mean())

        yield f"shrinkage {shrinkage:g}", rates(validation), partial(rates, test)


def _logistic(parts: tuple[FloatArray, ...], train: Rows) -> Iterator[Candidate]:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    imputer = SimpleImputer(add_indicator=True, keep_empty_features=True)
    scaling = make_pipeline(imputer, StandardScaler()).fit(parts[0])
    inputs, validation, test = (scaling.transform(part) for part in parts)
    for penalty in PENALTIES:
        # Of the mean loss; scikit-learn's C stands before a sum over the rows.
        model = LogisticRegression(C=1 / (penalty * len(inputs)), max_iter=1000)
        model.fit(inputs, train.labels, sample_weight=train.weights)

        def rates(some: FloatArray, model: Any = model) -> FloatArray:
            return model.predict_proba(some)[:, 1]

        yield f"l2 {penalty:g}", rates(validation), partial(rates, test)


def _trees(parts: tuple[FloatArray, ...], train: Rows) -> Iterator[Candidate]:
    from sklearn.ensemble import HistGradientBoostingClassifier

    inputs, validation, test = parts
    for leaves, rows in itertools.product(LEAVES, ROWS_A_LEAF):
        # Without early stopping, which would part training rows at random.
        model = HistGradientBoostingClassifier(
            learning_rate=LEARNING_RATE,
            max_iter=TREES,
            max_leaf_nodes=leaves,
            min_samples_leaf=rows,
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
            setting = f"{trees} trees of {leaves} leaves, {rows} rows or more in each"
            yield setting, scores[:, 1], partial(after, trees, test)
