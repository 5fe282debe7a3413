import itertools

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from scipy.stats import kendalltau

import tfpfd
from tfpfd import Categorical, Schema
from tfpfd._keras import keras
from tfpfd.evaluation import irreproducibility
from tfpfd.evaluation.disagreement import MEASURES

LISTS = ["a", "b", "a", "b", "a", "c"]
# List a: 3 > 2 > 1 against 3 > 1 > 2, one pair of three turned; b: as it was; c: one row.
FIRST = [0.6, 0.8, 0.4, 0.2, 0.2, 0.9]
SECOND = [0.6, 0.6, 0.2, 0.2, 0.4, 0.3]


def means(found):
    return {name: getattr(found, name).mean for name in MEASURES}


def test_by_hand():
    found = irreproducibility([FIRST, SECOND], LISTS, top_k=2, tau_threshold=0.5, from_logits=False)

    # a: τ = (2 − 1) / 3; b: τ = 1. The first two of a are others, those of b can't be.
    # Rows: 0, 2 · .2 / 1.4, 2 · .2 / .6, 0, 2 · .2 / .6, 2 · .6 / 1.2.
    assert means(found) == pytest.approx({
        "change_rate": 1 / 2,
        "top_k_change_rate": 1 / 2,
        "tau_below_rate": 1 / 2,
        "mean_tau": (1 / 3 + 1) / 2,
        "prediction_difference": (2 / 7 + 2 / 3 + 2 / 3 + 1) / 6,
    })  # fmt: skip
    assert (found.retrainings, found.lists, found.single_rows) == (2, 3, 1)


def test_logits_change_the_prediction_difference_alone():
    logits = [np.log(p) - np.log1p(-np.array(p)) for p in (FIRST, SECOND)]

    assert means(irreproducibility(logits, LISTS)) == pytest.approx(
        means(irreproducibility([FIRST, SECOND], LISTS, from_logits=False))
    )


@pytest.mark.parametrize("block", [1, 50, 1_000_000])
def test_against_scipy(block, monkeypatch):
    """Lists of 1 to 7 rows in any order, with ties; τ, orders and predictions pair by pair."""
    monkeypatch.setattr("tfpfd.evaluation.disagreement._BLOCK", block)
    generator = np.random.default_rng(1)
    lists = generator.integers(60, size=240)
    scores = generator.integers(-3, 4, size=(4, 240)) / 2
    found = irreproducibility(scores, lists, top_k=2, tau_threshold=0.2, resamples=0)

    expected = []
    for one, other in itertools.combinations(scores, 2):
        taus, changes, tops = [], [], []
        for _, rows in pd.DataFrame({"a": one, "b": other}).groupby(lists):
            if len(rows) > 1:
                orders = [np.argsort(-rows[name].to_numpy(), kind="stable") for name in "ab"]
                taus.append(kendalltau(rows["a"], rows["b"]).statistic)
                changes.append(not np.array_equal(*orders))
                tops.append({*orders[0][:2]} != {*orders[1][:2]})
        taus = np.array(taus)[~np.isnan(taus)]
        p, q = 1 / (1 + np.exp(-one)), 1 / (1 + np.exp(-other))
        differences = 2 * abs(p - q) / (p + q)
        parts = (changes, tops, taus < 0.2, taus, differences)
        expected.append([np.mean(part) for part in parts])
    assert list(means(found).values()) == pytest.approx(list(np.mean(expected, axis=0)))


