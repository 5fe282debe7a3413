"""Labels of several objectives: which they are in a batch, and whether the data have any."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfpfd.data.list_ids import LIST
from tfpfd.distillation.targets import Targets
from tfpfd.schema import Schema, raw_batches
from tfpfd.schema.batch_fingerprints import columns_of
from tfpfd.schema.batches import Source
from tfpfd.schema.label_checks import check_target


class ObjectiveTargets(Targets):
    """The labels of a batch by objective.

    Args:
      label: name of the schema's label, the primary objective.
      objectives: names of the objectives.
      inputs: of the batch; they hold the labels of the other objectives.
      y: `[batch]` or `[batch, 1]` labels of the primary objective.
      sample_weight: `[batch]` or `[batch, 1]`, or None for 1.

    Raises:
      ValueError: the labels of an objective are missing.
    """

    def __init__(
        self,
        label: str,
        objectives: Iterable[str],
        inputs: Mapping[str, tf.Tensor],
        y: tf.Tensor,
        sample_weight: tf.Tensor | None,
    ) -> None:
        lists = inputs.get(LIST)
        super().__init__(y, sample_weight, lists)
        columns = labels_of(label, objectives, inputs, y)
        self._by_prefix: dict[str, Targets] = {}
        for name, column in columns.items():
            targets = Targets(column, sample_weight, lists)
            self._by_prefix[f"{name}_"] = targets

    def check(self) -> None:
        """Of all objectives."""
        for targets in self._by_prefix.values():
            targets.check()

    def of(self, prefix: str) -> Targets:
        """Of the objective with the prefix `"<objective>_"`."""
        return self._by_prefix[prefix]


def labels_of(
    label: str, objectives: Iterable[str], inputs: Mapping[str, Any], y: Any
) -> dict[str, Any]:
    """The column of labels of each objective.

    Args:
      label: name of the schema's label, the primary objective.
      objectives: names of the objectives.
      inputs: of a batch.
      y: the labels of the primary objective.

    Raises:
      ValueError: a column is missing.
    """
    names = list(objectives)
    missing = [name for name in names if name != label and name not in inputs]
    if missing:
        raise ValueError(
            f"missing labels {missing}: the primary objective is '{label}', and those of the "
            "others are columns that `labels=` (or `extra_columns=`) of from_rows passes on, "
            f"received {columns_of(inputs)}"
        )
    return {name: y if name == label else inputs[name] for name in names}


def check_objectives(source: Source, schema: Schema, objectives: Iterable[str]) -> dict[str, float]:
    """Looks through the rows for labels of each objective, before the long work.

    An objective of which no row has a positive label teaches a constant (or nothing, where the
    loss is one of lists), and one that is positive everywhere no more.

    Args:
      source: rows with the columns of labels: see `tfpfd.schema.raw_batches`.
      schema: names the primary objective's label.
      objectives: names of the objectives, those of their columns.

    Returns:
      The mean label of each objective, over the rows that have one.

    Raises:
      ValueError: a column is missing; a label is outside [0, 1]; or of an objective no row has a
        label, none has one above 0, or none has one below 1.
    """
    names = list(dict.fromkeys([schema.label, *objectives]))
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for raw in raw_batches(source, names):
        for name in names:
            labels, _ = check_target(raw, name, None)
            parts[name].append(labels[~np.isnan(labels)])
    found = {name: np.concatenate(held or [np.empty(0)]) for name, held in parts.items()}
    for name, labels in found.items():
        for what, any_row in (
            ("a label in some row", len(labels) > 0),
            ("a label above 0 in some row, a positive", bool((labels > 0).any())),
            ("a label below 1 in some row, a negative", bool((labels < 1).any())),
        ):
            if not any_row:
                raise ValueError(
                    f"objective '{name}': expected {what}, received none in {len(labels)} rows "
                    "with a label"
                )
    return {name: float(labels.mean()) for name, labels in found.items()}
