"""Serving speed: the item table, an MLP on every candidate, the first request after a load.

python benchmarks/serving.py [--items 1000000] [--candidates 100000] [--loads 5] [--repeats 10]
    [--processor-time]
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import tensorflow as tf
from catalogue import UNITS, K, catalogue, make_student
from common import add_clock, clock_of, machine, report, side_by_side

import tfpfd
from tfpfd.serving import embed_items
from tfpfd.serving.item_embeddings import BATCH
from tfpfd.serving.manifest import EXTRA, WARMUP_REQUESTS


def item_table(
    student: tfpfd.Ranker, items: pd.DataFrame, repeats: int, clock: Callable[[], float]
) -> list[str]:
    """From raw rows to the table, against the tower on inputs that are ready."""
    batch = BATCH
    columns = student.schema.columns(items, student.schema.item)
    rows = student.schema.lookup({name: tf.constant(c) for name, c in columns.items()})
    starts = range(0, len(items), batch)
    slices = [{n: x[i : i + batch] for n, x in rows.items()} for i in starts]
    ready = [student.encode(part, sides=["item"]) for part in slices]
    encode_and_forward = tf.function(
        lambda x: student.network.item_embedding(student.encode(x, sides=["item"])),
        reduce_retracing=True,
    )
    forward = tf.function(
        lambda x: student.network.item_embedding(x, training=False),
        reduce_retracing=True,
    )

    arrow = pa.Table.from_pandas(items)
    bare = "bare item tower, table rows ready"
    seconds = side_by_side(
        {
            bare: lambda: np.concatenate([encode_and_forward(part).numpy() for part in slices]),
            "its dense layers alone, vectors ready": lambda: np.concatenate(
                [forward(part).numpy() for part in ready]
            ),
            "tfpfd, DataFrame to a checked table": lambda: embed_items(student, items, verbose=0),
            "tfpfd, Arrow table to a checked table": lambda: embed_items(student, arrow, verbose=0),
        },
        repeats,
        clock,
    )
    return report("building the item table", seconds, len(items), "items", bare)


def against_an_mlp(count: int, repeats: int, clock: Callable[[], float]) -> list[str]:
    """The paper's comparison: an MLP on every candidate, against the inner product."""
    items = catalogue(count)
    student = make_student(items.head(min(count, 10_000)))
    encoder = tfpfd.FeatureEncoder(student.schema, dim=32)
    mlp = tfpfd.Ranker(student.schema, tfpfd.MLP(UNITS), encoder=encoder)
    user = {"user_id": ["user-0"], "seen": [[f"item-{j}" for j in range(50)]]}
    raw = {name: tf.constant(values * count) for name, values in user.items()}
    columns = student.schema.columns(items, student.schema.item)
    raw |= {name: tf.constant(values) for name, values in columns.items()}
    one = {name: tf.constant(values) for name, values in user.items()}
    loaded = []
    for ranker, rows in ((mlp, None), (student, items)):
        with tempfile.TemporaryDirectory() as folder:
            version = tfpfd.export(ranker, rows, folder, verbose=0)
            loaded.append(tf.saved_model.load(str(version)))
    score, serve, k = loaded[0].signatures["score"], loaded[1].signatures["top_k"], tf.constant(K)
    best = "tfpfd, top 100 by the inner product"
    seconds = side_by_side(
        {
            f"MLP on each of {count:,} candidates": lambda: tf.math.top_k(score(**raw)["logit"], K),
            best: lambda: serve(k=k, **one),
        },
        repeats,
        clock,
    )
    return report("an MLP; the paper: 89.7 s against 0.108 s, 830 times", seconds, 1, "users", best)


def loaded_and_asked(version: str, warm: bool) -> list[float]:
    """Seconds of the first requests of one user that a process answers after loading."""
    from tensorflow_serving.apis import prediction_log_pb2

    model = tf.saved_model.load(version)
    signatures = model.signatures
    if warm:
        for record in tf.data.TFRecordDataset(f"{version}/{EXTRA}/{WARMUP_REQUESTS}"):
            log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
            request = log.predict_log.request
            inputs = {n: tf.constant(tf.make_ndarray(x)) for n, x in request.inputs.items()}
            signatures[request.model_spec.signature_name](**inputs)
    user, seconds = {"user_id": ["user-7"], "seen": [[f"item-{i}" for i in range(30)]]}, []
    for _ in range(101):
        begun = time.perf_counter()
        signatures["serving_default"](**{name: tf.constant(x) for name, x in user.items()})
        seconds.append(time.perf_counter() - begun)
    return seconds


def first_request(count: int, loads: int) -> list[str]:
    """The first request after a load, with and without the warm-up requests replayed."""
    items = catalogue(count)
    student = make_student(items.head(min(count, 10_000)))
    lines = [f"**the first request after a load, {count:,} items**", ""]
    lines += ["| | first, ms | median of 100 later, ms | relative |", "|---|---:|---:|---:|"]
    with tempfile.TemporaryDirectory() as folder:
        version = str(tfpfd.export(student, items, folder, warmup_requests=True, verbose=0))
        for warm in (True, False):
            found = []
            for _ in range(loads):
                # Processes of their own: a later load finds much of TensorFlow warm.
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    first, *later = pool.apply(loaded_and_asked, (version, warm))
                found.append((first / statistics.median(later), first, statistics.median(later)))
            ratio, first, median = sorted(found)[loads // 2]
            name = "warm-up requests replayed" if warm else "nothing replayed"
            lines.append(f"| {name} | {first * 1e3:.1f} | {median * 1e3:.1f} | {ratio:.1f} |")
    return [*lines, ""]


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000, help="of the table built; 0: none")
    parser.add_argument("--candidates", type=int, default=100_000, help="of the MLP; 0: none")
    parser.add_argument("--loads", type=int, default=5, help="for the first request; 0: none")
    parser.add_argument("--repeats", type=int, default=10, help="runs of each candidate")
    add_clock(parser)
    options = parser.parse_args()
    clock, _ = clock_of(options)
    print(machine(), end="\n\n")
    if options.items:
        items = catalogue(options.items)
        lines = item_table(make_student(items), items, options.repeats, clock)
        print("\n".join(lines), flush=True)
    if options.candidates:
        lines = against_an_mlp(options.candidates, options.repeats, clock)
        print("\n".join(lines), flush=True)
    if options.loads:
        print("\n".join(first_request(100_000, options.loads)), flush=True)


if __name__ == "__main__":
    main()
