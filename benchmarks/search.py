"""Top-k of exports, raw user features in, beside searches of the same table.

python benchmarks/search.py [--items 10000 100000 1000000] [--width 128]
    [--tables float32 float16 bfloat16 int8] [--exact] [--repeats 10] [--processor-time]

TensorFlow Recommenders, FAISS and ScaNN take part where they are installed.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from catalogue import UNITS, K, catalogue, make_student, pieces
from common import add_clock, clock_of, machine, report, side_by_side

import tfpfd
from tfpfd.integrations import approximate
from tfpfd.serving.item_table import TABLE_TYPES

BARE = "matmul + top_k"


def searches(table: np.ndarray, user: np.ndarray) -> dict[str, Callable[[], object]]:
    """The best 100 by every exact way that is installed, of one table and one batch of users."""
    variable, queries = tf.Variable(table), tf.constant(user)
    multiply = tf.function(
        lambda user: tf.matmul(user, variable, transpose_b=True), autograph=False
    )
    bare = tf.function(
        lambda user: tf.math.top_k(tf.matmul(user, variable, transpose_b=True), K), autograph=False
    )

    def numpy() -> np.ndarray:
        scores = user @ table.T
        best = np.argpartition(scores, -K, axis=1)[:, -K:]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
        return np.take_along_axis(best, order, axis=1)

    found = {"matmul alone": lambda: multiply(queries), BARE: lambda: bare(queries)}
    found["NumPy, argpartition"] = numpy
    with contextlib.suppress(ImportError):
        import faiss

        flat = faiss.IndexFlatIP(table.shape[1])
        flat.add(table)
        found["FAISS, flat"] = lambda: flat.search(user, K)
    # TensorFlow Recommenders runs on Keras 2 alone.
    with contextlib.suppress(ImportError, AttributeError, ValueError):
        import tensorflow_recommenders as tfrs

        layers = tfrs.layers.factorized_top_k
        brute = layers.BruteForce(k=K).index(variable)
        found["TFRS, BruteForce"] = lambda: brute(queries)
        candidates = tf.data.Dataset.from_tensor_slices(table).batch(4096)
        streaming = layers.Streaming(k=K).index_from_dataset(candidates)
        found["TFRS, Streaming"] = lambda: streaming(queries)
    return found


def approximations(
    version: Path, folder: str, features: dict[str, tf.Tensor], user: np.ndarray
) -> dict[str, Callable[[], object]]:
    """The ids of about the best 100, where ScaNN and FAISS are installed."""
    k, found = tf.constant(K), {}
    with contextlib.suppress(ImportError):
        loaded = tf.saved_model.load(str(approximate.scann_model(version, folder)))
        serve = loaded.signatures["top_k"]

        def scann(loaded: object = loaded) -> tf.Tensor:  # It owns the variables.
            return serve(k=k, **features)["item_ids"]

        found["tfpfd, ScaNN, raw features in"] = scann
    with contextlib.suppress(ImportError):
        ids = approximate.item_table(version)[0].astype(bytes)
        leaves = round(len(ids) ** 0.5)
        index = approximate.faiss_index(version, f"IVF{leaves},Flat")
        index.nprobe = leaves // 4  # As ScaNN's default.
        found[f"tfpfd, FAISS IVF{leaves}, embeddings in"] = lambda: ids[index.search(user, K)[1]]
    return found


def top_k(count: int, batch: int, options: argparse.Namespace) -> list[str]:
    """The export's top 100, raw user features in, against searches of the same table."""
    student = make_student(catalogue(min(count, 10_000)), [*UNITS[:-1], options.width])
    features = {
        "user_id": tf.constant([f"user-{i}" for i in range(batch)]),
        "seen": tf.constant([[f"item-{i + j}" for j in range(50)] for i in range(batch)]),
    }
    k = tf.constant(K)
    served, kept = {}, []
    with tempfile.TemporaryDirectory() as folder:
        for table in options.tables:
            rows = pieces(count)
            version = tfpfd.export(student, rows, folder, k=K, table=table, verbose=0)
            loaded = tf.saved_model.load(str(version))
            kept.append(loaded)  # It owns the variables.
            serve = loaded.signatures["top_k"]
            served[f"tfpfd, {table}, raw features in"] = lambda serve=serve: serve(k=k, **features)[
                "item_ids"
            ]
        user = kept[0].signatures["user_embedding"](**features)["embedding"].numpy()
        if not options.exact:
            served |= approximations(version, f"{folder}/scann", features, user)
    answers = {name: np.asarray(answer()) for name, answer in served.items()}
    exact = next(iter(answers.values()))
    embeddings = kept[0].item_embeddings.numpy()
    candidates = {**searches(embeddings, user), **served}
    seconds = side_by_side(candidates, options.repeats, clock_of(options)[0])
    title = f"top {K} of {count:,} items × {options.width}, batch {batch}"
    told = ", ".join(
        f"{name.split(', ')[1]} "
        f"{np.mean([len({*a} & {*b}) / K for a, b in zip(found, exact, strict=True)]):.4f}"
        for name, found in answers.items()
    )
    lines = report(title, seconds, batch, "users", BARE)
    return [*lines, f"Recall@{K} of {count:,} against {options.tables[0]}: {told}", ""]


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--items", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], help="of the tables"
    )
    parser.add_argument("--width", type=int, default=UNITS[-1], help="of the tables")
    parser.add_argument(
        "--tables", nargs="+", default=TABLE_TYPES, choices=TABLE_TYPES, help="types of them"
    )
    parser.add_argument("--exact", action="store_true", help="without approximate searches")
    parser.add_argument("--repeats", type=int, default=10, help="runs of each candidate")
    add_clock(parser)
    options = parser.parse_args()
    print(machine(), end="\n\n")
    for count in options.items:
        for batch in (1, 32):
            print("\n".join(top_k(count, batch, options)), flush=True)


if __name__ == "__main__":
    main()
