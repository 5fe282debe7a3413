"""The loop over batches where nothing is trained."""

import numpy as np
import pytest

from tfpfd.data import scoring
from tfpfd.data.scoring import scores_of, scores_of_batches

INPUTS = {"a": np.arange(7.0), "b": np.arange(14.0).reshape(7, 2)}


def scorer(inputs, training):
    assert training is False
    return {"sum": inputs["a"] + inputs["b"][:, 1], "wide": inputs["b"]}


def test_rows_come_back_in_their_order_whatever_a_batch_holds(monkeypatch):
    monkeypatch.setattr(scoring, "SLICE", 3)
    seen = []

    def watched(inputs, training):
        seen.append(len(inputs["a"]))
        return scorer(inputs, training)

    found = scores_of(watched, INPUTS, 7)
    assert seen == [3, 3, 1]
    np.testing.assert_array_equal(found["sum"], INPUTS["a"] + INPUTS["b"][:, 1])
    np.testing.assert_array_equal(found["wide"], INPUTS["b"])


def test_a_scorer_may_give_one_array():
    found = scores_of_batches(lambda inputs, training: inputs["a"], [INPUTS, INPUTS])
    np.testing.assert_array_equal(found, np.tile(INPUTS["a"], 2))


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="`rows` is empty: expected rows to score, received none"):
        scores_of(scorer, INPUTS, 0)
