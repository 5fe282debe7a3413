"""The item table as it is served: its types, and scores against it."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import tensorflow as tf

TableType = Literal["float32", "float16", "bfloat16", "int8"]
TABLE_TYPES: tuple[TableType, ...] = get_args(TableType)

UNKNOWN_SCORE = float(np.finfo(np.float32).min)
"""Score of a candidate that isn't in the table: the lowest finite one, which JSON can hold."""

BLOCK = 8192
"""Rows of a smaller type that are made float32 at once: they stay in the processor's cache."""

PIECE = 4096
"""Rows that a core multiplies by one user at a time."""


def check_table_type(table: str) -> None:
    """Refuses a type that a table can't have."""
    if table not in TABLE_TYPES:
        raise ValueError(f"`table` must be one of {list(TABLE_TYPES)}, received {table!r}")


def check_fits(embeddings: np.ndarray, table: TableType) -> None:
    """Refuses embeddings that a table of a smaller type would make infinite.

    Args:
      embeddings: finite float32 `[items, width]`.
      table: the type.

    Raises:
      ValueError: a number is too large.
    """
    largest = np.abs(embeddings).max(initial=0)
    with np.errstate(over="ignore"):
        stored_one = largest.astype(tf.as_dtype(table).as_numpy_dtype)
    if table != "int8" and not np.isfinite(stored_one):
        raise ValueError(
            f"`table` '{table}' can't hold the item embeddings: expected numbers up to "
            f"{float(tf.as_dtype(table).max):g}, received {largest:g}; 'float32' can"
        )


def stored(embeddings: np.ndarray, table: TableType) -> dict[str, np.ndarray]:
    """Embeddings as the table's variables hold them.

    An int8 row is `round(row / scale)` with `scale = max|row| / 127`, so that no number is off by
    more than half a scale.

    Args:
      embeddings: float32 `[items, width]`.
      table: the type.

    Returns:
      By variable: `item_embeddings`, of the type, and for int8 `item_scales`, float32 `[items]`.
    """
    if table != "int8":
        return {"item_embeddings": embeddings.astype(tf.as_dtype(table).as_numpy_dtype)}
    scales = np.abs(embeddings).max(axis=1, initial=0) / np.float32(127)
    divisors = np.where(scales > 0, scales, np.float32(1))
    rounded = np.rint(embeddings / divisors[:, None]).astype(np.int8)
    return {"item_embeddings": rounded, "item_scales": scales}


class ItemTable:
    """Scores against variables that hold the item embeddings, whatever their type.

    Args:
      embeddings: `[items, width]`.
      scales: float32 `[items]`, of an int8 table.
    """

    def __init__(self, embeddings: tf.Variable, scales: tf.Variable | None) -> None:
        self.embeddings = embeddings
        self.scales = scales

    @property
    def rows(self) -> tf.Tensor:
        """How many items there are."""
        return tf.shape(self.embeddings)[0]

    def vectors(self, rows: tf.Tensor) -> tf.Tensor:
        """The embeddings of some rows, float32, `[..., width]`."""
        # Of tensors: after a gather from a variable itself each later read of it copies all of it.
        table = tf.convert_to_tensor(self.embeddings)
        vectors = tf.cast(tf.gather(table, rows), tf.float32)
        if self.scales is not None:
            vectors *= tf.gather(tf.convert_to_tensor(self.scales), rows)[..., None]
        return vectors

    def scores(self, user: tf.Tensor, start: tf.Tensor, stop: tf.Tensor) -> tf.Tensor:
        """Inner products with the rows from `start` to before `stop`.

        Args:
          user: float32 `[batch, width]`.
          start: scalar.
          stop: scalar.

        Returns:
          float32 `[stop - start, batch]`.
        """
        # The first dimension alone is cut, which copies nothing.
        part = tf.convert_to_tensor(self.embeddings)[start:stop]
        if part.dtype == tf.float32:
            return _products(part, user)
        scores = _in_blocks(part, user)
        return scores if self.scales is None else scores * self.scales[start:stop, None]


def _products(part: tf.Tensor, user: tf.Tensor) -> tf.Tensor:
    """`part @ user.T`, which takes TensorFlow two thirds of the time of `user @ part.T`."""
    rows, width = tf.unstack(tf.shape(part))
    pieces = rows // PIECE
    whole = pieces * PIECE

    def for_one() -> tf.Tensor:
        # The product with one vector keeps to one core, a batch of such products takes them all.
        products = tf.matmul(
            user, tf.reshape(part[:whole], [pieces, PIECE, width]), transpose_b=True
        )
        rest = tf.matmul(user, part[whole:], transpose_b=True)
        # Flat: a concatenation of columns would tell the graph's optimizer that there is one user
        # always, and it would drop the other branch.
        flat = [tf.reshape(products, [-1]), tf.reshape(rest, [-1])]
        return tf.concat(flat, axis=0)[:, None]

    return tf.cond(tf.shape(user)[0] == 1, for_one, lambda: tf.matmul(part, user, transpose_b=True))


def _in_blocks(part: tf.Tensor, user: tf.Tensor) -> tf.Tensor:
    """Products with a table of another type, of which only a block at a time becomes float32."""
    rows = tf.shape(part)[0]
    blocks = (rows + BLOCK - 1) // BLOCK

    def product(block: tf.Tensor, found: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
        values = tf.cast(part[block * BLOCK : (block + 1) * BLOCK], tf.float32)
        return block + 1, found.write(block, _products(values, user))

    found = tf.TensorArray(
        tf.float32, blocks, infer_shape=False, element_shape=[None, user.shape[0]]
    )
    _, found = tf.while_loop(lambda block, _: block < blocks, product, (0, found))
    return tf.cond(blocks > 0, found.concat, lambda: tf.zeros([0, tf.shape(user)[0]], tf.float32))
