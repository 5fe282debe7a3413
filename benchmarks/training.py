"""Training speed: (a) what a teacher adds, (b) against the TFRS-tutorial idiom.

python benchmarks/training.py [--steps 40] [--repeats 5]
"""

from __future__ import annotations

import argparse

import numpy as np
import tensorflow as tf
from common import (
    BATCH,
    DIM,
    FEATURES,
    ROWS_A_TABLE,
    UNITS,
    batches,
    fit,
    machine,
    report,
    schema,
    side_by_side,
    table_rows,
)

import tfpfd

keras = tf.keras


def teacher_overhead(steps: int, repeats: int, sequences: int) -> list[str]:
    """(a) A same-size teacher with shared inputs, against the student alone."""
    made = schema(sequences)
    data = batches(table_rows(made, BATCH * steps), steps)

    def student() -> tfpfd.Ranker:
        encoder = tfpfd.FeatureEncoder(made, dim=DIM, behaviour=tfpfd.SelfAttention())
        return tfpfd.Ranker(made, tfpfd.TwoTower(UNITS), encoder=encoder)

    alone, taught, apart = student(), student(), student()
    shared = tfpfd.Ranker(made, tfpfd.TwoTower(UNITS), sees="all", encoder=taught.encoder)
    own = tfpfd.FeatureEncoder(made, made.features("all"), dim=DIM, behaviour=tfpfd.SelfAttention())
    independent = tfpfd.Ranker(made, tfpfd.TwoTower(UNITS), sees="all", encoder=own)
    models = {
        "student alone": alone,
        "with a teacher, shared inputs": tfpfd.Distillation(student=taught, teacher=shared),
        "with a teacher, own inputs": tfpfd.Distillation(student=apart, teacher=independent),
    }
    for model in models.values():
        model.compile(optimizer=tfpfd.optimizers.RowWiseAdagrad(0.01))
    seconds = side_by_side({name: fit(m, data) for name, m in models.items()}, repeats)
    title = f"(a) joint training, {FEATURES} features and {sequences} behaviour sequences of 50"
    return report(title, seconds, BATCH * steps, "rows", "student alone")


class TutorialModel(keras.Model):
    """The same two towers as the tutorials write them: lookup and embedding in the model."""

    def __init__(self, made: tfpfd.Schema, units: list[int]) -> None:
        super().__init__()
        self.embed, self.towers = {}, {}
        for side in ("user", "item"):
            for feature in made.sides[side]:
                # As an array: of a list, Keras 2 looks at every word at every call of `fit`.
                lookup = keras.layers.StringLookup(vocabulary=np.array(feature.vocabulary))
                size = lookup.vocabulary_size()
                self.embed[feature.name] = keras.Sequential(
                    [lookup, keras.layers.Embedding(size, DIM)]
                )
            layers = []
            for i, width in enumerate(units):
                layers.append(keras.layers.Dense(width))
                if i < len(units) - 1:
                    layers += [keras.layers.BatchNormalization(), keras.layers.LeakyReLU()]
            self.towers[side] = keras.Sequential(layers)
        self.names = {s: [f.name for f in made.sides[s]] for s in ("user", "item")}

    def call(self, inputs: dict, training: bool = False) -> tf.Tensor:
        """Logits."""
        sides = [
            tf.math.l2_normalize(
                self.towers[side](
                    tf.concat([self.embed[n](inputs[n]) for n in names], 1), training=training
                ),
                axis=1,
            )
            for side, names in self.names.items()
        ]
        return 5.0 * tf.reduce_sum(sides[0] * sides[1], axis=1, keepdims=True)


def tutorial(steps: int, repeats: int, units: list[int]) -> list[str]:
    """(b) Rows a second against the tutorial idiom of the same model."""
    made = schema(sequences=0, privileged=0)
    inputs, labels = table_rows(made, BATCH * steps)
    words = np.array(["", "[unknown]", *next(iter(made.vocabularies.values())).vocabulary])
    raw = {name: words[rows].astype("S") for name, rows in inputs.items()}
    bce = keras.losses.BinaryCrossentropy(from_logits=True)
    auc = [keras.metrics.AUC(name="auc", from_logits=True)]
    models = {}
    for name, optimizer in (
        ("tutorial idiom, stock Adam", keras.optimizers.Adam(1e-3)),
        ("tutorial idiom, RowWiseAdagrad", tfpfd.optimizers.RowWiseAdagrad(0.01)),
    ):
        models[name] = (TutorialModel(made, units), optimizer, batches((raw, labels), steps))
    ids = batches((inputs, labels), steps)
    for name, optimizer in (
        ("tfpfd, stock Adam", keras.optimizers.Adam(1e-3)),
        ("tfpfd, RowWiseAdagrad", tfpfd.optimizers.RowWiseAdagrad(0.01)),
    ):
        encoder = tfpfd.FeatureEncoder(made, dim=DIM)
        models[name] = (tfpfd.Ranker(made, tfpfd.TwoTower(units), encoder=encoder), optimizer, ids)
    runs = {}
    for name, (model, optimizer, data) in models.items():
        model.compile(optimizer=optimizer, loss=bce, metrics=auc if "idiom" in name else None)
        runs[name] = fit(model, data)
    size = f"{FEATURES * ROWS_A_TABLE / 1e6:.0f} million table rows, towers {units}"
    title = f"(b) {FEATURES} features, {size}"
    return report(
        title, side_by_side(runs, repeats), BATCH * steps, "rows", "tfpfd, RowWiseAdagrad"
    )


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=30, help="batches a run")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each candidate")
    options = parser.parse_args()
    lines = [machine(), ""]
    for sequences in (3, 0):
        lines += teacher_overhead(options.steps, options.repeats, sequences)
    for units in (UNITS, [64, 32]):
        lines += tutorial(options.steps, options.repeats, units)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
