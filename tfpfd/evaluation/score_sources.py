"""What scores a catalogue for each user: a block of users and items at a time, and exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeAlias

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from tfpfd.evaluation.intervals import FloatArray
from tfpfd.evaluation.rivals import CatalogueRival

ScoresOf: TypeAlias = Callable[[NDArray[np.int64]], NDArray]
"""Gives the scores `[n, items]` of some users `[n]` for the items of a block, not to be changed."""

_PIECE = 2**20
"""Numbers that are made float64 at once: 8 MB."""

_RIVAL = 2**24
"""Scores of a rival that are made at once, all items for some users: 64 MB."""


class ScoreSource(Protocol):
    """Scores of `shape[0]` users and `shape[1]` items.

    A block may be off by a rounding, as a matrix product is, whose last bit depends on the place of
    a pair in its block: `margin` says by how much at most, and `exact` what a score is.
    """

    shape: tuple[int, int]

    def columns(self, start: int, stop: int) -> ScoresOf:
        """What gives the scores of the items from `start` to before `stop`."""

    def margin(self, rows: NDArray[np.int64]) -> FloatArray:
        """How far at most a block's scores of some users are from the exact ones, `[rows]`."""

    def exact(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> FloatArray:
        """The scores `[n]` of pairs of a user and an item."""


class Matrix:
    """Scores that are all there.

    Args:
      scores: finite `[users, items]`.

    Raises:
      ValueError: another shape, or values that aren't finite.
    """

    def __init__(self, scores: ArrayLike) -> None:
        if isinstance(scores, tuple):
            raise ValueError(
                "`scores` must be a [users, items] array, or for embeddings "
                f"`Embeddings(users, items)`, received a tuple of {len(scores)}"
            )
        array = np.asarray(scores)
        if array.ndim != 2 or array.size == 0:
            raise ValueError(
                f"`scores` must be a non-empty [users, items] array, received shape {array.shape}"
            )
        finite = np.isfinite(array)
        if not finite.all():
            raise ValueError(
                "`scores` must be finite (mask items by `excluded`), "
                f"received {(~finite).sum()} values which aren't"
            )
        self._scores = array
        self.shape: tuple[int, int] = (array.shape[0], array.shape[1])
        self._dtype = np.result_type(array.dtype, np.float32)

    def columns(self, start: int, stop: int) -> ScoresOf:
        """As of `ScoreSource`."""
        return lambda rows: self._scores[rows, start:stop].astype(self._dtype, copy=False)

    def margin(self, rows: NDArray[np.int64]) -> FloatArray:
        """As of `ScoreSource`."""
        return np.zeros(len(rows))

    def exact(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> FloatArray:
        """As of `ScoreSource`."""
        return self._scores[users, items].astype(np.float64)


class Embeddings:
    """Scores that are inner products: `s_ui = ⟨users[u], items[i]⟩`, of which few are made at once.

    A score is the product in float64, whatever the types of the embeddings: two items of the same
    embedding have the same score. Products in float32, of which nearly all scores come, only tell
    what is so near to a score that it has to be looked at.

        evaluate_catalogue(Embeddings(users, items), relevant, seen, ks=(10, 50))

    Args:
      users: `[users, width]`, of any type of numbers.
      items: `[items, width]`. What isn't float32 becomes so a block at a time.

    Raises:
      ValueError: other shapes, numbers that aren't finite, or so large that the products aren't.
    """

    def __init__(self, users: ArrayLike, items: ArrayLike) -> None:
        self._users, self._items = _vectors("users", users), _vectors("items", items)
        width = self._users.shape[1]
        if self._items.shape[1] != width:
            raise ValueError(
                f"`items` must be [items, {width}] as `users`, received shape {self._items.shape}"
            )
        self.shape: tuple[int, int] = (len(self._users), len(self._items))
        self._norms = _norms("users", self._users)
        longest = _norms("items", self._items).max()
        largest = np.finfo(np.float32).max
        if max(self._norms.max(), longest, self._norms.max() * longest) > largest / 2:
            raise ValueError(
                f"`users` and `items` must have products below {largest / 2:.2g}, "
                f"received norms up to {self._norms.max():.2g} and {longest:.2g}"
            )
        # |fl(⟨x, y⟩) - ⟨x, y⟩| <= n u / (1 - n u) ‖x‖ ‖y‖ in whatever order n products are added
        # (Higham, Accuracy and Stability of Numerical Algorithms, sec. 3.1), u = 2^-24. There is
        # room for the rounding of x, y and a threshold; what underflows is in the second term.
        self._relative = (width + 4) * 2.0**-23 * longest
        self._absolute = width * 2.0**-125 * (1 + longest)

    def columns(self, start: int, stop: int) -> ScoresOf:
        """As of `ScoreSource`."""
        # On the processor, as a GPU may round inputs to ten bits. TensorFlow's, as NumPy's threads
        # wait for each other on a busy core when several blocks are at work.
        with tf.device("CPU"):
            part = tf.constant(self._items[start:stop].astype(np.float32, copy=False))

        def scores(rows: NDArray[np.int64]) -> NDArray:
            with tf.device("CPU"):
                some = tf.constant(self._users[rows].astype(np.float32, copy=False))
                product = tf.matmul(some, part, transpose_b=True)
            return np.asarray(memoryview(product))  # Without the copy that `numpy()` makes.

        return scores

    def margin(self, rows: NDArray[np.int64]) -> FloatArray:
        """As of `ScoreSource`."""
        norms = self._norms[rows]
        return self._relative * norms + self._absolute * (1 + norms)

    def exact(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> FloatArray:
        """As of `ScoreSource`."""
        products = np.empty(len(users))
        step = max(1, _PIECE // self._users.shape[1])
        for start in range(0, len(users), step):
            piece = slice(start, start + step)
            # The sum of a row goes in an order that depends on the width alone.
            products[piece] = np.multiply(
                self._users[users[piece]].astype(np.float64),
                self._items[items[piece]].astype(np.float64),
            ).sum(axis=1)
        return products


def _vectors(name: str, values: ArrayLike) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim != 2 or array.size == 0 or array.dtype.kind in "OSUMmc":
        raise ValueError(
            f"`{name}` must be a non-empty [{name}, width] array of numbers, "
            f"received {array.dtype} with shape {array.shape}"
        )
    return array


def _norms(name: str, vectors: NDArray[Any]) -> FloatArray:
    step = max(1, _PIECE // vectors.shape[1])
    parts = (vectors[i : i + step].astype(np.float64) for i in range(0, len(vectors), step))
    with np.errstate(over="ignore"):
        norms = np.concatenate([np.sqrt(np.square(part).sum(axis=1)) for part in parts])
    if bad := np.count_nonzero(~np.isfinite(norms)):
        raise ValueError(
            f"`{name}` must be finite, received {bad} rows of {len(norms)} which aren't"
        )
    return norms


AnySource: TypeAlias = Matrix | Embeddings | CatalogueRival


def source_of(scores: ArrayLike | Embeddings | CatalogueRival) -> AnySource:
    """What an argument has given, its scores checked."""
    return scores if isinstance(scores, Embeddings | CatalogueRival) else Matrix(scores)


def parts(
    source: AnySource, users: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], ScoreSource]]:
    """Scores of the users in parts: the users, and their scores by the place among these.

    Args:
      source: of the scores.
      users: those of interest; of a rival no others are scored.
    """
    if not isinstance(source, CatalogueRival):
        yield np.arange(source.shape[0]), source
        return
    step = max(1, _RIVAL // source.shape[1])
    for start in range(0, len(users), step):
        rows = users[start : start + step]
        yield rows, Matrix(source.scores(rows))
