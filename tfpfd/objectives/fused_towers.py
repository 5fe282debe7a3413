"""Scores fused when serving: the sum itself, and several two-tower rankers served as one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any, NoReturn, TypeVar

import numpy as np
import tensorflow as tf

from tfpfd._arguments import shown
from tfpfd._keras import keras
from tfpfd.distillation import Ranker
from tfpfd.distillation.overview import Part, features_table, parts_of_ranker
from tfpfd.distillation.scorer import Scorer, encoded_once
from tfpfd.distillation.seen_features import SeenFeatures
from tfpfd.layers import TwoTower
from tfpfd.layers.encoded import Encoded, Shapes
from tfpfd.layers.encoded_once import EncodedOnce, Vectors
from tfpfd.objectives.multi_task_ranker import check_rankers
from tfpfd.objectives.objective_weights import checked_weights
from tfpfd.schema import Side

T = TypeVar("T")


def fuse_scores(scores: Mapping[str, Any], weights: Mapping[str, float]) -> np.ndarray:
    """Scores fused when serving, `Σ_k ω_k · s_k`.

    Args:
      scores: arrays of one shape by objective, such as `predict` of a `MultiTaskRanker` returns.
      weights: ω, by objective; negative ones push down.

    Returns:
      An array of that shape.

    Raises:
      ValueError: the weights are of other objectives than the scores, not finite, or all 0.
    """
    if not isinstance(scores, Mapping):
        raise TypeError(f"`scores` must be arrays by objective, received {shown(scores)}")
    numbers = _checked(weights, scores)
    total = sum(weight * np.asarray(scores[name]) for name, weight in numbers.items())
    return np.asarray(total)


def _checked(weights: Mapping[str, float], objectives: Iterable[str]) -> dict[str, float]:
    numbers = checked_weights(weights)
    if set(numbers) != set(objectives):
        raise ValueError(f"`weights` must be of {sorted(objectives)}, received {sorted(numbers)}")
    return numbers


class _Towers(keras.layers.Layer):
    """Holds the towers of a side."""

    def __init__(self, towers: Iterable[keras.Sequential], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.towers = list(towers)
        self.built = True


class _SideBySide(TwoTower):
    """The two-tower networks of several rankers, their embeddings beside each other.

    Args:
      networks: of the rankers, built.
      weights: ω of each.
    """

    def __init__(self, networks: Iterable[TwoTower], weights: Iterable[float]) -> None:
        networks = list(networks)
        biased = any(network.bias is not None for network in networks)
        width = sum(network.representation_width for network in networks)
        super().__init__([width], scale=1.0, use_bias=biased)
        # Plain objects, or each tower would be among the parts of this layer twice.
        self._parts = SimpleNamespace(networks=networks, weights=list(weights))

    def build(self, input_shape: Shapes) -> None:
        networks = self._parts.networks
        self.user_tower = _Towers((network.user_tower for network in networks), name="user_tower")
        self.item_tower = _Towers((network.item_tower for network in networks), name="item_tower")
        # Held, so that they are among the weights; each stays its network's own.
        self.biases = [network._bias for network in networks if network.bias is not None]
        self.scales = [weight for network in networks for weight in network.scale_weights]
        self.built = True

    @property
    def bias(self) -> tf.Tensor | None:
        """`Σ_k ω_k · b_k`; None if no network has one."""
        pairs = zip(self._parts.weights, self._parts.networks, strict=True)
        parts = [weight * network.bias for weight, network in pairs if network.bias is not None]
        return tf.add_n(parts) if parts else None

    @property
    def scale_weights(self) -> list[Any]:
        """Those of all networks."""
        return list(self.scales)

    def user_embedding(self, encoded: Encoded, training: bool | None = None) -> tf.Tensor:
        """`[ω_1·u_1, ω_2·u_2, …]`, `[batch, representation_width]`."""
        parts = [
            weight * network.user_embedding(_at(i, encoded, "user"), training=training)
            for i, (weight, network) in enumerate(
                zip(self._parts.weights, self._parts.networks, strict=True)
            )
        ]
        return tf.concat(parts, axis=1)

    def item_embedding(self, encoded: Encoded, training: bool | None = None) -> tf.Tensor:
        """`[v_1, v_2, …]`, `[batch, representation_width]`."""
        parts = [
            network.item_embedding(_at(i, encoded, "item"), training=training)
            for i, network in enumerate(self._parts.networks)
        ]
        return tf.concat(parts, axis=1)


class _SeenByAll(SeenFeatures):
    """The views of several rankers of the same served features, as one.

    Each ranker has its own vector of a feature: they are told apart by the ranker's place.

    Args:
      rankers: that see served features.
    """

    def __init__(self, rankers: list[Ranker]) -> None:
        first = rankers[0]
        unserved = tuple({name: None for ranker in rankers for name in ranker.schema.unserved})
        schema = dataclasses.replace(first.schema, stripped=unserved)
        held = {id(encoder): encoder for ranker in rankers for encoder in ranker.encoders}
        del held[id(first.encoder)]
        super().__init__(schema, "served", first.encoder, held.values())
        self._rankers = rankers

    @property
    def shapes(self) -> Shapes:
        """Of the vectors of all rankers."""
        return _placed([ranker._seen.shapes for ranker in self._rankers])

    def encode(
        self,
        inputs: Mapping[str, tf.Tensor],
        training: bool | None,
        shared: Mapping[str, Vectors] | None,
        sides: Iterable[Side],
    ) -> EncodedOnce:
        """The vectors of all rankers; see `SeenFeatures`."""
        known = None if shared is None else (self.encoder, shared)
        encoded = encoded_once(self._rankers, inputs, training, known)
        return _placed(
            [
                ranker._encode_once(inputs, training, of_ranker, sides)
                for ranker, of_ranker in zip(self._rankers, encoded, strict=True)
            ]
        )


def _placed(parts: list[Mapping[str, Mapping[str, T]]]) -> dict[str, dict[str, T]]:
    """What several rankers have by side and feature, in one, by the places of the rankers."""
    return {
        side: {
            f"{place}:{name}": value
            for place, part in enumerate(parts)
            for name, value in part[side].items()
        }
        for side in parts[0]
    }


def _at(place: int, encoded: Encoded, side: Side) -> Encoded:
    """What the ranker at a place has of a side, as its network takes it."""
    start = f"{place}:"
    features = encoded[side].items()
    return {side: {n.removeprefix(start): x for n, x in features if n.startswith(start)}}


class FusedTowers(Scorer):
    """Several two-tower rankers as one, whose logit is the weighted sum of theirs.

        Σ_k ω_k · (⟨u_k, v_k⟩ + b_k) = ⟨[ω_1·u_1, ω_2·u_2, …], [v_1, v_2, …]⟩ + Σ_k ω_k · b_k

    The production baseline that fuses the scores of a model for each objective when serving:
    `tfpfd.export` writes it as one SavedModel like any student, its embeddings as wide as those of
    all rankers together. It refers to the rankers' parts, and is for scoring and for the export:
    train and save the rankers.

    Args:
      rankers: by objective; each with a `TwoTower`, `sees="served"` and the same served features.
      weights: ω, by objective; negative ones push down.

    Raises:
      TypeError: one is no `Ranker`, or has no `TwoTower`.
      ValueError: fewer than two, one sees privileged features, their schemas differ, or `weights`
        are of other objectives, not finite or all 0.
    """

    def __init__(
        self, rankers: Mapping[str, Ranker], weights: Mapping[str, float], **kwargs: Any
    ) -> None:
        check_rankers(rankers)
        numbers = _checked(weights, rankers)
        first = next(iter(rankers.values()))
        for name, ranker in rankers.items():
            if not isinstance(ranker.network, TwoTower):
                raise TypeError(
                    f"`rankers` must have TwoTower networks, received for '{name}' a "
                    f"{type(ranker.network).__name__}"
                )
            if ranker.sees != "served":
                raise ValueError(
                    f"`rankers` must see served features, received for '{name}' one with "
                    f"sees='{ranker.sees}'"
                )
            if ranker.schema.served() != first.schema.served():
                raise ValueError(
                    f"`rankers` must have the same schema, received for '{name}' another: adapt "
                    "one schema and give it to all of them"
                )
        networks = [ranker.network for ranker in rankers.values()]
        network = _SideBySide(networks, [numbers[name] for name in rankers])
        super().__init__(_SeenByAll(list(rankers.values())), network, **kwargs)
        # A plain object: the towers are parts of `network`.
        self._rankers = SimpleNamespace(all=list(rankers.values()))

    def _overview_parts(self) -> list[Part]:
        """Those of all rankers, in their order."""
        return [
            part for name, one in self._numbered().items() for part in parts_of_ranker(one, name)
        ]

    def _overview_tables(self) -> list[str]:
        """The features of all rankers."""
        return [features_table(self._numbered())]

    def _numbered(self) -> dict[str, Ranker]:
        return {f"ranker {place}": one for place, one in enumerate(self._rankers.all, start=1)}

    def get_config(self) -> NoReturn:
        raise NotImplementedError(
            "FusedTowers refers to the parts of other rankers: save those, or export this"
        )
