"""Bucket edges, learned as quantiles batch by batch."""

from __future__ import annotations

import warnings

import numpy as np

from tfpfd.schema.columns import is_missing


class QuantileLearner:
    """Bucket edges from a uniform sample of a stream (reservoir sampling).

    The share of rows below an edge has a standard deviation of at most `0.5 / sqrt(SAMPLE)`,
    0.2 %.

    Args:
      name: of the column, for messages.
      buckets: how many buckets of equal frequency the edges aim for.
    """

    SAMPLE = 65_536

    def __init__(self, name: str, buckets: int = 10) -> None:
        self._name, self._buckets = name, buckets
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

    def learned(self) -> tuple[float, ...]:
        """The edges; equal quantiles are merged, so there may be fewer.

        Where nearly all values are the smallest one, so that all quantiles are, the one edge parts
        it from the others. A feature of one value has no edge, and is warned of.
        """
        levels = np.arange(1, self._buckets) / self._buckets
        edges = np.unique(np.quantile(self._sample, levels, method="higher"))
        smallest = self._sample.min()
        # An edge at the smallest value would leave the bucket below it empty.
        edges = edges[edges > smallest]
        others = self._sample[self._sample > smallest]
        if not len(others):
            warnings.warn(
                f"column '{self._name}': all values are {smallest}, so that the feature "
                "tells a model nothing; leave it out, or give its `boundaries`",
                stacklevel=3,
            )
        elif not len(edges):
            edges = others.min(keepdims=True)
        return tuple(edges.tolist())
