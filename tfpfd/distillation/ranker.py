"""A ranker: a scorer that learns from labels."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import tensorflow as tf

from tfpfd._keras import freeze, keras, register
from tfpfd.distillation.labelled_model import LabelledModel
from tfpfd.distillation.losses import Term, term_of
from tfpfd.distillation.scorer import Scorer
from tfpfd.distillation.seen_features import seen_features_of
from tfpfd.distillation.targets import Targets
from tfpfd.layers import FeatureEncoder, Network
from tfpfd.schema import Schema, Sees


@register
class Ranker(Scorer, LabelledModel):
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
      network: `TwoTower`, `MLP` or another layer from the vectors of the features to logits, as
        `tfpfd.layers.Network` says; its own one.
      sees: which features it sees: `"served"`, `"all"`, or `"privileged"` ones alone.
      encoder: another ranker's encoder, which is then shared: tables and behaviour encoders are
        the same. Features that it doesn't hold get an encoder of this ranker's own.
      unshared: names of features that are not shared although `encoder` holds them.

    Raises:
      ValueError: `encoder` was made for other features of the same name, `unshared` names a feature
        that it doesn't hold, or `network` is in use by another ranker or makes no logits `[batch]`.
      TypeError: `schema` is no schema, `encoder` no encoder, or `network` no layer, or one without
        the methods of a network, such as a `keras.Sequential` or functional model.
    """

    _terms = ("label_loss",)
    _shown = ()  # It is the loss.
    _prefixes = ("",)

    def __init__(
        self,
        schema: Schema,
        network: Network,
        sees: Sees = "served",
        encoder: FeatureEncoder | None = None,
        unshared: Iterable[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(seen_features_of(schema, sees, encoder, unshared), network, **kwargs)

    def _check_batches(self, names: Collection[str], training: bool) -> None:
        """Refuses batches without a feature that it sees; see `LabelledModel._check_batches`."""
        self.check_inputs(names)

    def _costs(self, outputs: tf.Tensor, targets: Targets) -> dict[str, Term]:
        """The label loss of the rows that have a label."""
        loss = term_of(self.label_loss, targets.labels, outputs, targets, targets.labelled)
        return {"label_loss": loss}

    def _watched(self, outputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """The logits."""
        return {"": outputs}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Ranker:
        config = dict(config)
        trainable = config.pop("trainable")
        if "own" in config:  # Its name in files from before it had this one.
            config["unshared"] = config.pop("own")
        config["schema"] = Schema.from_dict(config["schema"])
        config["network"] = keras.utils.deserialize_keras_object(config["network"])
        if not isinstance(config["encoder"], FeatureEncoder):
            config["encoder"] = keras.utils.deserialize_keras_object(config["encoder"])
        ranker = cls(**config)
        if not trainable:  # To set True would thaw an encoder that is frozen alone.
            freeze(ranker)
        return ranker
