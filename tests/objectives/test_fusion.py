"""Fused teachers: their scores by hand, what they accept, what they refuse."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import (
    Categorical,
    Distillation,
    FusedTeachers,
    MultiTaskRanker,
    Numeric,
    PrecomputedTeacher,
    Schema,
    SeparateRankers,
    SharedBottom,
    losses,
)
from tfpfd._keras import keras
from tfpfd.data import LIST, from_rows, from_stream

LN3 = math.log(3)


def columns(weights=None, **kwargs):
    teachers = {"book": "book", "cancel": "cancel"}
    return FusedTeachers(teachers, weights or {"book": 1.0, "cancel": -0.5}, **kwargs)


def batch(book, cancel, lists=None):
    inputs = {"book": tf.constant(book), "cancel": tf.constant(cancel)}
    return inputs if lists is None else {**inputs, LIST: tf.constant(lists, tf.int64)}


def test_equation_14_by_hand():
    fused = columns()(batch([2.0, -1.0], [4.0, 2.0]))
    np.testing.assert_allclose(fused, [2 - 0.5 * 4, -1 - 0.5 * 2])


def test_the_temperature_divides_logits():
    fused = columns(temperature=2.0)(batch([2.0], [3.0]))
    np.testing.assert_allclose(fused, [1 - 0.5 * 1.5])


def test_probabilities_by_hand():
    """σ(ln 3) = 3/4, σ(0) = 1/2, σ(-ln 3) = 1/4."""
    inputs = batch([2 * LN3, 0.0], [-2 * LN3, 2 * LN3])
    fused = columns(normalize="probabilities", temperature=2.0)(inputs)
    np.testing.assert_allclose(fused, [3 / 4 - 1 / 8, 1 / 2 - 3 / 8], rtol=1e-6)


def test_softmax_by_hand():
    """Rows 0 and 2 are a list, row 1 is one of its own: shares 1/4, 1, 3/4 and 1/2, 1, 1/2."""
    inputs = batch([0.0, 7.0, LN3], [5.0, -3.0, 5.0], lists=[9, 4, 9])
    fused = columns(normalize="softmax")(inputs)
    np.testing.assert_allclose(fused, [1 / 4 - 1 / 4, 1 - 1 / 2, 3 / 4 - 1 / 4], atol=1e-6)
    # T = 2 halves ln 9 to ln 3.
    inputs = batch([0.0, 7.0, 2 * LN3], [5.0, -3.0, 5.0], lists=[9, 4, 9])
    again = columns(normalize="softmax", temperature=2.0)(inputs)
    np.testing.assert_allclose(again, fused, atol=1e-6)


def test_standard_scores_by_hand():
    """1, 2, 3: mean 2, deviation √(2/3); equal scores and a row alone say nothing."""
    inputs = batch([1.0, 8.0, 2.0, 3.0, 0.1, 0.1, 0.1], [4.0] * 7, lists=[5, 0, 5, 5, 7, 7, 7])
    fused = columns(normalize="standard")(inputs)
    unit = math.sqrt(3 / 2)
    np.testing.assert_allclose(fused, [-unit, 0, 0, unit, 0, 0, 0], atol=1e-6)


@pytest.mark.parametrize("normalize", ["softmax", "standard"])
def test_rows_may_stand_in_any_order(listed, normalize):
    """As computed list by list with NumPy."""
    inputs = listed(40)
    fused = columns(normalize=normalize)(inputs)
    expected = np.zeros(40)
    for name, weight in (("book", 1.0), ("cancel", -0.5)):
        for number in set(inputs[LIST]):
            rows = inputs[LIST] == number
            scores = inputs[name][rows].astype(np.float64)
            if normalize == "softmax":
                found = np.exp(scores) / np.exp(scores).sum()
            else:
                found = (scores - scores.mean()) / (scores.std() or 1)
            expected[rows] += weight * found
    np.testing.assert_allclose(fused, expected, rtol=1e-4, atol=1e-5)


def test_large_scores_stay_finite():
    fused = columns({"book": 1.0, "cancel": 0.0}, normalize="softmax")(
        batch([1e4, -1e4], [0.0, 0.0], lists=[1, 1])
    )
    np.testing.assert_allclose(fused, [1.0, 0.0])


def test_weights_may_cancel_out():
    """The difference of two scores is a soft label, and of equal scores it is 0."""
    fused = columns({"book": 1.0, "cancel": -1.0})(batch([2.0, 5.0], [2.0, 1.0]))
    np.testing.assert_allclose(fused, [0.0, 4.0])


def test_rankers_models_and_columns_together(ranker, inputs_of, listed):
    """In whatever shape they give their logits."""
    inputs = listed(5)
    column = keras.layers.Input((), dtype="float32", name="cancel")
    negated = keras.Model({"cancel": column}, keras.layers.Reshape((1,))(-column))
    one = ranker()
    teachers = {"book": one, "cancel": negated, "rate": PrecomputedTeacher("book")}
    fused = FusedTeachers(teachers, {"rate": 3.0, "cancel": 2.0, "book": 1.0})
    expected = one(inputs) - 2 * inputs["cancel"] + 3 * inputs["book"]
    np.testing.assert_allclose(fused(inputs), expected, rtol=1e-5, atol=1e-6)
    assert list(fused.scores(inputs)) == ["book", "cancel", "rate"]


def test_one_model_of_all_objectives(joint, listed):
    inputs = listed(4)
    model = joint({"book": 2.0, "cancel": 3.0})
    fused = FusedTeachers(model, {"cancel": -1.0, "book": 1.0})
    np.testing.assert_allclose(fused(inputs), -1.0 * inputs["age"])


@pytest.mark.slow
def test_predict_gives_a_label_store(lists_of, listed):
    fused = columns(normalize="softmax")
    found = fused.predict(lists_of(12, 12), verbose=0)
    np.testing.assert_allclose(found, fused(listed(12)), rtol=1e-6)


def test_teachers_that_share_an_encoder_run_it_once(ranker, listed, monkeypatch):
    first = ranker()
    second, third = ranker(first.encoder), ranker()
    fused = FusedTeachers(
        {"book": first, "cancel": second, "rate": third}, {"book": 1, "cancel": 1, "rate": 1}
    )
    inputs = listed(4)
    expected = first(inputs) + second(inputs) + third(inputs)
    calls = []
    call = type(first.encoder).call

    def counted(self, *args, **kwargs):
        calls.append(self)
        return call(self, *args, **kwargs)

    monkeypatch.setattr(type(first.encoder), "call", counted)
    np.testing.assert_allclose(fused(inputs), expected, rtol=1e-5, atol=1e-6)
    assert sorted(map(id, calls)) == sorted(map(id, [first.encoder, third.encoder]))


def test_equation_15_by_hand(student):
    """Two teachers, one list of three rows, α = 0.2 on the hard labels, T = 2 on both terms."""
    fused = columns({"book": 1.0, "cancel": -0.5})
    model = Distillation(
        student=student,
        teacher=fused,
        distillation_weight=0.8,
        distillation_loss=losses.SoftListwiseSoftmax(2.0),
    )
    model.compile("sgd", loss=losses.ListwiseSoftmax(2.0), run_eagerly=True)
    inputs = batch([1.0, 2.0, 0.0], [2.0, 0.0, -4.0], lists=[3, 3, 3])
    # Fused: 1 - 1, 2 - 0, 0 + 2.
    soft = np.array([0.0, 2.0, 2.0])
    logits, labels = np.array([0.5, -1.0, 1.5]), np.array([0.0, 1.0, 0.0])

    def log_softmax(scores):
        return scores - np.log(np.exp(scores).sum())

    student_log = log_softmax(logits / 2)
    hard = -(labels * student_log).sum()
    softened = -(np.exp(log_softmax(soft / 2)) * student_log).sum()
    outputs = {"student": tf.constant(logits, tf.float32), "teacher": fused(inputs)}
    loss = model.compute_loss(inputs, tf.constant(labels), outputs)
    np.testing.assert_allclose(loss, 0.2 * hard + 0.8 * softened, rtol=1e-6)
    # Worked out: softmax(0, 1, 1) = (.1554, .4223, .4223), times 1.1382, 1.8882, .6382.
    np.testing.assert_allclose([hard, softened], [1.8882, 1.2438], atol=2e-4)


@pytest.mark.parametrize(
    ("hard", "soft"),
    [
        (losses.CrossEntropy, losses.SoftCrossEntropy),
        (losses.CrossEntropy, losses.SquaredLogits),
        (losses.PairwiseLogistic, losses.SoftPairwiseLogistic),
        (losses.ListwiseSoftmax, losses.CalibratedListwise),
    ],
)
def test_other_losses_take_the_same_place(student, lists_of, hard, soft):
    model = Distillation(
        student=student, teacher=columns(), distillation_weight=0.8, distillation_loss=soft()
    )
    model.compile(keras.optimizers.Adam(0.05), loss=hard(), run_eagerly=True)
    history = model.fit(lists_of(12, 12), epochs=6, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]


RIGHT = {"book": 1.0, "cancel": -1.0}


@pytest.mark.parametrize(
    ("weights", "settings", "error", "message"),
    [
        ({"book": 0, "cancel": 0.0}, {}, ValueError, "`weights` must have one that isn't 0"),
        ({"book": 1.0}, {}, ValueError, r"objectives of `teachers`, \['book', 'cancel'\]"),
        ({**RIGHT, "rate": 1}, {}, ValueError, r"received \['book', 'cancel', 'rate'\]"),
        ({**RIGHT, "book": math.nan}, {}, ValueError, "`weights` of 'book' must be a finite"),
        ({**RIGHT, "book": "1"}, {}, ValueError, "must be a finite number, received '1'"),
        ([1.0, 2.0], {}, TypeError, "`weights` must map objectives to numbers"),
        (RIGHT, {"normalize": "rank"}, ValueError, "`normalize` must be one of .* received 'rank'"),
        (RIGHT, {"temperature": 0.0}, ValueError, "`temperature` must be above 0, received 0"),
        (
            RIGHT,
            {"normalize": "standard", "temperature": 2.0},
            ValueError,
            "`temperature` has no effect on standard scores",
        ),
    ],
)
def test_refused_settings(weights, settings, error, message):
    with pytest.raises(error, match=message):
        FusedTeachers({"book": "book", "cancel": "cancel"}, weights, **settings)


def test_refused_teachers(ranker, joint):
    with pytest.raises(TypeError, match="`teachers` of 'book' must be a Keras model or the name"):
        FusedTeachers({"book": 3}, {"book": 1.0})
    with pytest.raises(TypeError, match="`teachers` must map objectives to teachers"):
        FusedTeachers(["book"], {"book": 1.0})
    with pytest.raises(ValueError, match=r"objectives of `teachers`, .*, received"):
        FusedTeachers(joint({"book": 1.0, "rate": 1.0}), RIGHT)
    one = ranker()
    with pytest.raises(ValueError, match="of 'book' and 'cancel' share weights"):
        FusedTeachers({"book": one, "cancel": one}, RIGHT)


def test_models_that_share_a_trunk_are_one_model(listed):
    """Two models would lose their sharing when saved; one with two outputs keeps it."""
    age = keras.layers.Input((), dtype="int32", name="age")
    trunk = keras.layers.Embedding(4, 2)(age)
    outputs = {name: keras.layers.Dense(1)(trunk) for name in RIGHT}
    apart = {name: keras.Model({"age": age}, output) for name, output in outputs.items()}
    with pytest.raises(ValueError, match="one model that returns logits by objective"):
        FusedTeachers(apart, RIGHT)
    model = keras.Model({"age": age}, outputs)
    inputs = listed(3)
    fused = FusedTeachers(model, RIGHT)(inputs)
    found = model({"age": inputs["age"]})
    np.testing.assert_allclose(fused, (found["book"] - found["cancel"])[:, 0], rtol=1e-6)
    with pytest.raises(ValueError, match=r"logits by objective, \['rate'\], received"):
        FusedTeachers(model, {"rate": 1.0})(inputs)


@pytest.mark.parametrize("normalize", ["softmax", "standard"])
def test_lists_are_asked_for(normalize):
    with pytest.raises(ValueError, match=f"normalize='{normalize}' .* declare `list_key`"):
        columns(normalize=normalize)(batch([1.0], [1.0]))


def test_a_missing_column_of_scores_is_named():
    with pytest.raises(ValueError, match=r"'cancel'.*extra_columns"):
        columns()({"book": tf.constant([1.0])})


@pytest.mark.slow
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_score_that_is_not_finite_names_its_objective(student, lists_of, value):
    """In a graph too, and before anything was learned from it."""
    start = [weight.numpy() for weight in student.trainable_weights]

    def spoiled(inputs, labels):
        spoil = tf.range(tf.size(inputs["cancel"])) == 2
        return {**inputs, "cancel": tf.where(spoil, value, inputs["cancel"])}, labels

    model = Distillation(student=student, teacher=columns(), distillation_weight=0.8)
    model.compile(keras.optimizers.SGD(0.1))
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="teacher of 'cancel' must score every"
    ):
        model.fit(lists_of(6, 6).map(spoiled), verbose=0)
    for weight, before in zip(student.trainable_weights, start, strict=True):
        np.testing.assert_array_equal(weight, before)


PLAIN = Schema(
    user=[Categorical("user", dtype="int", vocabulary=(1, 2))],
    item=[Categorical("item", dtype="int", vocabulary=(1, 2))],
)
ROWS = {"user": [1, 2], "item": [1, 2], "label": [1.0, 0.0], "book": [1.0, 2.0]}


def test_rows_in_memory_refuse_a_missing_score():
    """Before training begins. Of a stream the columns are checked then, values while it runs."""
    with pytest.raises(ValueError, match="missing column 'cancel'"):
        from_rows(ROWS, PLAIN, extra_columns=["book", "cancel"])
    spoiled = {**ROWS, "book": [1.0, math.nan]}
    with pytest.raises(ValueError, match=r"column 'book': expected finite numbers, .*1 of 2"):
        from_rows(spoiled, PLAIN, extra_columns=["book"])
    raw = tf.data.Dataset.from_tensors({name: tf.constant(v) for name, v in ROWS.items()})
    with pytest.raises(ValueError, match="missing column 'cancel'"):
        from_stream(raw, PLAIN, extra_columns=["book", "cancel"])


def other_schema(schema, **changed):
    sides = {"user": list(schema.user), "item": list(schema.item)}
    for side, features in sides.items():
        sides[side] = [changed.get(feature.name, feature) for feature in features]
    return Schema(privileged=schema.privileged, **sides)


def test_teachers_of_other_schemas_are_refused(schema, ranker, student):
    edges = other_schema(schema, age=Numeric("age", boundaries=(30.0,)))
    words = other_schema(schema, item_id=Categorical("item_id", vocabulary=("i2", "i1")))
    with pytest.raises(ValueError, match=r"teacher of 'cancel' .* 'book': features \['age'\]"):
        FusedTeachers({"book": ranker(), "cancel": ranker(schema=edges)}, RIGHT)
    # The sequences and the ids of one vocabulary.
    names = r"features \['clicks', 'item_id', 'later_clicks'\] differ"
    with pytest.raises(ValueError, match=names):
        FusedTeachers({"book": ranker(), "cancel": ranker(schema=words)}, RIGHT)
    fused = FusedTeachers({"book": ranker(schema=edges)}, {"book": 1.0})
    with pytest.raises(ValueError, match=r"`teacher` was made .* `student`: features \['age'\]"):
        Distillation(student=student, teacher=fused)
    # Of several rankers in one teacher each counts, not the last alone.
    both = FusedTeachers(
        {"book": ranker(sees="served"), "rate": ranker(sees="privileged")},
        {"book": 1.0, "rate": 1.0},
    )
    with pytest.raises(ValueError, match=r"teacher of 'cancel' .* 'book': features \['age'\]"):
        FusedTeachers({"book": both, "cancel": ranker(schema=edges, sees="served")}, RIGHT)
    frozen = ranker(schema=words)
    frozen.trainable = False
    with pytest.raises(ValueError, match=r"features \['clicks', 'item_id'\] differ"):
        Distillation(student=student, teacher=frozen)
    Distillation(student=student, teacher=FusedTeachers({"book": ranker()}, {"book": 1.0}))


@pytest.mark.parametrize("kind", ["one network", "separate rankers"])
def test_models_of_all_objectives_of_other_schemas_are_refused(schema, ranker, student, kind):
    def teacher(schema):
        if kind == "one network":
            return MultiTaskRanker(schema, SharedBottom([4], ["book", "cancel"]))
        return SeparateRankers({name: ranker(schema=schema) for name in RIGHT})

    words = other_schema(schema, item_id=Categorical("item_id", vocabulary=("i2", "i1")))
    fused = FusedTeachers(teacher(schema), RIGHT)
    assert len(fused.rankers) == (1 if kind == "one network" else 2)
    Distillation(student=student, teacher=fused)
    with pytest.raises(ValueError, match=r"features \['clicks', 'item_id'\] differ"):
        Distillation(student=student, teacher=FusedTeachers(teacher(words), RIGHT))


def test_teachers_that_share_with_the_student_are_refused(student, ranker):
    shared = ranker(student.encoder, sees="served")
    with pytest.raises(ValueError, match="`teacher` is frozen but shares weights with `student`"):
        Distillation(student=student, teacher=FusedTeachers({"book": shared}, {"book": 1.0}))
