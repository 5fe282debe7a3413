"""`tfpfd.export`: a trained student to a SavedModel version with the teacher stripped."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfpfd._versions import check_writable
from tfpfd.distillation import Ranker
from tfpfd.layers import FeatureEncoder, TwoTower
from tfpfd.schema.batches import Source
from tfpfd.serving.manifest import checked_details
from tfpfd.serving.module import TwoTowerModule, reserved
from tfpfd.serving.publish import publish
from tfpfd.serving.table import TableType, check_table_type
from tfpfd.serving.warm_up import can_warm_up


def export(
    student: Ranker,
    items: Source,
    path: str | os.PathLike,
    k: int = 100,
    table: TableType = "float32",
    attributes: Iterable[str] = (),
    details: Mapping[str, Any] | None = None,
    warm_up: bool | None = None,
    verbose: int | bool = 1,
) -> Path:
    """Writes `<path>/<version>/`, a SavedModel of the student for TF Serving.

    It takes raw strings and numbers, with missing values as "", negative integers or NaN, and
    several values a row as `[batch, width]` padded with them. Signatures:

    - `serving_default`: user features → `item_ids`, `scores` `[batch, k]`;
    - `top_k`: user features and a scalar `k` → the same; at most the whole catalogue;
    - `top_k_where`: user features, `k` and the rules of the request → the same, of the items that
      they let through: see `tfpfd.serving.rules.rule_inputs`. Where those are fewer than `k`, the
      rest is filled with the id "" or -1 and the lowest float;
    - `user_embedding`: user features → `embedding`;
    - `item_embedding`: item features → `embedding`;
    - `score_candidates`: user features and `candidate_ids` `[batch, n]` → `scores` `[batch, n]`,
      the lowest float for an id that isn't in the table.

    Scores are the student's logits. `assets.extra/` holds the served schema, the item table as
    Parquet, requests that TF Serving replays before it answers, and a manifest with the hashes of
    all files, which `inspect` checks. The version is the next free integer; it is written aside,
    inspected, and moved into place in one step.

    Args:
      student: a ranker with a `TwoTower` that sees served features.
      items: the catalogue, rows of the item features: see `tfpfd.schema.raw_batches`. The first
        categorical of one value on the item side is the item's id.
      path: the directory of the model.
      k: how many items `serving_default` returns.
      table: type of the item table: `"float32"`, `"float16"`, `"bfloat16"` or `"int8"` with a scale
        an item. Smaller ones take less memory, and their scores are close to the student's.
      attributes: item features, categorical or numbers, that requests may filter by.
      details: for the manifest: what else is known of the student, such as metrics and the time
        span of its rows; what JSON can hold.
      warm_up: whether to write warm-up requests, which needs tensorflow-serving-api
        (`pip install "tfpfd[serving]"`). None: where that is installed.
      verbose: 0: silent, 1: a progress bar.

    Returns:
      The directory of the version.

    Raises:
      ImportError: `warm_up=True` without tensorflow-serving-api.
      TypeError: `student` is no ranker with a two-tower network, or `details` isn't JSON.
      ValueError: the student sees privileged features, `items` has bad rows, `table` is no type of
        table, or `attributes` names no features of the item.
      OSError: `path` can't be written.
      RuntimeError: something privileged was found in the files written; nothing is published.
    """
    attributes = list(attributes)
    _check_student(student, attributes)
    check_table_type(table)
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        raise ValueError(f"`k` must be an integer of at least 1, received {k!r}")
    details = checked_details(details)
    requests = can_warm_up(warm_up)
    # Now, as embedding a large catalogue takes long; what can be written only writing shows.
    check_writable(Path(path))
    module = TwoTowerModule(student, table, attributes)

    def write(directory: Path) -> Callable:
        functions = module.functions(student, k)
        tf.saved_model.save(module, str(directory), signatures=functions)
        return functions["item_embedding"]

    facts = {
        "k": k,
        "table": table,
        "attributes": attributes,
        "stripped": [feature.name for feature in student.schema.sides["privileged"]],
    }
    served = student.schema.served()
    version = publish(Path(path), write, served, items, facts, details, requests, verbose)
    if verbose and not requests and warm_up is None:
        print('No warm-up requests for TF Serving were written: pip install "tfpfd[serving]"')
    return version


def _check_student(student: Ranker, attributes: list[str]) -> None:
    if not isinstance(student, Ranker):
        hint = "; pass `model.student`" if hasattr(student, "student") else ""
        raise TypeError(f"`student` must be a Ranker, received {type(student).__name__}{hint}")
    seen = set(student.schema.features(student.sees))
    encoders = [part for part in student.layers if isinstance(part, FeatureEncoder)]
    while encoders:
        # The tables of a base come along: those of one width are one variable.
        encoder = encoders.pop()
        seen |= set(encoder.features)
        encoders += [encoder.base] if encoder.base is not None else []
    hidden = sorted(seen - set(student.schema.features("served")))
    if hidden:
        raise ValueError(
            f"`student` sees privileged features {hidden}: expected a ranker with sees='served' "
            "and an encoder, and base of it, of served features alone"
        )
    if not isinstance(student.network, TwoTower):
        raise TypeError(
            "`student` must have a TwoTower, whose item side can be run ahead of the requests, "
            f"received a {type(student.network).__name__}"
        )
    taken = reserved(student.schema, attributes)
    if taken:
        raise ValueError(
            f"features {taken} have names that signatures need themselves: rename the columns"
        )
