"""Inputs to vectors: what a student and its teacher can share."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import tensorflow as tf

from tfpfd._arguments import check_integer, check_number, names_in
from tfpfd._keras import freeze, keras, register
from tfpfd.layers.behaviour import MeanPooling
from tfpfd.layers.encoded_once import Repeated, Vectors, every_row
from tfpfd.layers.encoder_inputs import checked_inputs, parts_of
from tfpfd.layers.feature_behaviours import (
    attends,
    candidates_of,
    check_behaviour,
    make_behaviour,
    with_candidate,
)
from tfpfd.layers.tables import Tables, gathered, new_tables
from tfpfd.layers.unknown_ids import UnknownIds
from tfpfd.schema import Feature, Schema
from tfpfd.schema.batch_fingerprints import columns_of
from tfpfd.schema.feature import tables_of
from tfpfd.schema.schema import check_schema
from tfpfd.schema.table_feature import masked_mean
from tfpfd.schema.table_requests import Embedded
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
      behaviour: the layer that encodes sequences, such as `MeanPooling()`, `SelfAttention()`,
        `GRU()`, `Transformer()` or `TargetAttention()`; each sequence gets one of its own like it.
        It is called with the vectors of the steps `[batch, length, width]` and `valid`, bool
        `[batch, length]`, and has a method `width(dim)`. One whose attribute `attends` is true is
        called with `candidate` too, the vectors `[batch, width]` of those of the item's features
        that the steps are of.
      l2: strength of the penalty on embeddings: `l2` times the sum of squares of an embedding,
        averaged over the batch (and the values of a row), summed over features. Unlike a
        penalty on whole tables it touches only the rows of the batch.
      base: an encoder whose tables are used for the vocabularies that it has.
      frozen: names of tables that aren't trained: see `tfpfd.layers.set_vectors`.

    Raises:
      ValueError: the schema is not adapted, a name in `features`, `dims` or `frozen` is unknown, or
        a width is no positive integer; `behaviour` attends, and steps of a sequence are of no
        feature of the item.
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
        frozen: Iterable[str] = (),
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
        check_behaviour(self.behaviour)
        self.frozen = names_in("frozen", frozen)
        _check_known("frozen", self.frozen, tables_of(self.features.values()))
        self._own = new_tables(
            self.features.values(),
            known,
            {} if base is None else base.tables,
            lambda table: self.dims.get(table, self.dim),
            self.frozen,
            self.dtype_policy.name,
        )
        # The layers of features; files have their weights under this attribute's name.
        made = {name: self._layer_of(feature) for name, feature in self.features.items()}
        self._poolers = {name: layer for name, layer in made.items() if layer is not None}
        self._candidates = {
            name: candidates_of(schema, self.features[name])
            for name, layer in self._poolers.items()
            if attends(layer)
        }
        self._unknown_ids = UnknownIds(self.features, known)
        self._drawing = self._unknown_ids.layers  # Here, too, as Keras finds layers by attributes.
        # What is encoded: of candidates also what isn't its own feature.
        needed = {name: known[name] for group in self._candidates.values() for name in group}
        self._encodes = {**self.features, **needed}
        self.built = True
        # Rows of its tables come by feature. TensorFlow's checkpoints find it by this attribute.
        of = [(name, schema.fingerprints[name]) for name in names]
        self.schema_print = WeightsFingerprint(f"encoder '{self.name}'", of)

    @property
    def tables(self) -> dict[str, Tables]:
        """The variable that holds each vocabulary's table, by the name of the table."""
        borrowed = self.base.tables if self.base is not None else {}
        return {**borrowed, **{name: tables for tables in self._own for name in tables.rows}}

    def _dims(self, feature: Feature) -> dict[str, int]:
        """Widths of the tables that a feature reads."""
        tables = self.tables
        return {name: tables[name].dim for name in feature.tables}

    def _layer_of(self, feature: Feature) -> keras.layers.Layer | None:
        """A feature's layer of its own; where it asks for one, a layer like `behaviour`."""
        known = self.schema.features()
        candidates = [known[name] for name in candidates_of(self.schema, feature)]
        width = sum(one.width(self._dims(one), None) for one in candidates)
        behaviour = partial(make_behaviour, self.behaviour, width)
        return feature.layer(behaviour, self._dims(feature), self.dtype_policy.name)

    def width(self, feature: str) -> int:
        """Width of the vector of a feature."""
        held = self.features[feature]
        return held.width(self._dims(held), self._poolers.get(feature))

    def candidates(self, feature: str) -> list[str]:
        """Names of the item's features whose vectors a feature's own is made with."""
        return list(self._candidates.get(feature, []))

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
        self.schema.check_inputs(f"encoder '{self.name}'", inputs, self._encodes, required=False)
        names = [name for name, f in self.features.items() if set(f.columns) <= set(inputs)]
        names += [name for name in self._needed(names, inputs) if name not in names]
        given = checked_inputs(inputs, [self._encodes[name] for name in names])
        vectors: dict[str, Vectors] = {}
        squares: list[tf.Tensor] = []
        attending: dict[str, tuple[Any, list[Embedded], tf.Tensor | None]] = {}
        for part, place in parts_of(inputs, given):
            if training:
                part = {name: self._unknown_ids(name, x) for name, x in part.items()}
            asked = {name: self._encodes[name].asks(x) for name, x in part.items()}
            embedded = gathered(self.tables, asked)
            squares += [x if place is None else tf.gather(x, place) for x in self._l2_of(embedded)]
            for name, x in part.items():
                if name in self._candidates:
                    attending[name] = x, embedded[name], place
                else:
                    layer = self._poolers.get(name)
                    found = self._encodes[name].combine(x, embedded[name], layer)
                    vectors[name] = self._cast(found, place)
        for name, (x, steps, place) in attending.items():
            candidates = [vectors[one] for one in self._candidates[name]]
            layer, place = with_candidate(self._poolers[name], candidates, place)
            found = self._encodes[name].combine(x, steps, layer)
            vectors[name] = self._cast(found, place)
        if squares and training:
            self.add_loss(self.l2 * tf.reduce_mean(tf.add_n(squares)))
        encoded = {name: vectors[name] for name in self.features if name in vectors}
        return encoded if repeated else {name: every_row(x) for name, x in encoded.items()}

    def _cast(self, vectors: tf.Tensor, place: tf.Tensor | None) -> Vectors:
        vectors = tf.cast(vectors, self.compute_dtype)
        return vectors if place is None else Repeated(vectors, place)

    def _needed(self, names: Iterable[str], inputs: Mapping[str, tf.Tensor]) -> list[str]:
        """The candidates that features attend with."""
        needed = []
        for name in names:
            for candidate in self._candidates.get(name, ()):
                if missing := set(self._encodes[candidate].columns) - set(inputs):
                    raise ValueError(
                        f"feature '{name}' attends with the candidate's vector: expected inputs "
                        f"{sorted(missing)} beside it, received {columns_of(inputs)}"
                    )
                needed.append(candidate)
        return list(dict.fromkeys(needed))

    def _l2_of(self, embedded: Mapping[str, Sequence[Embedded]]) -> list[tf.Tensor]:
        """What `l2` counts of each vector, the mean square of a row's, `[rows, 1]`."""
        if not self.l2:
            return []
        return [
            # In float16 the square of a small number is 0.
            masked_mean(tf.reduce_sum(tf.cast(x, tf.float32) ** 2, 2, keepdims=True), valid)
            for name in embedded
            if name in self.features
            for x, valid in embedded[name]
        ]

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
        tables = tables_of(schema.features()[name] for name in features)
        frozen = [name for name in self.frozen if name in tables]
        if frozen and base is None:
            raise ValueError(
                f"`unshared` names features of frozen tables {frozen}: expected those shared, as "
                "tables of their own would stay as they begin"
            )
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
            "frozen": list(self.frozen),
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


def _check_known(argument: str, names: Iterable[str], known: Collection[str]) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"`{argument}` names {unknown}: expected names out of {sorted(known)}")
