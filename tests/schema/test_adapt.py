import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpfd import Categorical, Numeric, Schema, Sequence
from tfpfd.schema.quantiles import QuantileLearner
from tfpfd.schema.vocabulary import VocabularyLearner


def adapted(feature, values, **schema):
    """The one feature of a schema, adapted on one column."""
    data = {feature.name: values, "label": np.ones(len(values))}
    return Schema(user=(feature,), item=(), **schema).adapt(data, verbose=0).user[0]


class TestVocabulary:
    def test_most_frequent_first_and_ties_in_order_of_value(self):
        feature = adapted(Categorical("city"), ["b", "c", "a", "c", "d", "b", "c"])
        assert feature.vocabulary == ("c", "b", "a", "d")

    def test_integers(self):
        feature = adapted(Categorical("id", dtype="int"), [7, 10, 7, 9, 0, 2**62])
        assert feature.vocabulary == (7, 0, 9, 10, 2**62)
        assert all(type(value) is int for value in feature.vocabulary)

    def test_order_does_not_depend_on_the_order_of_rows(self):
        values = np.random.default_rng(0).integers(0, 50, 1000)
        learned = {
            adapted(Categorical("id", dtype="int"), np.random.default_rng(s).permutation(values))
            for s in range(5)
        }
        assert len(learned) == 1

    def test_min_count(self):
        feature = adapted(Categorical("city", min_count=2), ["b", "a", "b", "c", "c", "c"])
        assert feature.vocabulary == ("c", "b")

    def test_min_count_that_nothing_reaches(self):
        feature = adapted(Categorical("city", min_count=2, oov=3), ["a", "b"])
        assert feature.vocabulary == ()
        assert feature.rows == 1 + 3

    def test_max_size(self):
        feature = adapted(Categorical("city", max_size=2), ["b", "a", "b", "c", "c", "c"])
        assert feature.vocabulary == ("c", "b")

    def test_missing_values_are_not_learned(self):
        feature = adapted(Categorical("city", optional=True), ["a", None, "", np.nan, "b"])
        assert feature.vocabulary == ("a", "b")
        feature = adapted(Categorical("id", dtype="int", optional=True), [3, -1, 3, -7, 2])
        assert feature.vocabulary == (3, 2)

    @pytest.mark.skipif(pd.__version__ < "3", reason="pandas 2 groups strings up to a NUL")
    def test_strings_that_share_a_beginning_up_to_a_nul(self):
        assert adapted(Categorical("id"), ["a\0b", "a", "a\0c", "a"]).vocabulary == (
            "a",
            "a\0b",
            "a\0c",
        )

    def test_values_of_lists_and_of_sequences_count_for_the_vocabulary_they_use(self):
        schema = Schema(
            user=(Sequence("clicks", of="item"), Categorical("favourite", of="item")),
            item=(Categorical("item"), Categorical("genres", length=2)),
        ).adapt(
            {
                "clicks": [["d", "d", "d", "d"], []],
                "favourite": ["c", "c"],
                "item": ["a", "b"],
                "genres": [["x", "y", "z"], ["z"]],
                "label": [1, 0],
            },
            verbose=0,
        )
        assert schema.vocabularies["item"].vocabulary == ("d", "c", "a", "b")
        assert schema.vocabularies["genres"].vocabulary == ("z", "x", "y")

    def test_served_vocabularies_are_learned_from_served_columns_alone(self):
        schema = Schema(
            user=(Sequence("clicks", of="item"),),
            item=(Categorical("item", min_count=2, max_size=2),),
            privileged={
                "cross": (Categorical("dearest", of="item"), Categorical("coupon")),
                "post_event": (Sequence("bought", of="item"), Sequence("used", of="coupon")),
            },
        )
        rows = {
            "clicks": [["b", "b"], ["a"]],
            "item": ["a", "c"],
            # "c" would reach `min_count` by these, "z" would come first.
            "dearest": ["c", "c"],
            "bought": [["z", "z", "z"], ["z", "z"]],
            "coupon": ["5%", "free"],
            "used": [["free", "half"], []],
            "label": [1, 0],
        }
        adapted = schema.adapt(rows, verbose=0)
        assert adapted.vocabularies["item"].vocabulary == ("a", "b")
        assert adapted.vocabularies["coupon"].vocabulary == ("free", "5%", "half")
        assert adapted.served() == schema.served().adapt(rows, verbose=0)
        ids = adapted.lookup({"bought": tf.constant([["z", "b"]])})
        assert ids["bought"][0, :2].numpy().tolist() == [1, 3]

    def test_given_and_hashed_ones_stay(self):
        features = (
            Categorical("a", vocabulary=("x",)),
            Categorical("b", hash_buckets=5),
            Numeric("c", boundaries=(1.5,)),
        )
        data = {**{name: ["y", "z"] for name in "abd"}, "c": [1, 2], "label": [0, 1]}
        schema = Schema(user=features, item=(Categorical("d"),)).adapt(data, verbose=0)
        assert schema.user == features
        assert schema.item[0].vocabulary == ("y", "z")

    def test_leaves_the_original_unchanged_and_learns_nothing_twice(self):
        schema = Schema(user=(Categorical("a"), Numeric("b", buckets=2)), item=())
        before = schema.to_json()
        first = schema.adapt({"a": ["x"], "b": [1.0], "label": [1]}, verbose=0)
        assert schema.to_json() == before
        assert first.user[0].vocabulary == ("x",)
        with pytest.raises(ValueError, match=r"nothing to learn.*\['a'\] are known"):
            first.adapt({"a": ["y"], "b": [5.0], "label": [1]}, verbose=0)

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.lists(st.integers(0, 9)), min_size=1), st.integers(1, 20))
    def test_counts_merge_like_value_counts(self, batches, limit):
        learner = VocabularyLearner()
        for batch in batches:
            learner.update(np.array(batch, np.int64))
            if learner._waiting > limit:
                learner._merge()
        values = np.concatenate([np.array(batch, np.int64) for batch in batches])
        expected = pd.Series(values).value_counts().to_dict()
        learner._merge()
        assert learner._counts.to_dict() == expected
        assert learner._pending == []
        assert learner.learned() == tuple(
            sorted(expected, key=lambda value: (-expected[value], value))
        )

    def test_pending_counts_are_merged_before_they_outgrow_the_vocabulary(self):
        learner = VocabularyLearner()
        values = np.arange(300_000)
        for _ in range(5):
            learner.update(values)
            assert learner._waiting <= 1_000_000
        assert len(learner._counts) == len(values)
        learner._merge()
        assert (learner._counts == 5).all()

    def test_a_million_distinct_ids(self):
        ids = np.random.default_rng(0).permutation(1_000_000)
        learner = VocabularyLearner()
        for part in np.split(np.concatenate([ids, ids[:10]]), [600_000]):
            learner.update(part)
        vocabulary = learner.learned()
        assert vocabulary[:10] == tuple(sorted(ids[:10].tolist()))
        assert len(vocabulary) == 1_000_000
        assert vocabulary[10:] == tuple(sorted(set(range(1_000_000)) - set(vocabulary[:10])))


