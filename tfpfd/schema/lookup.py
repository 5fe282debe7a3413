"""Raw values to rows of the embedding tables: the one lookup of training and of serving."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import tensorflow as tf

from tfpfd.schema.features import PADDING_ROWS, Categorical, Feature, Numeric
from tfpfd.schema.mark import fingerprints, mark_of


class Lookup(tf.Module):
    """Looks raw columns up, in a `tf.data` pipeline or inside a SavedModel.

    Row 0 of a table is padding or a missing value; then come the out-of-vocabulary rows, then the
    vocabulary.

    Args:
      features: the features to look up.
      vocabularies: the `Categorical` that owns each vocabulary, by name.

    Raises:
      ValueError: a feature was not adapted.
    """

    def __init__(
        self, features: Iterable[Feature], vocabularies: Mapping[str, Categorical]
    ) -> None:
        super().__init__(name="lookup")
        self._features = list(features)
        self._owners = dict(vocabularies)
        unknown = [
            feature.name
            for feature in self._features
            if not self._owners.get(feature.table, feature).learned
        ]
        if unknown:
            raise ValueError(
                f"features {unknown} have no vocabulary or bucket boundaries yet: call "
                "`schema = schema.adapt(data)` first, or give them"
            )
        self._fingerprints = fingerprints(self._features, self._owners)
        # One hash table a vocabulary. A mutable one keeps its entries among the variables of a
        # SavedModel; a static one would put them into the graph, which ends at 2 GB.
        self._tables: dict[str, tf.lookup.experimental.MutableHashTable] = {}
        # Outside of any graph: one that is made while `Dataset.map` traces would end with it.
        with tf.init_scope():
            for feature in self._features:
                owner = self._owners.get(feature.table)
                if owner and owner.vocabulary is not None and feature.table not in self._tables:
                    self._tables[feature.table] = _hash_table(owner)

    def __call__(self, raw: Mapping[str, tf.Tensor | tf.RaggedTensor]) -> dict[str, tf.Tensor]:
        """Looks a batch up.

        Args:
          raw: a column a feature: `[batch]`, or for several values a row `[batch, width]`, padded
            with "" or negative numbers, or ragged.

        Returns:
          int32 table rows of the features that are in `raw`: `[batch]`, or `[batch, length]` with 0
          behind the values. Beside them stands int8 `[batch]` of 0 under a key that says which
          schema looked them up, so that a model of another one refuses them.

        Raises:
          ValueError: a column of another rank, strings for numbers or numbers for strings.
        """
        ids = {f.name: self._look_up(f, raw[f.name]) for f in self._features if f.name in raw}
        if not ids:
            return {}
        rows = tf.shape(next(iter(ids.values())))[0]
        mark = mark_of({name: self._fingerprints[name] for name in ids})
        return {**ids, mark: tf.zeros([rows], tf.int8)}

    def signature(self) -> dict[str, tf.TensorSpec]:
        """Shapes and types of the raw columns."""
        specs = {}
        for feature in self._features:
            shape = [None] if feature.length is None else [None, None]
            specs[feature.name] = tf.TensorSpec(shape, self._dtype(feature), name=feature.name)
        return specs

    def _dtype(self, feature: Feature) -> tf.DType:
        if isinstance(feature, Numeric):
            return tf.float32
        return tf.string if self._owners[feature.table].dtype == "string" else tf.int64

    def _look_up(self, feature: Feature, values: tf.Tensor | tf.RaggedTensor) -> tf.Tensor:
        dtype = self._dtype(feature)
        if not isinstance(values, tf.RaggedTensor):
            values = tf.convert_to_tensor(values)
        _check(feature, values, dtype)
        if values.dtype != dtype:
            values = tf.cast(values, dtype)
        if isinstance(values, tf.RaggedTensor):
            values = values.to_tensor(default_value="" if dtype == tf.string else -1)
        if isinstance(feature, Numeric):
            return _buckets(feature, values)
        ids = self._categorical(feature.table, values)
        return ids if feature.length is None else _last(ids, feature.length)

    def _categorical(self, name: str, values: tf.Tensor) -> tf.Tensor:
        owner = self._owners[name]
        missing = values == "" if owner.dtype == "string" else values < 0
        rows = owner.hash_buckets or owner.oov
        if rows == 1:
            # All in one row: to hash them would cost as much as the table does.
            hashed = tf.zeros(tf.shape(values), tf.int64)
        elif owner.dtype == "string":
            hashed = tf.strings.to_hash_bucket_fast(values, rows)
        elif owner.hash_buckets is None:
            hashed = tf.math.floormod(values, tf.constant(rows, tf.int64))
        else:
            # Through strings: consecutive ids would otherwise fall into consecutive buckets.
            hashed = tf.strings.to_hash_bucket_fast(tf.strings.as_string(values), rows)
        ids = hashed + PADDING_ROWS
        if name in self._tables:
            # The table forgets the static shape.
            known = tf.ensure_shape(self._tables[name].lookup(values), values.shape)
            ids = tf.where(known > 0, known, ids)
        return tf.cast(tf.where(missing, tf.zeros_like(ids), ids), tf.int32)


def _check(feature: Feature, values: tf.Tensor | tf.RaggedTensor, dtype: tf.DType) -> None:
    shape = "[batch]" if feature.length is None else "[batch, width]"
    if values.shape.rank not in (None, 1 if feature.length is None else 2):
        raise ValueError(
            f"column '{feature.name}': expected shape {shape}, received {values.shape}"
        )
    if (values.dtype == tf.string) != (dtype == tf.string):
        raise ValueError(
            f"column '{feature.name}': expected {dtype.name}, received {values.dtype.name}"
        )


def _hash_table(owner: Categorical) -> tf.lookup.experimental.MutableHashTable:
    assert owner.vocabulary is not None
    dtype = tf.string if owner.dtype == "string" else tf.int64
    table = tf.lookup.experimental.MutableHashTable(dtype, tf.int64, default_value=0)
    first = PADDING_ROWS + owner.oov
    if owner.vocabulary:
        table.insert(
            tf.constant(owner.vocabulary, dtype),
            tf.range(first, first + len(owner.vocabulary), dtype=tf.int64),
        )
    return table


def _buckets(feature: Numeric, values: tf.Tensor) -> tf.Tensor:
    """Row 1 below the first edge, row 2 from the first edge on, and so on; row 0 for NaN."""
    assert feature.boundaries is not None
    if feature.boundaries:
        edges = tf.constant(feature.boundaries, tf.float32)
        below = tf.searchsorted(edges, tf.reshape(values, [-1]), side="right")
        ids = tf.reshape(below, tf.shape(values)) + PADDING_ROWS
    else:
        ids = tf.ones_like(values, tf.int32)
    return tf.where(tf.math.is_nan(values), tf.zeros_like(ids), ids)


def _last(ids: tf.Tensor, length: int) -> tf.Tensor:
    """The last `length` ids of each row that aren't padding, moved to the front."""
    ids = tf.ensure_shape(ids, [None, None])
    held = tf.ragged.boolean_mask(ids, ids > 0)
    return held[:, -length:].to_tensor(shape=[None, length])
