"""What `rare-label` compares methods on: labels of several rates, with the truth where it is known.

Clicks of the marketplace, whose purchases are thinned, and clicks of KuaiRand with its feedbacks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.grid import Cell
from experiments.rows_task import RowsRecipe, RowsSource, RowsTask
from tfpfd._keras import keras
from tfpfd.data.splits import SplitRows, Splits
from tfpfd.datasets import kuairand_pure, marketplace
from tfpfd.datasets.kuairand.feedback import LABELS, privileged_features
from tfpfd.datasets.kuairand.files import USER_CODES
from tfpfd.distillation import Ranker
from tfpfd.distillation.labelled_model import LabelledModel
from tfpfd.evaluation import auc, evaluate_rows, log_loss, user_bootstrap
from tfpfd.evaluation.differences import Metrics
from tfpfd.evaluation.intervals import FloatArray
from tfpfd.evaluation.row_rivals import row_rivals
from tfpfd.layers import MLP
from tfpfd.schema import Numeric, Schema, Sees

WANTED = 0.2
"""The share of the marketplace's clicks after which a purchase is wanted, about."""


@dataclass(frozen=True)
class Feedback:
    """A label of KuaiRand's clicks.

    Args:
      task: its name for `kuairand_pure`.
      codes: whether the twenty codes of a user are served, as was better on validation rows:
        together they are as good as an id.
      unseen: signals that no teacher sees, beside the label itself.
    """

    task: str
    codes: bool
    unseen: tuple[str, ...] = ()


FEEDBACKS = {
    "profile_enter": Feedback("profile_enter", True, ("profile_stay_time",)),
    "like": Feedback("like", False),
    "comment": Feedback("comment", True),
    "comment, stay not seen": Feedback("comment", True, ("comment_stay_time",)),
    "follow": Feedback("follow", False),
    "forward": Feedback("forward", True),
}

HISTORIES = ("clicked_tags", "liked_tags")
_LENGTH_EDGES = (1.0, 2.0, 5.0, 10.0, 20.0, 40.0)


@dataclass(frozen=True, eq=False)
class RareTask:
    """A task of methods, and what judges them beyond its test labels.

    Args:
      task: what methods are trained on.
      truth: `[rows]` true rates of the test rows; None where nobody knows them.
    """

    task: RowsTask
    truth: FloatArray | None = None

    @cached_property
    def described(self) -> dict[str, float]:
        """How many positives there are to train on, and the most that one feature tells of them.

        The latter is the AUC of the best privileged feature by itself, on training rows.
        """
        rows = self.task.train
        alone = (float(auc(rows.labels, rows.inputs[name])) for name in self.task.privileged)
        tell = max(max(value, 1 - value) for value in alone)
        return {"positives": float(rows.labels.sum()), "tell": tell}

    def measured(self, logits: FloatArray) -> dict[str, FloatArray]:
        """AUC and log loss `[1 + resamples]` by the test labels, and by the truth if it is known.

        Args:
          logits: `[rows]` of the test rows.
        """
        return {**self.by_labels(logits, ["auc", "log_loss"]), **self.against_truth(logits)}

    def by_labels(self, logits: FloatArray, metrics: list[str]) -> dict[str, FloatArray]:
        """Metrics `[1 + resamples]` by the test labels.

        Args:
          logits: `[rows]` of the test rows.
          metrics: names as of `evaluate_rows`.
        """
        task = self.task
        return evaluate_rows(
            task.test.labels, logits, task.users, task.resamples, from_logits=True, metrics=metrics
        )

    def against_truth(self, logits: FloatArray) -> dict[str, FloatArray]:
        """AUC and log loss as expected of labels drawn anew, `[1 + resamples]`; nothing unknown.

        Rare labels are few in any test set, true rates are known of every row: these metrics don't
        hold the luck of which test row came out positive. A row of rate p counts as p positive and
        1 − p negative ones.

        Args:
          logits: `[rows]` of the test rows.
        """
        if self.truth is None:
            return {}
        truth, users, resamples = self.truth, self.task.users, self.task.resamples
        both = np.repeat([1.0, 0.0], len(truth))
        scores = np.tile(logits, 2)
        rates = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))

        def ordered(weights: FloatArray) -> FloatArray:
            parted = np.concatenate([weights * truth, weights * (1 - truth)], axis=1)
            return np.asarray(auc(both, scores, parted))

        return {
            "true_auc": user_bootstrap(ordered, users, resamples),
            "true_log_loss": user_bootstrap(
                lambda weights: np.asarray(log_loss(truth, rates, weights)), users, resamples
            ),
        }

    @cached_property
    def rivals(self) -> dict[str, Metrics]:
        """Metrics `[1 + resamples]` of `row_rivals` by name; of the truth if it is known."""
        task = self.task
        found = dict(row_rivals(task.data, task.schema, "auc", self._of_rates).metrics)
        return found if self.truth is None else {**found, "truth": self._of_rates(self.truth)}

    def _of_rates(self, rates: FloatArray) -> dict[str, FloatArray]:
        sure = np.clip(rates, 1e-9, 1 - 1e-9)  # Of a rate of 0 there is no logit.
        return self.measured(np.log(sure) - np.log1p(-sure))


