"""What a schema refuses: contradictory declarations, and rows that nothing is learned from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tfpfd.schema.batches import on_default
from tfpfd.schema.feature import Feature, raw_columns

PRIVILEGED_KINDS = ("cross", "post_event")


def features_of(argument: str, group: Any) -> tuple[Feature, ...]:
    """The features that `argument` of a schema holds; refuses anything else."""
    # A string would be taken for its letters.
    several = isinstance(group, Iterable) and not isinstance(group, str)
    features = tuple(group) if several else (group,)
    for feature in features:
        if not several or not isinstance(feature, Feature):
            raise ValueError(
                f"`{argument}` must be a tuple of features, such as Categorical and Numeric, "
                f"received {feature!r}"
            )
    return features


def groups_of(privileged: Any) -> dict[str, tuple[Feature, ...]]:
    """The privileged features of a schema by kind; refuses anything else."""
    if not isinstance(privileged, Mapping) or not set(privileged) <= set(PRIVILEGED_KINDS):
        raise ValueError(
            "`privileged` must be a dict with features under "
            f"{' and '.join(map(repr, PRIVILEGED_KINDS))}, received {privileged!r}"
        )
    return {kind: features_of(kind, group) for kind, group in privileged.items()}


def check_columns_named(label: str, sample_weight: str | None, list_key: str | None) -> None:
    """Refuses names that are none; see `Schema` for the arguments."""
    for argument, name in (
        ("label", label),
        ("sample_weight", sample_weight),
        ("list_key", list_key),
    ):
        named = isinstance(name, str) and name != ""
        if not named and (name is not None or argument == "label"):
            raise ValueError(f"`{argument}` must be the name of a column, received {name!r}")
    if label in (sample_weight, list_key):
        raise ValueError(
            f"duplicate name '{label}': expected a name to be used once, but the label has it "
            f"already{on_default([label])}"
        )


def check_declarations(
    user: tuple[Feature, ...],
    item: tuple[Feature, ...],
    privileged: Mapping[str, tuple[Feature, ...]],
    targets: tuple[str | None, ...],
) -> None:
    """Refuses features that contradict each other; `targets` are the label and the weight."""
    served = [*user, *item]
    hidden = [feature for group in privileged.values() for feature in group]
    if not served:
        raise ValueError("a schema needs at least one `user` or `item` feature, received none")
    served_names = {feature.name for feature in served}
    for feature in hidden:
        if feature.name in served_names:
            raise ValueError(
                f"feature '{feature.name}' is privileged: expected it on one side, received it "
                "among the served features too"
            )
    taken = set(targets)
    for name in raw_columns((*served, *hidden)):
        if name in taken:
            what = "the label or the weight" if name in targets else "a feature"
            raise ValueError(
                f"duplicate name '{name}': expected a name to be used once, but {what} has it "
                f"already{on_default([name])}"
            )
        taken.add(name)
    known = {feature.name: feature for feature in (*served, *hidden)}
    for feature in served:
        _check_vocabulary(feature, known, served_names, "a served")
    for feature in hidden:
        _check_vocabulary(feature, known, set(known), "a")


def _check_vocabulary(
    feature: Feature, known: Mapping[str, Feature], allowed: set[str], article: str
) -> None:
    for name in feature.borrowed:
        owner = known.get(name)
        if name not in allowed or owner is None or not owner.has_vocabulary:
            received = repr(owner) if name in allowed else "a privileged feature"
            raise ValueError(
                f"feature '{feature.name}' is of='{name}': expected the name of {article} "
                "Categorical that owns a vocabulary, received "
                f"{'an unknown feature' if owner is None else received}"
            )


def refuse_what_is_known(features: Mapping[str, Feature]) -> None:
    """Refuses to learn vocabularies and edges that are known: the rows would change nothing.

    Features that are all hashed are no such thing: there is nothing that anybody could expect.
    """
    known = [name for name, feature in features.items() if feature.holds_learned]
    if known:
        raise ValueError(
            f"`adapt` has nothing to learn: vocabularies and bucket edges of {known} are known, "
            "and stay as they are; adapt the declaration without them, and make a new model, or "
            "renew a model for new rows by `tfpfd.retrain`"
        )


def check_all_missing(held: Mapping[str, int], rows: int) -> None:
    """Refuses columns in which no row holds a value."""
    refuse_columns(
        [
            f"column '{name}': expected values, received {rows} rows that are all missing"
            for name, count in held.items()
            if count == 0
        ]
    )


def refuse_columns(refused: list[str]) -> None:
    """Raises one error for all columns that are refused, so that none has to wait for another.

    Args:
      refused: why, by column; what each says behind a semicolon is help, and given once.
    """
    if refused:
        others = "".join(f"; {reason.split(';')[0]}" for reason in refused[1:])
        raise ValueError(refused[0] + others)
