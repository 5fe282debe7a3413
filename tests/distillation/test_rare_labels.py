"""What a two-tower can say of rare labels: its inner product is bounded, its bias isn't."""

import numpy as np
import pytest

from tfpfd import Categorical, Ranker, Schema, TwoTower
from tfpfd._keras import keras

ROWS = 20_000
SCHEMA = Schema(
    user=(Categorical("user_id", vocabulary=tuple("abcdefgh")),),
    item=(Categorical("item_id", vocabulary=tuple("stuvwxyz")),),
)
LOWEST = 1 / (1 + np.exp(5.0))


def probabilities(marked, positives, **kwargs):
    """Of the rows that a two-tower was trained on, of which so many are positive."""
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    inputs = {name: random.integers(2, 10, ROWS).astype("int32") for name in ("user_id", "item_id")}
    inputs = marked(SCHEMA, inputs)
    labels = (random.permutation(ROWS) < positives).astype("float32")
    ranker = Ranker(SCHEMA, TwoTower([4], batch_norm=False, **kwargs))
    ranker.compile(keras.optimizers.Adam(0.05), metrics=[])
    ranker.fit(inputs, labels, batch_size=500, epochs=12, verbose=0)
    return 1 / (1 + np.exp(-ranker.predict(inputs, batch_size=ROWS, verbose=0)))


@pytest.mark.slow
def test_the_mean_probability_is_the_rate(marked):
    assert probabilities(marked, 200).mean() == pytest.approx(0.01, rel=0.4)


@pytest.mark.slow
def test_rarer_labels_are_told_than_the_bound_allows(marked):
    assert probabilities(marked, 20).mean() < LOWEST / 2


@pytest.mark.slow
@pytest.mark.parametrize("positives", [200, 20], ids=["1 %", ".1 %"])
def test_without_a_bias_none_is_below_the_bound(marked, positives):
    found = probabilities(marked, positives, use_bias=False)
    assert found.min() >= LOWEST * (1 - 1e-4)
    # So the mean of the rarer labels is several times their rate.
    assert found.mean() > (6 if positives == 20 else 0.6) * positives / ROWS
