"""What the benchmarks share: a clock that alternates, and a line on the machine."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf


def side_by_side(
    candidates: Mapping[str, Callable[[], object]], repeats: int
) -> dict[str, list[float]]:
    """Seconds of each candidate, run in turn `repeats` times after one run that doesn't count.

    In turn, so that whatever else the machine does falls on all of them.
    """
    for run in candidates.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for repeat in range(repeats):
        for name, run in candidates.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
        print(f"  {repeat + 1}/{repeats}", file=sys.stderr, flush=True)
    return seconds


def report(
    title: str, seconds: Mapping[str, list[float]], units: int, unit: str, against: str
) -> list[str]:
    """Markdown lines: units a second, and each candidate's time over that of `against`."""
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    lines = [f"**{title}**", "", f"| | {unit} a second | time, relative |", "|---|---:|---:|"]
    for name, median in medians.items():
        lines.append(f"| {name} | {units / median:,.0f} | {median / medians[against]:.2f} |")
    return [*lines, ""]


def machine() -> str:
    """One line on where the figures come from."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":")[1].strip()
            for line in info.read_text().splitlines()
            if "model name" in line
        ]
        model = names[0] if names else model
    keras = "Keras 3" if hasattr(tf.keras, "ops") else "Keras 2"
    return (
        f"{os.cpu_count()} cores ({model}), Python {platform.python_version()}, "
        f"TensorFlow {tf.__version__}, {keras}"
    )