def started(model: LabelledModel, rate: float) -> LabelledModel:
    """A model whose rankers begin with the log odds of a rate in place of 0.

    From 0 a rare label takes the first epoch to learn its rate alone, and a model that is stopped
    early by a hundred positives has little more than that one.

    Args:
      model: a ranker with an `MLP`, or what trains one beside a teacher with one.
      rate: of the labels.
    """
    for ranker in (getattr(model, "student", model), getattr(model, "teacher", None)):
        if isinstance(ranker, Ranker):
            ranker.network.logit.bias.assign([np.log(rate / (1 - rate))])
    return model


def _network(sees: Sees, strong: bool) -> keras.layers.Layer:
    return MLP([16], batch_norm=False)


def _load_marketplace(path: Path | None) -> Callable[[Cell], RareTask]:
    def load(cell: Cell) -> RareTask:
        strength, seed = float(cell["strength"]), int(cell["seed"])
        data = marketplace(
            "purchase",
            users=4000,
            completion=float(cell["rate"]) / WANTED,
            # What counts is the signal over the noise, of which the signal is at most 1.
            strength=min(strength, 1.0),
            noise=1 / max(strength, 1.0),
            seed=seed,
        )
        order = np.random.default_rng(seed).permutation(len(data.train))
        # Fewer rows are among more of the same draw; validation and test rows are the same.
        train = data.train.iloc[np.sort(order[: int(cell["rows"])])].reset_index(drop=True)
        truth = data.cvr(data.test["user_id"].to_numpy(), data.test["item_id"].to_numpy())
        splits = Splits(train, data.validation, data.test, data.schema, data.user_key, "item_id")
        recipe = SOURCES["marketplace"].recipe
        return RareTask(RowsTask.of(splits, _network, recipe), truth)

    return load


def _load_kuairand(path: Path | None) -> Callable[[Cell], RareTask]:
    if path is None:
        raise ValueError("`--data kuairand` needs the folder of its files: `kuairand:PATH`")
    clicks = kuairand_pure(path, "like")

    def load(cell: Cell) -> RareTask:
        splits = of_feedback(clicks, str(cell["label"]))
        recipe = SOURCES["kuairand"].recipe
        return RareTask(RowsTask.of(splits, _network, recipe))

    return load


def of_feedback(clicks: SplitRows, feedback: str) -> Splits:
    """Clicks of KuaiRand with a feedback as their label.

    `comment_stay_time`, which `kuairand_pure` refuses for comments, is privileged for them here:
    served it would be a leak, and what a teacher does with it is the question.

    How many entries a history holds is served beside it. Its mean hides that, and who has liked
    much likes again: by itself the number has an AUC of .82 on validation rows, as much as a
    baseline without it, which was far below a logistic regression.

    Args:
      clicks: rows of any task given a click, which hold all labels.
      feedback: one of `FEEDBACKS`.
    """
    chosen = FEEDBACKS[feedback]
    label = LABELS[chosen.task]
    # No task has all of them, as its own label is not among them; these two have.
    known = {
        feature.name: feature
        for other in ("like", "follow")
        for feature in privileged_features(other)["post_event"]
    }
    hidden = {label, *chosen.unseen}
    seen = tuple(feature for name, feature in known.items() if name not in hidden)
    sides = clicks.schema
    left_out = () if chosen.codes else USER_CODES
    user = tuple(feature for feature in sides.user if feature.name not in left_out)
    lengths = tuple(Numeric(_length_of(name), boundaries=_LENGTH_EDGES) for name in HISTORIES)
    schema = Schema(
        (*user, *lengths), sides.item, {"post_event": seen}, label, list_key=sides.list_key
    )
    parts = (clicks.train, clicks.validation, clicks.test)
    train, validation, test = map(_with_lengths, parts)
    return Splits(train, validation, test, schema, item_key="video_id")


def _length_of(history: str) -> str:
    return f"{history}_length"


def _with_lengths(frame: pd.DataFrame) -> pd.DataFrame:
    lengths = {_length_of(name): frame[name].map(len).astype(np.float32) for name in HISTORIES}
    return frame.assign(**lengths)


SOURCES: dict[str, RowsSource] = {
    "marketplace": RowsSource(_load_marketplace, _network, RowsRecipe(dim=8, embedding_l2=0.003)),
    "kuairand": RowsSource(
        _load_kuairand, _network, RowsRecipe(dim=8, embedding_l2=0.0, batch_size=512)
    ),
}
"""Fine ranking; `load` gives a function from a cell to its task."""
