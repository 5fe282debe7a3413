"""Target encodings by hand, and that no label is in its own row's encoding."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpfd import Categorical, Numeric, Schema, Sequence
from tfpfd.evaluation.target_encoding import Members, ServedFeatures, TargetEncoding

LABELS, WEIGHTS = np.array([1.0, 0.0, 1.0, 1.0]), np.ones(4)
FOLDS = np.array([0, 0, 1, 1])


def members_of(column, length):
    return Members.of(Categorical("id", length=length), {"id": column})


def test_single_ids_by_hand():
    ids = np.array(["a", "b", "a", "b"], object)
    found = TargetEncoding(members_of(ids, None), LABELS, WEIGHTS, FOLDS, smoothing=1.0)
    # Fold 0 goes by fold 1: a has a 1, b a 1, the mean is 1. Fold 1 goes by fold 0, of mean 1/2.
    expected = [1, 1, (1 + 1 / 2) / 2, (0 + 1 / 2) / 2]
    np.testing.assert_allclose(found.out_of_fold, expected)
    # All four have the mean 3/4.
    unseen = members_of(np.array(["b", "c", "a"], object), None)
    np.testing.assert_allclose(found.encode(unseen), [(1 + 3 / 4) / 3, 3 / 4, (2 + 3 / 4) / 3])


def test_lists_by_hand():
    lists = np.array([[7, 8], [8, -1], [7, -1], [-1, -1]])
    members = members_of(lists, 2)
    assert members.lengths.tolist() == [2, 1, 1, 0]
    found = TargetEncoding(members, LABELS, WEIGHTS, FOLDS, smoothing=1.0)
    # Row 0: 7 has one 1 in fold 1, 8 nothing: the mean of 1 and 1. Row 2: 7 has a 1, over 1/2.
    # Row 3 holds nothing, and so has the mean of the other fold.
    np.testing.assert_allclose(found.out_of_fold, [1, 1, 3 / 4, 1 / 2])
    # 7: (2 + 3/4) / 3, 8: (1 + 3/4) / 3.
    new = members_of(np.array([[8, 7], [9, -1], [-1, -1]]), 2)
    np.testing.assert_allclose(found.encode(new), [(11 / 12 + 7 / 12) / 2, 3 / 4, 3 / 4])


def test_the_last_ones_of_a_list_are_used():
    members = members_of(np.array([[1, 2, 3], [4, -1, -1]]), 2)
    assert members.values.tolist() == [2, 3, 4]


def test_weights_are_rows():
    ids = np.array([1, 1, 2, 2])
    weighted = TargetEncoding(
        members_of(ids, None), LABELS, np.array([1.0, 2.0, 1.0, 1.0]), FOLDS, 2.0
    )
    more = [0, 1, 1, 2, 3]
    repeated = TargetEncoding(
        members_of(ids[more], None), LABELS[more], np.ones(5), FOLDS[more], 2.0
    )
    np.testing.assert_allclose(weighted.out_of_fold, repeated.out_of_fold[[0, 1, 3, 4]])


def test_all_rows_are_encoded_as_by_scikit_learn():
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    random = np.random.default_rng(0)
    ids, labels = random.integers(0, 9, 200), random.integers(0, 2, 200).astype(float)
    own = TargetEncoding(members_of(ids, None), labels, np.ones(200), np.arange(200) % 5)
    theirs = preprocessing.TargetEncoder(target_type="continuous", smooth=10.0)
    expected = theirs.fit(ids[:, None], labels).transform(ids[:, None])[:, 0]
    np.testing.assert_allclose(own.encode(members_of(ids, None)), expected, rtol=1e-12)


SCHEMA = Schema(
    user=[Categorical("user", dtype="int"), Sequence("seen", of="item")],
    item=[Categorical("item", dtype="int"), Numeric("price", optional=True)],
)


def rows(count, seed=0):
    random = np.random.default_rng(seed)
    seen = [list(random.integers(1, 6, random.integers(0, 4))) for _ in range(count)]
    raw = {
        "user": random.integers(0, 6, count),
        "seen": seen,
        "item": random.integers(1, 6, count),
        "price": np.where(random.random(count) < 0.2, np.nan, random.random(count)),
    }
    return SCHEMA.columns(raw, SCHEMA.features().values())


@settings(max_examples=30, deadline=None)
@given(row=st.integers(0, 39), seed=st.integers(0, 100))
def test_a_row_s_own_label_is_not_in_its_encoding(row, seed):
    columns = rows(40, seed)
    labels = np.random.default_rng(seed).integers(0, 2, 40).astype(float)
    changed = labels.copy()
    changed[row] = 1 - changed[row]
    before, after = (ServedFeatures(SCHEMA, columns, y).train for y in (labels, changed))
    np.testing.assert_array_equal(before[row], after[row])
    assert (before != after).any()  # It is in those of others.


def test_numbers_stand_as_they_are_and_lists_have_a_length():
    columns = rows(40)
    found = ServedFeatures(SCHEMA, columns, np.arange(40) % 2.0)
    assert found.train.shape == (40, 5)  # user, seen, its length, item, price
    np.testing.assert_array_equal(found.train[:, 2], (columns["seen"] >= 0).sum(axis=1))
    np.testing.assert_array_equal(found.train[:, 4], columns["price"])
    np.testing.assert_array_equal(found.numbers(columns)[:, 4], columns["price"])
