"""The exact best of many scores: a block of them at a time, through the maxima of chunks."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

CHUNK = 16
"""Scores a chunk: of 16, 32 and 64 the fastest for 100 of 100,000."""

AT_ONCE = 2**22
"""Scores a block: 16 MB, which stay in the processor's cache until the best are found."""


def best_of(
    scores: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    rows: tf.Tensor,
    batch: tf.Tensor,
    k: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """The `k` highest scores of each user and the rows they are of; of equal ones the first.

    What `tf.math.top_k` gives for all scores, of which there is a block at a time here: the memory
    needed doesn't grow with the rows, unless `k` does.

    Args:
      scores: gives float32 `[stop - start, batch]` for the rows from `start` to before `stop`.
      rows: scalar, how many there are.
      batch: scalar, how many users.
      k: scalar, at most `rows`.

    Returns:
      Scores and int32 rows, `[batch, k]`.
    """
    # At least as long that most chunks of a block can be left out.
    longest = rows // (4 * CHUNK)
    at_least = 4 * CHUNK * tf.minimum(k, longest)
    size = tf.where(k > longest, rows, tf.maximum(AT_ONCE // tf.maximum(batch, 1), at_least))

    def step(
        start: tf.Tensor, values: tf.Tensor, found: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        stop = tf.minimum(start + size, rows)
        more, where = _best_of_block(scores(start, stop), tf.minimum(k, stop - start))
        # Those found before come first, as they do among equal scores.
        best = tf.math.top_k(tf.concat([values, more], axis=1), k)
        found = tf.concat([found, start + where], axis=1)
        return stop, best.values, tf.gather(found, best.indices, batch_dims=1)

    first = tf.minimum(size, rows)
    any_shape = tf.TensorShape([None, None])
    _, values, found = tf.while_loop(
        lambda start, *_: start < rows,
        step,
        (first, *_best_of_block(scores(tf.zeros_like(rows), first), k)),
        shape_invariants=(tf.TensorShape([]), any_shape, any_shape),
    )
    return values, found


def _best_of_block(scores: tf.Tensor, k: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """`best_of` for scores `[rows, batch]` that are all there.

    A score among the k best lies in one of the k chunks with the highest maxima, of equal ones the
    first: each chunk before its own would otherwise hold a score that goes before it. So one pass
    finds the maxima, and all else looks at k chunks.
    """
    rows, batch = tf.unstack(tf.shape(scores))
    chunks = rows // CHUNK
    whole = chunks * CHUNK

    def through_chunks() -> tuple[tf.Tensor, tf.Tensor]:
        maxima = tf.reduce_max(tf.reshape(scores[:whole], [chunks, CHUNK, batch]), axis=1)
        best = tf.math.top_k(tf.transpose(maxima), k, sorted=False).indices
        # In their order, so that of equal scores the first row comes first here too.
        best = tf.sort(best, axis=1)
        kept = tf.reshape(best[:, :, None] * CHUNK + tf.range(CHUNK), [batch, k * CHUNK])
        behind = tf.broadcast_to(tf.range(whole, rows), [batch, rows - whole])
        kept = tf.concat([kept, behind], axis=1)
        users = tf.range(tf.cast(batch, tf.int64))
        places = tf.cast(kept, tf.int64) * tf.cast(batch, tf.int64) + users[:, None]
        found = tf.math.top_k(tf.gather(tf.reshape(scores, [-1]), places), k)
        return found.values, tf.gather(kept, found.indices, batch_dims=1)

    def directly() -> tuple[tf.Tensor, tf.Tensor]:
        found = tf.math.top_k(tf.transpose(scores), k)
        return found.values, found.indices

    # Below that there is little to leave out.
    return tf.cond(chunks > 2 * k, through_chunks, directly)
