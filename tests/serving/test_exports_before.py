"""An export that was written before signatures were objects: served, inspected, refreshed."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import inspect_export, refresh, saved_scores

FILE = Path(__file__).parent / "exports" / "before_signatures.tar.xz"
"""Of stack A: user_id, clicks; item_id, genres, price, of which the last two are attributes."""

USERS = {
    "user_id": tf.constant(["u1", "never"]),
    "clicks": tf.constant([["i1", "i3"], ["", ""]]),
}
ITEMS = {"item_id": ["i1", "i2", "i3"], "genres": [["war"], [], ["love", "war"]]}
PRICES = [0.5, 2.0, 1.0]
SCORES = [[-4.742168, -4.757636, -4.8705945], [5.0807643, 5.0709386, 4.861986]]


@pytest.fixture
def base(tmp_path):
    """The directory of the model, with its version 1."""
    with tarfile.open(FILE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def scores(path):
    """Of all items, in the order of the table."""
    signature = tf.saved_model.load(str(path)).signatures["score_candidates"]
    return signature(candidate_ids=tf.constant([ITEMS["item_id"]] * 2), **USERS)["scores"]


@pytest.mark.slow
def test_it_is_inspected_and_answers(base):
    found = inspect_export(base)
    assert found.findings == []
    assert "signatures" not in found.manifest
    assert found.stripped == ["affinity"]
    np.testing.assert_allclose(scores(found.path), SCORES, rtol=1e-5)
    rows = {"user_id": ["u1"] * 3, "clicks": [["i1", "i3"]] * 3, **ITEMS, "price": PRICES}
    np.testing.assert_allclose(saved_scores(base, rows), SCORES[0], rtol=1e-5)


@pytest.mark.slow
def test_it_is_refreshed(base):
    version = refresh(base, {**ITEMS, "price": PRICES}, verbose=0)
    found = inspect_export(version)
    assert found.findings == []
    assert found.manifest["parent"] == 1
    assert found.signatures == inspect_export(base / "1").signatures
    assert found.manifest["warm_up_requests"] in (0, 120)
    np.testing.assert_allclose(scores(version), SCORES, rtol=1e-5)
