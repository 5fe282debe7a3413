"""Rankers and distillations small enough to work out by hand."""

import numpy as np
import pytest

from tfpfd import MLP, Distillation, FeatureEncoder, Ranker, WarmUp
from tfpfd._keras import keras


@pytest.fixture
def make(schema, linear):
    """A function that makes a distillation; `kind` is how the teacher gets its inputs."""

    def make(kind="shared", network=linear, weight=0.5, l2=0.0, **kwargs):
        sees = schema.features("served")
        student = Ranker(schema, network(), encoder=FeatureEncoder(schema, sees, dim=3, l2=l2))
        encoder = student.encoder
        if kind != "shared":
            encoder = FeatureEncoder(schema, schema.features(), dim=3, l2=l2)
        teacher = Ranker(schema, network(), sees="all", encoder=encoder)
        teacher.trainable = kind != "frozen"
        return Distillation(student=student, teacher=teacher, distillation_weight=weight, **kwargs)

    return make


@pytest.fixture
def compiled(make, linear):
    """A function that makes a compiled distillation with a warm-up of 3 steps."""

    def compiled(kind="shared", network=linear, optimizer=None, **kwargs):
        model = make(kind, network, weight=WarmUp(0.7, steps=3))
        # A few steps are faster without a graph; loaded models are compiled with one.
        settings = {"run_eagerly": True, **kwargs}
        model.compile(optimizer or keras.optimizers.Adagrad(0.1), **settings)
        return model

    return compiled


@pytest.fixture
def small_mlp():
    """A function that makes a small MLP, which has batch normalisation."""
    return lambda: MLP([4])


@pytest.fixture
def assert_same():
    """A function that compares the weights of two models."""

    def assert_same(model, other, **tolerance):
        pairs = list(zip(model.get_weights(), other.get_weights(), strict=True))
        assert pairs
        for weight, expected in pairs:
            np.testing.assert_allclose(weight, expected, **(tolerance or {"rtol": 0, "atol": 0}))

    return assert_same
