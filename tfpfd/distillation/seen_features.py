"""What a scorer sees of a batch: features of a schema, and encoders that make vectors of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import tensorflow as tf

from tfpfd._arguments import names_in
from tfpfd.layers import FeatureEncoder
from tfpfd.layers.encoded import Shapes
from tfpfd.layers.encoded_once import EncodedOnce, Vectors
from tfpfd.schema import Feature, Schema, Sees, Side
from tfpfd.schema.schema import SIDES, check_schema


class SeenFeatures:
    """Which features are seen, and the encoders of their vectors.

    Args:
      schema: an adapted schema.
      sees: `"served"`, `"all"`, or `"privileged"` ones alone.
      encoder: the one that others may share.
      extra: encoders beside it, of the features that it doesn't hold or that aren't shared.
      unshared: names of features that aren't shared although `encoder` holds them.

    Attributes:
      names: names of the features by side, of the sides that have some.
    """

    def __init__(
        self,
        schema: Schema,
        sees: Sees,
        encoder: FeatureEncoder,
        extra: Iterable[FeatureEncoder],
        unshared: Iterable[str] = (),
    ) -> None:
        self.schema = schema
        self.sees = sees
        self.encoder = encoder
        self.extra = list(extra)
        self.unshared = list(unshared)
        sides = {side: [f.name for f in schema.sides[side]] for side in SIDES[sees]}
        self.names = {side: group for side, group in sides.items() if group}

    @property
    def shapes(self) -> Shapes:
        """Of the vectors, `(None, width)` by side and feature."""
        return {
            side: {name: (None, self._holder(name).width(name)) for name in names}
            for side, names in self.names.items()
        }

    def _holder(self, name: str) -> FeatureEncoder:
        return next((e for e in self.extra if name in e.features), self.encoder)

    def candidates(self, name: str) -> list[str]:
        """Names of the item's features that a vector is made with; see `FeatureEncoder`."""
        return self._holder(name).candidates(name)

    @property
    def crossing(self) -> list[str]:
        """Names of the features off the item side whose vectors depend on the item."""
        return [
            name
            for side, names in self.names.items()
            for name in names
            if side != "item" and self.candidates(name)
        ]

    def encode(
        self,
        inputs: Mapping[str, tf.Tensor],
        training: bool | None,
        shared: Mapping[str, Vectors] | None,
        sides: Iterable[Side],
    ) -> EncodedOnce:
        """The vector of each feature, by side; what groups of rows have in common once a group.

        Args:
          inputs: what `Schema.lookup` returns.
          training: as in Keras.
          shared: what `encoder` returned for these inputs, when that is known already.
          sides: the sides wanted.
        """
        seen = [name for names in self.names.values() for name in names]
        vectors: dict[str, Vectors] = {}
        if any(name in self.encoder.features and name not in self.unshared for name in seen):
            if shared is None:
                shared = self.encoder(inputs, training=training, repeated=True)
            vectors = dict(shared)
        for encoder in self.extra:
            vectors.update(encoder(inputs, training=training, repeated=True))
        return {side: {name: vectors[name] for name in self.names[side]} for side in sides}


def seen_features_of(
    schema: Schema,
    sees: Sees = "served",
    encoder: FeatureEncoder | None = None,
    unshared: Iterable[str] = (),
) -> SeenFeatures:
    """Seen features with the encoders that it needs.

    Args:
      schema: an adapted schema.
      sees: as in `SeenFeatures`.
      encoder: another scorer's encoder, which is then shared; by default a new one.
      unshared: names of features that are not shared although `encoder` holds them.

    Raises:
      ValueError: `encoder` was made for other features of the same name, `unshared` names a feature
        that it doesn't hold, or nothing is seen.
      TypeError: `schema` is no schema, or `encoder` no encoder.
    """
    check_schema(schema)
    if encoder is not None and not isinstance(encoder, FeatureEncoder):
        held = isinstance(getattr(encoder, "encoder", None), FeatureEncoder)
        hint = "; pass `ranker.encoder`" if held else ""
        raise TypeError(f"`encoder` must be a FeatureEncoder, received {encoder!r}{hint}")
    features = schema.features(sees)
    if not features:
        raise ValueError(
            f"`sees` is '{sees}', but `schema` has no privileged features: expected some, as "
            "`schema.served()` leaves them out"
        )
    names = names_in("unshared", unshared)
    encoder = FeatureEncoder(schema, features) if encoder is None else encoder
    _check_encoder(features, encoder, names)
    rest = [name for name in features if name not in encoder.features]
    parts = ((names, None), (rest, encoder))
    extra = [encoder.like(schema, group, base) for group, base in parts if group]
    seen = SeenFeatures(schema, sees, encoder, extra, names)
    unseen = {one for name in seen.crossing for one in seen.candidates(name)} - set(features)
    if unseen:
        raise ValueError(
            f"features {seen.crossing} attend with {sorted(unseen)}, which sees='{sees}' doesn't "
            "see: expected an `encoder` with a `behaviour` that doesn't attend, or sees='all'"
        )
    return seen


def _check_encoder(
    features: Mapping[str, Feature], encoder: FeatureEncoder, unshared: Iterable[str]
) -> None:
    held = encoder.features
    differing = [name for name in features if held.get(name, features[name]) != features[name]]
    if differing:
        raise ValueError(
            f"`encoder` was made for another schema: {differing} differ, expected the features of "
            "`schema`"
        )
    unknown = [name for name in unshared if name not in held or name not in features]
    if unknown:
        raise ValueError(
            f"`unshared` names {unknown}: expected features that this ranker sees and `encoder` "
            f"holds, {sorted(set(held) & set(features))}"
        )
