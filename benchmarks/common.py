"""What the benchmarks share: a clock that alternates, tables, a line on the machine, batches."""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

import tfpfd
from tfpfd._machine import machine as machine

BATCH, DIM, FEATURES, ROWS_A_TABLE = 1024, 16, 40, 50_000
UNITS = [512, 256, 128]


PAUSE = 0.1
"""Seconds between two runs."""


def side_by_side(
    candidates: Mapping[str, Callable[[], object]],
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of each candidate, run in turn `repeats` times after one run that doesn't count.

    In turn, so that whatever else the machine does falls on all of them, in another order each
    turn, as a candidate finds the caches as the one before left them, and after a pause, as threads
    of BLAS and OpenMP wait for work on a busy core for a while. Where the machine does much else,
    `time.process_time` as the clock counts the seconds of both cores that went into one.
    """
    for run in candidates.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    chance = random.Random(0)
    for repeat in range(repeats):
        for name in chance.sample(list(candidates), len(candidates)):
            time.sleep(PAUSE)
            start = clock()
            candidates[name]()
            seconds[name].append(clock() - start)
        print(f"  {repeat + 1}/{repeats}", file=sys.stderr, flush=True)
    return seconds


def relative(seconds: Mapping[str, list[float]], against: str) -> dict[str, float]:
    """Each candidate's time over that of `against`: the median of the ratios in each turn."""
    return {
        name: statistics.median(t / base for t, base in zip(times, seconds[against], strict=True))
        for name, times in seconds.items()
    }


def report(
    title: str, seconds: Mapping[str, list[float]], units: int, unit: str, against: str
) -> list[str]:
    """Markdown lines: units a second, and each candidate's time over that of `against`."""
    ratios = relative(seconds, against)
    lines = [f"**{title}**", "", f"| | {unit} a second | time, relative |", "|---|---:|---:|"]
    for name, times in seconds.items():
        rate = units / statistics.median(times)
        lines.append(f"| {name} | {rate:,.0f} | {ratios[name]:.2f} |")
    return [*lines, ""]


def table(
    title: str,
    head: str,
    seconds: Mapping[str, list[float]],
    each: int,
    against: str,
    published: Mapping[str, str] | None = None,
) -> None:
    """Prints the milliseconds of one of `each`, and times relative to those of `against`.

    Args:
      title: above the table.
      head: of the column of milliseconds.
      seconds: of `each`, by candidate.
      each: steps or requests a run.
      against: the candidate whose time is 1.
      published: what a candidate adds to it in a paper; beside it stands what it adds here.
    """
    heads = ["", head, "time, relative", *(["added", "added in the paper"] if published else [])]
    print(f"**{title}**\n\n| {' | '.join(heads)} |\n|---|{'---:|' * (len(heads) - 1)}")
    for name, ratio in relative(seconds, against).items():
        row = [name, f"{statistics.median(seconds[name]) / each * 1e3:,.1f}", f"{ratio:.2f}"]
        if published:
            row += [f"{(ratio - 1) * 100:+.1f} %", published.get(name, "–")]
        print(f"| {' | '.join(row)} |")
    print(flush=True)


def add_clock(parser: argparse.ArgumentParser) -> None:
    """Adds the option `--processor-time`."""
    parser.add_argument(
        "--processor-time", action="store_true", help="for a machine that others use meanwhile"
    )


def clock_of(options: argparse.Namespace) -> tuple[Callable[[], float], str]:
    """The clock that was asked for, and the unit of a table of its milliseconds."""
    if options.processor_time:
        return time.process_time, "ms of processor"
    return time.perf_counter, "ms"


def schema(sequences: int, privileged: int = 5) -> tfpfd.Schema:
    """Forty served features (half of them the item's), sequences, and privileged numbers."""
    vocabulary = tuple(f"v{i}" for i in range(ROWS_A_TABLE - 2))
    half = FEATURES // 2

    def group(side: str) -> list:
        return [tfpfd.Categorical(f"{side}_{i}", vocabulary=vocabulary) for i in range(half)]

    behaviour = [tfpfd.Sequence(f"behaviour_{i}", of=f"item_{i}") for i in range(sequences)]
    edges = tuple(np.linspace(-2, 2, 9).tolist())
    numbers = [tfpfd.Numeric(f"x_{i}", boundaries=edges) for i in range(privileged)]
    return tfpfd.Schema(
        user=(*group("user"), *behaviour), item=group("item"), privileged={"cross": numbers}
    )


def table_rows(made: tfpfd.Schema, rows: int, seed: int = 0) -> tuple[dict, np.ndarray]:
    """Random table rows of every feature, `[rows]` or `[rows, length]`, and labels."""
    random = np.random.default_rng(seed)
    inputs = {}
    for name, feature in made.features().items():
        shape = rows if feature.length is None else (rows, feature.length)
        inputs[name] = random.integers(1, made.table_rows(feature), shape, dtype=np.int32)
    return inputs, random.integers(0, 2, rows).astype(np.float32)


def fit(model: tf.keras.Model, data: tf.data.Dataset):
    """A candidate: one epoch."""
    return lambda: model.fit(data, epochs=1, verbose=0)


def batches(columns: tuple, steps: int) -> tf.data.Dataset:
    """`steps` batches held in memory, so that reading costs the same for everybody."""
    data = tf.data.Dataset.from_tensor_slices(columns).batch(BATCH, drop_remainder=True)
    options = tf.data.Options()
    options.autotune.enabled = False  # It would round the time of an epoch up: see tfpfd.data.
    return data.take(steps).cache().prefetch(2).with_options(options)
