"""The demo's tables."""

import io

import numpy as np
import pytest

pytest.importorskip("rich")

from rich.console import Console

from tfpfd.auditing.comparison import METRICS
from tfpfd.experiments.report import print_report


def test_tables_fit_into_80_columns_with_every_number_whole():
    noise = np.random.default_rng(0).normal(0, 1e-3, (3, 5))
    arms = ("base", "self", "shuffled", "distilled")
    results = {arm: {metric: 0.75 + noise for metric in METRICS} for arm in arms}
    results["distilled"] = {metric: values + 0.1 for metric, values in results["base"].items()}
    out = io.StringIO()
    print_report(results, Console(file=out, width=80), seeds=3)
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    for title in METRICS.values():
        assert f" {title} " in text
    # Six metrics of four arms, and of three differences.
    assert text.count("± .") == 6 * (4 + 3)
    assert text.count("+.1000") == 6 * 3
