"""What the methods are made of; nothing is trained but in one test."""

import numpy as np
import pytest

from experiments.objectives import methods
from experiments.objectives.methods import METHODS
from experiments.objectives.objective_task import Training
from experiments.objectives.seed_models import Fitted, SeedModels
from tfpfd import Distillation, FusedTeachers, MultiTaskRanker, Scalarised, SeparateRankers
from tfpfd._keras import keras
from tfpfd.data.scoring import SLICE
from tfpfd.distillation.losses import ListwiseSoftmax


class Untrained(SeedModels):
    """Compiles what would be trained, and holds it."""

    def __init__(self, task, seed):
        super().__init__(task, seed)
        self.made = []

    def train(self, make, **rows):
        keras.utils.set_random_seed(self.seed + len(self.made))
        model = make()
        model.compile(loss=ListwiseSoftmax(), metrics=[])
        self.made.append(model)
        return Fitted(model, Training(1, 1.0))


@pytest.fixture
def untrained(tiny):
    return Untrained(tiny, 0)


@pytest.mark.parametrize(
    ("method", "kind", "seconds", "models", "searches"),
    [
        ("primary only", None, 1, 1, False),
        ("distilled", Distillation, 4, 1, False),
        ("distilled, gated", Distillation, 4, 1, False),
        ("its teachers", None, 3, 3, False),
        ("frozen, fused", None, 3, 3, True),
        ("separate", SeparateRankers, 1, 3, True),
        ("shared bottom", MultiTaskRanker, 1, 1, True),
        ("MMoE", MultiTaskRanker, 1, 1, True),
        ("PLE", MultiTaskRanker, 1, 1, True),
        ("one model", Scalarised, 1, 1, False),
    ],
)
def test_what_a_method_trains_and_serves(untrained, method, kind, seconds, models, searches):
    """A second for each training; the teachers are three, one for each objective."""
    found = METHODS[method](untrained, 0.5)
    assert found.scores.shape == untrained.task.test.labels.shape
    assert (found.seconds, found.models) == (seconds, models)
    assert (found.trials > 0) == searches
    if kind is not None:
        assert isinstance(untrained.made[-1], kind)


def test_the_student_learns_from_the_rankers_that_others_fuse(untrained):
    METHODS["its teachers"](untrained, 0.5)
    METHODS["distilled"](untrained, 0.5)
    model = untrained.made[-1]
    assert isinstance(model.teacher, FusedTeachers)
    assert model.teacher.parts == [*untrained.teachers.values()]
    assert model.teacher.weights_of == untrained.task.omega(0.5)
    assert (
        model.distillation_weight.distillation_weight == untrained.task.recipe.distillation_weight
    )
    assert not model.teacher.trainable
    METHODS["distilled, gated"](untrained, 0.5)
    assert untrained.made[-1].teacher.trainable
    assert len(untrained.made) == 3 + 2


def test_teachers_without_a_search_are_fused_by_the_given_weights(untrained):
    found = METHODS["its teachers"](untrained, 1.0)
    omega, test = untrained.task.omega(1.0), untrained.task.test
    scores = sum(omega[k] * test.scores(t) for k, t in untrained.teachers.items())
    np.testing.assert_allclose(found.scores, scores, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.usefixtures("_eager")
def test_bounds_lie_between_two_rankers(untrained, monkeypatch):
    """From the primary ranker's loss to that of the objective's own, where that is the lower."""
    seen = []

    def fit_for(shared, model, epochs):
        seen.append((model.weighting.bounds, epochs))
        return 1.0

    monkeypatch.setattr(methods, "_fit_for", fit_for)
    for trade_off in (0.5, 1.0):
        METHODS["ε-constraint"](untrained, trade_off)
    (half, epochs), (tight, _) = seen
    assert set(half) == {"kept", "rated_well"}
    assert epochs == 1
    for name in half:
        _, held = untrained.task.only(name)
        primary, own = (
            untrained.single(label).model.evaluate(held.batches(SLICE), verbose=0)
            for label in ("purchased", name)
        )
        assert tight[name] == pytest.approx(min(primary, own), rel=1e-5)
        assert half[name] == pytest.approx((primary + min(primary, own)) / 2, rel=1e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("_eager")
def test_constrained_training_takes_as_many_epochs_as_the_primary_ranker(untrained, monkeypatch):
    """One here, and its time is beside that of three rankers, a second each."""
    steps, fit_for = [], methods._fit_for

    def counted(shared, model, epochs):
        seconds = fit_for(shared, model, epochs)
        steps.append(int(model.optimizer.iterations))
        return seconds

    monkeypatch.setattr(methods, "_fit_for", counted)
    found = METHODS["ε-constraint"](untrained, 0.5)
    task = untrained.task
    assert steps == [sum(1 for _ in task.train.batches(task.recipe.batch_size))]
    assert found.seconds > 3
    assert found.models == 1
    assert np.isfinite(found.scores).all() and np.ptp(found.scores) > 0


def test_drawn_labels_stop_by_the_expected_one(untrained, monkeypatch):
    seen = []

    def train(make, train, validation):
        seen.append(validation.labels)
        return Untrained.train(untrained, make)

    monkeypatch.setattr(untrained, "train", train)
    METHODS["labels drawn by list"](untrained, 0.5)
    shares, held = untrained.task.shares(0.5), untrained.task.validation
    labels = {**held.inputs, "purchased": held.labels}
    expected = np.average([labels[n] for n in shares], axis=0, weights=list(shares.values()))
    np.testing.assert_allclose(seen[0], expected, rtol=1e-5)


def test_two_phases_add_the_scores_as_features(untrained):
    found = METHODS["two-phase"](untrained, 0.5)
    schema = untrained.made[-1].schema
    assert set(schema.features()) - set(untrained.task.schema.features()) == {
        "purchased_score",
        "cancelled_score",
        "rated_well_score",
    }
    assert (found.seconds, found.models) == (4, 4)


def test_a_kept_model_is_trained_once_for_all_trade_offs(untrained):
    for trade_off in (0.25, 1.0):
        METHODS["shared bottom"](untrained, trade_off)
    assert len(untrained.made) == 1
