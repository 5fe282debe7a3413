"""The demo's tables and figure."""

import dataclasses
import io

import numpy as np
import pytest

pytest.importorskip("rich")

from rich.console import Console

from tfpfd.demo.figures import retrieval
from tfpfd.demo.report import print_comparison
from tfpfd.evaluation.comparison import Comparison

METRICS = ("recall@50", "ndcg@10")


def found(seeds, base=0.3):
    noise = np.random.default_rng(0).normal(0, 1e-3, (seeds, 5))

    def at(level):
        return {metric: level + noise for metric in METRICS}

    rivals = {"popularity": at(0.2), "item_knn": at(0.3), "ease": at(0.35)}
    models = {name: at(base) for name in ("base", "self", "shuffled")}
    return Comparison(
        "base",
        {name: {m: v[:1] for m, v in values.items()} for name, values in rivals.items()},
        {**models, "distilled": at(0.4)},
        {"item_knn": "200 neighbours"},
    )


def printed(seeds):
    out = io.StringIO()
    print_comparison(found(seeds), Console(file=out, width=80), "All of it", "What there is.")
    return out.getvalue()


def test_tables_fit_into_80_columns_with_every_number_whole():
    text = printed(3)
    assert max(map(len, text.splitlines())) <= 80
    table = [line for line in text.splitlines() if line.startswith("│ ")]
    names = ["popularity", "item-kNN", "EASE", "base", "self", "shuffled", "distilled"]
    assert [line.split("│")[1].strip() for line in table] == names
    assert all(line.count("± .") == (2 if "│ base" in line else 4) for line in table)


def test_the_base_comes_first_and_then_what_the_teacher_gave():
    words = " ".join(printed(3).split())
    assert words.index("'base' is below ease") < words.index("│ popularity")
    assert "distilled minus base +.1000 ± .0000, self +.1000" in words
    assert "real, over base and every control: recall@50, NDCG@10." in words


def test_controls_that_were_not_trained_are_not_spoken_of():
    some = found(2)
    models = {name: some.models[name] for name in ("base", "distilled")}
    out = io.StringIO()
    console = Console(file=out, width=80)
    print_comparison(dataclasses.replace(some, models=models), console, "All of it", "A note.")
    words = " ".join(out.getvalue().split())
    assert "recall@50, distilled minus base +.1000 ± .0000 NDCG@10" in words
    assert "shuffled" not in words


def test_one_training_claims_nothing():
    words = " ".join(printed(1).split())
    assert "One training of each can't tell" in words
    assert "real, over base" not in words


def test_few_seeds_say_that_they_carry_no_claim():
    assert "3 seeds can't carry a claim about a model: expected 5 or more." in " ".join(
        printed(3).split()
    )
    assert "can't carry a claim" not in printed(5)


def test_a_row_of_panels_for_each_table():
    figure = retrieval({"all": found(2), "some": found(2, base=0.5)})
    assert [axes.get_title() for axes in figure.axes] == [
        f"{title}: {metric}" for title in ("all", "some") for metric in ("recall@50", "NDCG@10")
    ]
    for axes in figure.axes:
        assert [label.get_text() for label in axes.get_yticklabels()][:2] == [
            "popularity",
            "item-kNN",
        ]
    (mean,) = figure.axes[2].lines[2 * 3 + 1].get_xdata()
    assert mean == pytest.approx(found(2, base=0.5).models["base"]["recall@50"][:, 0].mean())
