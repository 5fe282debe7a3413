import numpy as np
import pytest

from tfpfd.objectives.search import search_weights

BOUNDS = {"kept": (0.0, 2.0), "rated": (-1.0, 1.0)}


def test_finds_a_known_optimum():
    """The largest value is 3 at (.7, -.2)."""
    calls = []

    def value(weights):
        calls.append(weights)
        return 3 - (weights["kept"] - 0.7) ** 2 - 2 * (weights["rated"] + 0.2) ** 2

    found = search_weights(value, BOUNDS, trials=600, seed=1)
    assert found.weights == pytest.approx({"kept": 0.7, "rated": -0.2}, abs=0.02)
    assert found.value == pytest.approx(3, abs=1e-3)
    assert found.trials == len(calls) <= 600
    assert found.value == max(value(weights) for weights in list(calls))
    assert all(0 <= w["kept"] <= 2 and -1 <= w["rated"] <= 1 for w in calls)


def test_steps_and_an_optimum_at_the_edge():
    """A metric of rankings is a step function; here the highest step begins at 1.75."""
    found = search_weights(lambda w: np.floor(4 * w["kept"]), {"kept": (0.0, 1.99)}, trials=100)
    assert found.weights["kept"] >= 1.75
    assert found.value == 7


@pytest.mark.parametrize("trials", [10, 37, 100])
def test_never_more_trials_than_given(trials):
    random = np.random.default_rng(0)
    found = search_weights(lambda w: random.random(), BOUNDS, trials=trials)
    assert trials / 2 < found.trials <= trials


def test_seeds():
    def peak(w):
        return -abs(w["kept"] - 1.234) - abs(w["rated"])

    found = [search_weights(peak, BOUNDS, trials=60, seed=seed) for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_refusals():
    with pytest.raises(ValueError, match="`trials` must be an integer of at least 10, received 9"):
        search_weights(lambda w: 0.0, BOUNDS, trials=9)
    for bounds in ({}, {"kept": (1.0, 1.0)}, {"kept": (0.0, float("inf"))}):
        with pytest.raises(ValueError, match=r"`bounds` must be a finite \(lowest, highest\)"):
            search_weights(lambda w: 0.0, bounds)
    with pytest.raises(ArithmeticError, match="`value` is NaN for the weights"):
        search_weights(lambda w: float("nan"), BOUNDS)
    for answer in (None, "high", [1.0, 2.0]):
        with pytest.raises(ArithmeticError, match="`value` must return a number, received"):
            search_weights(lambda w, answer=answer: answer, BOUNDS)
