"""`tfpfd.export`: a trained student to a SavedModel version with the teacher stripped."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfpfd._arguments import names_in
from tfpfd._files import path_in
from tfpfd.distillation import Ranker
from tfpfd.schema import Side
from tfpfd.schema.batches import Source
from tfpfd.serving.export_plan import (
    catalogue_plan,
    expected_value_plan,
    ranker_plan,
    tower_plan,
)
from tfpfd.serving.item_table import TableType
from tfpfd.serving.item_writing import write_items
from tfpfd.serving.kept_embeddings import KeptEmbeddings
from tfpfd.serving.publish import publish
from tfpfd.serving.signatures import Signature
from tfpfd.serving.student_checks import check_reads
from tfpfd.serving.warmup_requests import can_write_warmup_requests
from tfpfd.versions.manifest import checked_details
from tfpfd.versions.store import check_writable


def export(
    student: Ranker | Mapping[str, Ranker],
    items: Source | None,
    path: str | os.PathLike,
    k: int = 100,
    table: TableType = "float32",
    attributes: Iterable[str] = (),
    side: Side | None = None,
    price: str | None = None,
    signatures: Iterable[Signature] = (),
    details: Mapping[str, Any] | None = None,
    warmup_requests: bool | None = None,
    operations: Iterable[str] = (),
    verbose: int | bool = 1,
) -> Path:
    """Writes `<path>/<version>/`, a SavedModel of the student for TF Serving.

    >>> import pandas as pd
    >>> from tfpfd import Categorical, Schema, TwoTower
    >>> books = pd.DataFrame({"book": ["emma", "ulysses", "walden"]})
    >>> schema = Schema(
    ...     user=[Categorical("user", vocabulary=("ann", "bob"))],
    ...     item=[Categorical("book", vocabulary=tuple(books["book"]))],
    ... )
    >>> student = Ranker(schema, TwoTower([8]))  # and trained
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     version = export(student, items=books, path=folder, k=2, verbose=0)
    ...     top_k = tf.saved_model.load(str(version)).signatures["serving_default"]
    ...     best = top_k(user=tf.constant(["ann"]))
    >>> version.name, best["item_ids"].shape
    ('1', TensorShape([1, 2]))

    It takes raw strings and numbers, with missing values as "", negative integers or NaN, and
    several values a row as `[batch, width]` padded with them, all columns of a behaviour to one
    width; a vector as `[batch, dim]`. Signatures of a student with items:

    - `serving_default`: user features → `item_ids`, `scores` `[batch, k]`;
    - `top_k`: user features and `k`, one number or one a row, of which the largest counts → the
      same; at most the whole catalogue;
    - `top_k_where`: user features, `k` and the rules of the request → the same, of the items that
      they let through: see `tfpfd.serving.request_rules.rule_inputs`. Where those are fewer than
      `k`, the rest is filled with the id "" or -1 and the lowest float;
    - `user_embedding`: user features → `embedding`;
    - `item_embedding`: item features → `embedding`;
    - `score_candidates`: user features and `candidate_ids` `[batch, n]` → `scores` `[batch, n]`,
      the lowest float for an id that isn't in the table.

    Without items (`items=None`), of any network:

    - a ranker: `score`, user and item features → `logit` and `probability` `[batch]`;
    - several rankers by name, such as of clicks and conversions: `rank`, features → the probability
      of each, their product times the price as `expected_value`, and `order`, the rows by it, best
      first;
    - a two-tower student with `side`: `user_embedding` or `item_embedding`.

    `serving_default` is the same, and scores are the student's logits: of a two-tower the inner
    product of the embeddings plus the network's bias. For one `side` the manifest holds that as
    `bias`.

    `assets.extra/` holds the served schema, the item table as
    Parquet, requests that TF Serving replays before it answers, and a manifest with the hashes of
    all files, which `inspect` checks. The version is the next free integer; it is written aside,
    inspected, and moved into place in one step.

    Args:
      student: a ranker that sees served features, with a `TwoTower` where there are items or a
        side; or several of one schema by name.
      items: None, or the catalogue, rows of the item features: see `tfpfd.schema.raw_batches`.
        The first categorical of one value on the item side is the item's id.
      path: the directory of the model.
      k: how many items `serving_default` returns.
      table: type of the item table: `"float32"`, `"float16"`, `"bfloat16"` or `"int8"` with a scale
        an item. Smaller ones take less memory, and their scores are close to the student's.
      attributes: item features, categorical or numbers, that requests may filter by.
      side: `"user"` or `"item"`, to export that tower alone.
      price: of several rankers: the served `Numeric` that their product is multiplied by; where it
        is missing, by 0.
      signatures: others of one's own besides: see `tfpfd.serving.Signature`.
      details: for the manifest: what else is known of the student, such as metrics and the time
        span of its rows; what JSON can hold.
      warmup_requests: whether to write warm-up requests, which needs tensorflow-serving-api
        (`pip install "tfpfd[serving]"`). None: where that is installed.
      operations: names of TensorFlow operations of one's own that the student's layers use; those
        of TensorFlow's own layers are allowed already: see `inspect`.
      verbose: 0: silent, 1: a progress bar.

    Returns:
      The directory of the version.

    Raises:
      ImportError: `warmup_requests=True` without tensorflow-serving-api.
      TypeError: `student` is no ranker with a two-tower network, `details` isn't JSON,
        `attributes` or `operations` is one string, or `signatures` holds something else.
      ValueError: the student sees privileged features or holds what does, or has diverged; `items`
        has bad rows, `table` is no type of table or can't hold their embeddings, or `attributes`
        names no features of the item; a signature or an input has a name that is taken.
      OSError: `path` can't be written.
      RuntimeError: something privileged was found in the files written; nothing is published.
    """
    base = path_in("path", path)
    operations = names_in("operations", operations)
    if side is not None:
        if items is not None:
            raise ValueError("`items` must be None for one `side` alone: a table needs both towers")
        plan = tower_plan(student, side)
    elif items is not None:
        plan = catalogue_plan(student, k, table, names_in("attributes", attributes))
    elif isinstance(student, Mapping):
        plan = expected_value_plan(student, price)
    else:
        plan = ranker_plan(student)
    plan = plan.with_more(signatures)
    details = checked_details(details)
    requests = can_write_warmup_requests(warmup_requests)
    functions = plan.functions()
    check_reads(functions)
    # Now, as embedding a large catalogue takes long; what can be written only writing shows.
    check_writable(base)
    # Their names stand in the manifest alone, so that every other file can be searched for them.
    served = dataclasses.replace(plan.schema.served(), stripped=())
    rankers: list[Any] = list(student.values()) if isinstance(student, Mapping) else [student]
    stripped = list(dict.fromkeys(name for one in rankers for name in one.schema.unserved))

    def write(directory: Path) -> dict[str, Any]:
        tf.saved_model.save(plan.module, str(directory), signatures=functions)
        facts = {**plan.facts, "stripped": stripped}
        if items is None:
            return facts
        with tempfile.TemporaryDirectory(dir=directory) as aside:
            parts = KeptEmbeddings(Path(aside), "")
            embed = functions["item_embedding"]
            return write_items(directory, embed, served, items, parts, facts, verbose)

    version = publish(base, write, served, details, requests, operations)
    if verbose and not requests and warmup_requests is None:
        print('No warm-up requests for TF Serving were written: pip install "tfpfd[serving]"')
    return version
