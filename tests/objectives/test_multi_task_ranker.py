import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tfpfd import MLP, Categorical, FeatureEncoder, Numeric, Ranker, Schema, losses
from tfpfd._keras import keras
from tfpfd.data import from_rows, from_stream
from tfpfd.objectives.mixtures import PLE, MMoE
from tfpfd.objectives.multi_task_ranker import MultiTaskRanker, SeparateRankers
from tfpfd.objectives.networks import SharedBottom
from tfpfd.objectives.objective_labels import ObjectiveTargets, check_objectives
from tfpfd.objectives.scalarised import Scalarised
from tfpfd.objectives.weighting import EpsilonConstraint

NAMES = ("book", "kept")
SCHEMA = Schema(
    user=(Categorical("user", vocabulary=("u1", "u2")), Numeric("age", boundaries=(20.0, 40.0))),
    item=(Categorical("item", vocabulary=("a", "b", "c")),),
    label="book",
    list_key="request",
)


@pytest.fixture
def rows():
    """Bookings depend on the item; of a cancellation only booked rows have a label."""
    random = np.random.default_rng(0)
    count = 64
    items = random.choice(["a", "b", "c"], count)
    book = ((items == "a") | (random.random(count) < 0.2)).astype(float)
    kept = np.where(book == 1, (items == "a").astype(float), np.nan)
    return pd.DataFrame(
        {
            "user": random.choice(["u1", "u2"], count),
            "age": random.uniform(10, 60, count),
            "item": items,
            "book": book,
            "kept": kept,
            "request": np.arange(count) // 4,
        }
    )


def batches(rows, size=16, **kwargs):
    return from_rows(rows, SCHEMA, batch_size=size, labels=["kept"], **kwargs)


def ranker(**kwargs):
    encoder = FeatureEncoder(SCHEMA, dim=3)
    return Ranker(SCHEMA, MLP([4], batch_norm=False), encoder=encoder, **kwargs)


MODELS = {
    "shared_bottom": lambda w=None: MultiTaskRanker(SCHEMA, SharedBottom([4], NAMES), weights=w),
    "mmoe": lambda w=None: MultiTaskRanker(SCHEMA, MMoE([4], NAMES, experts=2), weights=w),
    "ple": lambda w=None: MultiTaskRanker(SCHEMA, PLE([[4], [3]], NAMES), weights=w),
    "separate": lambda w=None: SeparateRankers({"book": ranker(), "kept": ranker()}, weights=w),
    "scalarised": lambda w=None: Scalarised(ranker(), weights=w or {"book": 1.0, "kept": 1.0}),
}


@pytest.fixture(params=["shared_bottom", "separate", "scalarised"])
def model(request):
    return MODELS[request.param]()


def fit(model, data, epochs=1, loss=None, metrics=(), **kwargs):
    """Trains without a graph, which is faster for a few steps."""
    model.compile(keras.optimizers.Adam(0.05), loss, metrics, run_eagerly=True)
    return model.fit(data, epochs=epochs, verbose=0, **kwargs).history


def test_loss_by_hand(means_of):
    """Rows without the label of an objective count in the others; weights scale the losses."""
    model = Scalarised(ranker(), weights={"book": 2.0, "kept": 0.5})
    model.compile("sgd", run_eagerly=True)
    inputs = {"kept": tf.constant([np.nan, 1.0, 0.0])}
    y, weight = tf.constant([1.0, 0.0, np.nan]), tf.constant([1.0, 3.0, 1.0])
    targets = ObjectiveTargets("book", NAMES, inputs, y, weight)
    logits = np.log([3.0, 1.0, 4.0]).astype("f4")
    outputs = {"book": tf.constant(logits), "kept": tf.constant(2 * logits)}
    terms = means_of(model, outputs, targets)
    # Probabilities are 3/4, 1/2, 4/5 for `book` and 9/10, 1/2, 16/17 for `kept`.
    book = (-np.log(3 / 4) - 3 * np.log(1 / 2)) / 2
    kept = (-3 * np.log(1 / 2) - np.log(1 / 17)) / 2
    np.testing.assert_allclose(terms["book_loss"], book, rtol=1e-5)
    np.testing.assert_allclose(terms["kept_loss"], kept, rtol=1e-5)
    np.testing.assert_allclose(terms["loss"], 2 * book + 0.5 * kept, rtol=1e-5)


