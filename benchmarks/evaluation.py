"""Metrics of a whole catalogue, beside the product they can't do without and what others do.

python benchmarks/evaluation.py [--users 10000] [--items 100000] [--width 64] [--slice 1000]
    [--repeats 5] [--processor-time]

A sort and TensorFlow Recommenders, where that is installed, are run on a slice of the users, and
their time is multiplied: it is proportional to the users.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from common import add_clock, clock_of, machine, relative, report, side_by_side

from tfpfd.evaluation import Embeddings, evaluate_catalogue
from tfpfd.evaluation.rank_counting import ITEMS, USERS

KS = (10, 100)
FOUND = ("recall", "hit_rate", "ndcg")
BARE = "the product alone, NumPy, the same blocks"
OURS = "tfpfd: recall, hit rate, NDCG"
BATCH, BATCHES = 1000, (128, 4096)
"""Users that TensorFlow Recommenders is given at once, and items: 128 as in its tutorials."""


def product(users: np.ndarray, items: np.ndarray) -> Callable[[], None]:
    """All scores, a block at a time in the same memory, and nothing done with them."""
    memory = np.empty(USERS * ITEMS, np.float32)

    def run() -> None:
        for first in range(0, len(items), ITEMS):
            part = items[first : first + ITEMS].T
            for start in range(0, len(users), USERS):
                rows = users[start : start + USERS]
                out = memory[: len(rows) * part.shape[1]].reshape(len(rows), -1)
                np.matmul(rows, part, out=out)

    return run


def tensorflow_product(users: np.ndarray, items: np.ndarray) -> Callable[[], None]:
    """The same product by TensorFlow, the table on the left."""
    multiply = tf.function(lambda part, rows: tf.matmul(part, rows, transpose_b=True))
    parts = [tf.constant(items[i : i + ITEMS]) for i in range(0, len(items), ITEMS)]
    some = [tf.constant(users[i : i + USERS]) for i in range(0, len(users), USERS)]

    def run() -> None:
        for part in parts:
            for rows in some:
                multiply(part, rows)

    return run


def tfrs_metrics(
    users: np.ndarray, items: np.ndarray, liked: np.ndarray, batch: int
) -> Callable[[], list[float]] | None:
    """Hit rates of one item a user by `FactorizedTopK`, or None where it isn't installed."""
    # It runs on Keras 2 alone.
    with contextlib.suppress(ImportError, AttributeError, ValueError):
        import tensorflow_recommenders as tfrs

        ids = np.arange(len(items), dtype=np.int32)
        candidates = tf.data.Dataset.from_tensor_slices((ids, items)).batch(batch)
        index = tfrs.layers.factorized_top_k.Streaming(k=max(KS)).index_from_dataset(candidates)
        metric = tfrs.metrics.FactorizedTopK(index, ks=KS)

        @tf.function
        def update(queries: tf.Tensor, candidates: tf.Tensor, ids: tf.Tensor) -> None:
            metric.update_state(queries, candidates, ids)

        def run() -> list[float]:
            metric.reset_states()
            for start in range(0, len(users), BATCH):
                some = liked[start : start + BATCH]
                # By ids: by scores it counts an item against itself where two products of it
                # are rounded differently.
                update(
                    tf.constant(users[start : start + BATCH]),
                    tf.constant(items[some]),
                    tf.constant(some.astype(np.int32)),
                )
            return [float(value) for value in metric.result()]

        return run
    return None


def peak(run: Callable[[], object]) -> float:
    """MB that the process has at most while something runs, beside what it had before (Linux)."""

    def held(what: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(what))

    Path("/proc/self/clear_refs").write_text("5")  # Forgets the highest so far.
    before = held("VmRSS:")
    run()
    return (held("VmHWM:") - before) / 1024


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=64, help="of the embeddings")
    parser.add_argument("--slice", type=int, default=1000, help="users of what takes long")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each candidate")
    add_clock(parser)
    options = parser.parse_args()
    clock, _ = clock_of(options)
    random = np.random.default_rng(0)
    items = random.normal(size=(options.items, options.width)).astype(np.float32)
    liked = random.integers(0, options.items, (options.users, 10))
    seen = random.integers(0, options.items, (options.users, 100))
    noise = random.normal(size=(options.users, options.width)).astype(np.float32)
    # So near that the best 100 hold what was liked nearly always: a user whose item is known to
    # be further behind needs no more scores, and would make it faster than the product.
    one, ten = items[liked[:, 0]] + noise, items[liked].sum(axis=1) + noise
    few = slice(options.slice)
    scale = options.users / len(one[few])

    def counted(
        users: np.ndarray, relevant: np.ndarray, excluded: np.ndarray | None, metrics: tuple
    ) -> dict[str, np.ndarray]:
        return evaluate_catalogue(
            Embeddings(users, items),
            relevant,
            excluded,
            ks=KS,
            metrics=metrics,
            popularity=np.ones(len(items)),
        )

    several = f"{OURS}, 10 relevant and 100 seen a user"
    lists = "tfpfd: coverage and popularity bias"
    candidates: dict[str, Callable[[], object]] = {
        BARE: product(one, items),
        "the product alone, TensorFlow": tensorflow_product(one, items),
        OURS: lambda: counted(one, list(liked[:, :1]), None, FOUND),
        several: lambda: counted(ten, list(liked), list(seen), FOUND),
        lists: lambda: counted(one, list(liked), list(seen), ("coverage", "popularity_bias")),
    }
    scaled = {"a stable sort of all scores": lambda: np.argsort(one[few] @ items.T, kind="stable")}
    theirs = {
        f"TFRS FactorizedTopK, Streaming, k = 100, {batch} items a batch": run
        for batch in BATCHES
        if (run := tfrs_metrics(one[few], items, liked[few, 0], batch)) is not None
    }
    print(machine(), end="\n\n")
    # Before the others leave memory behind that could be used again.
    memory = {name: peak(candidates[name]) for name in (OURS, several, lists)}
    seconds = side_by_side({**candidates, **scaled, **theirs}, options.repeats, clock)
    for name in (*scaled, *theirs):
        seconds[name] = [second * scale for second in seconds[name]]
    title = f"{options.users:,} users, {options.items:,} items × {options.width}"
    print("\n".join(report(title, seconds, options.users, "users", BARE)))
    print(f"A sort and TFRS: on {len(one[few]):,} users, times {scale:g}.")
    found = counted(one[few], list(liked[few, :1]), None, ("hit_rate",))
    for name, run in theirs.items():
        off = max(abs(found[f"hit_rate@{k}"][0] - x) for k, x in zip(KS, run(), strict=True))
        ratio = relative(seconds, OURS)[name]
        print(f"{name}: {ratio:.1f} times as long as tfpfd; hit rates apart by {off:.1g}")
    for name in (OURS, several):
        values = {key: round(float(value[0]), 4) for key, value in candidates[name]().items()}
        print(f"{name}: {values}")
    for name, most in memory.items():
        print(f"{name}: {most:.0f} MB at most beside the embeddings")


if __name__ == "__main__":
    main()
