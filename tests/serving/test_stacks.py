"""The same answer everywhere: an export written on one stack, loaded on the others."""

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import inspect_export
from tfpfd._keras import KERAS_VERSION


@pytest.mark.slow
def test_exports_of_every_stack_answer_as_their_students(exported, tmp_path):
    """TFPFD_EXPORTS names a folder where each stack leaves its exports for the others."""
    shelf = Path(os.environ.get("TFPFD_EXPORTS", tmp_path))
    kind = exported.schema.item[0].dtype
    own = shelf / f"{kind}-tensorflow-{tf.__version__}-keras-{KERAS_VERSION}"
    aside = shutil.copytree(exported.path, tmp_path / "aside" / "1").parent
    request = {name: values.tolist() for name, values in exported.users().items()}
    told = (request, exported.ids, exported.logits())
    (aside / "student").write_bytes(pickle.dumps(told))
    shutil.rmtree(own, ignore_errors=True)
    shutil.move(aside, own)
    found = sorted(shelf.glob("*/student"))
    assert own / "student" in found
    for file in found:
        request, ids, logits = pickle.loads(file.read_bytes())
        version = file.parent / "1"
        assert inspect_export(version).findings == []
        loaded = tf.saved_model.load(str(version))
        signatures = loaded.signatures
        specs = signatures["serving_default"].structured_input_signature[1]
        users = {name: tf.constant(x, specs[name].dtype) for name, x in request.items()}
        candidates = tf.constant([ids] * len(logits))
        if not isinstance(ids[0], str):
            candidates = tf.cast(candidates, tf.int64)
        scores = signatures["score_candidates"](candidate_ids=candidates, **users)["scores"]
        np.testing.assert_allclose(scores, logits, rtol=1e-6, atol=1e-6)
        best = signatures["top_k"](k=tf.constant(len(ids)), **users)
        order = np.argsort(-logits, axis=1, kind="stable")
        expected = np.array(ids, object)[order]
        answered = [
            [i.decode() if isinstance(i, bytes) else i for i in row]
            for row in best["item_ids"].numpy()
        ]
        assert answered == expected.tolist()