def test_identical_retrainings_agree_in_all():
    scores = np.random.default_rng(0).normal(size=300)
    found = irreproducibility([scores] * 3, np.arange(300) // 6, tau_threshold=1.0)

    assert found.to_frame()["mean"].tolist() == [0, 0, 0, 1, 0]
    assert (found.to_frame()["low"] == found.to_frame()["high"]).all()


def test_only_the_order_within_a_list_counts():
    generator = np.random.default_rng(0)
    scores, lists = generator.normal(size=(3, 120)), np.repeat(np.arange(20), 6)
    shifted = scores + lists * np.array([[1.0], [-1.0], [0.0]])
    order = generator.permutation(120)

    found, moved = (irreproducibility(s, lists).to_frame() for s in (scores, shifted))
    turned = irreproducibility(scores[:, order], lists[order]).to_frame()

    pd.testing.assert_frame_equal(found.drop("PD"), moved.drop("PD"))
    # Lists are numbered as they come, so resamples draw others.
    np.testing.assert_allclose(found["mean"], turned["mean"])


@pytest.mark.parametrize(
    ("first", "second", "change_rate", "tau"),
    [
        # A tie is served as it stands: to break it in that order changes nothing but τ-b.
        ([1, 1, 0], [2, 1, 0], 0, 2 / np.sqrt(2 * 3)),
        ([1, 1, 0], [1, 2, 0], 1, 2 / np.sqrt(2 * 3)),
        ([1, 1, 0], [1, 1, 0], 0, 1),
        # One score for all rows: an order as they stand, and no τ.
        ([1, 1, 1], [3, 2, 1], 0, np.nan),
        ([1, 1, 1], [1, 1, 1], 0, np.nan),
    ],
)
def test_ties(first, second, change_rate, tau):
    found = irreproducibility([first, second], [0, 0, 0])

    assert found.change_rate.mean == change_rate
    assert found.mean_tau.mean == pytest.approx(tau, nan_ok=True)
    share = found.tau_below_rate.mean
    assert np.isnan(share) if np.isnan(tau) else share == (tau < 0.9)


def test_lists_without_a_tau_do_not_count_for_it():
    found = irreproducibility([[1, 1, 2, 1], [2, 1, 2, 1]], [0, 0, 1, 1])
    assert (found.mean_tau.mean, found.change_rate.mean) == (1, 0)


def test_two_probabilities_of_zero_are_equal():
    found = irreproducibility([[0.0, 0.0], [0.0, 0.5]], [0, 0], from_logits=False)
    assert found.prediction_difference.mean == 1  # (0 + 2 · .5 / .5) / 2
    # So are those that come from logits too small for a float.
    found = irreproducibility([[-900.0, 900.0], [-1000.0, 1000.0]], [0, 0])
    assert found.prediction_difference.mean == 0


def test_lists_of_one_row_count_for_predictions_alone():
    found = irreproducibility([[0.5, 0.5], [0.5, 0.25]], [0, 1], from_logits=False)

    assert found.prediction_difference.mean == pytest.approx((0 + 2 / 3) / 2)
    assert found.to_frame()["mean"].iloc[:4].isna().all() and found.single_rows == 2


# --- Intervals -----------------------------------------------------------------------------------


def test_interval_of_two_retrainings_is_that_of_the_lists():
    """A rate p over n independent lists has the standard deviation √(p (1 − p) / n)."""
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(2, 800))
    found = irreproducibility(scores, np.arange(800) // 2, resamples=2_000).change_rate

    half = 1.96 * np.sqrt(found.mean * (1 - found.mean) / 400)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.05)


