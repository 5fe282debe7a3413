"""Table rows to vectors: the inputs that a student and its teacher can share."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import tensorflow as tf

from tfpfd._arguments import check_integer, check_number, names_in
from tfpfd._keras import freeze, keras, register
from tfpfd.data.once import once_of
from tfpfd.layers.behaviour import MeanPooling, masked_mean
from tfpfd.layers.repeated import Repeated, Vectors, every_row
from tfpfd.layers.tables import Tables
from tfpfd.schema import Schema, Sequence
from tfpfd.schema.prints import SchemaPrint
from tfpfd.schema.schema import check_schema


@register
class FeatureEncoder(keras.layers.Layer):
    """Embeds features: one table a vocabulary, for all features and sequences of it.

    Single values are embedded, several values averaged, sequences encoded by `behaviour`. Rankers
    that are given the same encoder share its tables and its behaviour encoders, and `Distillation`
    runs it once a batch for all of them.

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
        super().__init__(**kwargs)
        check_schema(schema)
        known = schema.features()
        names = names_in("features", schema.features("served") if features is None else features)
        _check_known("features", names, known)
        _check_known("dims", dims or {}, {feature.table for feature in known.values()})
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
        self._poolers = {
            name: _like(self.behaviour, name)
            for name, feature in self.features.items()
            if isinstance(feature, Sequence)
        }
        for name, pooler in self._poolers.items():
            # Building by a call works alike on all Keras generations, whatever the layer holds.
            pooler(tf.zeros([1, 1, self._tables(name).dim]), valid=tf.ones([1, 1], tf.bool))
        self.built = True
        # Rows of its tables come by feature. TensorFlow's checkpoints find it by this attribute.
        of = [(name, schema.fingerprints[name]) for name in names]
        self.schema_print = SchemaPrint(f"encoder '{self.name}'", of)

    def _new_tables(self) -> list[Tables]:
        by_width: dict[int, dict[str, int]] = {}
        for feature in self.features.values():
            if self.base is None or feature.table not in self.base.tables:
                width = self.dims.get(feature.table, self.dim)
                by_width.setdefault(width, {})[feature.table] = self.schema.table_rows(feature)
        return [
            Tables(rows, width, name=f"width_{width}", dtype=self.dtype_policy.name)
            for width, rows in by_width.items()
        ]

    @property
    def tables(self) -> dict[str, Tables]:
        """The variable that holds each vocabulary's table, by the name of the table."""
        borrowed = self.base.tables if self.base is not None else {}
        return {**borrowed, **{name: tables for tables in self._own for name in tables.rows}}

    def _tables(self, feature: str) -> Tables:
        return self.tables[self.features[feature].table]

    def width(self, feature: str) -> int:
        """Width of the vector of a feature."""
        dim = self._tables(feature).dim
        return self._poolers[feature].width(dim) if feature in self._poolers else dim

    def parameters(self, feature: str) -> int:
        """How many weights a feature brings.

        A table of several is counted with the feature that it has its name of, or with the first
        of them where that one isn't here; one of `base` isn't counted.
        """
        own = {name: tables for tables in self._own for name in tables.rows}
        readers: dict[str, list[str]] = {}
        for name, one in self.features.items():
            readers.setdefault(one.table, []).append(name)
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
          inputs: what `Schema.lookup` returns: int32 `[batch]` or `[batch, length]` by feature.
          training: as in Keras.
          repeated: whether what groups of rows have in common is returned once a group.

        Returns:
          `[batch, width]` by feature, for the features of this encoder that are in `inputs`; or, of
          what rows have in common, `Repeated`.

        Raises:
          ValueError: `inputs` say that another schema looked them up, or are of another type than
            table rows, such as raw ids.
        """
        self.schema.check_inputs(f"encoder '{self.name}'", inputs, self.features, required=False)
        for name in self.features:
            if name in inputs and tf.as_dtype(inputs[name].dtype) != tf.int32:
                raise ValueError(
                    f"input '{name}': expected table rows, int32, as `schema.lookup` returns them, "
                    f"received {tf.as_dtype(inputs[name].dtype).name}"
                )
        ids = {
            name: _of_known_width(inputs[name], feature.length)
            for name, feature in self.features.items()
            if name in inputs
        }
        vectors: dict[str, Vectors] = {}
        squares: list[tf.Tensor] = []
        for group in once_of(inputs):
            first = {n: group.of_groups(n, ids.pop(n)) for n in list(ids) if n in group.names}
            if first:
                found, parts = self._encoded(first)
                vectors.update({name: Repeated(x, group.place) for name, x in found.items()})
                squares += [tf.gather(part, group.place) for part in parts]
        if ids:
            found, parts = self._encoded(ids)
            vectors.update(found)
            squares += parts
        if self.l2 and training:
            self.add_loss(self.l2 * tf.reduce_mean(tf.add_n(squares)))
        encoded = {name: vectors[name] for name in self.features if name in vectors}
        return encoded if repeated else {name: every_row(x) for name, x in encoded.items()}

    def _encoded(
        self, ids: Mapping[str, tf.Tensor]
    ) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        """Vectors `[rows, width]` by feature, and of each the mean square `[rows, 1]` for `l2`."""
        rows = self._gather(ids)
        squares = []
        if self.l2:
            # In float16 the square of a small number is 0.
            numbers = {name: tf.cast(values, tf.float32) for name, values in rows.items()}
            squares = [
                masked_mean(tf.reduce_sum(tf.square(x), 2, keepdims=True), ids[name] > 0)
                for name, x in numbers.items()
            ]
        return {name: self._pool(name, rows[name], ids[name] > 0) for name in rows}, squares

    def _gather(self, ids: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Embeddings `[batch, values, dim]` by feature: one gather a width."""
        names: dict[Tables, list[str]] = {}
        for name in ids:
            names.setdefault(self._tables(name), []).append(name)
        rows: dict[str, tf.Tensor] = {}
        for tables, group in names.items():
            shifted = [ids[name] + tables.offset[self.features[name].table] for name in group]
            gathered = tables(tf.concat(shifted, axis=1))
            parts = tf.split(gathered, [part.shape[1] for part in shifted], axis=1)
            rows.update(zip(group, parts, strict=True))
        return {name: rows[name] for name in ids}

    def _pool(self, name: str, rows: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
        if name in self._poolers:
            return self._poolers[name](rows, valid=valid)
        single = self.features[name].length is None
        return tf.squeeze(rows, 1) if single else masked_mean(rows, valid)

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


def _of_known_width(rows: tf.Tensor, length: int | None) -> tf.Tensor:
    """Table rows `[batch, values]`; of generators, Keras 2 doesn't know how wide a sequence is."""
    if length is None:
        return rows[:, None]
    return rows if rows.shape[1] is not None else tf.ensure_shape(rows, [None, length])


def _check_behaviour(behaviour: Any) -> None:
    if not isinstance(behaviour, keras.layers.Layer) or not callable(
        getattr(behaviour, "width", None)
    ):
        raise TypeError(
            "`behaviour` must be a layer such as MeanPooling() or SelfAttention(), called with "
            "`valid` and with a method `width(dim)` that says how wide its vectors are, received "
            f"{behaviour!r}"
        )


def _like(behaviour: keras.layers.Layer, name: str) -> keras.layers.Layer:
    """Another one with the same settings."""
    try:
        return type(behaviour).from_config({**behaviour.get_config(), "name": name})
    except (TypeError, ValueError, NotImplementedError) as error:
        raise TypeError(
            "`behaviour` must be a layer that `from_config` makes again of its `get_config`, as "
            f"each sequence gets its own, received {type(behaviour).__name__}: {error}"
        ) from error


def _check_known(argument: str, names: Iterable[str], known: Collection[str]) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"`{argument}` names {unknown}: expected names out of {sorted(known)}")
