"""Rows to batches that `model.fit` takes: checked, looked up once, kept as inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfpfd._arguments import check_flag, check_integer, names_in, shown
from tfpfd.data.epochs import orders
from tfpfd.data.list_ids import LIST, hashed, numbered
from tfpfd.data.whole_lists import batches_of_lists
from tfpfd.schema import Schema, raw_batches
from tfpfd.schema.batch_fingerprints import SCHEMA
from tfpfd.schema.batches import Source, check_columns, rows_of
from tfpfd.schema.columns import column
from tfpfd.schema.feature import raw_columns
from tfpfd.schema.label_checks import check_target, checked, checked_labels, checked_weights
from tfpfd.schema.schema import check_schema


def from_rows(
    source: Source,
    schema: Schema,
    batch_size: int = 1024,
    shuffle: bool = False,
    seed: int | None = None,
    by_list: bool = False,
    extra_columns: Sequence[str] = (),
    labels: Sequence[str] = (),
) -> tf.data.Dataset:
    """Batches of rows that fit in memory, as table rows (4 bytes a value).

    Every column is checked and looked up once, before the first batch.

    >>> import pandas as pd
    >>> from tfpfd import Categorical
    >>> schema = Schema(
    ...     user=[Categorical("user", vocabulary=("ann", "bob"))],
    ...     item=[Categorical("book", vocabulary=("emma", "ulysses"))],
    ... )
    >>> rows = pd.DataFrame(
    ...     {"user": ["ann", "bob"], "book": ["emma", "walden"], "label": [1.0, 0.0]}
    ... )
    >>> ((inputs, labels),) = from_rows(rows, schema, batch_size=2)
    >>> inputs["book"].numpy().tolist()  # 0 is padding, 1 what is out of vocabulary
    [2, 1]
    >>> labels.numpy().tolist()
    [1.0, 0.0]

    Args:
      source: the rows: see `tfpfd.schema.raw_batches`.
      schema: an adapted schema; `schema.served()` when `source` has no privileged columns.
      batch_size: rows a batch.
      shuffle: whether every epoch has another order.
      seed: of the order; several workers that train in step need one, the same in each.
      by_list: whether the rows of a list, which share the schema's list key, stand together in one
        batch, as losses of lists need it; rows then come list by list, in the order in which their
        lists first appear, also from `predict`. A batch holds whole lists of `batch_size` rows at
        most together, a longer list is a batch of its own, and lists are shuffled whole. Shuffled
        batches are as many in every epoch: nearly full where lists are much shorter than a batch,
        and a third full or more where they aren't.
      extra_columns: columns of numbers to pass through beside the features, such as the scores of a
        teacher trained before.
      labels: columns of further labels in [0, 1], those of secondary objectives; unlike those to
        `extra_columns` they may be NaN, on rows without such a label.

    Returns:
      A dataset of `(inputs, labels)`, or `(inputs, labels, weights)` if the schema has a weight:
      int32 `[batch]` or `[batch, length]` by feature (or what its kind is looked up to), float32
      `[batch]`, float32 `[batch]`. A row without a label has the label NaN. With `by_list` the
      inputs say under `tfpfd.data.LIST` which rows share a list, as int64 `[batch]`; columns to
      `extra_columns` and further `labels` are in the inputs as float32 `[batch]`.

    Raises:
      TypeError: `extra_columns` or `labels` is one string.
      ValueError: naming the column, what was expected and what came; no row with a label of a kind;
        `by_list` without a list key in the schema, or `extra_columns` or `labels` naming a column
        that the schema uses otherwise.
    """
    check_schema(schema)
    check_integer("batch_size", batch_size, least=1)
    check_flag("shuffle", shuffle)
    check_flag("by_list", by_list)
    if seed is not None:
        check_integer("seed", seed, least=0)
    extra_columns, labels = names_in("extra_columns", extra_columns), names_in("labels", labels)
    if by_list and schema.list_key is None:
        raise ValueError("`by_list` needs to know the lists: declare `list_key` in the schema")
    columns, lists = looked_up(source, schema, extra_columns, labels)
    if by_list and lists is not None:
        return prefetched(batches_of_lists(columns, lists, batch_size, shuffle, seed))
    # Without a word of lists: batches that cut them would make what looks at lists silently wrong.
    return batched(columns, len(columns[1]), batch_size, shuffle, seed)


def looked_up(
    source: Source, schema: Schema, extra_columns: Sequence[str] = (), labels: Sequence[str] = ()
) -> tuple[Any, np.ndarray | None]:
    """All rows, checked and looked up, in their order.

    Args:
      source: as of `from_rows`, like the others.
      schema: an adapted schema.
      extra_columns: columns of numbers to pass through.
      labels: columns of further labels.

    Returns:
      `(inputs, labels)` or `(inputs, labels, weights)`, arrays `[rows, ...]`, and int64 `[rows]`
      the number of each row's list, from 0 in the order in which lists appear; None if the schema
      has no list key.

    Raises:
      TypeError: as of `from_rows`.
      ValueError: as of `from_rows`.
    """
    names = _column_names(schema, extra_columns, labels)
    parts, keys = [], []
    for raw in raw_batches(source, names):
        if rows_of(raw):
            parts.append(_look_up(schema, raw, extra_columns, labels))
            if schema.list_key is not None:
                keys.append(raw[schema.list_key])
    if not parts:
        raise ValueError("`source` is empty: expected rows, received none")
    columns = tf.nest.map_structure(lambda *arrays: np.concatenate(arrays), *parts)
    rows = len(columns[1])
    for name, values in {schema.label: columns[1], **{n: columns[0][n] for n in labels}}.items():
        if np.isnan(values).all():
            raise ValueError(
                f"label column '{name}': expected a label in at least one row, received "
                f"{rows} rows without one (NaN)"
            )
    return columns, None if schema.list_key is None else numbered(schema.list_key, keys)


def from_stream(
    raw: tf.data.Dataset,
    schema: Schema,
    extra_columns: Sequence[str] = (),
    labels: Sequence[str] = (),
) -> tf.data.Dataset:
    """Batches of rows of any number, looked up while training runs.

    Labels, weights and columns to keep are checked in every batch; features are not, `Schema.adapt`
    has checked them if it read the same rows. For losses of lists, the rows of a list must stand in
    one batch of `raw`.

    Args:
      raw: batches of raw columns, as dicts: `[batch]`, or for several values a row `[batch, width]`
        padded with "" or negative numbers, or ragged.
      schema: an adapted schema; `schema.served()` when `raw` has no privileged columns.
      extra_columns: columns of numbers to pass through; see `from_rows`.
      labels: columns of further labels; see `from_rows`.

    Returns:
      A dataset as `from_rows` returns it, in the order and with the batches of `raw`. If the schema
      has a list key, the inputs say under `tfpfd.data.LIST` which rows share a list.

    Raises:
      ValueError: a column is missing, or of another rank or type, or `extra_columns` or `labels`
        names a column that the schema uses otherwise.
      TypeError: `raw` is no dataset or doesn't yield dicts, or `extra_columns` or `labels` is one
        string.
      tf.errors.InvalidArgumentError: while it is read, naming the column, what was expected and
        what came, as `from_rows` does.
    """
    check_schema(schema)
    extra_columns, labels = names_in("extra_columns", extra_columns), names_in("labels", labels)
    if not isinstance(raw, tf.data.Dataset):
        raise TypeError(f"`raw` must be a tf.data.Dataset of batches, received {shown(raw)}")
    check_columns(raw.element_spec, _column_names(schema, extra_columns, labels))

    def look_up(batch: Any) -> tuple:
        label = _label(schema.label, batch)
        kept = {name: _kept(name, batch) for name in extra_columns}
        further = {name: _label(name, batch) for name in labels}
        inputs = {**schema.lookup(batch), **kept, **further}
        if schema.list_key is not None:
            inputs[LIST] = hashed(schema.list_key, batch[schema.list_key])
        if schema.sample_weight is None:
            return inputs, label
        return inputs, label, _weight(schema.sample_weight, batch)

    return prefetched(raw.map(look_up, num_parallel_calls=tf.data.AUTOTUNE))


def prefetched(batches: tf.data.Dataset) -> tf.data.Dataset:
    """The batches, the next ones made ready while one is used; they end without a wait."""
    # While it is tuning itself, a dataset ends only when the tuner wakes up: 10 ms, 30 ms, 70 ms
    # and so on after the start, so that an epoch of `fit` may take twice its time.
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.prefetch(2).with_options(options)


def _column_names(schema: Schema, extra_columns: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Every column needed; refuses columns to pass on that would stand in another's place."""
    taken = {*raw_columns(schema.features().values()), schema.label, schema.sample_weight, LIST}
    for argument, names in (("extra_columns", extra_columns), ("labels", labels)):
        for name in names:
            if argument == "labels" and name in extra_columns:
                raise ValueError(
                    f"`labels` names '{name}', which `extra_columns` names too: expected it in one "
                    "of them"
                )
            if name in taken or name.startswith(SCHEMA):
                raise ValueError(
                    f"`{argument}` names '{name}': expected columns other than features, label "
                    "and weight"
                )
    return list(dict.fromkeys([*schema.column_names, *extra_columns, *labels]))


