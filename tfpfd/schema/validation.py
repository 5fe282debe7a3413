"""What a schema refuses: contradictory declarations, labels and weights out of range."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tfpfd.schema.columns import column
from tfpfd.schema.features import Categorical, Feature, Numeric, Sequence

PRIVILEGED_KINDS = ("cross", "post_event")


def check_declarations(
    user: Iterable[Feature],
    item: Iterable[Feature],
    privileged: Mapping[str, Iterable[Feature]],
    label: str,
    weight: str | None,
) -> None:
    """Refuses features that contradict each other; see `Schema` for the arguments."""
    if not isinstance(privileged, Mapping) or not set(privileged) <= set(PRIVILEGED_KINDS):
        raise ValueError(
            "`privileged` must be a dict with features under "
            f"{' and '.join(map(repr, PRIVILEGED_KINDS))}, received {privileged!r}"
        )
    served = [*_features("user", user), *_features("item", item)]
    hidden = [f for kind, group in privileged.items() for f in _features(kind, group)]
    if not served:
        raise ValueError("a schema needs at least one `user` or `item` feature, received none")
    served_names = {feature.name for feature in served}
    for feature in hidden:
        if feature.name in served_names:
            raise ValueError(
                f"feature '{feature.name}' is privileged: expected it on one side, received it "
                "among the served features too"
            )
    taken: set[str | None] = {label, weight} - {None}
    for feature in (*served, *hidden):
        if feature.name in taken:
            what = "the label or the weight" if feature.name in (label, weight) else "a feature"
            raise ValueError(
                f"duplicate name '{feature.name}': expected a name to be used once, but {what} "
                "has it already"
            )
        taken.add(feature.name)
    _check_vocabularies(served, {f.name: f for f in served}, "a served")
    _check_vocabularies(hidden, {f.name: f for f in (*served, *hidden)}, "a")


def _features(argument: str, group: Iterable[Feature]) -> list[Feature]:
    features = list(group)
    for feature in features:
        if not isinstance(feature, Categorical | Numeric | Sequence):
            raise ValueError(
                f"`{argument}` must hold Categorical, Numeric and Sequence features, "
                f"received {feature!r}"
            )
    return features


def _check_vocabularies(
    features: Iterable[Feature], known: Mapping[str, Feature], article: str
) -> None:
    for feature in features:
        name = None if isinstance(feature, Numeric) else feature.of
        if name is None:
            continue
        owner = known.get(name)
        if not isinstance(owner, Categorical) or owner.of is not None:
            raise ValueError(
                f"feature '{feature.name}' is of='{name}': expected the name of {article} "
                f"Categorical that owns a vocabulary, received "
                f"{'an unknown feature' if owner is None else repr(owner)}"
            )


def check_target(
    raw: Mapping[str, Any], label: str, weight: str | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Checks the columns `label` and `weight` of a batch.

    Returns:
      Labels `[rows]`, NaN on rows without one, and weights `[rows]` or None; float32.

    Raises:
      ValueError: a label outside [0, 1], a weight that is negative or missing.
    """
    labels = column(label, raw[label], "float", several=False, optional=True)
    outside = (labels < 0) | (labels > 1)
    if outside.any():
        raise ValueError(
            f"label column '{label}': expected values in [0, 1], or NaN on rows without a "
            f"label, received {outside.sum()} outside, such as {labels[outside][0]}"
        )
    if weight is None:
        return labels, None
    weights = column(weight, raw[weight], "float", several=False, optional=False)
    if (weights < 0).any():
        raise ValueError(
            f"weight column '{weight}': expected values of at least 0, received "
            f"{(weights < 0).sum()} negative, such as {weights[weights < 0][0]}"
        )
    return labels, weights
