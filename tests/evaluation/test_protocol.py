"""The protocol: signals that one rival finds, what must not leak, and what the first line says."""

import dataclasses
import doctest
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tfpfd
from tfpfd import Categorical, Distillation, Numeric, Ranker, Schema, Sequence, TwoTower
from tfpfd.data import from_rows
from tfpfd.evaluation import (
    auc,
    compare_pointwise,
    evaluate_rows,
    multiplicities,
    paired_difference,
    protocol,
)
from tfpfd.evaluation.rivals import boosted_trees

pytest.importorskip("sklearn")

PAGE = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"

SCHEMA = Schema(
    user=[Categorical("user", dtype="int"), Numeric("x"), Sequence("seen", of="item")],
    item=[Categorical("item", dtype="int"), Numeric("z")],
    privileged={"cross": [Numeric("secret")]},
    list_key="user",
)
COUNTS = {"train": 2000, "validation": 800, "test": 800}


@pytest.fixture(autouse=True)
def small_grid(monkeypatch):
    """Fewer fits, of which each is as it is."""
    monkeypatch.setattr(boosted_trees, "LEAVES", (8,))
    monkeypatch.setattr(boosted_trees, "ROWS_A_LEAF", (20,))
    monkeypatch.setattr(boosted_trees, "TREES", 40)


def rows(logit, users=40, items=30, seed=0):
    """Train, validation and test rows whose labels are drawn by the logit of a frame."""
    random = np.random.default_rng(seed)
    n = sum(COUNTS.values())
    frame = pd.DataFrame(
        {
            "user": random.integers(0, users, n),
            "item": random.integers(0, items, n),
            "x": random.normal(size=n),
            "z": random.normal(size=n),
            "secret": random.normal(size=n),
            "seen": list(random.integers(0, items, (n, 3))),
        }
    )
    frame["label"] = (random.random(n) < 1 / (1 + np.exp(-logit(frame)))).astype(float)
    ends = np.cumsum(list(COUNTS.values()))
    return {
        name: frame[end - count : end].reset_index(drop=True)
        for (name, count), end in zip(COUNTS.items(), ends, strict=True)
    }


def interaction(frame):
    return 3 * np.sign(frame["x"] * frame["z"])


def effects(frame):
    random = np.random.default_rng(9)
    of_users, of_items = random.normal(0, 1.5, 1000), random.normal(0, 1.5, 1000)
    return of_users[frame["user"]] + of_items[frame["item"]]


def truth(data, logit):
    return 1 / (1 + np.exp(-np.asarray(logit(data["test"]))))


def compared(data, models, metrics=("auc", "log_loss"), **options):
    return compare_pointwise(
        **data, schema=SCHEMA, models=models, item_key="item", metrics=metrics, **options
    )


