"""Embedding tables of one width, stored as one variable."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfpfd._keras import keras, register, tf_variable
from tfpfd.schema import Feature
from tfpfd.schema.table_requests import Asked, Embedded


@register
class Tables(keras.layers.Layer):
    """Embedding tables of one width behind each other in one variable.

    So a batch needs one gather, and a step one sparse update, for dozens of features.

    Args:
      rows: number of rows of each table, by its name.
      dim: width of a row.
      frozen: whether rows stay as they are, whatever is trained.
    """

    def __init__(
        self, rows: Mapping[str, int], dim: int, frozen: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        ends = np.cumsum(list(rows.values())).tolist()
        self.rows = dict(rows)
        self.dim = dim
        self.frozen = frozen
        self.offset = dict(zip(rows, [0, *ends[:-1]], strict=True))
        # XLA would read and write whole tables where the gather and the update touch a few rows.
        self.supports_jit = False
        self.table = self.add_weight(
            name="table",
            shape=(ends[-1], dim),
            initializer=keras.initializers.RandomUniform(-0.05, 0.05),
            trainable=not frozen,
        )
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Gathers rows.

        Args:
          inputs: int32 `[batch, values]`, a row of a table plus that table's `offset`.

        Returns:
          `[batch, values, dim]`.
        """
        rows = tf.nn.embedding_lookup(tf_variable(self.table), inputs)
        return tf.cast(rows, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        config = {"rows": dict(self.rows), "dim": self.dim, "frozen": self.frozen}
        return {**super().get_config(), **config}


def new_tables(
    features: Iterable[Feature],
    known: Mapping[str, Feature],
    base: Mapping[str, Tables],
    width_of: Callable[[str], int],
    frozen: Collection[str],
    policy: str,
) -> list[Tables]:
    """The tables that features read, but for those that are there already.

    Args:
      features: whose tables are made.
      known: the features of the schema.
      base: those that are there, by name.
      width_of: the width of a table, of its name.
      frozen: names of those that aren't trained.
      policy: name of their dtype policy.
    """
    groups: dict[tuple[int, bool], dict[str, int]] = {}
    for feature in features:
        for table in feature.tables:
            if table not in base:
                group = groups.setdefault((width_of(table), table in frozen), {})
                group[table] = feature.table_rows(table, known)
    return [
        Tables(rows, width, held, name=f"width_{width}{'_frozen' * held}", dtype=policy)
        for (width, held), rows in groups.items()
    ]


def gathered(
    tables: Mapping[str, Tables], asked: Mapping[str, Sequence[Asked]]
) -> dict[str, list[Embedded]]:
    """What comes back for each of what features ask: one gather a width.

    Args:
      tables: by the name of the vocabulary.
      asked: by feature.
    """
    by_width: dict[Tables, list[Asked]] = {}
    for one in (one for group in asked.values() for one in group):
        by_width.setdefault(tables[one.table], []).append(one)
    found: dict[int, Embedded] = {}
    for held, ones in by_width.items():
        shifted = [one.rows + held.offset[one.table] for one in ones]
        vectors = held(tf.concat(shifted, axis=1))
        parts = tf.split(vectors, [part.shape[1] for part in shifted], axis=1)
        for one, part in zip(ones, parts, strict=True):
            found[id(one)] = Embedded(part, one.rows > 0)
    return {name: [found[id(one)] for one in group] for name, group in asked.items()}
