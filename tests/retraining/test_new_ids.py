"""Vocabularies of the next version, and the weights it takes over."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import MLP, FeatureEncoder, Ranker
from tfpfd._keras import keras
from tfpfd.retraining.new_ids import carry_over, enlarged, relearned


def vocabulary(schema, name):
    return schema.vocabularies[name].vocabulary


def with_(schema, name, **changes):
    return schema.replacing({name: dataclasses.replace(schema.vocabularies[name], **changes)})


def test_a_relearned_vocabulary_is_that_of_the_rows(first, tuesday):
    schema = relearned(first.schema, tuesday)
    assert sorted(vocabulary(schema, "user_id")) == [2, 3, 4, 5]
    assert sorted(vocabulary(schema, "film_id")) == ["f2", "f3", "f4", "f5", "f6", "f7"]
    assert schema.features()["age"].boundaries == (20.0, 40.0)
    assert schema == first.schema.replacing(schema.vocabularies)


def test_an_enlarged_vocabulary_keeps_every_place(first, tuesday):
    schema = enlarged(first.schema, tuesday)
    for name, new in (("user_id", {5}), ("film_id", {"f6", "f7"}), ("genres", set())):
        before = vocabulary(first.schema, name)
        assert vocabulary(schema, name)[: len(before)] == before
        assert set(vocabulary(schema, name)[len(before) :]) == new
    assert enlarged(schema, tuesday) == schema


def test_rare_and_too_many_new_ids_are_left_out(first, tuesday):
    rows = tuesday.assign(user_id=[9] + [8] * 3 + [7] * 5 + tuesday["user_id"].tolist()[9:])
    schema = with_(first.schema, "user_id", min_count=2)
    assert set(vocabulary(enlarged(schema, rows), "user_id")) == {1, 2, 3, 4, 5, 7, 8}
    # As many as there is room for, the most frequent first; known ids are never dropped.
    for size, new in ((5, {5}), (4, set()), (2, set())):
        found = enlarged(with_(first.schema, "user_id", max_size=size), tuesday)
        assert set(vocabulary(found, "user_id")) == {1, 2, 3, 4} | new


def test_hashed_features_have_nothing_to_learn(first, tuesday):
    schema = with_(first.schema, "user_id", vocabulary=None, hash_buckets=7)
    for learn in (enlarged, relearned):
        assert learn(schema, tuesday).vocabularies["user_id"] == schema.vocabularies["user_id"]


def test_known_ids_take_their_weights_along(first, linear, monday, tuesday):
    """Each known id has its row, also where tables of one variable have moved."""
    previous = first.load()
    student = linear(enlarged(first.schema.served(), tuesday))
    start = np.array(student.encoder.tables["film_id"].table)
    carry_over(previous, student)
    before, after = previous.encoder.tables["film_id"], student.encoder.tables["film_id"]
    assert before.offset != after.offset
    for name, rows in before.rows.items():
        old = np.array(before.table)[before.offset[name] :][:rows]
        new = np.array(after.table)[after.offset[name] :][:rows]
        np.testing.assert_array_equal(new, old)
    # The rows of f6 and f7 are as they were made.
    place = after.offset["film_id"] + before.rows["film_id"]
    np.testing.assert_array_equal(np.array(after.table)[place:][:2], start[place:][:2])
    np.testing.assert_array_equal(student.network.kernel, previous.network.kernel)


class Sum(keras.layers.Layer):
    """A network without weights, so that rankers differ in their tables alone."""

    def build(self, input_shape):
        self.built = True

    def call(self, inputs, training=None):
        return tf.add_n([tf.reduce_sum(side, axis=1) for side in inputs.values()])


def test_another_network_is_refused(first):
    schema = first.schema.served()
    encoder = FeatureEncoder(schema, dim=3)
    with pytest.raises(ValueError, match="`warm_start` needs a student built like the previous"):
        carry_over(first.load(), Ranker(schema, MLP([3]), encoder=encoder))


def test_another_width_is_refused(first):
    schema = first.schema.served()
    previous, same, other = (
        Ranker(schema, Sum(), encoder=FeatureEncoder(schema, dim=dim)) for dim in (3, 3, 4)
    )
    carry_over(previous, same)
    with pytest.raises(ValueError, match="`warm_start` needs a student built like the previous"):
        carry_over(previous, other)
