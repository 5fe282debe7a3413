"""Target encodings of served features: numbers of ids that no row's own label is part of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tfpfd.evaluation.intervals import FloatArray
from tfpfd.schema import Feature, Schema

FOLDS = 5
SMOOTHING = 10.0


@dataclass(frozen=True)
class Members:
    """The values that rows hold, each with the row that holds it.

    Args:
      rows: `[members]` row numbers, ascending.
      values: `[members]` ids.
      count: number of rows; some may hold nothing.
    """

    rows: NDArray[np.int64]
    values: NDArray
    count: int

    @classmethod
    def of(cls, feature: Feature, columns: Mapping[str, NDArray]) -> Members:
        """The ids in the checked columns of a feature; see `Feature.ids`.

        Args:
          feature: one of ids.
          columns: `[rows, ...]` by name.
        """
        found = feature.ids(columns)
        assert found is not None  # It has ids.
        return cls(*found, len(columns[feature.name]))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """`[count]`, how many members each row has."""
        return np.bincount(self.rows, minlength=self.count)

    def means(self, encodings: ArrayLike, otherwise: ArrayLike) -> FloatArray:
        """`[count]` means over the members of each row.

        Args:
          encodings: `[members]`.
          otherwise: `[count]` or a number, of rows without a member.
        """
        lengths = self.lengths
        sums = np.bincount(self.rows, weights=encodings, minlength=self.count)
        return np.where(lengths > 0, sums / np.maximum(lengths, 1), otherwise)


class TargetEncoding:
    """Replaces ids by the shrunk mean label of the rows that hold them.

        e_v = (Σ_{r holds v} w_r y_r + a·m) / (Σ_{r holds v} w_r + a)

    m is the mean label; an id that no row holds has m. A row of several ids has the mean of their
    encodings. Of a training row all sums, m too, are over the rows of other folds, so that its own
    label has no part in it: a model that is fitted to encodings with it would trust rare ids, whose
    encoding says little but that label. Folds are drawn without a look at labels.

    scikit-learn's `TargetEncoder` encodes single ids in this way, but for folds that are stratified
    by the label and so depend on it; it has no lists of ids and no weights.

    Args:
      members: ids of the training rows.
      labels: `[rows]` in [0, 1].
      weights: `[rows]`, of a mean of 1.
      folds: `[rows]` fold of each row, from 0.
      smoothing: a, rows that the mean counts as.

    Reference:
      Micci-Barreca, "A preprocessing scheme for high-cardinality categorical attributes in
      classification and prediction problems", SIGKDD Explorations 2001.
    """

    def __init__(
        self,
        members: Members,
        labels: FloatArray,
        weights: FloatArray,
        folds: NDArray[np.int64],
        smoothing: float = SMOOTHING,
    ) -> None:
        codes, ids = pd.factorize(members.values)
        self._ids, self._smoothing = pd.Index(ids), smoothing
        count, size = int(folds.max()) + 1, len(ids)
        cells = folds[members.rows] * size + codes

        def by_fold(values: FloatArray) -> NDArray:
            sums = np.bincount(cells, weights=values[members.rows], minlength=count * size)
            return sums.reshape(count, size)

        sums, totals = by_fold(weights * labels), by_fold(weights)
        self._mean = float((weights * labels).sum() / weights.sum())
        self._encodings = self._shrunk(sums.sum(axis=0), totals.sum(axis=0), self._mean)
        of_fold = np.bincount(folds, weights=weights * labels, minlength=count)
        in_fold = np.bincount(folds, weights=weights, minlength=count)
        means = (of_fold.sum() - of_fold) / (in_fold.sum() - in_fold)
        others = self._shrunk(sums.sum(axis=0) - sums, totals.sum(axis=0) - totals, means[:, None])
        self.out_of_fold = members.means(others[folds[members.rows], codes], means[folds])

    def _shrunk(self, sums: NDArray, totals: NDArray, mean: float | FloatArray) -> FloatArray:
        return (sums + self._smoothing * mean) / (totals + self._smoothing)

    def encode(self, members: Members) -> FloatArray:
        """Encodings `[rows]` of rows that aren't training rows, by all training rows."""
        places = self._ids.get_indexer(pd.Index(members.values))
        encodings = np.where(places >= 0, self._encodings[places], self._mean)
        return members.means(encodings, self._mean)


class ServedFeatures:
    """The served features of a schema as numbers: what linear models and trees take.

    A `Numeric` is as it is, NaN where missing; ids are their target encoding, and features of
    several values a row have the number of these beside it (see `Feature.numbers`).

    Args:
      schema: names the features; needs no vocabulary.
      columns: the training rows' served columns, checked by `Schema.columns`.
      labels: `[rows]` in [0, 1].
      weights: `[rows]` of a mean of 1, or None.
      seed: of the folds.
    """

    def __init__(
        self,
        schema: Schema,
        columns: Mapping[str, NDArray],
        labels: FloatArray,
        weights: FloatArray | None = None,
        seed: int = 0,
    ) -> None:
        self._features = schema.features("served")
        rows = len(labels)
        folds = np.random.default_rng(seed).permutation(rows) % FOLDS
        weights = np.ones(rows) if weights is None else weights
        self._encodings = {
            name: TargetEncoding(Members.of(feature, columns), labels, weights, folds)
            for name, feature in self._features.items()
            if feature.ids(columns) is not None
        }
        encoded = {name: one.out_of_fold for name, one in self._encodings.items()}
        self.train = self._numbers(columns, encoded)

    def numbers(self, columns: Mapping[str, NDArray]) -> FloatArray:
        """float64 `[rows, numbers]` of the served columns of other rows."""
        encoded = {
            name: one.encode(Members.of(self._features[name], columns))
            for name, one in self._encodings.items()
        }
        return self._numbers(columns, encoded)

    def _numbers(
        self, columns: Mapping[str, NDArray], encoded: Mapping[str, FloatArray]
    ) -> FloatArray:
        found: list[NDArray] = []
        for name, feature in self._features.items():
            if name in encoded:
                found.append(encoded[name])
            found += feature.numbers(columns)
        return np.stack(found, axis=1).astype(np.float64)