@pytest.mark.slow
def test_logits_and_metrics_of_each_objective(model, rows):
    data = batches(rows, 32)
    history = fit(model, data, epochs=4, metrics=None, validation_data=data)
    names = {"loss", "book_loss", "kept_loss", "book_auc", "kept_auc"}
    assert set(history) == names | {f"val_{name}" for name in names}
    assert history["loss"][-1] < history["loss"][0]
    ((inputs, _),) = batches(rows, 64)
    logits = model(inputs, training=False)
    assert list(logits) == list(model.objectives) == list(NAMES)
    assert {tuple(values.shape) for values in logits.values()} == {(64,)}
    result = model.evaluate(batches(rows, 64), verbose=0, return_dict=True)
    for name in NAMES:
        held = rows[name].notna()
        y, x = rows[name][held].to_numpy(), logits[name].numpy()[held]
        entropy = np.mean(np.logaddexp(0, x) - y * x)
        np.testing.assert_allclose(result[f"{name}_loss"], entropy, rtol=1e-4)
        positive, negative = x[y == 1], x[y == 0]
        difference = positive[:, None] - negative[None]
        auc = ((difference > 0) + 0.5 * (difference == 0)).mean()
        np.testing.assert_allclose(result[f"{name}_auc"], auc, atol=0.02)
    np.testing.assert_allclose(result["loss"], result["book_loss"] + result["kept_loss"], rtol=1e-4)


