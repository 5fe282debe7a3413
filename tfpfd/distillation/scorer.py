"""A scorer: a view of the schema's features and a network that makes logits of it; no training."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import tensorflow as tf

from tfpfd._keras import keras
from tfpfd.distillation.overview import RankerOverview
from tfpfd.distillation.predicting import PredictingModel
from tfpfd.distillation.privileged import remember
from tfpfd.distillation.seen_features import SeenFeatures
from tfpfd.layers import FeatureEncoder, Network
from tfpfd.layers.encoded import Encoded
from tfpfd.layers.encoded_once import EncodedOnce, Vectors, every_row
from tfpfd.layers.network_check import build_network
from tfpfd.schema import Side
from tfpfd.schema.batch_fingerprints import columns_of
from tfpfd.schema.feature import raw_columns
from tfpfd.schema.weights_fingerprint import WeightsFingerprint


def encoded_once(
    scorers: Iterable[Scorer],
    inputs: Mapping[str, tf.Tensor],
    training: bool | None = None,
    known: tuple[FeatureEncoder, Mapping[str, Vectors]] | None = None,
) -> list[Mapping[str, Vectors]]:
    """What the encoder of each scorer returns for a batch; one that several share runs once.

    Args:
      scorers: of the same batches.
      inputs: what `Schema.lookup` returns.
      training: as in Keras.
      known: an encoder, and what it returned for these inputs, when that is known already.

    Returns:
      For each scorer what `Scorer.encode` takes as `shared`.
    """
    scorers = list(scorers)
    found = {} if known is None else {id(known[0]): known[1]}
    for scorer in scorers:
        if id(scorer.encoder) not in found:
            found[id(scorer.encoder)] = scorer.encoder(inputs, training=training, repeated=True)
    return [found[id(scorer.encoder)] for scorer in scorers]


class Scorer(RankerOverview, PredictingModel):
    """Scores rows of user and item: what rankers, and models of several objectives, have in common.

    Its weights exist from the start, as the schema knows every size.

    Args:
      seen: what it sees.
      network: of its own, from the vectors of the features to logits, one a row or by objective.

    Raises:
      ValueError: `network` is in use by another scorer, or makes no logits `[batch]`.
      TypeError: `network` is no `tfpfd.layers.Network`.
    """

    _unbuilt: Any = None

    def __init__(self, seen: SeenFeatures, network: Network, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.schema = seen.schema
        self.network: keras.layers.Layer = network
        self.sees = seen.sees
        self.unshared = seen.unshared
        # Here, too, as Keras finds weights by the attributes of layers.
        self.encoder = seen.encoder
        self._extra = seen.extra
        self._seen = seen
        # A teacher is never run by sides.
        build_network(self.network, seen.shapes, seen.crossing if seen.sees == "served" else ())
        self.built = True
        self._note_name()

    def _note_name(self) -> None:
        """Tells what remembers this scorer by its name."""
        # TensorFlow's checkpoints find it by this attribute.
        # Columns of its kernels come by side and feature, its last ones by objective.
        sides = {
            side: [(name, self.schema.fingerprints[name]) for name in names]
            for side, names in self._seen.names.items()
        }
        parts = [sides, self.unshared, list(getattr(self.network, "objectives", ()))]
        self.schema_print = WeightsFingerprint(f"ranker '{self.name}'", parts)
        hidden = set(self.schema.features(self.sees)) - set(self.schema.features("served"))
        if hidden:
            knowing = [encoder for encoder in self.encoders if hidden & set(encoder.features)]
            what = f"ranker '{self.name}', which sees privileged features {sorted(hidden)}"
            remember(what, self, [self.network, *knowing])

    @property
    def encoders(self) -> list[FeatureEncoder]:
        """Its encoders: the one that others may share, and those of its own beside it."""
        return [self.encoder, *self._extra]

    def check_inputs(self, names: Collection[str]) -> None:
        """Raises a `ValueError` if a batch lacks a feature that it sees, or has another schema's.

        Args:
          names: of the batch's inputs.
        """
        self._check_names(self._seen.names, names)
        features = self.schema.features(self.sees)
        self.schema.check_inputs(f"ranker '{self.name}'", names, features, required=True)

    def _check_names(self, sides: Iterable[Side], names: Collection[str]) -> None:
        known = self.schema.features()
        wanted = raw_columns(known[name] for side in sides for name in self._seen.names[side])
        missing = [name for name in wanted if name not in names]
        if missing:
            raise ValueError(
                f"missing inputs {missing}: ranker '{self.name}' with sees='{self.sees}' needs "
                "table rows of them (see `tfpfd.data.from_rows`; rows of `schema.served()` have no "
                f"privileged features), received {columns_of(names)}"
            )

    def encode(
        self,
        inputs: Mapping[str, tf.Tensor],
        training: bool | None = None,
        shared: Mapping[str, Vectors] | None = None,
        sides: Iterable[Side] | None = None,
    ) -> Encoded:
        """The vector of each feature, by side: what the network reads.

        Args:
          inputs: what `Schema.lookup` returns.
          training: as in Keras.
          shared: what `encoder` returned for these inputs, when that is known already.
          sides: the sides wanted; by default all that it sees.

        Returns:
          `[batch, width]` by side and feature.

        Raises:
          ValueError: a feature is missing in `inputs`.
        """
        found = self._encode_once(inputs, training, shared, sides)
        return {
            side: {name: every_row(vectors) for name, vectors in features.items()}
            for side, features in found.items()
        }

    def _encode_once(
        self,
        inputs: Mapping[str, tf.Tensor],
        training: bool | None = None,
        shared: Mapping[str, Vectors] | None = None,
        sides: Iterable[Side] | None = None,
    ) -> EncodedOnce:
        """As `encode`, but a vector that groups of rows have in common is there once a group."""
        wanted = list(self._seen.names if sides is None else sides)
        self._check_names(wanted, inputs)
        return self._seen.encode(inputs, training, shared, wanted)

    def _read(
        self,
        inputs: Mapping[str, tf.Tensor],
        training: bool | None,
        shared: Mapping[str, Vectors] | None,
    ) -> EncodedOnce:
        """The vectors as the network takes them."""
        repeated = getattr(self.network, "takes_repeated", False)
        return (self._encode_once if repeated else self.encode)(inputs, training, shared)

    def call(
        self,
        inputs: Mapping[str, tf.Tensor],
        training: bool | None = None,
        shared: Mapping[str, Vectors] | None = None,
    ) -> Any:
        """Logits float32 `[batch]`, or by objective; the arguments are those of `encode`."""
        return _float32(self.network(self._read(inputs, training, shared), training=training))

    def _call_with_representation(
        self,
        inputs: Mapping[str, tf.Tensor],
        training: bool | None = None,
        shared: Mapping[str, Vectors] | None = None,
    ) -> tuple[Any, Any]:
        """Logits as of `call`, and what they are made of, `[batch, representation_width]`."""
        encoded = self._read(inputs, training, shared)
        representation = self.network.represent(encoded, training=training)
        return _float32(self.network.score(representation, training=training)), representation

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
            "unshared": list(self.unshared),
            "trainable": self.trainable,
        }


def _float32(logits: Any) -> Any:
    """Logits as losses, metrics and requests take them, whatever the network computes in."""
    return tf.nest.map_structure(lambda x: tf.cast(x, tf.float32), logits)