class TestPointwise:
    def test_an_interaction_that_only_trees_find(self):
        data = rows(interaction)
        found = compared(data, {"base": np.full(800, 0.5)})
        means = found.to_frame()["auc"]["mean"]
        known = auc(data["test"]["label"], truth(data, interaction))
        assert means["trees"] > known - 0.04
        assert abs(means["logistic"] - 0.5) < 0.06
        assert abs(means["bias"] - 0.5) < 0.06
        assert "below trees" in found.first_line and "fix that first" in found.first_line

    def test_effects_that_the_biases_find(self):
        data = rows(effects)
        best = {"base": truth(data, effects)}
        found = compared(data, best)
        means = found.to_frame()["auc"]["mean"]
        assert means["base"] - 0.02 < means["bias"] < means["base"] + 0.01
        # So do encodings of ids, in what they have in common.
        assert means["logistic"] > means["base"] - 0.03
        assert "fix that first" not in found.first_line

    def test_random_labels_of_rare_ids_teach_nothing(self):
        data = rows(lambda frame: np.zeros(len(frame)), users=900, items=900)
        found = compared(data, {"base": np.full(800, 0.5)})
        assert (abs(found.to_frame()["auc"]["mean"] - 0.5) < 0.06).all()
        # A model that was fitted to its own rows' labels would be sure of itself, and wrong.
        assert found.to_frame()["log_loss"]["mean"]["logistic"] < 0.72

    def test_a_better_base_is_said_to_be_better(self):
        data = rows(lambda frame: 2 * frame["secret"])
        found = compared(data, {"base": truth(data, lambda frame: 2 * frame["secret"])})
        assert "is better than every rival" in found.first_line
        by_loss = compared(
            data, {"base": np.where(data["test"]["label"] == 1, 0.1, 0.9)}, ["log_loss"]
        )
        assert "worse than" in by_loss.first_line and "fix that first" in by_loss.first_line

    def test_what_can_not_be_told(self):
        noise = rows(lambda frame: np.zeros(len(frame)))
        found = compared(noise, {"base": np.random.default_rng(0).random(800)})
        assert "beyond doubt" in found.first_line and "fix that first" not in found.first_line

    def test_test_labels_choose_nothing(self):
        data = rows(effects)
        base = {"base": np.random.default_rng(0).random(800)}
        found = compared(data, base)
        other = {**data, "test": data["test"].assign(label=1 - data["test"]["label"])}
        flipped = compared(other, base)
        assert found.settings == flipped.settings
        for rival in found.rivals:
            before, after = (one.rivals[rival]["auc"][0, 0] for one in (found, flipped))
            assert before == pytest.approx(1 - after)

    def test_validation_labels_choose(self):
        data = rows(effects)
        best = compared(data, {"base": np.full(800, 0.5)})
        other = data["validation"].assign(label=1 - data["validation"]["label"])
        worst = compared({**data, "validation": other}, {"base": np.full(800, 0.5)})
        assert best.settings != worst.settings

    def test_intervals_are_those_of_the_audit(self):
        data = rows(effects)
        random = np.random.default_rng(0)
        logits = effects(data["test"])
        seeds = {
            name: [logits + random.normal(0, noise, 800) for _ in range(3)]
            for name, noise in (("base", 1.0), ("other", 0.5))
        }
        found = compared(data, seeds, from_logits=True)
        test = data["test"]
        resamples = multiplicities(test["user"].nunique())

        def values(name):
            return np.stack(
                [
                    evaluate_rows(test["label"], one, test["user"], resamples, True)["auc"]
                    for one in seeds[name]
                ]
            )

        expected = paired_difference(values("other"), values("base"))
        assert found.minus_base("other", "auc") == expected
        row = found.to_frame().loc["other", "auc"]
        assert row["minus_base"] == expected.mean
        assert row["minus_base_low"] == expected.low
        assert found.seeds == 3
        # A rival stands beside each seed of the base.
        rival = found.rivals["bias"]["auc"]
        assert found.minus_base("bias", "auc") == paired_difference(
            np.repeat(rival, 3, axis=0), values("base")
        )

    @pytest.mark.slow
    def test_a_ranker_scores_the_rows_itself(self):
        data = rows(effects)
        schema = SCHEMA.adapt(data["train"], verbose=0)
        rankers = [Ranker(schema, TwoTower([4])) for _ in range(2)]
        found = compared(data, {"base": rankers})
        assert found.models["base"]["auc"].shape == (2, 201)
        logits = rankers[0].predict(from_rows(data["test"], schema), verbose=0)
        expected = auc(data["test"]["label"], np.ravel(logits))
        assert found.models["base"]["auc"][0, 0] == pytest.approx(expected)

    def test_rows_of_weight_0_do_not_count(self):
        data = rows(interaction)
        wrong = data["train"].assign(label=1 - data["train"]["label"], weight=0.0)
        both = {
            name: part.assign(weight=2.0)
            if name != "train"
            else pd.concat([part.assign(weight=2.0), wrong])
            for name, part in data.items()
        }
        base = {"base": np.full(800, 0.5)}
        schema = dataclasses.replace(SCHEMA, sample_weight="weight")
        found = compare_pointwise(
            **both, schema=schema, models=base, item_key="item", metrics=["auc"]
        )
        means = compared(data, base, ["auc"]).to_frame()["auc"]["mean"]
        assert found.to_frame()["auc"]["mean"]["trees"] > means["trees"] - 0.03
        with pytest.raises(ValueError, match="'weight' of `train`: expected one above 0"):
            compare_pointwise(
                **{**both, "train": wrong.assign(label=data["train"]["label"])},
                schema=schema, models=base, item_key="item",
            )  # fmt: skip

    def test_a_model_that_is_no_ranker(self):
        data = rows(effects)
        schema = SCHEMA.adapt(data["train"], verbose=0)
        student, teacher = (Ranker(schema, TwoTower([4]), sees=s) for s in ("served", "served"))
        with pytest.raises(TypeError, match=r"Rankers \(of a .*received Distillation"):
            compared(data, {"base": Distillation(student=student, teacher=teacher)})

    def test_rows_without_a_label_and_without_privileged_columns(self):
        data = {name: part.drop(columns="secret") for name, part in rows(effects).items()}
        base = {"base": np.full(800, 0.5)}
        plain = compared(data, base)
        more = data["train"].assign(label=np.nan)
        found = compared({**data, "train": pd.concat([data["train"], more])}, base)
        pd.testing.assert_frame_equal(plain.to_frame(), found.to_frame())

    def test_what_is_printed(self):
        data = rows(effects)
        found = compared(data, {"base": truth(data, effects)})
        text = repr(found)
        assert text.startswith(found.first_line)
        assert "bias: shrinkage" in text and "1 seed can't carry a claim" in text

    def test_a_metric_without_a_value_is_a_dash(self):
        data = rows(effects)
        data["test"] = data["test"].assign(user=np.arange(800))
        found = compared(data, {"base": np.full(800, 0.5)}, ["auc", "group_auc"])
        assert found.to_frame()["group_auc"].isna().all(axis=None)
        assert "nan" not in repr(found) and "–" in repr(found)

    def test_without_scikit_learn(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "sklearn", None)
        with pytest.raises(ImportError, match=r"scikit-learn: pip install 'tfpfd\[audit\]'$"):
            compared(rows(effects), {"base": np.full(800, 0.5)})

    @pytest.mark.parametrize(
        ("models", "options", "message"),
        [
            ({"student": [0.5] * 800}, {}, r"`base` must name one of `models`, \['student'\]"),
            ({"base": [0.5] * 800, "trees": [0.5] * 800}, {}, r"other names than rivals, .*trees"),
            ({"base": [0.5] * 7}, {}, r"`models\['base'\]` must be \[800\] or .*\(1, 7\)"),
            ({"base": [np.nan] * 800}, {}, r"`models\['base'\]` must be finite, received 800"),
            ({"base": [2.0] * 800}, {}, r"must be in \[0, 1\], or logits .*from 2 to 2"),
            ({"base": [[0.5] * 800] * 2, "b": [0.5] * 800}, {}, "as many seeds each, .*'b': 1"),
            ({"base": [0.5] * 800}, {"metrics": []}, "`metrics` must name at least one"),
            ({"base": [0.5] * 800}, {"metrics": ["f1"]}, r"`metrics` names \['f1'\]"),
        ],
    )
    def test_wrong_arguments(self, models, options, message):
        with pytest.raises(ValueError, match=message):
            compared(rows(effects), models, **options)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda d: {"test": d["test"].assign(label=np.nan)}, "'label' of `test`: expected 0"),
            (lambda d: {"train": d["train"].assign(label=0.5)}, r"`train`: .*received \[0.5\]"),
            (lambda d: {"train": d["train"].assign(label=1.0)}, r"`train`: .*received \[1.0\]"),
            (lambda d: {"train": d["train"].drop(columns="item")}, "missing column 'item'"),
            (lambda d: {"validation": d["validation"][:0]}, "`validation` must have rows"),
            (
                lambda d: {"validation": d["validation"].assign(user=np.arange(800))},
                "`metrics` begins with 'group_auc', which has no value",
            ),
        ],
    )
    def test_wrong_rows(self, change, message):
        data = rows(effects)
        with pytest.raises(ValueError, match=message):
            compared({**data, **change(data)}, {"base": np.full(800, 0.5)}, ["group_auc"])

    def test_no_user(self):
        schema = dataclasses.replace(SCHEMA, list_key=None)
        with pytest.raises(ValueError, match="`user_key` must name the column of the user id"):
            compare_pointwise(
                **rows(effects), schema=schema, models={"base": np.full(800, 0.5)}, item_key="item"
            )


def test_the_example_of_the_docstring():
    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(compare_pointwise, globs={**vars(protocol)})
    assert doctest.DocTestRunner().run(example).failed == 0


@pytest.mark.slow
def test_the_page_runs_as_it_stands(movielens, monkeypatch):
    monkeypatch.setattr(tfpfd.datasets, "movielens_100k", lambda: movielens)
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    names = {}
    exec(compile(block.replace("range(5)", "range(2)"), PAGE.name, "exec"), names)
    found = names["found"]
    assert found.seeds == 2 and set(found.rivals) == {"bias", "logistic", "trees"}
    assert (found.to_frame()["auc"]["mean"] > 0.65).all()