@pytest.mark.slow
def test_predict(model, rows):
    data = batches(rows, 16)
    found, (inputs, _) = model.predict(data, verbose=0), next(iter(batches(rows, 64)))
    expected = model(inputs)
    if isinstance(model, Scalarised):
        found, expected = {"book": found}, {"book": expected["book"]}
    for name, logits in expected.items():
        np.testing.assert_allclose(found[name], logits, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("loss", [losses.ListwiseSoftmax(), losses.PairwiseLogistic()])
def test_losses_of_lists(model, rows, loss):
    history = fit(model, batches(rows, 64, by_list=True), epochs=4, loss=loss)
    assert history["book_loss"][-1] < history["book_loss"][0]
    assert np.isfinite(history["loss"]).all()


def test_lists_of_one_row_say_nothing(rows):
    model = MODELS["shared_bottom"]()
    alone = batches(rows.assign(request=np.arange(len(rows))), by_list=True)
    before = [np.array(w) for w in model.trainable_weights]
    model.compile("sgd", losses.ListwiseSoftmax(), [], run_eagerly=True)
    assert model.fit(alone, verbose=0).history["loss"] == pytest.approx([0], abs=1e-6)
    for weight, start in zip(model.trainable_weights, before, strict=True):
        np.testing.assert_allclose(weight, start, atol=1e-6)


def test_one_objective_is_a_ranker_alone(rows):
    """With the weight 0 for the other objective training is that of the ranker."""
    weights = []
    for scalarised in (False, True):
        keras.utils.set_random_seed(1)
        student = ranker()
        model = Scalarised(student, {"book": 1.0, "kept": 0.0}) if scalarised else student
        model.compile(keras.optimizers.SGD(0.1), metrics=[], run_eagerly=True)
        model.fit(batches(rows), verbose=0)
        weights.append(student.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_separate_rankers_learn_as_if_alone(rows):
    """Without shared weights the aggregate loss is that of each, as the optimizer has no norm."""
    keras.utils.set_random_seed(1)
    together = {"book": ranker(), "kept": ranker()}
    alone = {"book": ranker(), "kept": ranker()}
    for name in NAMES:
        alone[name].set_weights(together[name].get_weights())
    model = SeparateRankers(together)
    model.compile(keras.optimizers.SGD(0.1), metrics=[], run_eagerly=True)
    model.fit(batches(rows), verbose=0)
    for name, one in alone.items():
        one.compile(keras.optimizers.SGD(0.1), metrics=[], run_eagerly=True)
        one.fit(from_rows(rows.assign(book=rows[name]), SCHEMA, batch_size=16), verbose=0)
        for weight, other in zip(one.get_weights(), together[name].get_weights(), strict=True):
            np.testing.assert_allclose(weight, other, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_saved_and_loaded(make, rows, tmp_path):
    model = make()
    fit(model, batches(rows, 64))
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert type(again) is type(model)
    assert (again.objectives, again.label) == (model.objectives, "book")
    ((inputs, _),) = batches(rows, 64)
    for name, logits in model(inputs).items():
        np.testing.assert_allclose(again(inputs)[name], logits, rtol=1e-6)
    assert again.weighting.get_config() == model.weighting.get_config()


@pytest.mark.slow
def test_frozen_models_stay_frozen(rows, tmp_path):
    model = MODELS["mmoe"]()
    model.trainable = False
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert not again.trainable
    assert not again.trainable_weights


class TestLabels:
    def test_may_be_missing(self, rows):
        ((inputs, _),) = batches(rows, 64)
        np.testing.assert_array_equal(inputs["kept"], rows["kept"].to_numpy("f4"))
        assert np.isnan(inputs["kept"]).any()
        stream = tf.data.Dataset.from_tensor_slices(dict(rows)).batch(64)
        ((streamed, _),) = from_stream(stream, SCHEMA, labels=["kept"])
        np.testing.assert_array_equal(streamed["kept"], inputs["kept"])

    def test_are_checked(self, rows):
        with pytest.raises(ValueError, match=r"label column 'kept': expected values in \[0, 1\]"):
            batches(rows.assign(kept=2.0))
        with pytest.raises(
            ValueError, match="label column 'kept': expected a label in at least one"
        ):
            batches(rows.assign(kept=np.nan))
        with pytest.raises(ValueError, match="`labels` names 'age': expected columns other than"):
            from_rows(rows, SCHEMA, labels=["age"])
        with pytest.raises(
            ValueError, match="`labels` names 'kept', which `extra_columns` names too"
        ):
            from_rows(rows, SCHEMA, extra_columns=["kept"], labels=["kept"])
        with pytest.raises(TypeError, match="`labels` must be names in a list, received "):
            from_rows(rows, SCHEMA, labels="kept")

    def test_missing_column(self, model, rows):
        model.compile("sgd", metrics=[], run_eagerly=True)
        with pytest.raises(
            ValueError, match=r"missing labels \['kept'\].*`extra_columns=`\) of from_rows"
        ):
            model.fit(from_rows(rows, SCHEMA), verbose=0)

    def test_share_of_positives(self, rows):
        found = check_objectives(rows, SCHEMA, ["kept"])
        assert found == pytest.approx({"book": rows["book"].mean(), "kept": rows["kept"].mean()})

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            (np.nan, "objective 'kept': expected a label in some row, received none in 0 rows"),
            (0.0, "objective 'kept': expected a label above 0 in some row, a positive, received"),
            (1.0, "objective 'kept': expected a label below 1 in some row, a negative, received"),
            (-1.0, r"label column 'kept': expected values in \[0, 1\]"),
        ],
    )
    def test_objectives_without_a_label_of_each_kind(self, rows, values, message):
        with pytest.raises(ValueError, match=message):
            check_objectives(rows.assign(kept=values), SCHEMA, NAMES)

    def test_objectives_without_a_column(self, rows):
        with pytest.raises(ValueError, match="missing column 'rating': expected all that the sch"):
            check_objectives(rows, SCHEMA, ["rating"])


def test_refusals():
    with pytest.raises(TypeError, match="`network` must be one of several objectives"):
        MultiTaskRanker(SCHEMA, MLP([2]))
    with pytest.raises(ValueError, match=r"`weights` must be of \['book', 'kept'\], received"):
        MODELS["shared_bottom"]({"book": 1.0})
    with pytest.raises(ValueError, match=r"`bounds` must be of some of .* received \['rating'\]"):
        MODELS["shared_bottom"](EpsilonConstraint({"rating": 0.5}))
    with pytest.raises(ValueError, match="`weights` must have one that isn't 0"):
        MODELS["separate"]({"book": 0, "kept": 0})
    with pytest.raises(ValueError, match=r"`weights` must be at least 0, received {'kept': -1.0}"):
        MODELS["scalarised"]({"book": 1, "kept": -1})
    with pytest.raises(
        ValueError, match=r"`weights` of 'kept' must be a finite number, received nan"
    ):
        MODELS["scalarised"]({"book": 1, "kept": float("nan")})
    with pytest.raises(ValueError, match="`weights` must hold a number for each objective"):
        Scalarised(ranker(), {})
    with pytest.raises(TypeError, match="`ranker` must be a Ranker"):
        Scalarised(keras.layers.Dense(1), {"book": 1.0})
    with pytest.raises(TypeError, match="`rankers` must hold Rankers, received for 'book' None"):
        SeparateRankers({"book": None, "kept": None})
    with pytest.raises(ValueError, match=r"`rankers` must be two or more, received \['book'\]"):
        SeparateRankers({"book": ranker()})
    first = ranker()
    second = Ranker(SCHEMA, MLP([4]), encoder=first.encoder)
    with pytest.raises(ValueError, match="`rankers` share weights"):
        SeparateRankers({"book": first, "kept": second})
    words = Categorical("item", vocabulary=("c", "b", "a"))
    other = Ranker(SCHEMA.replacing({"item": words}), MLP([4]))
    message = r"ranker of 'kept' was made for another .* 'book': features \['item'\] differ"
    with pytest.raises(ValueError, match=message):
        SeparateRankers({"book": first, "kept": other})
