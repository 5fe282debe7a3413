import dataclasses

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tfpfd import MLP, Categorical, Numeric, Ranker, Schema
from tfpfd._keras import keras
from tfpfd.data import LIST, from_rows
from tfpfd.objectives.aggregation import aggregate_labels

SCHEMA = Schema(
    user=(Categorical("user", vocabulary=("u1", "u2")),),
    item=(Categorical("item", vocabulary=("a", "b", "c")),),
    label="book",
    list_key="request",
)
WEIGHTS = {"book": 3.0, "kept": 1.0, "rated": 1.0}
LISTS = np.repeat(np.arange(400), [1, 2, 3, 2] * 100)


@pytest.fixture
def batches():
    """The label says which objective it is of, .2, .5 or .8; rows of lists in any order."""
    rows = pd.DataFrame({"request": LISTS, "user": "u1", "item": "a"})
    rows = rows.assign(book=0.2, kept=0.5, rated=0.8)
    rows = rows.sample(frac=1.0, random_state=0)
    return from_rows(rows, SCHEMA, 200, by_list=True, labels=["kept", "rated"])


def labels_of(dataset):
    return np.concatenate([batch[1].numpy() for batch in dataset])


@pytest.mark.parametrize("per", ["list", "row"])
def test_expectation_is_the_mixture(batches, per):
    drawn = aggregate_labels(batches, SCHEMA, WEIGHTS, per=per, seed=1)
    found = np.concatenate([labels_of(drawn) for _ in range(10)])
    shares = [np.isclose(found, value).mean() for value in (0.2, 0.5, 0.8)]
    # 8,000 draws for rows, 4,000 and more for lists: a standard error below .01.
    np.testing.assert_allclose(shares, [0.6, 0.2, 0.2], atol=0.03)


def test_one_draw_for_a_list_in_a_batch(batches):
    drawn = aggregate_labels(batches, SCHEMA, WEIGHTS, seed=1)
    kinds, longest = set(), 0
    for inputs, labels in drawn:
        by_list = pd.Series(labels.numpy()).groupby(inputs[LIST].numpy())
        assert (by_list.nunique() == 1).all()
        longest = max(longest, by_list.size().max())
        kinds |= set(by_list.first().round(1))
    assert len(kinds) == 3
    assert longest == 3


def test_rows_of_a_list_differ_when_drawn_by_row(batches):
    inputs, labels = next(iter(aggregate_labels(batches, SCHEMA, WEIGHTS, per="row", seed=1)))
    assert (pd.Series(labels.numpy()).groupby(inputs[LIST].numpy()).nunique() > 1).any()


def test_every_epoch_is_drawn_anew_and_a_seed_repeats_all(batches):
    epochs = [
        [labels_of(drawn), labels_of(drawn)]
        for drawn in (aggregate_labels(batches, SCHEMA, WEIGHTS, seed=seed) for seed in (7, 7, 8))
    ]
    assert (epochs[0][0] != epochs[0][1]).any()
    np.testing.assert_array_equal(epochs[0], epochs[1])
    assert (epochs[0][0] != epochs[2][0]).any()


def test_the_draws_of_an_epoch_are_those_of_that_epoch(batches):
    """A run that was killed and resumed draws what it would have drawn."""

    def seen(first, last):
        model, found = Ranker(SCHEMA, MLP([1])), []
        model.compile("sgd", metrics=[], run_eagerly=True)
        targets_of = model._targets_of

        def watched(x, y, sample_weight):
            found.extend(np.asarray(y).tolist())
            return targets_of(x, y, sample_weight)

        model._targets_of = watched
        drawn = aggregate_labels(batches, SCHEMA, WEIGHTS, seed=3)
        model.fit(drawn, initial_epoch=first, epochs=last, verbose=0)
        return found

    whole = seen(0, 3)
    assert whole[len(whole) // 3 :] == seen(1, 3)
    assert whole[: len(whole) // 3] != whole[-(len(whole) // 3) :]


def test_as_many_batches_are_known_of(batches):
    of = tf.data.experimental.cardinality
    drawn = aggregate_labels(batches, SCHEMA, WEIGHTS, seed=1)
    assert of(drawn) == of(batches) == len(list(drawn))
    unknown = batches.filter(lambda *_: True)
    drawn = aggregate_labels(unknown, SCHEMA, WEIGHTS, seed=1)
    assert len(list(drawn)) == len(list(batches))


def test_all_else_is_kept():
    inputs = {"kept": [0.5, np.nan], LIST: [4, 5]}
    data = tf.data.Dataset.from_tensor_slices((inputs, [0.0, 1.0], [2.0, 3.0])).batch(2)
    schema = dataclasses.replace(SCHEMA, sample_weight="weight")
    ((found, labels, weights),) = aggregate_labels(data, schema, {"book": 0.0, "kept": 1.0})
    np.testing.assert_array_equal(labels, np.float32([0.5, np.nan]))
    np.testing.assert_array_equal(weights, [2, 3])
    assert set(found) == {"kept", LIST}


def test_two_phases():
    """The scores of a ranker for each objective become features: nothing but composition."""
    random = np.random.default_rng(0)
    rows = pd.DataFrame(
        {"user": random.choice(["u1", "u2"], 64), "item": random.choice(list("abc"), 64)}
    )
    rows = rows.assign(request=np.arange(64) // 4, book=(rows["item"] == "a") * 1.0)
    rows["kept"] = (rows["item"] == "b") * 1.0
    scores = {}
    for name in ("book", "kept"):
        schema = dataclasses.replace(SCHEMA, label=name)
        ranker = Ranker(schema, MLP([4], batch_norm=False))
        ranker.compile(keras.optimizers.Adam(0.3), metrics=[], run_eagerly=True)
        data = from_rows(rows, schema, batch_size=64)
        ranker.fit(data, epochs=4, verbose=0)
        scores[f"{name}_score"] = ranker.predict(data, verbose=0)
    extended = dataclasses.replace(SCHEMA, item=[*SCHEMA.item, *(Numeric(name) for name in scores)])
    second = rows.assign(**scores)
    extended = extended.adapt(second, verbose=0)
    train = from_rows(second, extended, by_list=True, labels=["kept"])
    ranker = Ranker(extended, MLP([4], batch_norm=False))
    ranker.compile(keras.optimizers.Adam(0.3), metrics=[], run_eagerly=True)
    weights = {"book": 0.8, "kept": 0.2}
    ranker.fit(aggregate_labels(train, extended, weights, seed=0), epochs=40, verbose=0)
    found = pd.Series(ranker.predict(from_rows(second, extended), verbose=0)).groupby(rows["item"])
    # An "a" is wanted by the objective of the higher weight, "b" by the other, "c" by none.
    assert found.mean()["a"] > found.mean()["b"] > found.mean()["c"]


def test_refusals(batches):
    def refused(message, weights=WEIGHTS, data=batches, **kwargs):
        with pytest.raises(ValueError, match=message):
            aggregate_labels(data, SCHEMA, weights, **kwargs)

    refused(r"`weights` must be at least 0, received {'kept': -1.0}", {"book": 1, "kept": -1})
    refused("`weights` must have one that isn't 0", {"book": 0, "kept": 0})
    refused(
        r"missing labels \['liked'\].*`labels=` \(or `extra_columns=`\)", {"book": 1, "liked": 1}
    )
    refused("`per` must be 'list' or 'row', received 'query'", per="query")
    alone = batches.map(lambda x, y: ({k: v for k, v in x.items() if k != LIST}, y))
    refused("`per` is 'list', but the batches don't say which rows share one", data=alone)