def _label(name: str, batch: Any) -> tf.Tensor:
    return checked_labels(f"label column {name}", _numbers(name, batch))


def _weight(name: str, batch: Any) -> tf.Tensor:
    return checked_weights(f"weight column {name}", _numbers(name, batch))


def _kept(name: str, batch: Any) -> tf.Tensor:
    numbers = _numbers(name, batch)
    return checked(f"column {name}: expected finite numbers", numbers, tf.math.is_finite(numbers))


def _numbers(name: str, batch: Any) -> tf.Tensor:
    values = batch[name]
    # Of shape [batch, 1], losses would silently compare every row with every other one.
    if values.shape.rank not in (None, 1) or values.dtype == tf.string:
        raise ValueError(
            f"column '{name}': expected numbers of shape [batch], received {values.dtype.name} "
            f"of shape {values.shape}"
        )
    return tf.cast(values, tf.float32)


def _look_up(
    schema: Schema, raw: Any, extra_columns: Sequence[str], further: Sequence[str]
) -> tuple:
    columns = schema.columns(raw, schema.features().values())
    # Now, also where a strategy calls the function that makes the data set while it traces.
    with tf.init_scope():
        ids = schema.lookup({name: tf.constant(values) for name, values in columns.items()})
        inputs = {name: rows.numpy() for name, rows in ids.items()}
    for name in extra_columns:
        inputs[name] = column(name, raw[name], "float", several=False, optional=False)
    for name in further:
        inputs[name], _ = check_target(raw, name, None)
    labels, weights = schema.target(raw)
    return (inputs, labels) if weights is None else (inputs, labels, weights)


def batched(
    columns: Any, rows: int, size: int, shuffle: bool = False, seed: int | None = None
) -> tf.data.Dataset:
    """Batches of columns that were looked up.

    Args:
      columns: `(inputs, labels)` or `(inputs, labels, weights)`, arrays with `rows` entries.
      rows: number of rows.
      size: rows a batch.
      shuffle: whether every epoch has another order.
      seed: of the order.
    """
    # Whole batches are gathered by index: slicing row by row and batching again is far slower.
    with tf.init_scope():  # A graph that is being traced can't hold more than 2 GB.
        held = tf.nest.map_structure(tf.constant, columns)
    order = tf.data.Dataset.range(rows).batch(size)
    if shuffle:
        starts = tf.data.Dataset.range(0, rows, size)
        order = orders(rows, seed).flat_map(
            lambda every: starts.map(lambda start: every[start : start + size])
        )
        order = order.apply(tf.data.experimental.assert_cardinality(-(-rows // size)))
    return prefetched(
        order.map(
            lambda index: tf.nest.map_structure(lambda column: tf.gather(column, index), held),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
    )
