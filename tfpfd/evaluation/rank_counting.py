"""Ranks by counting what scores higher, and the best items: a block of scores at a time.

Nothing is sorted that doesn't have to be. A block of scores is compared with one number a user, the
lowest score that still matters, and only what isn't below it is looked at: that is little, as an
item with `most` others ahead of it matters no more.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tfpfd.evaluation.intervals import FloatArray
from tfpfd.evaluation.score_sources import ScoresOf, ScoreSource
from tfpfd.evaluation.user_item_pairs import Pairs

USERS, ITEMS = 512, 8192
"""Users and items of a block: 16 MB of scores. Smaller ones are left to the processor's faster
caches, but each has a fixed cost, and these take less time than blocks of 1 to 4 MB."""

WORKERS = min(8, 2 * (os.cpu_count() or 1))
"""Blocks at work: a product takes all cores by itself, the comparison after it only one, and so
other blocks' products go on meanwhile. Two a core take less time than one."""

FIRST = 256
"""Items of the first block; then they double. Until a score has been compared with some items, many
may lie above it: a block as long as all before it holds no more of them than these did."""

_PIECE = 2**20
"""Comparisons of a score with those of relevant items that are made at once."""


class _Block(NamedTuple):
    """Items from `start` on, `width` of them: what gives their scores, what is hidden of them."""

    start: int
    width: int
    scores: ScoresOf
    hidden: Pairs


class _Blocks:
    """Scores a block at a time."""

    def __init__(self, source: ScoreSource, excluded: Pairs) -> None:
        self._source, self._excluded = source, excluded
        self._size = min(USERS, source.shape[0]) * min(ITEMS, source.shape[1])
        self._own = threading.local()

    def of_items(self) -> Iterator[_Block]:
        """The blocks of the items, for any users."""
        start, items = 0, self._source.shape[1]
        while start < items:
            stop = min(items, start + min(ITEMS, max(FIRST, start)))
            hidden = self._excluded.between(start, stop)
            yield _Block(start, stop - start, self._source.columns(start, stop), hidden)
            start = stop

    def not_below(
        self, lowest: FloatArray, rows: NDArray[np.int64], block: _Block
    ) -> tuple[NDArray[np.int64], NDArray]:
        """Where in a block scores aren't below `lowest` of their user, and all scores, flat.

        Args:
          lowest: `[rows]`.
          rows: the users.
          block: of `of_items`.
        """
        if not hasattr(self._own, "mask"):  # New pages would cost as much as the comparison.
            self._own.mask = np.empty(self._size, bool)
        scores = block.scores(rows)
        mask = self._own.mask[: scores.size].reshape(scores.shape)
        # One step down, as the rounding to the type of the scores may have gone up.
        threshold = np.nextafter(lowest.astype(scores.dtype), np.array(-np.inf, scores.dtype))
        np.greater_equal(scores, threshold[:, None], out=mask)
        cells = block.hidden.of(rows)
        mask[cells.users, cells.items - block.start] = False
        return np.flatnonzero(mask), scores.reshape(-1)


