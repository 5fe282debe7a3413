"""What values and vectors cost: a ranker of them against plain Keras of the same layers.

python benchmarks/kinds.py [--steps 30] [--repeats 5] [--processor-time]
"""

from __future__ import annotations

import argparse

import numpy as np
import tensorflow as tf
from common import (
    BATCH,
    UNITS,
    add_clock,
    batches,
    clock_of,
    fit,
    machine,
    side_by_side,
    table,
)

import tfpfd

keras = tf.keras
VALUES, DIM = 40, 64


def declared(optional: bool) -> tfpfd.Schema:
    """Forty values and two vectors, half of them the item's."""

    def group(side: str) -> list:
        values = [
            tfpfd.Numeric(f"{side}_{i}", form="value", mean=0.0, deviation=1.0, optional=optional)
            for i in range(VALUES // 2)
        ]
        return [*values, tfpfd.Vector(f"{side}_vector", DIM, optional=optional)]

    return tfpfd.Schema(user=group("user"), item=group("item"))


class Plain(keras.Model):
    """The same layers on the same inputs beside each other."""

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.names = names
        layers = []
        for width in UNITS:
            layers += [keras.layers.Dense(width), keras.layers.LeakyReLU()]
        self.hidden = keras.Sequential([*layers, keras.layers.Dense(1)])

    def call(self, inputs: dict, training: bool = False) -> tf.Tensor:
        """Logits."""
        joined = tf.concat([inputs[name] for name in self.names], axis=1)
        return self.hidden(joined, training=training)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=30, help="batches a run")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each candidate")
    add_clock(parser)
    options = parser.parse_args()
    clock, unit = clock_of(options)
    print(machine(), "\n")
    random = np.random.default_rng(0)
    rows = BATCH * options.steps
    for optional in (False, True):
        made = declared(optional)
        raw = {
            name: random.normal(size=(rows, *spec.shape[1:])).astype(np.float32)
            for feature in made.features().values()
            for name, spec in feature.signature(made.features()).items()
        }
        raw["label"] = random.integers(0, 2, rows).astype(np.float32)
        ((inputs, labels),) = tfpfd.data.from_rows(raw, made, rows)
        data = batches((dict(inputs), labels), options.steps)
        names = list(made.features())
        models = {
            "plain Keras": Plain(names),
            "tfpfd": tfpfd.Ranker(made, tfpfd.MLP(UNITS, batch_norm=False)),
        }
        bce = keras.losses.BinaryCrossentropy(from_logits=True)
        for model in models.values():
            model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=bce, metrics=[])
        seconds = side_by_side(
            {name: fit(model, data) for name, model in models.items()}, options.repeats, clock
        )
        missing = ", with indicators of what is missing" if optional else ""
        title = f"{VALUES} values and 2 vectors of {DIM}{missing}, {UNITS}"
        table(title, f"{unit} a step", seconds, options.steps, "plain Keras")


if __name__ == "__main__":
    main()
