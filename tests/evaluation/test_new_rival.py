"""Rivals of one's own: this file alone adds one of each kind, and comparisons have them."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from tfpfd import Categorical, Schema
from tfpfd.evaluation import (
    Candidate,
    CatalogueRival,
    PointwiseRival,
    RetrievalRival,
    compare_pointwise,
    compare_retrieval,
    register_rival,
)
from tfpfd.evaluation.rivals import POINTWISE, RETRIEVAL, title_of_rival

pytest.importorskip("sklearn")
pytest.importorskip("scipy")


def highest_numbers(users, items, shape, turned=False):
    """Items by their number, whoever asks: the last ones first, or, turned, the first."""
    order = np.arange(shape[1], dtype=np.float32)
    return CatalogueRival(np.zeros(shape), -order if turned else order)


NUMBERS = RetrievalRival(
    "numbers",
    "items by number",
    highest_numbers,
    grid=({"turned": True}, {"turned": False}),
    told="turned: {turned}",
)


def steps(rows):
    """Rows of a user above a bound have a high rate."""
    for bound in (3, 6):

        def rates(users, bound=bound):
            return np.where(users > bound, 0.9, 0.1)

        yield Candidate(
            f"above {bound}", rates(rows.validation.users), partial(rates, rows.test.users)
        )


STEPS = PointwiseRival("steps", "a step", steps)


@pytest.fixture(autouse=True)
def registered():
    """Both beside the first of each kind: those that take longer aren't what is tested."""
    before = [(table, dict(table)) for table in (RETRIEVAL, POINTWISE)]
    for table, known in before:
        for name in list(known)[1:]:
            del table[name]
    register_rival(NUMBERS)
    register_rival(STEPS)
    yield
    for table, known in before:
        table.clear()
        table.update(known)


def test_it_stands_beside_models_that_rank_a_catalogue():
    history, validation, test = [[0], [0]], [[5], [6]], [[7], [7]]
    found = compare_retrieval(
        history, validation, test, {"base": np.zeros((2, 8))}, metrics=["recall@3"]
    )
    assert list(found.rivals) == ["popularity", "numbers"]
    # Chosen on validation, where the last items come first.
    assert found.settings["numbers"] == "turned: False"
    assert found.rivals["numbers"]["recall@3"][0, 0] == 1
    assert "numbers" in repr(found)


def test_it_stands_beside_models_of_rows():
    random = np.random.default_rng(0)
    rows = pd.DataFrame({"user": random.integers(0, 10, 900), "item": random.integers(0, 9, 900)})
    rows["label"] = (rows["user"] > 6).astype(float)
    parts = rows[:300], rows[300:600], rows[600:]
    ids = [Categorical("user", dtype="int")], [Categorical("item", dtype="int")]
    found = compare_pointwise(
        *parts, Schema(*ids), {"base": np.full(300, 0.5)}, "item", "user", metrics=["auc"]
    )
    assert list(found.rivals) == ["bias", "steps"]
    assert found.settings["steps"] == "above 6"
    assert found.rivals["steps"]["auc"][0, 0] == 1


def test_a_model_cannot_have_its_name():
    with pytest.raises(ValueError, match=r"other names than rivals, .*numbers"):
        compare_retrieval(
            [[0]], [[1]], [[2]], {"base": np.zeros((1, 3)), "numbers": np.zeros((1, 3))}
        )


def test_its_title():
    assert title_of_rival("numbers") == "items by number"
    assert title_of_rival("distilled") == "distilled"


def test_what_is_refused():
    with pytest.raises(ValueError, match="`name` must be a new one, received 'bias'"):
        register_rival(PointwiseRival("bias", "another", steps))
    with pytest.raises(TypeError, match="`rival` must be a RetrievalRival or a PointwiseRival"):
        register_rival(highest_numbers)
