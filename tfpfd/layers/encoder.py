"""Inputs to vectors: what a student and its teacher can share."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfpfd._arguments import check_integer, check_number, names_in
from tfpfd._keras import freeze, keras, register
from tfpfd.data.common_features import common_features_of
from tfpfd.layers.behaviour import MeanPooling
from tfpfd.layers.encoded_once import Repeated, Vectors, every_row
from tfpfd.layers.tables import Tables
from tfpfd.schema import Schema
from tfpfd.schema.feature import tables_of
from tfpfd.schema.schema import check_schema
from tfpfd.schema.table_feature import masked_mean
from tfpfd.schema.table_requests import Asked, Embedded
from tfpfd.schema.weights_fingerprint import WeightsFingerprint


@register
class FeatureEncoder(keras.layers.Layer):
    """Makes a vector of each feature; one table a vocabulary, for all features and sequences of it.

    Single values are embedded, several values averaged, sequences encoded by `behaviour`; what
    another kind does is its own (see `tfpfd.schema.Feature`). Rankers that are given the same
    encoder share its tables and its behaviour encoders, and `Distillation` runs it once a batch for
    all of them.

    Args:
      schema: an adapted schema.
      features: names of the features to encode; by default those that are served.
      dim: width of the embeddings.
      dims: other widths, by the name of the table.
      behaviour: the layer that encodes sequences, `MeanPooling()` or `SelfAttention()`; each
        sequence gets one of its own like it.
      l2: strength of the penalty on embeddings: `l2` times the sum of squares of an embedding,
        averaged over the batch (and the values of a row), summed over features. Unlike a
        penalty on whole tables it touches only the rows of the batch.
      base: an encoder whose tables are used for the vocabularies that it has.

    Raises:
      ValueError: the schema is not adapted, a name in `features` or `dims` is unknown, or a width
        is no positive integer.
      TypeError: `behaviour` doesn't say its width, or can't be made again from its configuration.
    """

    def __init__(
        self,
        schema: Schema,
        features: Iterable[str] | None = None,
        dim: int = 16,
        dims: Mapping[str, int] | None = None,
        behaviour: keras.layers.Layer | None = None,
        l2: float = 0.0,
        base: FeatureEncoder | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # Inputs come as they were looked up.
        check_schema(schema)
        known = schema.features()
        names = names_in("features", schema.features("served") if features is None else features)
        _check_known("features", names, known)
        _check_known("dims", dims or {}, tables_of(known.values()))
        self.schema = schema
        self.features = {name: known[name] for name in names}
        check_integer("dim", dim, least=1)
        for name, width in (dims or {}).items():
            check_integer(f"dims['{name}']", width, least=1)
        self.dim = int(dim)
        self.dims = {name: int(width) for name, width in (dims or {}).items()}
        check_number("l2", l2)
        self.l2 = float(l2)
        self.base = base
        self.behaviour = behaviour or MeanPooling(name="behaviour", dtype=self.dtype_policy.name)
        _check_behaviour(self.behaviour)
        self._own = self._new_tables()
        # The layers of features; files have their weights under this attribute's name.
        self._poolers = {
            name: layer
            for name, feature in self.features.items()
            if (layer := feature.layer(self.behaviour, self._dims(name))) is not None
        }
        self.built = True
        # Rows of its tables come by feature. TensorFlow's checkpoints find it by this attribute.
        of = [(name, schema.fingerprints[name]) for name in names]
        self.schema_print = WeightsFingerprint(f"encoder '{self.name}'", of)

    def _new_tables(self) -> list[Tables]:
        by_width: dict[int, dict[str, int]] = {}
        known = self.schema.features()
        for table in (table for feature in self.features.values() for table in feature.tables):
            if self.base is None or table not in self.base.tables:
                width = self.dims.get(table, self.dim)
                by_width.setdefault(width, {})[table] = known[table].rows
        return [
            Tables(rows, width, name=f"width_{width}", dtype=self.dtype_policy.name)
            for width, rows in by_width.items()
        ]

    @property
    def tables(self) -> dict[str, Tables]:
        """The variable that holds each vocabulary's table, by the name of the table."""
        borrowed = self.base.tables if self.base is not None else {}
        return {**borrowed, **{name: tables for tables in self._own for name in tables.rows}}

    def _dims(self, feature: str) -> dict[str, int]:
        """Widths of the tables that a feature reads."""
        tables = self.tables
        return {name: tables[name].dim for name in self.features[feature].tables}

    def width(self, feature: str) -> int:
        """Width of the vector of a feature."""
        layer = self._poolers.get(feature)
        return self.features[feature].width(self._dims(feature), layer)

    def parameters(self, feature: str) -> int:
        """How many weights a feature brings.

        A table of several is counted with the feature that it has its name of, or with the first
        of them where that one isn't here; one of `base` isn't counted.
        """
        own = {name: tables for tables in self._own for name in tables.rows}
        readers: dict[str, list[str]] = {}
        for name, one in self.features.items():
            for table in one.tables:
                readers.setdefault(table, []).append(name)
        brought = [
            table
            for table in own
            if feature == (table if table in self.features else readers[table][0])
        ]
        layer = self._poolers.get(feature)
        of_layer = layer.count_params() if layer is not None else 0
        return of_layer + sum(own[table].rows[table] * own[table].dim for table in brought)

    def call(
        self,
        inputs: Mapping[str, tf.Tensor],
        training: bool | None = None,
        repeated: bool = False,
    ) -> dict[str, Vectors]:
        """Encodes a batch.

        Args:
          inputs: what `Schema.lookup` returns: of the kinds of table rows int32 `[batch]` or
            `[batch, length]` by feature.
          training: as in Keras.
          repeated: whether what groups of rows have in common is returned once a group.

        Returns:
          `[batch, width]` by feature, for the features of this encoder that are in `inputs`; or, of
          what rows have in common, `Repeated`.

        Raises:
          ValueError: `inputs` say that another schema looked them up, or are of another type than
            the lookup's, such as raw ids.
        """
        self.schema.check_inputs(f"encoder '{self.name}'", inputs, self.features, required=False)
        names = [name for name, f in self.features.items() if set(f.columns) <= set(inputs)]
        given = self._checked(inputs, names)
        vectors: dict[str, Vectors] = {}
        squares: list[tf.Tensor] = []
        for group in common_features_of(inputs):
            common = [n for n in names if group.names.issuperset(self.features[n].columns)]
            if common:
                names = [name for name in names if name not in common]
                found, parts = self._encoded(
                    {n: {c: group.of_groups(c, x) for c, x in given[n].items()} for n in common}
                )
                vectors.update({name: Repeated(x, group.place) for name, x in found.items()})
                squares += [tf.gather(part, group.place) for part in parts]
        if names:
            found, parts = self._encoded({name: given[name] for name in names})
            vectors.update(found)
            squares += parts
        if squares and training:
            self.add_loss(self.l2 * tf.reduce_mean(tf.add_n(squares)))
        encoded = {name: vectors[name] for name in self.features if name in vectors}
        return encoded if repeated else {name: every_row(x) for name, x in encoded.items()}

    def _checked(
        self, inputs: Mapping[str, tf.Tensor], names: Iterable[str]
    ) -> dict[str, dict[str, tf.Tensor]]:
        """The inputs of each feature, of the type and shape that it says."""
        found: dict[str, dict[str, tf.Tensor]] = {}
        for feature in (self.features[name] for name in names):
            found[feature.name] = {}
            for name, spec in feature.inputs().items():
                dtype = tf.as_dtype(inputs[name].dtype)
                if dtype != spec.dtype:
                    raise ValueError(
                        f"input '{name}': expected {feature.inputs_are}, as `schema.lookup` "
                        f"returns them, received {dtype.name}"
                    )
                values = tf.convert_to_tensor(inputs[name])
                found[feature.name][name] = _of_known_width(values, spec.shape)
        return found

    def _encoded(
        self, inputs: Mapping[str, Mapping[str, tf.Tensor]]
    ) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        """Vectors `[rows, width]` by feature, and of each the mean square `[rows, 1]` for `l2`."""
        embedded = self._gather({n: self.features[n].asks(x) for n, x in inputs.items()})
        squares: list[tf.Tensor] = []
        if self.l2:
            for one in (one for group in embedded.values() for one in group):
                # In float16 the square of a small number is 0.
                numbers = tf.square(tf.cast(one.vectors, tf.float32))
                squares.append(masked_mean(tf.reduce_sum(numbers, 2, keepdims=True), one.valid))
        vectors = {
            name: self.features[name].combine(x, embedded[name], self._poolers.get(name))
            for name, x in inputs.items()
        }
        return {name: tf.cast(x, self.compute_dtype) for name, x in vectors.items()}, squares

    def _gather(self, asked: Mapping[str, Sequence[Asked]]) -> dict[str, list[Embedded]]:
        """What comes back for each of what features ask: one gather a width."""
        tables = self.tables
        by_width: dict[Tables, list[Asked]] = {}
        for one in (one for group in asked.values() for one in group):
            by_width.setdefault(tables[one.table], []).append(one)
        found: dict[int, Embedded] = {}
        for held, ones in by_width.items():
            shifted = [one.rows + held.offset[one.table] for one in ones]
            gathered = held(tf.concat(shifted, axis=1))
            parts = tf.split(gathered, [part.shape[1] for part in shifted], axis=1)
            for one, part in zip(ones, parts, strict=True):
                found[id(one)] = Embedded(part, one.rows > 0)
        return {name: [found[id(one)] for one in group] for name, group in asked.items()}

    def save_own_variables(self, store: Any) -> None:
        """Writes beside the weights which vocabularies their rows are of; called by Keras."""
        super().save_own_variables(store)
        self.schema_print.write(store)

    def load_own_variables(self, store: Any) -> None:
        """Refuses weights of other vocabularies; called by Keras.

        Raises:
          ValueError: the rows of the tables are of other values.
        """
        super().load_own_variables(self.schema_print.read(store))

    def like(
        self, schema: Schema, features: Iterable[str], base: FeatureEncoder | None
    ) -> FeatureEncoder:
        """An encoder with the same settings for other features.

        Args:
          schema: an adapted schema that holds the features.
          features: names of the features to encode.
          base: as in the constructor.
        """
        settings = (self.dim, self.dims, self.behaviour, self.l2, base)
        return FeatureEncoder(schema, features, *settings, dtype=self.dtype_policy.name)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "schema": self.schema.to_dict(),
            "features": list(self.features),
            "dim": self.dim,
            "dims": dict(self.dims),
            "behaviour": keras.utils.serialize_keras_object(self.behaviour),
            "l2": self.l2,
            "base": None if self.base is None else keras.utils.serialize_keras_object(self.base),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FeatureEncoder:
        base = config["base"] and keras.utils.deserialize_keras_object(config["base"])
        behaviour = keras.utils.deserialize_keras_object(config["behaviour"])
        schema = Schema.from_dict(config["schema"])
        encoder = cls(**{**config, "schema": schema, "behaviour": behaviour, "base": base})
        if not encoder.trainable:
            freeze(encoder)
        return encoder


def _of_known_width(inputs: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
    """Of generators, Keras 2 doesn't know how wide what they make is."""
    known = inputs.shape[1:].is_fully_defined()
    return inputs if known else tf.ensure_shape(inputs, shape)


def _check_behaviour(behaviour: Any) -> None:
    if not isinstance(behaviour, keras.layers.Layer) or not callable(
        getattr(behaviour, "width", None)
    ):
        raise TypeError(
            "`behaviour` must be a layer such as MeanPooling() or SelfAttention(), called with "
            "`valid` and with a method `width(dim)` that says how wide its vectors are, received "
            f"{behaviour!r}"
        )


def _check_known(argument: str, names: Iterable[str], known: Collection[str]) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"`{argument}` names {unknown}: expected names out of {sorted(known)}")
