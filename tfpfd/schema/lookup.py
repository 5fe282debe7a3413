"""Raw values to the inputs of batches: the one lookup of training and of serving."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

from tfpfd.schema.batch_fingerprints import fingerprint_key, fingerprints
from tfpfd.schema.feature import Feature, Known


class Lookup(tf.Module):
    """Looks raw columns up, in a `tf.data` pipeline or inside a SavedModel.

    What a column becomes is its feature's own: for most kinds rows of an embedding table, of which
    row 0 is padding or a missing value; then come the out-of-vocabulary rows, then the vocabulary.

    Args:
      features: the features to look up.
      known: features of the schema by name, those that these borrow vocabularies from among them.

    Raises:
      ValueError: a feature was not adapted.
    """

    def __init__(self, features: Iterable[Feature], known: Known) -> None:
        super().__init__(name="lookup")
        self._features = list(features)
        # No others: a name of a privileged feature must not come along.
        borrowed = {name: known[name] for f in self._features for name in f.borrowed}
        self._known = {**borrowed, **{feature.name: feature for feature in self._features}}
        unknown = [
            feature.name
            for feature in self._features
            if not all(self._known[name].learned for name in (feature.name, *feature.borrowed))
        ]
        if unknown:
            raise ValueError(
                f"features {unknown} have no vocabulary or bucket boundaries yet: call "
                "`schema = schema.adapt(data)` first, or give them"
            )
        self._fingerprints = fingerprints(self._features, self._known)
        # One a vocabulary; the variables of a SavedModel have their names by this attribute.
        self._tables: dict[str, Any] = {}
        # Outside of any graph: one that is made while `Dataset.map` traces would end with it.
        with tf.init_scope():
            for feature in self._features:
                for name in (feature.name, *feature.borrowed):
                    held = None if name in self._tables else self._known[name].resource()
                    if held is not None:
                        self._tables[name] = held

    def __call__(self, raw: Mapping[str, tf.Tensor | tf.RaggedTensor]) -> dict[str, tf.Tensor]:
        """Looks a batch up.

        Args:
          raw: columns of the features: for one value a row `[batch]`, or for several values
            `[batch, width]`, padded with "", negative numbers or NaN, or ragged.

        Returns:
          The inputs of the features whose columns are in `raw`, as `Feature.inputs` says: of the
          kinds of table rows int32 `[batch]`, or `[batch, length]` with 0 behind the values. Beside
          them stands int8 `[batch]` of 0 under a key that says which schema looked them up, so that
          a model of another one refuses them.

        Raises:
          ValueError: a column of another rank, strings for numbers or numbers for strings.
        """
        found: dict[str, tf.Tensor] = {}
        prints: dict[str, str] = {}
        for feature in self._features:
            if all(column in raw for column in feature.columns):
                specs = feature.signature(self._known)
                given = {name: _dense(raw[name], specs[name]) for name in feature.columns}
                found.update(feature.look_up(given, self._known, self._tables))
                prints.update(dict.fromkeys(feature.columns, self._fingerprints[feature.name]))
        if not found:
            return {}
        rows = tf.shape(next(iter(found.values())))[0]
        return {**found, fingerprint_key(prints): tf.zeros([rows], tf.int8)}

    def signature(self) -> dict[str, tf.TensorSpec]:
        """Shapes and types of the raw columns."""
        specs = [feature.signature(self._known) for feature in self._features]
        return {name: spec for group in specs for name, spec in group.items()}


def _dense(values: tf.Tensor | tf.RaggedTensor, spec: tf.TensorSpec) -> tf.Tensor:
    """A column as its signature says."""
    if not isinstance(values, tf.RaggedTensor):
        values = tf.convert_to_tensor(values)
    if not spec.shape.is_compatible_with(values.shape):
        sizes = ("width" if size is None else str(size) for size in spec.shape[1:])
        raise ValueError(
            f"column '{spec.name}': expected shape [{', '.join(('batch', *sizes))}], received "
            f"{values.shape}"
        )
    if (values.dtype == tf.string) != (spec.dtype == tf.string):
        raise ValueError(
            f"column '{spec.name}': expected {spec.dtype.name}, received {values.dtype.name}"
        )
    if values.dtype != spec.dtype:
        values = tf.cast(values, spec.dtype)
    if isinstance(values, tf.RaggedTensor):
        missing = "" if spec.dtype == tf.string else math.nan if spec.dtype.is_floating else -1
        values = values.to_tensor(default_value=missing)
    return values
