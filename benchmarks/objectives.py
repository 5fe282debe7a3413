"""Several objectives: training from four frozen teachers, and serving one student.

python benchmarks/objectives.py [--steps 8] [--repeats 7] [--items 100000] [--processor-time]

"Multi-objective Learning to Rank by Model Distillation" reports the training time of the multi-task
system, and 1.6 % less latency. Here the student and each of its teachers have the dense layers that
the shared-bottom network has under its five heads; the mixture has five experts of that size, as
many dense weights as student and teachers together.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf
from common import (
    BATCH,
    DIM,
    FEATURES,
    UNITS,
    add_clock,
    batches,
    clock_of,
    fit,
    machine,
    schema,
    side_by_side,
    table,
    table_rows,
)
from serving import catalogue, make_student

import tfpfd

SEQUENCES = 3
TAUGHT = ["cancelled", "rated", "clicked", "returned"]
WEIGHTS = {"cancelled": -0.3, "rated": 0.2, "clicked": 0.2, "returned": -0.1}
MULTI_TASK = "multi-task, shared bottom"
STUDENT, FUSION = "one distilled student", "fusion of five two-towers"


def training(steps: int) -> dict[str, Callable[[], object]]:
    """What to time: an epoch of `steps` batches of each way to learn from several objectives."""
    made = schema(SEQUENCES, privileged=0)
    inputs, labels = table_rows(made, BATCH * steps)
    random = np.random.default_rng(1)
    further = {name: random.integers(0, 2, len(labels)).astype(np.float32) for name in TAUGHT}
    plain = batches((inputs, labels), steps)
    labelled = batches(({**inputs, **further}, labels), steps)

    def encoder() -> tfpfd.FeatureEncoder:
        return tfpfd.FeatureEncoder(made, dim=DIM, behaviour=tfpfd.SelfAttention())

    def ranker(read: tfpfd.FeatureEncoder | None = None) -> tfpfd.Ranker:
        return tfpfd.Ranker(made, tfpfd.MLP(UNITS), encoder=read or encoder())

    def epoch(model: tfpfd.Ranker, data: tf.data.Dataset) -> Callable[[], object]:
        # No metrics: the multi-task models would have five times as many of them.
        model.compile(optimizer=tfpfd.optimizers.RowWiseAdagrad(0.01), metrics=[])
        return fit(model, data)

    def distilled(teachers: dict, data: tf.data.Dataset) -> Callable[[], object]:
        return epoch(
            tfpfd.Distillation(student=ranker(), teacher=tfpfd.FusedTeachers(teachers, WEIGHTS)),
            data,
        )

    shared = encoder()
    teachers = {name: ranker(shared) for name in TAUGHT}
    score = tf.function(tfpfd.FusedTeachers(teachers, WEIGHTS).scores)

    def scores() -> dict[str, np.ndarray]:
        found = [score(x) for x, _ in plain]
        return {f"{n}_score": np.concatenate([part[n] for part in found]) for n in TAUGHT}

    stored = batches(({**inputs, **scores()}, labels), steps)
    objectives = [made.label, *TAUGHT]
    bottom = tfpfd.MultiTaskRanker(made, tfpfd.SharedBottom(UNITS, objectives), encoder=encoder())
    mixture = tfpfd.MMoE(UNITS, objectives, experts=len(objectives))
    return {
        "student alone": epoch(ranker(), plain),
        MULTI_TASK: epoch(bottom, labelled),
        "multi-task, mixture of five experts": epoch(
            tfpfd.MultiTaskRanker(made, mixture, encoder=encoder()), labelled
        ),
        "four frozen teachers that share an encoder": distilled(teachers, plain),
        "four frozen teachers, each with its own": distilled(
            {name: ranker() for name in TAUGHT}, plain
        ),
        "label store": distilled({name: f"{name}_score" for name in TAUGHT}, stored),
        "filling the label store, once": scores,
    }


def exported(rows: pd.DataFrame, folder: str) -> dict[str, Path]:
    """The exports of a student, and of five rankers of its size fused when serving."""
    student = make_student(rows)

    def ranker() -> tfpfd.Ranker:
        encoder = tfpfd.FeatureEncoder(student.schema, dim=student.encoder.dim)
        return tfpfd.Ranker(student.schema, tfpfd.TwoTower(UNITS), encoder=encoder)

    rankers = {"purchased": student, **{name: ranker() for name in TAUGHT}}
    fusion = tfpfd.FusedTowers(rankers, {"purchased": 1.0, **WEIGHTS})
    return {
        name: tfpfd.export(model, rows, f"{folder}/{place}", k=100, verbose=0)
        for place, (name, model) in enumerate({STUDENT: student, FUSION: fusion}.items())
    }


def requests(version: Path, batch: int, inner: int) -> Callable[[], object]:
    """What to time: `inner` requests for the top 100 of a batch of users, raw features in."""
    loaded = tf.saved_model.load(str(version))
    serve, k = loaded.signatures["top_k"], tf.constant(100)
    features = {
        "user_id": tf.constant([f"user-{i}" for i in range(batch)]),
        "seen": tf.constant([[f"item-{i + j}" for j in range(50)] for i in range(batch)]),
    }
    # The signature keeps no reference to what it belongs to.
    return lambda: (loaded, [serve(k=k, **features) for _ in range(inner)])


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=8, help="batches a run")
    parser.add_argument("--repeats", type=int, default=7, help="runs of each candidate")
    parser.add_argument("--items", type=int, default=100_000, help="that are served")
    add_clock(parser)
    options = parser.parse_args()
    clock, kind = clock_of(options)
    print(machine(), end="\n\n")
    seconds = side_by_side(training(options.steps), options.repeats, clock)
    title = (
        f"training: {FEATURES} features, {SEQUENCES} behaviour sequences of 50 with self-attention,"
        f" batches of {BATCH:,}, dense layers {'-'.join(map(str, UNITS))}"
    )
    table(title, f"{kind} a step", seconds, options.steps, MULTI_TASK)
    with tempfile.TemporaryDirectory() as folder:
        versions = exported(catalogue(options.items), folder)
        for name, version in versions.items():
            size = sum(file.stat().st_size for file in version.rglob("*") if file.is_file())
            print(f"{name}: an export of {size / 1e6:,.1f} MB\n")
        for batch, inner in ((1, 20), (32, 3)):
            runs = {name: requests(path, batch, inner) for name, path in versions.items()}
            found = side_by_side(runs, options.repeats, clock)
            title = f"serving: top 100 of {options.items:,} items, batch {batch}"
            table(title, f"{kind} a request", found, inner, STUDENT)


if __name__ == "__main__":
    main()
