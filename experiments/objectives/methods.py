"""The methods for several objectives, each a composition of the same parts."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from experiments.objectives.list_rows import ListRows
from experiments.objectives.seed_models import Outcome, SeedModels
from tfpfd._keras import keras
from tfpfd.data.scoring import SLICE
from tfpfd.distillation import Distillation
from tfpfd.distillation.losses import ListwiseSoftmax
from tfpfd.objectives import (
    PLE,
    EpsilonConstraint,
    FusedTeachers,
    FusionGate,
    MMoE,
    MultiTaskRanker,
    Scalarised,
    SeparateRankers,
    SharedBottom,
    aggregate_labels,
    fuse_scores,
)
from tfpfd.schema import Numeric, Schema

Method = Callable[[SeedModels, float], Outcome]
Weights = Callable[[SeedModels, float], Any]
RATE = 0.1
"""Of the multipliers' ascent: a bound that is broken by .05 for 200 steps gets the weight 1."""


def primary_only(shared: SeedModels, trade_off: float) -> Outcome:
    """The ranker of the primary objective."""
    seconds = shared.single(shared.task.primary).training.seconds
    return Outcome(shared.teacher_scores("test")[shared.task.primary], seconds)


def given(shared: SeedModels, trade_off: float) -> dict[str, float]:
    """ω of the trade-off."""
    return shared.task.omega(trade_off)


def gated(shared: SeedModels, trade_off: float) -> FusionGate:
    """ω of the trade-off at the start, then by user and request."""
    task = shared.task
    return FusionGate(task.omega(trade_off), task.encoder([f.name for f in task.schema.user]))


def distilled(weights: Weights) -> Method:
    """A student of the fused rankers of all objectives, which is served alone."""

    def run(shared: SeedModels, trade_off: float) -> Outcome:
        task = shared.task
        teachers = shared.teachers  # Trained before the seed of the student is set.

        def make() -> Distillation:
            return task.distillation(FusedTeachers(teachers, weights(shared, trade_off)))

        fitted = shared.train(make)
        seconds = shared.teacher_seconds + fitted.training.seconds
        return Outcome(task.test.scores(fitted.model.student), seconds)

    return run


def teachers_fused(shared: SeedModels, trade_off: float) -> Outcome:
    """The teachers of `distilled` fused when serving, with the same ω."""
    scores = fuse_scores(shared.teacher_scores("test"), shared.task.omega(trade_off))
    return Outcome(scores, shared.teacher_seconds, len(shared.task.objectives))


def teachers_searched(shared: SeedModels, trade_off: float) -> Outcome:
    """Variant 4: frozen rankers fused when serving."""
    validation, test = (shared.teacher_scores(part) for part in ("validation", "test"))
    seconds, models = shared.teacher_seconds, len(shared.task.objectives)
    return shared.searched(validation, test, trade_off, seconds, models)


def jointly(name: str, make: Callable[[SeedModels], Any], each: bool = False) -> Method:
    """Variants 1 and 2: a model that is trained on all objectives, its scores fused when serving.

    It is trained once a seed: the trade-off is one of the fusion.

    Args:
      name: to keep its scores by.
      make: gives the model.
      each: whether a model for each objective has to run when serving.
    """

    def run(shared: SeedModels, trade_off: float) -> Outcome:
        def scored() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], float]:
            fitted = shared.train(lambda: make(shared))
            parts = shared.task.validation, shared.task.test
            validation, test = (rows.scores(fitted.model) for rows in parts)
            return validation, test, fitted.training.seconds

        validation, test, seconds = shared.keep(name, scored)
        models = len(shared.task.objectives) if each else 1
        return shared.searched(validation, test, trade_off, seconds, models)

    return run


def separate(shared: SeedModels) -> SeparateRankers:
    """A ranker for each objective."""
    return SeparateRankers({name: shared.task.ranker() for name in shared.task.objectives})


def network(make: Callable[[tuple[int, ...], tuple[str, ...]], Any]) -> Callable[[SeedModels], Any]:
    """A model with one network for all objectives, made from hidden units and objectives."""

    def model(shared: SeedModels) -> MultiTaskRanker:
        task = shared.task
        layer = make(task.source.units, shared.task.objectives)
        return MultiTaskRanker(task.schema, layer, encoder=task.encoder())

    return model


def scalarised(shared: SeedModels, trade_off: float) -> Outcome:
    """Variant 3: one ranker on all objectives."""
    task = shared.task
    fitted = shared.train(lambda: Scalarised(task.ranker(), task.shares(trade_off)))
    return Outcome(task.test.scores(fitted.model.ranker), fitted.training.seconds)


def aggregated(per: Literal["list", "row"]) -> Method:
    """Stochastic label aggregation."""

    def run(shared: SeedModels, trade_off: float) -> Outcome:
        task = shared.task
        return _aggregated(
            shared, trade_off, per, task.schema, (task.train, task.validation, task.test)
        )

    return run


