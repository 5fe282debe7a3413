"""Rows scored by an export: the student's own logits."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tfpfd import export, saved_scores


def frame(columns):
    """Raw columns as rows: lists without their padding."""
    return pd.DataFrame(
        {
            name: [
                [one for one in row if one not in ("", -1)] if values.ndim == 2 else row
                for row in values.tolist()
            ]
            for name, values in columns.items()
        }
    )


def rows_of(exported):
    """Every user with two items, of which one isn't in the table."""
    items = frame(exported.items())
    number = items["item_id"].dtype.kind == "i"
    new = items.iloc[[0]].assign(item_id=[999 if number else "new"])
    return frame(exported.users()).merge(pd.concat([items.iloc[[3]], new]), how="cross")


@pytest.mark.slow
def test_scores_are_the_students(exported):
    rows = rows_of(exported)
    schema = exported.schema
    features = list(schema.features("served").values())
    columns = schema.columns(dict(rows.items()), features)
    inputs = schema.lookup({name: tf.constant(values) for name, values in columns.items()})
    expected = exported.student.predict(inputs, verbose=0)
    found = saved_scores(exported.path, rows)
    assert found.dtype == np.float32 and found.shape == (len(rows),)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    # The directory of versions too.
    np.testing.assert_array_equal(saved_scores(exported.path.parent, rows), found)


@pytest.mark.slow
def test_of_a_ranker_without_items(strings, tmp_path):
    version = export(strings.student, None, tmp_path, warmup_requests=False)
    rows = rows_of(strings)
    expected = saved_scores(strings.path, rows)
    np.testing.assert_allclose(saved_scores(version, rows), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("what", ["tower", "several"])
def test_exports_that_score_no_rows(strings, tmp_path, what):
    student = strings.student if what == "tower" else {"ctr": strings.student}
    side = "user" if what == "tower" else None
    version = export(student, None, tmp_path, side=side, warmup_requests=False)
    with pytest.raises(ValueError, match=r"must be an export of one ranker, received .*signatures"):
        saved_scores(version, rows_of(strings))


@pytest.mark.slow
def test_refusals(exported, tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no SavedModel"):
        saved_scores(tmp_path, rows_of(exported))
    with pytest.raises(ValueError, match="missing column 'age'"):
        saved_scores(exported.path, rows_of(exported).drop(columns="age"))
    with pytest.raises(ValueError, match="`rows` is empty"):
        saved_scores(exported.path, rows_of(exported).iloc[:0])
    tf.saved_model.save(tf.Module(), str(tmp_path))
    with pytest.raises(FileNotFoundError, match="is no export of tfpfd"):
        saved_scores(tmp_path, rows_of(exported))
