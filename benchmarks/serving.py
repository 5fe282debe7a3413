"""Serving speed: (c) the item table, (d) top-k, (e) beside an MLP, (f) the first request.

python benchmarks/serving.py [--items 1000000] [--searched 10000 100000 1000000] [--width 128]
    [--tables float32 float16 bfloat16 int8] [--exact] [--candidates 100000] [--loads 5]
    [--repeats 10] [--processor-time]

TensorFlow Recommenders, FAISS and ScaNN take part where they are installed.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import tensorflow as tf
from common import add_clock, clock_of, machine, report, side_by_side

import tfpfd
from tfpfd.integrations import approximate
from tfpfd.serving import embed_items
from tfpfd.serving.items import BATCH
from tfpfd.serving.manifest import EXTRA, WARM_UP
from tfpfd.serving.table import TABLE_TYPES

UNITS, K = [512, 256, 128], 100
PIECE = 500_000
BARE = "matmul + top_k"


def catalogue(items: int, first: int = 0) -> pd.DataFrame:
    """Invented items: an id, a category, a seller, tags, a price."""
    random = np.random.default_rng(first)
    return pd.DataFrame(
        {
            "item_id": [f"item-{i}" for i in range(first, first + items)],
            "category": random.integers(0, 1000, items).astype(str),
            "seller": random.integers(0, 20_000, items),
            "tags": list(random.integers(0, 500, (items, 3))),
            "price": random.lognormal(3, 1, items),
        }
    )


def pieces(items: int) -> Iterator[dict[str, pd.Series]]:
    """A large catalogue, of which a piece at a time is in memory."""
    for first in range(0, items, PIECE):
        yield dict(catalogue(min(PIECE, items - first), first).items())


def make_student(items: pd.DataFrame, units: Sequence[int] = UNITS) -> tfpfd.Ranker:
    """An untrained student: speed doesn't depend on the weights."""
    users = tuple(f"user-{i}" for i in range(10_000))
    declared = tfpfd.Schema(
        user=[tfpfd.Categorical("user_id", vocabulary=users), tfpfd.Sequence("seen", of="item_id")],
        item=[
            tfpfd.Categorical("item_id"),
            tfpfd.Categorical("category"),
            tfpfd.Categorical("seller", dtype="int"),
            tfpfd.Categorical("tags", dtype="int", length=3),
            tfpfd.Numeric("price"),
        ],
    )
    rows = items.assign(user_id="user-0", seen=[[]] * len(items), label=0.0)
    rows.at[0, "seen"] = ["item-0"]
    schema = declared.adapt(rows, verbose=0)
    return tfpfd.Ranker(schema, tfpfd.TwoTower(units), encoder=tfpfd.FeatureEncoder(schema, dim=32))


def item_table(
    student: tfpfd.Ranker, items: pd.DataFrame, repeats: int, clock: Callable[[], float]
) -> list[str]:
    """(c) From raw rows to the table, against the tower on inputs that are ready."""
    batch = BATCH
    columns = student.schema.columns(items, student.schema.item)
    rows = student.schema.lookup({name: tf.constant(c) for name, c in columns.items()})
    starts = range(0, len(items), batch)
    slices = [{n: x[i : i + batch] for n, x in rows.items()} for i in starts]
    ready = [student.encode(part, sides=["item"])["item"] for part in slices]
    encode_and_forward = tf.function(
        lambda x: student.network.item_embedding(student.encode(x, sides=["item"])),
        reduce_retracing=True,
    )
    forward = tf.function(
        lambda x: student.network.item_embedding({"item": x}, training=False),
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
    return report("(c) building the item table", seconds, len(items), "items", bare)


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
    """(d) The export's top 100, raw user features in, against searches of the same table."""
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
    title = f"(d) top {K} of {count:,} items × {options.width}, batch {batch}"
    told = ", ".join(
        f"{name.split(', ')[1]} "
        f"{np.mean([len({*a} & {*b}) / K for a, b in zip(found, exact, strict=True)]):.4f}"
        for name, found in answers.items()
    )
    lines = report(title, seconds, batch, "users", BARE)
    return [*lines, f"Recall@{K} of {count:,} against {options.tables[0]}: {told}", ""]


def against_an_mlp(count: int, repeats: int, clock: Callable[[], float]) -> list[str]:
    """(e) The paper's comparison: an MLP on every candidate, against the inner product."""
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
    return report("(e) the paper: 89.7 s against 0.108 s, 830 times", seconds, 1, "users", best)


def loaded_and_asked(version: str, warm: bool) -> list[float]:
    """Seconds of the first requests of one user that a process answers after loading."""
    from tensorflow_serving.apis import prediction_log_pb2

    signatures = tf.saved_model.load(version).signatures
    if warm:
        for record in tf.data.TFRecordDataset(f"{version}/{EXTRA}/{WARM_UP}"):
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
    """(f) The first request after a load, with and without the warm-up requests replayed."""
    items = catalogue(count)
    student = make_student(items.head(min(count, 10_000)))
    lines = [f"**(f) the first request after a load, {count:,} items**", ""]
    lines += ["| | first, ms | median of 100 later, ms | relative |", "|---|---:|---:|---:|"]
    with tempfile.TemporaryDirectory() as folder:
        version = str(tfpfd.export(student, items, folder, warm_up=True, verbose=0))
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
    parser.add_argument(
        "--searched",
        type=int,
        nargs="*",
        default=[10_000, 100_000, 1_000_000],
        help="sizes of the tables searched",
    )
    parser.add_argument("--width", type=int, default=UNITS[-1], help="of the tables searched")
    parser.add_argument(
        "--tables", nargs="+", default=TABLE_TYPES, choices=TABLE_TYPES, help="types of them"
    )
    parser.add_argument("--exact", action="store_true", help="without approximate searches")
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
    for count in options.searched:
        for batch in (1, 32):
            print("\n".join(top_k(count, batch, options)), flush=True)
    if options.candidates:
        lines = against_an_mlp(options.candidates, options.repeats, clock)
        print("\n".join(lines), flush=True)
    if options.loads:
        print("\n".join(first_request(100_000, options.loads)), flush=True)


if __name__ == "__main__":
    main()
