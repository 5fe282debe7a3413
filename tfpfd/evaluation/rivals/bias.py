"""What the user and the item of a row say alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tfpfd._arguments import check_number
from tfpfd.evaluation.intervals import FloatArray
from tfpfd.evaluation.rivals.catalogue_rival import as_long
from tfpfd.evaluation.rivals.registry import Candidate, PointwiseRival
from tfpfd.evaluation.rivals.shown_rows import RivalRows, ShownRows

# What is tried on validation rows.
SHRINKAGES = (1.0, 3.0, 10.0, 30.0, 100.0)
# A sum of effects may lie outside [0, 1]. Beyond this part of the mean rate, and of what it leaves
# to 1, a rate is only neared.
FLOOR = 0.02


class BiasModel:
    """Says of a row what its user and its item say alone: `μ + b_u + b_i`, both shrunk.

        b_i = Σ_{rows of i} (y - μ) / (n_i + shrinkage)
        b_u = Σ_{rows of u} (y - μ - b_i) / (n_u + shrinkage)

    The trivial rival of a model of labels given what was shown. An unknown user or item has 0.

    Args:
      users: `[n]` user ids of the training rows, of any type.
      items: `[n]` item ids.
      labels: `[n]`, in [0, 1]; rows without one (NaN) don't count.
      shrinkage: rows that an effect of 0 counts as, to be chosen on validation rows.

    Raises:
      ValueError: arrays of other lengths, no label, or a negative `shrinkage`.

    Reference:
      Koren, "Factor in the Neighbors: Scalable and Accurate Collaborative Filtering", TKDD 2010,
      sec. 2.1.
    """

    def __init__(
        self, users: ArrayLike, items: ArrayLike, labels: ArrayLike, shrinkage: float = 10.0
    ) -> None:
        check_number("shrinkage", shrinkage)
        rows = _rows(users, items).assign(label=_numbers("labels", labels, users))
        rows = rows.dropna(subset=["label"])
        outside = rows[~rows["label"].between(0, 1)]
        if len(outside):
            raise ValueError(
                f"`labels` must be in [0, 1], or NaN, received {len(outside)} outside, such as "
                f"{outside['label'].iloc[0]}"
            )
        if rows.empty:
            raise ValueError("`labels` must have a label in at least one row, received none")
        self.mean = float(rows["label"].mean())

        def effect(of: str, rest: pd.Series) -> pd.Series:
            groups = rest.groupby(rows[of])
            return groups.sum() / (groups.size() + shrinkage)

        rest = rows["label"] - self.mean
        self.items = effect("item", rest)
        self.users = effect("user", rest - rows["item"].map(self.items))

    def predict(self, users: ArrayLike, items: ArrayLike) -> FloatArray:
        """The scores `[n]` of rows: for their order (AUC), as they may lie outside [0, 1]."""
        rows = _rows(users, items)
        effects = rows["user"].map(self.users).fillna(0) + rows["item"].map(self.items).fillna(0)
        return self.mean + effects.to_numpy(np.float64)


def _rows(users: ArrayLike, items: ArrayLike) -> pd.DataFrame:
    return pd.DataFrame({"user": np.asarray(users), "item": as_long("items", items, users)})


def _numbers(name: str, values: ArrayLike, users: ArrayLike) -> NDArray:
    array = as_long(name, values, users)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"`{name}` must hold numbers, received dtype {array.dtype}")
    return array.astype(np.float64)


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


def _candidates(rows: ShownRows) -> Iterator[Candidate]:
    for shrinkage in SHRINKAGES:
        model = BiasModel(rows.train.users, rows.train.items, rows.train.labels, shrinkage)

        def rates(some: RivalRows, model: BiasModel = model) -> FloatArray:
            return as_rates(model.predict(some.users, some.items), rows.train.labels.mean())

        yield Candidate(
            f"shrinkage {shrinkage:g}", rates(rows.validation), partial(rates, rows.test)
        )


BIAS = PointwiseRival("bias", "the bias model", _candidates)