def test_interval_covers_the_mean_over_retrainings_and_lists():
    """30 draws of 4 retrainings and 60 lists; each score is the row's own and a retraining's."""
    generator = np.random.default_rng(0)
    lists = np.arange(240) // 4

    def draw(retrainings, rows):
        # Some retrainings are farther off than others.
        spread = generator.uniform(0.2, 1.0, size=(retrainings, 1))
        return generator.normal(size=rows) + spread * generator.normal(size=(retrainings, rows))

    many = irreproducibility(draw(30, 10_000), np.arange(10_000) // 4, resamples=0)
    covered = []
    for _ in range(30):
        found = irreproducibility(draw(4, 240), lists, resamples=100)
        covered.append([
            getattr(found, name).low < getattr(many, name).mean < getattr(found, name).high
            for name in MEASURES
        ])  # fmt: skip
    # Binomial(30, .95): 24 or fewer has the probability .0033, of one measure.
    assert (np.sum(covered, axis=0) >= 25).all()


def test_one_unlike_the_others_widens_the_interval():
    generator = np.random.default_rng(0)
    base = generator.normal(size=800)
    scores = base + np.array([[0.0], [0.01], [0.01], [3.0]]) * generator.normal(size=(4, 800))
    lists = np.arange(800) // 4

    all_four = irreproducibility(scores, lists).mean_tau
    alike = irreproducibility(scores[:3], lists).mean_tau

    assert all_four.high - all_four.low > 5 * (alike.high - alike.low)


# --- Models --------------------------------------------------------------------------------------


@pytest.fixture
def rankers_and_rows():
    frame = pd.DataFrame({
        "user": np.repeat(["u", "v", "w"], 4),
        "item": [f"i{number % 5}" for number in range(12)],
        "label": np.arange(12) % 3 == 0,
    })  # fmt: skip
    schema = Schema(
        user=[Categorical("user")], item=[Categorical("item")], label="label", list_key="user"
    ).adapt(frame, verbose=0)
    rankers = [tfpfd.Ranker(schema, tfpfd.MLP([4], batch_norm=False)) for _ in range(3)]
    return rankers, frame, schema


def test_models_are_scored_on_rows(rankers_and_rows):
    rankers, frame, schema = rankers_and_rows
    rows = tfpfd.data.from_rows(frame, schema, batch_size=5, by_list=True)
    (inputs, _), = tfpfd.data.from_rows(frame, schema, batch_size=12)  # fmt: skip
    scores = [ranker(inputs).numpy() for ranker in rankers]

    found = tfpfd.irreproducibility(rankers, rows=rows)

    expected = irreproducibility(scores, frame["user"])
    np.testing.assert_allclose(found.to_frame(), expected.to_frame(), rtol=1e-5)
    assert found.mean_tau.mean < 1
    by_item = irreproducibility(rankers, frame["item"], rows)
    np.testing.assert_allclose(
        by_item.to_frame(), irreproducibility(scores, frame["item"]).to_frame(), rtol=1e-5
    )


@pytest.mark.parametrize("shuffle", [False, True])
def test_lists_of_several_batches_stay_apart(rankers_and_rows, shuffle):
    """A batch holds the four rows of one user: joined, they are three lists and not one."""
    rankers, frame, schema = rankers_and_rows
    by_list = {"batch_size": 4, "by_list": True, "shuffle": shuffle, "seed": 0}
    rows = tfpfd.data.from_rows(frame, schema, **by_list)
    (inputs, _), = tfpfd.data.from_rows(frame, schema, batch_size=12)  # fmt: skip
    scores = [ranker(inputs).numpy() for ranker in rankers]

    found = irreproducibility(rankers, rows=rows)

    assert found.lists == 3
    expected = irreproducibility(scores, frame["user"])
    np.testing.assert_allclose(found.to_frame()["mean"], expected.to_frame()["mean"], rtol=1e-5)


def test_shuffled_batches_are_read_once(rankers_and_rows):
    rankers, frame, schema = rankers_and_rows
    rows = tfpfd.data.from_rows(frame, schema, batch_size=5, shuffle=True, by_list=True)

    found = irreproducibility([rankers[0]] * 2, rows=rows)

    assert found.to_frame()["mean"].tolist() == [0, 0, 0, 1, 0]


def test_functional_models_get_the_inputs_that_they_declare():
    """Of a batch with more columns, the first of which isn't the model's."""
    score = tf.constant([[3.0, 2.0, 1.0], [3.0, 1.0, 2.0]])
    rows = [({"a": -score[0], "b": score[0], "c": score[1]}, None)]
    models = []
    for name in "bc":
        column = keras.layers.Input((), name=name)
        models.append(keras.Model({name: column}, keras.layers.Activation("linear")(column)))

    found = irreproducibility(models, ["q"] * 3, rows)

    assert found.mean_tau.mean == pytest.approx(1 / 3)


def test_printed_form_names_what_was_compared():
    text = str(irreproducibility([FIRST, SECOND], LISTS, top_k=2, tau_threshold=0.5))

    assert text.startswith("2 retrainings, 3 lists, of which 1 of one row")
    for words in ("change rate", "top-2 change rate", "share with τ < 0.5", "0.6667", "PD"):
        assert words in text


# --- Misuse --------------------------------------------------------------------------------------

SCORES, IDS = [[1.0, 2.0], [2.0, 1.0]], [0, 0]


def layer(outputs):
    return lambda inputs, training: outputs


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: irreproducibility(SCORES[:1], IDS),
            "`retrainings` must be at least 2, received 1",
        ),
        (
            lambda: irreproducibility([[1.0, 2.0], [1.0]], IDS),
            r"`retrainings\[1\]` must be \[2\] as the first one, received \[1\]",
        ),
        (
            lambda: irreproducibility([[[1.0]], [[2.0]]], IDS),
            r"`retrainings\[0\]` must be a non-empty \[rows\] array, received shape \(1, 1\)",
        ),
        (
            lambda: irreproducibility([[1.0, 2.0], [np.nan, 1.0]], IDS),
            r"`retrainings\[1\]` must be finite, received 1 of 2 that aren't",
        ),
        (
            lambda: irreproducibility(SCORES, IDS, from_logits=False),
            r"`retrainings\[0\]` must be in \[0, 1\] unless `from_logits`, .* 1.0 to 2.0",
        ),
        (lambda: irreproducibility(SCORES), "`lists` must say which rows share a list, .* none"),
        (
            lambda: irreproducibility(SCORES, [0]),
            r"`lists` must be \[2\] as the scores, received shape \(1,\)",
        ),
        (
            lambda: irreproducibility(SCORES, [0, np.nan]),
            "`lists` must have no missing id, .* 1 of",
        ),
        (
            lambda: irreproducibility(SCORES, IDS, top_k=0),
            "`top_k` must be an integer of at least 1, received 0",
        ),
        (
            lambda: irreproducibility(SCORES, IDS, tau_threshold=-1),
            r"`tau_threshold` must be in \(-1, 1\], received -1",
        ),
        (
            lambda: irreproducibility(SCORES, IDS, resamples=-1),
            "`resamples` must be an integer of at least 0",
        ),
        (lambda: irreproducibility(SCORES, IDS, level=2), "`level` must be between 0 and 1"),
        (
            lambda: irreproducibility([layer(1), layer(2)], IDS),
            "`rows` must be given for `retrainings` that are models",
        ),
        (lambda: irreproducibility([layer(1)] * 2, IDS, []), "`rows` is empty: expected batches"),
        (
            lambda: irreproducibility([layer(tf.zeros([2, 1]))] * 2, IDS, [({}, None)]),
            r"`retrainings` must give logits \[batch\], received shape \(2, 1\)",
        ),
        (
            lambda: irreproducibility([layer({"book": tf.zeros(2)})] * 2, IDS, [({}, None)]),
            r"`retrainings` must give logits \[batch\], received shape \(\)",
        ),
        (
            lambda: irreproducibility([layer(tf.zeros(2))] * 2, rows=[({}, None)]),
            "`lists` must say which rows share a list, received none: .*by_list=True",
        ),
    ],
)
def test_misuse_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
