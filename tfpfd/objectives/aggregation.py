"""Stochastic label aggregation: the label of one objective, drawn at random, for each list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from tfpfd._arguments import shown
from tfpfd.data.epochs import seeds
from tfpfd.data.list_ids import LIST
from tfpfd.objectives.objective_labels import labels_of
from tfpfd.objectives.objective_weights import check_shares
from tfpfd.schema import Schema
from tfpfd.schema.schema import check_schema


def aggregate_labels(
    batches: tf.data.Dataset,
    schema: Schema,
    weights: Mapping[str, float],
    per: Literal["list", "row"] = "list",
    seed: int | None = None,
) -> tf.data.Dataset:
    """Batches whose label is that of one objective, drawn anew in every epoch.

    An objective's chance is its share of the weights, so that the expected loss of an ordinary
    ranker that is fitted on them is the weighted sum of the losses of all objectives:

        train = tfpfd.data.from_rows(rows, schema, by_list=True, labels=["kept"])
        ranker.fit(tfpfd.aggregate_labels(train, schema, {"booked": 0.8, "kept": 0.2}), epochs=5)

    The two-phase form is a composition too: fit a ranker for each objective, write its scores
    beside the rows, declare them as `Numeric` features, and fit a ranker of that schema as above.

    Args:
      batches: `(inputs, labels)` or `(inputs, labels, weights)`; see `tfpfd.data.from_rows`.
      schema: names the label, the primary objective.
      weights: by objective, at least 0; the labels of others than the primary one are columns that
        `labels=` of `from_rows` passes on.
      per: whether a label is drawn for each list of a batch or for each row.
      seed: of the draws.

    Returns:
      The same batches with other labels. Where the drawn objective has no label (NaN), the row has
      none.

    Raises:
      TypeError: `batches` is no dataset, or `schema` no schema.
      ValueError: a weight is negative or not finite, or all are 0; a column is missing; `per` is
        something else; or labels are to be drawn for lists but the batches don't say which rows
        share one.

    Reference:
      Carmel et al., "Multi-Objective Ranking Optimization for Product Search Using Stochastic
      Label Aggregation", WWW 2020.
    """
    if not isinstance(batches, tf.data.Dataset):
        raise TypeError(f"`batches` must be a tf.data.Dataset, received {shown(batches)}")
    check_schema(schema)
    numbers = np.array(list(check_shares(weights).values()))
    # The last bound is above 1, so that no draw lies beyond it.
    bounds = tf.constant([*np.cumsum(numbers / numbers.sum())[:-1], 2.0], tf.float32)
    inputs_spec, label_spec = batches.element_spec[:2]
    labels_of(schema.label, weights, inputs_spec, label_spec)
    if per not in ("list", "row"):
        raise ValueError(f"`per` must be 'list' or 'row', received {per!r}")
    if per == "list" and LIST not in inputs_spec:
        raise ValueError(
            "`per` is 'list', but the batches don't say which rows share one: declare `list_key` "
            "in the schema and make them with `tfpfd.data.from_rows(…, by_list=True)`, or draw "
            "per='row'"
        )

    def drawn(batch: tuple, key: tf.Tensor) -> tuple[Any, ...]:
        inputs, y, *rest = batch
        columns = labels_of(schema.label, weights, inputs, y)
        labels = tf.stack([tf.reshape(column, [-1]) for column in columns.values()], axis=1)
        count = tf.shape(labels)[0]
        place = tf.unique(inputs[LIST]).idx if per == "list" else tf.range(count)
        draws = tf.gather(tf.random.stateless_uniform([count], key), place)
        chosen = tf.searchsorted(bounds, draws, side="right")
        return inputs, tf.gather(labels, chosen, batch_dims=1), *rest

    def of_batches(key: tf.Tensor) -> tf.data.Dataset:
        fold_in = tf.random.experimental.stateless_fold_in
        return tf.data.Dataset.range(tf.int64.max).map(lambda batch: fold_in(key, batch))

    pairs = tf.data.Dataset.zip((batches, seeds(seed).flat_map(of_batches)))
    # What draws for every batch doesn't know how many there will be.
    count = tf.get_static_value(batches.cardinality())
    if count is not None and count >= 0:
        pairs = pairs.apply(tf.data.experimental.assert_cardinality(count))
    return pairs.map(drawn, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(2)