class TestBoundaries:
    def test_are_numpy_quantiles(self):
        values = np.random.default_rng(0).normal(size=501).astype(np.float32)
        feature = adapted(Numeric("age", buckets=4), values)
        expected = np.quantile(values, [0.25, 0.5, 0.75], method="higher")
        assert feature.boundaries == tuple(expected.tolist())
        assert feature.rows == 1 + 4

    def test_worked_by_hand(self):
        # Six rows, three buckets: two rows below 3, two from 3 to 5, two from 5 on.
        assert adapted(Numeric("age", buckets=3), [6, 1, 3, 2, 5, 4]).boundaries == (3.0, 5.0)

    def test_do_not_depend_on_batches_while_the_sample_holds_all(self):
        values = np.random.default_rng(0).normal(size=1000).astype(np.float32)
        whole, parts = QuantileLearner("age"), QuantileLearner("age")
        whole.update(values)
        for part in np.split(values, [1, 1, 500, 999]):
            parts.update(part)
        assert whole.learned() == parts.learned()

    def test_equal_quantiles_are_merged(self):
        assert adapted(Numeric("age", buckets=4), [0] * 60 + [1] * 40).boundaries == (1.0,)

    @pytest.mark.parametrize(("rest", "edge"), [([3] * 10, 3.0), ([7, 2], 2.0)])
    def test_rare_values_are_parted_from_the_one_that_nearly_all_are(self, rest, edge):
        assert adapted(Numeric("age", buckets=4), [0] * 90 + rest).boundaries == (edge,)

    @pytest.mark.parametrize("optional", [False, True])
    def test_one_value_alone_is_warned_of(self, optional):
        values = [5, 5, None] if optional else [5, 5]
        with pytest.warns(UserWarning, match=r"column 'age': all values are 5\.0, so .* nothing"):
            feature = adapted(Numeric("age", buckets=4, optional=optional), values)
        assert feature.boundaries == ()

    def test_missing_values_do_not_count(self):
        feature = Numeric("age", buckets=2, optional=True)
        assert adapted(feature, [1.0, np.nan, 3.0, None]).boundaries == (3.0,)

    def test_of_a_long_stream_are_within_the_stated_error(self):
        rows, size = 400_000, 10_000
        learner = QuantileLearner("age", buckets=10)
        # A sorted stream: a sample of its beginning or end would be far off.
        for start in range(0, rows, size):
            learner.update(np.arange(start, start + size, dtype=np.float32))
        share_below = np.array(learner.learned()) / rows
        error = share_below - np.arange(1, 10) / 10
        assert np.sqrt(np.mean(error**2)) < 0.5 / np.sqrt(QuantileLearner.SAMPLE)
        assert np.abs(error).max() < 3 * 0.5 / np.sqrt(QuantileLearner.SAMPLE)
        assert len(learner._sample) == QuantileLearner.SAMPLE

    def test_a_long_stream_gives_the_same_edges_again(self):
        def learned():
            learner = QuantileLearner("age")
            for seed in range(10):
                learner.update(np.random.default_rng(seed).random(10_000, np.float32))
            return learner.learned()

        assert learned() == learned()
