"""Networks of several objectives made of experts and gates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfpfd._arguments import check_integer
from tfpfd._keras import keras, register
from tfpfd.layers.dense import check_units
from tfpfd.layers.encoded import Encoded, joined
from tfpfd.objectives.networks import ObjectiveNetwork


def _gate(experts: int, width: int, name: str, dtype: Any) -> keras.layers.Dense:
    """Shares of experts, `softmax(W·x)`, without a bias as in the papers."""
    gate = keras.layers.Dense(experts, activation="softmax", use_bias=False, name=name, dtype=dtype)
    gate.build((None, width))
    return gate


def _mixed(shares: tf.Tensor, experts: Sequence[tf.Tensor]) -> tf.Tensor:
    """`Σ_e g_e · E_e`: `[batch, width]` of shares `[batch, experts]`."""
    return tf.einsum("be,bew->bw", shares, tf.stack(experts, axis=1))


@register
class MMoE(ObjectiveNetwork):
    """Experts that all objectives share, mixed by a gate of each objective: then its head.

        f_k = h_k(Σ_e g_k(x)_e · E_e(x)),    g_k(x) = softmax(W_k · x)

    Args:
      units: width of each layer of an expert.
      objectives: their names, those of the columns of their labels.
      head_units: width of each hidden layer of a head, before its logit; none by default.
      experts: how many.
      **kwargs: `l2` and `batch_norm`, as in `MLP`.

    Reference:
      Ma et al., "Modeling Task Relationships in Multi-task Learning with Multi-gate
      Mixture-of-Experts", KDD 2018, eq. 6 and 7.
    """

    def __init__(
        self,
        units: Sequence[int],
        objectives: Sequence[str],
        head_units: Sequence[int] = (),
        experts: int = 4,
        **kwargs: Any,
    ) -> None:
        super().__init__(objectives, head_units, **kwargs)
        self.units = check_units(units)
        check_integer("experts", experts, least=1)
        self.experts = int(experts)

    def build_parts(self, width: int) -> int:
        """Builds the experts and the gates."""
        self.expert_stacks = [
            self.stack(self.units, width, f"expert_{i}") for i in range(self.experts)
        ]
        self.gates = [
            _gate(self.experts, width, f"gate_{i}", self.dtype_policy.name)
            for i in range(len(self.objectives))
        ]
        return self.units[-1]

    def represent(self, encoded: Encoded, training: bool | None = None) -> dict[str, tf.Tensor]:
        """The mixture of each objective."""
        x = joined(encoded)
        experts = [stack(x, training=training) for stack in self.expert_stacks]
        return {
            name: _mixed(gate(x), experts)
            for name, gate in zip(self.objectives, self.gates, strict=True)
        }

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": list(self.units), "experts": self.experts}


class Extraction(keras.layers.Layer):
    """A level of `PLE`: experts of each objective and shared ones, mixed for the next level.

    Args:
      stacks: the experts: those of the first objective, of the second, and so on, then the shared.
      width: of what the experts and the gates read.
      objectives: how many.
      shared: how many of the experts are shared.
      last: whether it is the last level, which needs no mixture for shared experts.
    """

    def __init__(
        self,
        stacks: Sequence[keras.Sequential],
        width: int,
        objectives: int,
        shared: int,
        last: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.stacks = list(stacks)
        self.own = (len(stacks) - shared) // objectives
        policy = self.dtype_policy.name
        self.gates = [
            _gate(self.own + shared, width, f"gate_{k}", policy) for k in range(objectives)
        ]
        self.shared_gate = None if last else _gate(len(stacks), width, "shared_gate", policy)
        self.built = True

    def call(self, inputs: Sequence[tf.Tensor], training: bool | None = None) -> list[tf.Tensor]:
        """Runs the level.

        Args:
          inputs: `[batch, width]` for each objective, then for the shared experts.
          training: as in Keras.

        Returns:
          The mixture `[batch, units]` of each objective, then, but for the last level, that for
          the shared experts.
        """
        *own, common = inputs
        sources = [x for x in own for _ in range(self.own)]
        sources += [common] * (len(self.stacks) - len(sources))
        experts = [
            stack(x, training=training) for stack, x in zip(self.stacks, sources, strict=True)
        ]
        shared = experts[self.own * len(own) :]
        mixtures = [
            _mixed(gate(x), experts[k * self.own : (k + 1) * self.own] + shared)
            for k, (gate, x) in enumerate(zip(self.gates, own, strict=True))
        ]
        if self.shared_gate is not None:
            mixtures.append(_mixed(self.shared_gate(common), experts))
        return mixtures


@register
class PLE(ObjectiveNetwork):
    """Progressive layered extraction: shared experts and experts of each objective, in levels.

    At each level an objective's gate mixes its own experts and the shared ones, and another gate
    mixes all of them for the shared experts of the next level. A gate reads what its experts
    read; at the first level that is the input. One level is CGC, customized gate control.

    Args:
      levels: for each level the width of each layer of an expert.
      objectives: their names, those of the columns of their labels.
      head_units: width of each hidden layer of a head, before its logit; none by default.
      own_experts: experts of each objective at each level.
      shared_experts: experts that all objectives share, at each level.
      **kwargs: `l2` and `batch_norm`, as in `MLP`.

    Reference:
      Tang et al., "Progressive Layered Extraction (PLE): A Novel Multi-Task Learning Model for
      Personalized Recommendations", RecSys 2020, eq. 1 to 7.
    """

    def __init__(
        self,
        levels: Sequence[Sequence[int]],
        objectives: Sequence[str],
        head_units: Sequence[int] = (),
        own_experts: int = 2,
        shared_experts: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(objectives, head_units, **kwargs)
        levels = [list(units) if np.ndim(units) == 1 else units for units in levels]
        if not levels or any(not isinstance(units, list) for units in levels):
            raise ValueError(
                "`levels` must hold the widths of an expert's layers for each level, such as "
                f"[[256], [128]], received {levels!r}"
            )
        self.levels = tuple(check_units(units, f"levels[{i}]") for i, units in enumerate(levels))
        for name, count in (("own_experts", own_experts), ("shared_experts", shared_experts)):
            check_integer(name, count, least=1)
        self.own_experts = int(own_experts)
        self.shared_experts = int(shared_experts)

    def build_parts(self, width: int) -> int:
        """Builds the levels."""
        count = self.own_experts * len(self.objectives) + self.shared_experts
        self.extractions = []
        for i, units in enumerate(self.levels):
            stacks = [self.stack(units, width, f"expert_{e}") for e in range(count)]
            last = i == len(self.levels) - 1
            level = Extraction(
                stacks,
                width,
                len(self.objectives),
                self.shared_experts,
                last,
                name=f"level_{i}",
                dtype=self.dtype_policy.name,
            )
            self.extractions.append(level)
            width = units[-1]
        return width

    def represent(self, encoded: Encoded, training: bool | None = None) -> dict[str, tf.Tensor]:
        """The last level's mixture of each objective."""
        parts = [joined(encoded)] * (len(self.objectives) + 1)
        for level in self.extractions:
            parts = level(parts, training=training)
        return dict(zip(self.objectives, parts, strict=True))

    def get_config(self) -> dict[str, Any]:
        config = {
            "levels": [list(units) for units in self.levels],
            "own_experts": self.own_experts,
            "shared_experts": self.shared_experts,
        }
        return {**super().get_config(), **config}