def count_ranks(
    source: ScoreSource, relevant: Pairs, excluded: Pairs, most: int
) -> NDArray[np.int64]:
    """The rank of each relevant item among its user's items that aren't excluded.

    Args:
      source: of the scores.
      relevant: none of which is excluded.
      excluded: what doesn't count.
      most: ranks up to it are wanted.

    Returns:
      `[pairs]`, from 1; `most + 1` is that, or higher.
    """
    users = relevant.users
    goals = source.exact(users, relevant.items)
    ahead = np.zeros(len(goals), np.int64)
    alive = np.arange(len(goals))
    blocks = _Blocks(source, excluded)

    def count(block: _Block, rows: NDArray[np.int64], places: NDArray[np.int64]) -> None:
        held = places >= 0
        thresholds = np.where(held, goals[places], np.inf)
        items = np.where(held, relevant.items[places], -1)
        margin = source.margin(rows)
        hits, scores = blocks.not_below(thresholds.min(axis=1) - margin, rows, block)
        counts = np.zeros(places.shape, np.int64)
        step = max(1, _PIECE // places.shape[1])
        for first in range(0, len(hits), step):
            piece = hits[first : first + step]
            row, column = np.divmod(piece, block.width)
            pairs = row, rows[row], block.start + column
            higher = _higher(source, scores[piece], pairs, thresholds, items, margin)
            new = np.flatnonzero(np.append(True, row[1:] != row[:-1]))
            counts[row[new]] += np.add.reduceat(higher, new, axis=1, dtype=np.int32).T
        ahead[places[held]] += counts[held]

    with ThreadPoolExecutor(WORKERS) as pool:
        for block in blocks.of_items():
            # Users without a relevant item that still matters need no more scores.
            for done in [pool.submit(count, block, *some) for some in _users_of(users, alive)]:
                done.result()
            alive = alive[ahead[alive] < most]
    return np.minimum(ahead, most) + 1


def _users_of(
    users: NDArray[np.int64], alive: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Blocks of users, and where their pairs are, `[users, most pairs of one]`, -1 for none.

    Those with as many pairs stand together, so that there are few -1.
    """
    rows, first, counts = np.unique(users[alive], return_index=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    for start in range(0, len(order), USERS):
        some = order[start : start + USERS]
        offsets = np.arange(counts[some[0]])
        held = offsets < counts[some, None]
        yield rows[some], np.where(held, alive[np.where(held, first[some, None] + offsets, 0)], -1)


def _higher(
    source: ScoreSource,
    scores: NDArray,
    pairs: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    thresholds: FloatArray,
    relevant: NDArray[np.int64],
    margin: FloatArray,
) -> NDArray[np.bool_]:
    """Whether scores rank before those of their user's relevant items, `[relevant, n]`.

    Args:
      source: of the scores.
      scores: `[n]`, as a block has them.
      pairs: `[n]` each: the place of the user, ascending, the user, the item.
      thresholds: `[users, relevant]`, exact.
      relevant: `[users, relevant]`, the items.
      margin: `[users]`, how far `scores` may be off.
    """
    place, users, items = pairs
    # In the type of the scores, whose rounding the margin has room for.
    each = np.bincount(place, minlength=len(margin))
    over = scores - np.repeat(thresholds.T.astype(scores.dtype), each, axis=1)
    allowed = np.repeat(margin.astype(scores.dtype), each)
    higher = over > allowed
    # What is nearer than the rounding of a block is decided by exact scores, so that neither
    # the blocks nor a score's own rounding decide; this is also where ties are.
    near = np.flatnonzero(np.abs(over, out=over) <= allowed)
    which, hit = np.divmod(near, len(scores))
    scored = source.exact(users[hit], items[hit])
    threshold, item = thresholds[place[hit], which], relevant[place[hit], which]
    higher[which, hit] = (scored > threshold) | ((scored == threshold) & (items[hit] < item))
    return higher


def best_items(source: ScoreSource, excluded: Pairs, k: int) -> NDArray[np.int64]:
    """The `k` items of each user that score highest, of equal ones those of the lower index.

    Args:
      source: of the scores.
      excluded: what isn't to be among them.
      k: how many.

    Returns:
      `[users, k]`, the best first, -1 where a user has no more.
    """
    users = source.shape[0]
    found = np.full((users, k), -1, np.int64)
    blocks = _Blocks(source, excluded)

    def find(start: int) -> None:
        rows = np.arange(start, min(users, start + USERS))
        margin = source.margin(rows)
        lowest = np.full(len(rows), -np.inf)
        # What is held: the place of the user, the item, the score.
        held = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
        for block in blocks.of_items():
            hits, _ = blocks.not_below(lowest - margin, rows, block)
            place, column = np.divmod(hits, block.width)
            items = block.start + column
            new = place, items, source.exact(rows[place], items)
            place, items, scores = (np.concatenate(both) for both in zip(held, new, strict=True))
            order = np.lexsort((items, -scores, place))
            rank = np.arange(len(order)) - np.searchsorted(place[order], place[order])
            order, rank = order[rank < k], rank[rank < k]
            held = place[order], items[order], scores[order]
            last = rank == k - 1
            lowest[held[0][last]] = held[2][last]
        found[rows[held[0]], rank] = held[1]

    with ThreadPoolExecutor(WORKERS) as pool:
        for done in [pool.submit(find, start) for start in range(0, users, USERS)]:
            done.result()
    return found
