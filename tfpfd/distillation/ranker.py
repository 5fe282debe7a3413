"""A ranker: an encoder and a network, with a view of the schema's features."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import tensorflow as tf

from tfpfd._arguments import names_in
from tfpfd._keras import freeze, keras, register
from tfpfd.distillation.labelled import LabelledModel
from tfpfd.distillation.losses import Term, term_of
from tfpfd.distillation.privileged import remember
from tfpfd.distillation.targets import Targets
from tfpfd.layers import FeatureEncoder
from tfpfd.layers.contract import build_network
from tfpfd.layers.repeated import Vectors, beside_each_other, every_row
from tfpfd.schema import Schema, Sees, Side
from tfpfd.schema.mark import columns_of
from tfpfd.schema.prints import SchemaPrint
from tfpfd.schema.schema import SIDES, check_schema


def encoded_once(
    rankers: Iterable[Ranker],
    inputs: Mapping[str, tf.Tensor],
    training: bool | None = None,
    known: tuple[FeatureEncoder, Mapping[str, Vectors]] | None = None,
) -> list[Mapping[str, Vectors]]:
    """What the encoder of each ranker returns for a batch; one that several share runs once.

    Args:
      rankers: of the same batches.
      inputs: what `Schema.lookup` returns.
      training: as in Keras.
      known: an encoder, and what it returned for these inputs, when that is known already.

    Returns:
      For each ranker what `Ranker.encode` takes as `shared`.
    """
    rankers = list(rankers)
    found = {} if known is None else {id(known[0]): known[1]}
    for ranker in rankers:
        if id(ranker.encoder) not in found:
            found[id(ranker.encoder)] = ranker.encoder(inputs, training=training, repeated=True)
    return [found[id(ranker.encoder)] for ranker in rankers]


@register
class Ranker(LabelledModel):
    """Scores rows of user and item; a Keras model that can be fitted alone or distilled.

    >>> import pandas as pd
    >>> from tfpfd import MLP, Categorical, TwoTower, data
    >>> schema = Schema(
    ...     user=[Categorical("user", vocabulary=("ann", "bob"))],
    ...     item=[Categorical("book", vocabulary=("emma", "ulysses"))],
    ...     privileged={"post_event": [Categorical("shelf", vocabulary=("read", "left"))]},
    ... )
    >>> student = Ranker(schema, TwoTower([8]))
    >>> teacher = Ranker(schema, MLP([8]), sees="all", encoder=student.encoder)
    >>> rows = pd.DataFrame({"user": ["ann", "bob"], "book": ["emma"] * 2, "label": [1.0, 0.0]})
    >>> student.predict(data.from_rows(rows, schema.served()), verbose=0).shape  # logits
    (2,)

    Its weights exist from the start, as the schema knows every size.

    Args:
      schema: an adapted schema.
      network: `TwoTower`, `MLP` or another layer from encoded sides to logits; its own one.
      sees: which features it sees: `"served"`, `"all"`, or `"privileged"` ones alone.
      encoder: another ranker's encoder, which is then shared: tables and behaviour encoders are
        the same. Features that it doesn't hold get an encoder of this ranker's own.
      own: names of features that are not shared although `encoder` holds them.

    Raises:
      ValueError: `encoder` was made for other features of the same name, `own` names a feature
        that it doesn't hold, or `network` is in use by another ranker or makes no logits `[batch]`.
      TypeError: `schema` is no schema, `encoder` no encoder, or `network` no layer, or a
        `keras.Sequential` or functional model.
    """

    terms = ("label_loss",)
    shown = ()  # It is the loss.
    prefixes = ("",)
    _unbuilt: Any = None

    def __init__(
        self,
        schema: Schema,
        network: keras.layers.Layer,
        sees: Sees = "served",
        encoder: FeatureEncoder | None = None,
        own: Iterable[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_schema(schema)
        if encoder is not None and not isinstance(encoder, FeatureEncoder):
            hint = "; pass `ranker.encoder`" if isinstance(encoder, Ranker) else ""
            raise TypeError(f"`encoder` must be a FeatureEncoder, received {encoder!r}{hint}")
        features = schema.features(sees)
        if not features:
            raise ValueError(
                f"`sees` is '{sees}', but `schema` has no privileged features: expected some, as "
                "`schema.served()` leaves them out"
            )
        self.schema = schema
        self.network = network
        self.sees = sees
        self.own = names_in("own", own)
        self.encoder = FeatureEncoder(schema, features) if encoder is None else encoder
        self._check_encoder()
        held = self.encoder.features
        self._shared = [name for name in features if name in held and name not in self.own]
        rest = [name for name in features if name not in held]
        self._extra = [
            self.encoder.like(schema, names, base)
            for names, base in ((self.own, None), (rest, self.encoder))
            if names
        ]
        self._build_network()
        self.built = True
        # TensorFlow's checkpoints find it by this attribute.
        # Columns of its kernels come by side and feature, its last ones by objective.
        sides = {
            side: [(name, schema.fingerprints[name]) for name in names]
            for side, names in self._names_by_side().items()
        }
        parts = [sides, self.own, list(getattr(network, "objectives", ()))]
        self.schema_print = SchemaPrint(f"ranker '{self.name}'", parts)
        hidden = set(features) - set(schema.features("served"))
        if hidden:
            parts = [encoder for encoder in self.encoders if hidden & set(encoder.features)]
            what = f"ranker '{self.name}', which sees privileged features {sorted(hidden)}"
            remember(what, self, [self.network, *parts])

    def _check_encoder(self) -> None:
        features, held = self.schema.features(self.sees), self.encoder.features
        differing = [name for name in features if held.get(name, features[name]) != features[name]]
        if differing:
            raise ValueError(
                f"`encoder` was made for another schema: {differing} differ, expected the "
                "features of `schema`"
            )
        unknown = [name for name in self.own if name not in held or name not in features]
        if unknown:
            raise ValueError(
                f"`own` names {unknown}: expected features that this ranker sees and `encoder` "
                f"holds, {sorted(set(held) & set(features))}"
            )

    def _build_network(self) -> None:
        shapes = {
            side: (None, sum(self._width(name) for name in names))
            for side, names in self._names_by_side().items()
        }
        build_network(self.network, shapes)
        if not self.network.trainable:
            freeze(self.network)

    @property
    def encoders(self) -> list[FeatureEncoder]:
        """Its encoders: the one that others may share, and those of its own beside it."""
        return [self.encoder, *self._extra]

    def check_inputs(self, names: Collection[str]) -> None:
        """Raises a `ValueError` if a batch lacks a feature that it sees, or has another schema's.

        Args:
          names: of the batch's inputs.
        """
        self._check_names(self._names_by_side(), names)
        features = self.schema.features(self.sees)
        self.schema.check_inputs(f"ranker '{self.name}'", names, features, required=True)

    def _check_names(self, wanted: Mapping[Any, list[str]], names: Collection[str]) -> None:
        missing = [name for group in wanted.values() for name in group if name not in names]
        if missing:
            raise ValueError(
                f"missing inputs {missing}: ranker '{self.name}' with sees='{self.sees}' needs "
                "table rows of them (see `tfpfd.data.from_rows`; rows of `schema.served()` have no "
                f"privileged features), received {columns_of(names)}"
            )

    def check_batches(self, names: Collection[str], training: bool) -> None:
        """Refuses batches without a feature that it sees; see `LabelledModel.check_batches`."""
        self.check_inputs(names)

    def _names_by_side(self) -> dict[str, list[str]]:
        sides = self.schema.sides
        names = {side: [f.name for f in sides[side]] for side in SIDES[self.sees]}
        return {side: group for side, group in names.items() if group}

    def _width(self, name: str) -> int:
        holder = next((e for e in self._extra if name in e.features), self.encoder)
        return holder.width(name)

    def encode(
        self,
        inputs: Mapping[str, tf.Tensor],
        training: bool | None = None,
        shared: Mapping[str, Vectors] | None = None,
        sides: Iterable[Side] | None = None,
    ) -> dict[str, tf.Tensor]:
        """The vectors of each side.

        Args:
          inputs: what `Schema.lookup` returns.
          training: as in Keras.
          shared: what `encoder` returned for these inputs, when that is known already.
          sides: the sides wanted; by default all that this ranker sees.

        Returns:
          `[batch, width]` by side.

        Raises:
          ValueError: a feature is missing in `inputs`.
        """
        found = self.encode_once(inputs, training, shared, sides)
        return {side: every_row(vectors) for side, vectors in found.items()}

    def encode_once(
        self,
        inputs: Mapping[str, tf.Tensor],
        training: bool | None = None,
        shared: Mapping[str, Vectors] | None = None,
        sides: Iterable[Side] | None = None,
    ) -> dict[str, Vectors]:
        """As `encode`, but a side that groups of rows have in common is there once a group."""
        by_side = self._names_by_side()
        wanted = by_side if sides is None else {side: by_side[side] for side in sides}
        self._check_names(wanted, inputs)
        vectors: dict[str, Vectors] = {}
        if self._shared:
            if shared is None:
                shared = self.encoder(inputs, training=training, repeated=True)
            vectors = dict(shared)
        for encoder in self._extra:
            vectors.update(encoder(inputs, training=training, repeated=True))
        return {
            side: beside_each_other([vectors[name] for name in names])
            for side, names in wanted.items()
        }

    def _sides(
        self,
        inputs: Mapping[str, tf.Tensor],
        training: bool | None,
        shared: Mapping[str, Vectors] | None,
    ) -> Mapping[str, Vectors]:
        """The vectors of each side as the network takes them."""
        repeated = getattr(self.network, "takes_repeated", False)
        return (self.encode_once if repeated else self.encode)(inputs, training, shared)

    def call(
        self,
        inputs: Mapping[str, tf.Tensor],
        training: bool | None = None,
        shared: Mapping[str, Vectors] | None = None,
    ) -> tf.Tensor:
        """Logits float32 `[batch]`; the arguments are those of `encode`."""
        return _float32(self.network(self._sides(inputs, training, shared), training=training))

    def call_with_representation(
        self,
        inputs: Mapping[str, tf.Tensor],
        training: bool | None = None,
        shared: Mapping[str, Vectors] | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Logits as of `call`, and the `[batch, width]` of the network that they are made of."""
        encoded = self._sides(inputs, training, shared)
        representation = self.network.represent(encoded, training=training)
        return _float32(self.network.score(representation)), representation

    def costs(self, outputs: tf.Tensor, targets: Targets) -> dict[str, Term]:
        """The label loss of the rows that have a label."""
        loss = term_of(self.label_loss, targets.labels, outputs, targets, targets.labelled)
        return {"label_loss": loss}

    def watched(self, outputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """The logits."""
        return {"": outputs}

    def get_config(self) -> dict[str, Any]:
        if self._unbuilt is None:
            copy = type(self.network).from_config(self.network.get_config())
            # Kept, and hidden from Keras, which takes two objects of a file that had the same
            # address, one after the other, for one that is shared.
            self._unbuilt = SimpleNamespace(network=copy)
        return {
            "name": self.name,
            "schema": self.schema.to_dict(),
            "network": keras.utils.serialize_keras_object(self._unbuilt.network),
            "sees": self.sees,
            "encoder": keras.utils.serialize_keras_object(self.encoder),
            "own": list(self.own),
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Ranker:
        config = dict(config)
        trainable = config.pop("trainable")
        config["schema"] = Schema.from_dict(config["schema"])
        config["network"] = keras.utils.deserialize_keras_object(config["network"])
        if not isinstance(config["encoder"], FeatureEncoder):
            config["encoder"] = keras.utils.deserialize_keras_object(config["encoder"])
        ranker = cls(**config)
        if not trainable:  # To set True would thaw an encoder that is frozen alone.
            freeze(ranker)
        return ranker


def _float32(logits: Any) -> Any:
    """Logits as losses, metrics and requests take them, whatever the network computes in."""
    return tf.nest.map_structure(lambda x: tf.cast(x, tf.float32), logits)
