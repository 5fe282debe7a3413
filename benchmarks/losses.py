"""Losses: what looking at whole lists costs, against the pointwise loss.

python benchmarks/losses.py [--rows 100000] [--size 10] [--repeats 10]
"""

from __future__ import annotations

import argparse

import numpy as np
import tensorflow as tf
from common import machine, report, side_by_side

import tfpfd
from tfpfd import losses
from tfpfd.data import LIST
from tfpfd.distillation.targets import Targets

BATCH, INNER, FEATURES = 10_000, 10, 10

LABELS = {
    "CrossEntropy (pointwise)": losses.CrossEntropy(),
    "ListwiseSoftmax": losses.ListwiseSoftmax(),
    "PairwiseLogistic": losses.PairwiseLogistic(),
}
SOFT_LABELS = {
    "SoftCrossEntropy (pointwise)": losses.SoftCrossEntropy(),
    "SoftListwiseSoftmax": losses.SoftListwiseSoftmax(),
    "CalibratedListwise": losses.CalibratedListwise(),
    "SoftPairwiseLogistic": losses.SoftPairwiseLogistic(),
}


def lists_of(rows: int, size: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """The list of each row, by how lists stand in a batch."""
    same = np.arange(rows, dtype=np.int64) // size
    sizes = random.integers(1, 2 * size, 2 * rows // size)
    varied = np.repeat(np.arange(len(sizes), dtype=np.int64), sizes)[:rows]
    return {
        f"lists of {size}": same,
        f"lists of 1 to {2 * size - 1}": varied,
        f"lists of {size}, their rows apart": random.permutation(same),
    }


def alone(lists: np.ndarray, kind: str, repeats: int) -> list[str]:
    """Loss and gradient by the logits, without a model."""
    random, rows = np.random.default_rng(0), len(lists)
    student, teacher = (tf.constant(random.normal(size=rows), tf.float32) for _ in range(2))
    labels = tf.constant(random.integers(0, 2, rows), tf.float32)
    targets = Targets(labels, tf.ones([rows]), tf.constant(lists))

    def candidate(loss, truth):
        @tf.function
        def step(logits):
            with tf.GradientTape() as tape:
                tape.watch(logits)
                value = losses.mean_loss(loss, truth, logits, targets, targets.labelled)
            return tf.convert_to_tensor(tape.gradient(value, logits))

        return lambda: [step(student).numpy() for _ in range(INNER)]

    lines = []
    for group, truth in ((LABELS, labels), (SOFT_LABELS, teacher)):
        seconds = side_by_side({name: candidate(x, truth) for name, x in group.items()}, repeats)
        title = f"loss and gradient alone, {rows:,} rows in {kind}"
        lines += report(title, seconds, INNER * rows, "rows", next(iter(group)))
    return lines


def training(rows: int, size: int, repeats: int) -> list[str]:
    """An epoch of a small ranker, and of a distillation, in batches of whole lists."""
    random = np.random.default_rng(0)
    vocabulary = tuple(range(1000))
    made = tfpfd.Schema(
        user=[
            tfpfd.Categorical(f"u{i}", dtype="int", vocabulary=vocabulary)
            for i in range(FEATURES // 2)
        ],
        item=[
            tfpfd.Categorical(f"i{i}", dtype="int", vocabulary=vocabulary)
            for i in range(FEATURES // 2)
        ],
        list_key="request",
    )
    columns = {name: random.integers(0, 1000, rows) for name in made.features()}
    columns["label"] = random.integers(0, 2, rows)
    columns["request"] = np.arange(rows) // size
    data = tfpfd.data.from_rows(columns, made, BATCH, by_list=True).cache()
    assert LIST in data.element_spec[0]

    def ranker():
        return tfpfd.Ranker(made, tfpfd.TwoTower([64, 32]))

    def fit(model, loss=None):
        model.compile(tfpfd.optimizers.RowWiseAdagrad(0.01), loss=loss, metrics=[])
        return lambda: model.fit(data, verbose=0)

    candidates = {name: fit(ranker(), loss) for name, loss in LABELS.items()}
    title = f"training of a ranker, towers 64-32, {FEATURES} features, batches of {BATCH:,}"
    lines = report(
        title, side_by_side(candidates, repeats), rows, "rows", "CrossEntropy (pointwise)"
    )
    candidates = {
        name: fit(tfpfd.Distillation(student=ranker(), teacher=ranker(), distillation_loss=loss))
        for name, loss in SOFT_LABELS.items()
    }
    title = "training of a distillation, student and teacher of that kind"
    seconds = side_by_side(candidates, repeats)
    return lines + report(title, seconds, rows, "rows", "SoftCrossEntropy (pointwise)")


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="of all lists together")
    parser.add_argument("--size", type=int, default=10, help="rows of a list")
    parser.add_argument("--repeats", type=int, default=10, help="runs of each candidate")
    options = parser.parse_args()
    lines = [machine(), ""]
    for kind, lists in lists_of(options.rows, options.size, np.random.default_rng(0)).items():
        lines += alone(lists, kind, options.repeats)
    lines += training(options.rows, options.size, options.repeats)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
