"""What `Schema.adapt` learns from data: vocabularies and bucket edges, batch by batch."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pandas as pd

from tfpfd.schema.columns import is_missing
from tfpfd.schema.features import Categorical, Numeric


class VocabularyLearner:
    """Counts the values of one vocabulary; memory grows with its size, not with the rows."""

    def __init__(self, feature: Categorical) -> None:
        self._feature = feature
        self._counts = pd.Series(dtype=np.int64)
        self._pending: list[pd.Series] = []
        self._waiting = 0

    def update(self, values: np.ndarray) -> None:
        """Counts the values of a column that `columns.column` returned."""
        flat = values.ravel()
        counted = pd.Series(flat[~is_missing(flat)]).value_counts(sort=False)
        self._pending.append(counted)
        self._waiting += len(counted)
        # Merging once as much waits as was counted costs a constant number of passes a value.
        if self._waiting > max(len(self._counts), 1_000_000):
            self._merge()

    def _merge(self) -> None:
        parts = [part for part in (self._counts, *self._pending) if len(part)]
        if parts:
            self._counts = pd.concat(parts).groupby(level=0, sort=False).sum()
        self._pending, self._waiting = [], 0

    def learned(self) -> Categorical:
        """The feature with its vocabulary: the most frequent first, ties in order of value."""
        self._merge()
        counts = self._counts[self._counts >= self._feature.min_count].sort_index()
        counts = counts.sort_values(ascending=False, kind="stable")
        vocabulary = tuple(counts.index[: self._feature.max_size].tolist())
        return dataclasses.replace(self._feature, vocabulary=vocabulary)


class QuantileLearner:
    """Bucket edges from a uniform sample of a stream (reservoir sampling).

    The share of rows below an edge has a standard deviation of at most `0.5 / sqrt(SAMPLE)`,
    0.2 %.
    """

    SAMPLE = 65_536

    def __init__(self, feature: Numeric) -> None:
        self._feature = feature
        self._sample = np.empty(0, np.float32)
        self._seen = 0
        self._random = np.random.default_rng(0)

    def update(self, values: np.ndarray) -> None:
        """Takes in the values of a column that `columns.column` returned."""
        values = values[~is_missing(values)]
        room = self.SAMPLE - len(self._sample)
        self._sample = np.concatenate([self._sample, values[:room]])
        self._seen += min(room, len(values))
        values = values[room:]
        # The i-th value of the stream stays with probability SAMPLE / i, in a random place.
        places = self._random.integers(0, self._seen + 1 + np.arange(len(values)))
        stays = places < self.SAMPLE
        self._sample[places[stays]] = values[stays]
        self._seen += len(values)

    def learned(self) -> Numeric:
        """The feature with its edges; equal quantiles are merged, so there may be fewer.

        Where nearly all values are the smallest one, so that all quantiles are, the one edge parts
        it from the others. A feature of one value has no edge, and is warned of.
        """
        levels = np.arange(1, self._feature.buckets) / self._feature.buckets
        edges = np.unique(np.quantile(self._sample, levels, method="higher"))
        smallest = self._sample.min()
        # An edge at the smallest value would leave the bucket below it empty.
        edges = edges[edges > smallest]
        others = self._sample[self._sample > smallest]
        if not len(others):
            warnings.warn(
                f"column '{self._feature.name}': all values are {smallest}, so that the feature "
                "tells a model nothing; leave it out, or give its `boundaries`",
                stacklevel=3,
            )
        elif not len(edges):
            edges = others.min(keepdims=True)
        return dataclasses.replace(self._feature, boundaries=tuple(edges.tolist()))


Learner = VocabularyLearner | QuantileLearner