def two_phase(shared: SeedModels, trade_off: float) -> Outcome:
    """Stochastic label aggregation, the scores of single-objective rankers among the features."""

    def make() -> tuple[Schema, list[ListRows]]:
        parts = ("train", "validation", "test")
        scores = {part: shared.teacher_scores(part) for part in parts}
        features = tuple(
            Numeric(f"{name}_score", boundaries=_edges(values))
            for name, values in scores["train"].items()
        )
        schema = dataclasses.replace(shared.task.schema, item=(*shared.task.schema.item, *features))
        lookup = schema.lookup_of(features)
        rows = []
        for part in parts:
            raw = {f"{name}_score": tf.constant(v) for name, v in scores[part].items()}
            ids = {name: column.numpy() for name, column in lookup(raw).items()}
            rows.append(getattr(shared.task, part).having(ids))
        return schema, rows

    schema, rows = shared.keep("two-phase", make)
    found = _aggregated(shared, trade_off, "list", schema, rows)
    seconds = shared.teacher_seconds + found.seconds
    return Outcome(found.scores, seconds, len(shared.task.objectives) + 1)


def _edges(scores: np.ndarray) -> tuple[float, ...]:
    return tuple(np.unique(np.quantile(scores, np.arange(1, 16) / 16)).tolist())


def _aggregated(
    shared: SeedModels, trade_off: float, per: Literal["list", "row"], schema: Schema, parts: Any
) -> Outcome:
    train, validation, test = parts
    task, shares = shared.task, shared.task.shares(trade_off)
    drawn = aggregate_labels(
        train.batches(task.recipe.batch_size, shared.seed), schema, shares, per, shared.seed
    )
    # Drawn labels would make early stopping a matter of luck: the loss is linear in the label.
    total = sum(shares.values())
    mean = sum(share * task.labels(validation, name) for name, share in shares.items()) / total
    held = dataclasses.replace(validation, labels=np.asarray(mean, np.float32))
    fitted = shared.train(lambda: task.ranker(schema), train=drawn, validation=held)
    return Outcome(test.scores(fitted.model), fitted.training.seconds)


def constrained(shared: SeedModels, trade_off: float) -> Outcome:
    """The ε-constraint method.

    The bound of an objective lies between the loss of the primary ranker on its labels, at the
    trade-off 0, and that of its own ranker, at 1, both on validation rows. It takes as many epochs
    as the primary ranker: while multipliers rise, the Lagrangian says nothing about when to stop.
    """
    task = shared.task
    primary = shared.single(task.primary)
    names = [name for name in task.shares(trade_off) if name != task.primary]
    bounds = {}
    for name in names:
        held = dataclasses.replace(task.validation, labels=task.labels(task.validation, name))
        loose, tight = (
            fitted.model.evaluate(held.batches(SLICE), verbose=0, return_dict=True)["loss"]
            for fitted in (primary, shared.single(name))
        )
        bounds[name] = loose - trade_off * max(loose - tight, 0.0)
    keras.utils.set_random_seed(shared.seed)
    model = Scalarised(task.ranker(), EpsilonConstraint(bounds, rate=RATE))
    seconds = _fit_for(shared, model, primary.training.epochs)
    needed = [primary, *(shared.single(name) for name in names)]
    seconds += sum(fitted.training.seconds for fitted in needed)
    return Outcome(task.test.scores(model.ranker), seconds)


def _fit_for(shared: SeedModels, model: Any, epochs: int) -> float:
    recipe = shared.task.recipe
    start = time.perf_counter()
    model.compile(keras.optimizers.Adam(recipe.learning_rate), loss=ListwiseSoftmax(), metrics=[])
    batches = shared.task.train.batches(recipe.batch_size, shared.seed)
    model.fit(batches, epochs=epochs, verbose=0)
    return time.perf_counter() - start


PRIMARY = "primary only"
DISTILLED = "distilled"
FUSED = "frozen, fused"
MULTI_TASK = "shared bottom"
METHODS: dict[str, Method] = {
    PRIMARY: primary_only,
    DISTILLED: distilled(given),
    "distilled, gated": distilled(gated),
    "its teachers": teachers_fused,
    FUSED: teachers_searched,
    "separate": jointly("separate", separate, each=True),
    MULTI_TASK: jointly(
        "shared bottom",
        network(lambda units, names: SharedBottom(units, names, batch_norm=False)),
    ),
    "MMoE": jointly("MMoE", network(lambda units, names: MMoE(units, names, batch_norm=False))),
    "PLE": jointly(
        "PLE",
        network(lambda units, names: PLE([[width] for width in units], names, batch_norm=False)),
    ),
    "one model": scalarised,
    "labels drawn by list": aggregated("list"),
    "labels drawn by row": aggregated("row"),
    "two-phase": two_phase,
    "ε-constraint": constrained,
}
