"""A training step of lists: what rows have in common computed once, or once a row.

Rows of a list share their user; of many lists that draw from one catalogue, rows share their item.

python benchmarks/lists.py [--steps 40] [--repeats 5] [--processor-time]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import pandas as pd
import tensorflow as tf
from common import add_clock, clock_of, fit, machine, side_by_side, table

import tfpfd
from tfpfd.data.common_features import ONCE

keras = tf.keras
USERS, ITEMS, LISTS, DRAWN, HISTORY, BATCH = 1000, 1700, 4000, 20, 50, 1024


def rows_of(random: np.random.Generator) -> tuple[tfpfd.Schema, tf.data.Dataset]:
    """Lists of an item that a user chose and 20 others, as a coarse ranker is trained on."""
    size = DRAWN + 1
    users = random.integers(0, USERS, LISTS)
    columns = {
        "user": np.repeat(users, size),
        "history": np.repeat(random.integers(0, ITEMS, (LISTS, HISTORY)), size, axis=0),
        "item": random.integers(0, ITEMS, LISTS * size),
        "kinds": random.integers(0, 20, (LISTS * size, 3)),
        "affinity": random.normal(size=LISTS * size),
        "label": np.tile(np.eye(1, size)[0], LISTS),
        "request": np.repeat(np.arange(LISTS), size),
    }
    schema = tfpfd.Schema(
        [tfpfd.Categorical("user", dtype="int"), tfpfd.Sequence("history", of="item", length=50)],
        [
            tfpfd.Categorical("item", dtype="int"),
            tfpfd.Categorical("kinds", dtype="int", length=3),
        ],
        {"cross": [tfpfd.Numeric("affinity")]},
        list_key="request",
    ).adapt(columns, verbose=0)
    return schema, tfpfd.data.from_rows(columns, schema, BATCH, by_list=True)


def distillation(schema: tfpfd.Schema, behaviour: keras.layers.Layer) -> tfpfd.Distillation:
    """A two-tower student and a teacher that shares its inputs, losses of lists for both."""
    encoder = tfpfd.FeatureEncoder(schema, dim=16, behaviour=behaviour, l2=1e-3)
    # Towers with batch normalisation are run for each row, as its statistics count rows.
    towers = tfpfd.TwoTower([64, 32], batch_norm=False)
    student = tfpfd.Ranker(schema, towers, encoder=encoder)
    teacher = tfpfd.Ranker(
        schema, tfpfd.MLP([64, 32], batch_norm=False), sees="all", encoder=encoder
    )
    model = tfpfd.Distillation(
        student=student, teacher=teacher, distillation_loss=tfpfd.losses.SoftListwiseSoftmax()
    )
    model.compile(keras.optimizers.Adam(2e-3), loss=tfpfd.losses.ListwiseSoftmax())
    return model


def coarse(random: np.random.Generator) -> tuple[tfpfd.Schema, tf.data.Dataset]:
    """Lists of a chosen item and 100 drawn ones, 64 a batch, of one catalogue."""
    rows = pd.DataFrame({"user": random.integers(0, USERS, LISTS)})
    rows["history"] = list(random.integers(0, ITEMS, (LISTS, HISTORY)))
    rows["item"] = random.integers(0, ITEMS, LISTS)
    items = pd.DataFrame({"item": np.arange(ITEMS)})
    items["kinds"] = list(random.integers(0, 20, (ITEMS, 3)))
    whole = rows.merge(items, on="item").assign(label=1.0)
    schema = tfpfd.Schema(
        [tfpfd.Categorical("user", dtype="int"), tfpfd.Sequence("history", of="item", length=50)],
        [
            tfpfd.Categorical("item", dtype="int"),
            tfpfd.Categorical("kinds", dtype="int", length=3),
        ],
    ).adapt(whole, verbose=0)
    lists = tfpfd.data.from_positives(
        rows, items, schema, user="user", item="item", drawn=100, batch_size=64 * 101
    )
    return schema, lists


def alone(schema: tfpfd.Schema) -> tfpfd.Ranker:
    """A two-tower student."""
    encoder = tfpfd.FeatureEncoder(schema, dim=64)
    student = tfpfd.Ranker(schema, tfpfd.TwoTower([64], batch_norm=False), encoder=encoder)
    student.compile(keras.optimizers.Adam(2e-3), loss=tfpfd.losses.ListwiseSoftmax())
    return student


def main() -> None:
    """Prints a table for each way to encode the history."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=40, help="batches a run")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each candidate")
    add_clock(parser)
    options = parser.parse_args()
    clock, unit = clock_of(options)
    print(machine(), "\n")

    def once_a_row(inputs: dict, labels: tf.Tensor) -> tuple:
        return {k: v for k, v in inputs.items() if not k.startswith(ONCE)}, labels

    def measure(title: str, make: Callable[[], keras.Model], batches: tf.data.Dataset) -> None:
        held = batches.take(options.steps).cache()
        runs = {"once": fit(make(), held), "a row": fit(make(), held.map(once_a_row).cache())}
        seconds = side_by_side(runs, options.repeats, clock)
        table(title, f"{unit} a step", seconds, options.steps, "once")

    schema, batches = rows_of(np.random.default_rng(0))
    for behaviour in (tfpfd.MeanPooling, tfpfd.SelfAttention):
        title = f"Student and teacher, lists of {DRAWN + 1} rows, history of {HISTORY}"
        measure(
            f"{title}, {behaviour.__name__}",
            lambda of=behaviour: distillation(schema, of()),
            batches,
        )
    schema, batches = coarse(np.random.default_rng(0))
    measure("A coarse ranker alone, 64 lists of 101 rows", lambda: alone(schema), batches)


if __name__ == "__main__":
    main()
