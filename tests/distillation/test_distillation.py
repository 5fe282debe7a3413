"""What one step computes: values, gradients, who sees what."""

import math

import numpy as np
import pytest
import sklearn.metrics
import tensorflow as tf

from tfpfd import MLP, Distillation, FeatureEncoder, Ranker, WarmUp
from tfpfd._keras import keras, tf_variable
from tfpfd.distillation import SoftCrossEntropy
from tfpfd.distillation.targets import Targets


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def cross_entropy(labels, logits):
    p = sigmoid(logits)
    return -(labels * np.log(p) + (1 - labels) * np.log(1 - p))


def terms(model, student, teacher, labels, weights=None, step=0):
    model.step.assign(step)
    outputs = {"student": tf.constant(student), "teacher": tf.constant(teacher)}
    weights = None if weights is None else tf.constant(weights)
    costs = model._costs(outputs, Targets(tf.constant(labels), weights))
    means = {name: term.mean for name, term in costs.items()}
    found = {"loss": model._loss_of(means), **means, **model._values()}
    return {name: float(value) for name, value in found.items()}


def gradients_of(model, inputs, labels, weights=None):
    """Of the whole loss, by the id of the weight; None where there is none."""
    with tf.GradientTape() as tape:
        outputs = model(inputs, training=True)
        loss = model.compute_loss(inputs, tf.constant(labels), outputs, weights)
    variables = [tf_variable(weight) for weight in model.trainable_weights]
    gradients = tape.gradient(loss, variables)
    return {
        id(weight): None if gradient is None else tf.convert_to_tensor(gradient).numpy()
        for weight, gradient in zip(model.trainable_weights, gradients, strict=True)
    }


def assert_equal_gradients(ours, theirs, **tolerance):
    for gradient, expected in zip(ours.values(), theirs.values(), strict=True):
        np.testing.assert_allclose(gradient, expected, **tolerance)


def test_equation_5_by_hand(make):
    model = make(weight=0.4)
    model.compile("sgd")
    out = terms(model, [0.0, -math.log(3)], [math.log(3), 0.0], [1.0, 0.0])
    # σ: student 1/2, 1/4; teacher 3/4, 1/2.
    student = (-math.log(1 / 2) - math.log(3 / 4)) / 2
    teacher = (-math.log(3 / 4) - math.log(1 / 2)) / 2
    first = -(3 / 4 * math.log(1 / 2) + 1 / 4 * math.log(1 / 2))
    second = -(1 / 2 * math.log(1 / 4) + 1 / 2 * math.log(3 / 4))
    distillation = (first + second) / 2
    expected = {
        "student_loss": student,
        "teacher_loss": teacher,
        "distillation_loss": distillation,
        "distillation_weight": 0.4,
        "loss": 0.6 * student + 0.4 * distillation + teacher,
    }
    assert out == pytest.approx(expected, rel=1e-6)


def test_before_step_k_the_student_learns_from_labels_alone_undiscounted(make):
    model = make(weight=WarmUp(0.4, steps=5))
    model.compile("sgd")
    before = terms(model, [1.0], [-2.0], [1.0], step=4)
    assert before["loss"] == pytest.approx(before["student_loss"] + before["teacher_loss"])
    after = terms(model, [1.0], [-2.0], [1.0], step=5)
    mixed = 0.6 * after["student_loss"] + 0.4 * after["distillation_loss"]
    assert after["loss"] == pytest.approx(mixed + after["teacher_loss"])


def test_a_frozen_teacher_has_no_loss_of_its_own(make):
    model = make("frozen", weight=0.4)
    model.compile("sgd")
    out = terms(model, [1.0], [-2.0], [1.0])
    assert out["loss"] == pytest.approx(0.6 * out["student_loss"] + 0.4 * out["distillation_loss"])
    assert out["teacher_loss"] == pytest.approx(cross_entropy(1.0, -2.0))


def test_rows_without_a_label_count_in_the_distillation_term_alone(make):
    model = make(weight=0.5)
    model.compile("sgd")
    student, teacher = [0.5, -1.0, 2.0], [1.0, 0.0, -1.0]
    out = terms(model, student, teacher, [1.0, math.nan, 0.0], [1.0, 2.0, 3.0])
    on_labels = (1 * cross_entropy(1, 0.5) + 3 * cross_entropy(0, 2.0)) / 2
    soft = cross_entropy(sigmoid(teacher), student)
    assert out["student_loss"] == pytest.approx(on_labels, rel=1e-5)
    assert out["distillation_loss"] == pytest.approx((soft @ [1, 2, 3]) / 3, rel=1e-5)
    nothing = terms(model, student, teacher, [math.nan] * 3)
    assert nothing["student_loss"] == nothing["teacher_loss"] == 0
    assert nothing["loss"] == pytest.approx(0.5 * soft.mean(), rel=1e-5)


def test_gradient_of_a_row_without_a_label(make, inputs_of):
    model = make("independent", weight=0.5)
    model.compile("sgd")
    inputs = inputs_of(2)
    gradients = gradients_of(model, inputs, [math.nan, math.nan])
    logits = model(inputs)
    difference = sigmoid(logits["student"]) - sigmoid(logits["teacher"])
    # The student's bias gets λ · mean(σ(f_s) − σ(f_t)), the teacher gets nothing.
    bias = gradients[id(model.student.network.bias)]
    np.testing.assert_allclose(bias, 0.5 * difference.mean(), rtol=1e-4)
    for weight in model.teacher.trainable_weights:
        np.testing.assert_array_equal(gradients[id(weight)], np.zeros(weight.shape))


@pytest.mark.parametrize("kind", ["shared", "independent"])
def test_no_gradient_of_the_distillation_loss_reaches_the_teacher(make, inputs_of, kind):
    model = make(kind, weight=1.0)
    model.compile("sgd")
    inputs = inputs_of(6)
    own = {id(weight) for weight in model.student.trainable_weights}
    with tf.GradientTape() as tape:
        outputs = model(inputs, training=True)
        loss = model._costs(outputs, Targets(tf.zeros([6]), None))["distillation_loss"].mean
    variables = [tf_variable(weight) for weight in model.trainable_weights]
    gradients = tape.gradient(loss, variables)
    reached = {
        id(weight)
        for weight, gradient in zip(model.trainable_weights, gradients, strict=True)
        if gradient is not None and np.abs(tf.convert_to_tensor(gradient).numpy()).max() > 0
    }
    assert reached == own
    assert {id(weight) for weight in model.student.encoder.trainable_weights} <= reached
    if kind == "shared":
        assert own & {id(weight) for weight in model.teacher.trainable_weights}


def test_shared_inputs_get_the_gradient_of_both(make, inputs_of, means_of):
    """The shared table gets the sum of what student and teacher send it."""
    model = make(weight=0.3)
    model.compile("sgd")
    inputs, labels = inputs_of(5), np.array([0, 1, 1, 0, 1], np.float32)
    table = tf_variable(model.student.encoder.weights[0])
    parts = {}
    for name in ("loss", "student_loss", "teacher_loss", "distillation_loss"):
        with tf.GradientTape() as tape:
            value = means_of(model, model(inputs), Targets(labels, None))[name]
        parts[name] = tf.convert_to_tensor(tape.gradient(value, table)).numpy()
    expected = 0.7 * parts["student_loss"] + 0.3 * parts["distillation_loss"]
    np.testing.assert_allclose(parts["loss"], expected + parts["teacher_loss"], atol=1e-7)
    assert np.abs(parts["teacher_loss"]).max() > 0


@pytest.mark.parametrize("kind", ["shared", "independent", "frozen"])
def test_the_student_does_not_see_privileged_features(make, inputs_of, schema, kind):
    model = make(kind)
    inputs, other = inputs_of(8), inputs_of(8, seed=1)
    changed = {
        name: other[name] if name not in schema.features("served") else ids
        for name, ids in inputs.items()
    }
    before, after = model(inputs), model(changed)
    np.testing.assert_array_equal(before["student"], after["student"])
    assert not np.allclose(before["teacher"], after["teacher"])


@pytest.mark.slow
def test_predict_needs_no_privileged_features(make, inputs_of, schema):
    model = make()
    model.compile("sgd")
    inputs = inputs_of(8)
    hidden = schema.features("privileged")
    served = {name: ids for name, ids in inputs.items() if name not in hidden}
    out = model.predict(served, batch_size=3, verbose=0)
    assert out.shape == (8,)
    np.testing.assert_allclose(out, model(inputs)["student"], rtol=1e-6)
    assert set(model(served)) == {"student"}
    message = r"missing inputs \['affinity', 'later_clicks'\]: ranker '\w+' with sees='all'"
    for training in (None, True):  # Not a single one is a batch of served features; one is not.
        given = served if training else {**served, "affinity": inputs["affinity"]}
        expected = message if training else message.replace("'affinity', ", "")
        with pytest.raises(ValueError, match=expected):
            model(given, training=training)


def test_weights_equal_repeated_rows(make, inputs_of):
    inputs = inputs_of(6)
    labels = np.array([0, 1, 1, 0, math.nan, 1], np.float32)
    times = np.array([1, 3, 0, 2, 2, 1])
    model = make("independent")
    model.compile("sgd")
    repeated = {name: np.repeat(ids, times, axis=0) for name, ids in inputs.items()}

    # The mean is over rows, not over weights (as in Keras): 6 rows against 9 in the distillation
    # term, and 5 rows with a label against 7 in the others.
    def rescaled(part):
        model.distillation_weight = WarmUp(1.0 if part == "soft" else 0.0)
        ours = gradients_of(model, inputs, labels, tf.constant(times, tf.float32))
        theirs = gradients_of(model, repeated, np.repeat(labels, times))
        return ours, theirs

    on_labels, expected = rescaled("labels")
    for weight in model.trainable_weights:
        np.testing.assert_allclose(
            on_labels[id(weight)] * 5, expected[id(weight)] * 7, rtol=1e-4, atol=1e-6
        )
    soft, expected = rescaled("soft")
    for weight in model.student.trainable_weights:
        np.testing.assert_allclose(
            soft[id(weight)] * 6, expected[id(weight)] * 9, rtol=1e-4, atol=1e-6
        )


def test_auc_with_weights_equals_repeated_rows_and_sklearn(make, inputs_of):
    inputs = inputs_of(40)
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 40).astype(np.float32)
    labels[::7] = math.nan
    times = random.integers(0, 4, 40)
    model = make("independent")
    # Far more spread than at the start, as the AUC of Keras has 200 thresholds.
    for ranker in (model.student, model.teacher):
        ranker.network.kernel.assign(random.normal(size=ranker.network.kernel.shape) * 20)
    model.compile("sgd", run_eagerly=True)
    weighted = model.evaluate(
        inputs, labels, sample_weight=times.astype("float32"), verbose=0, return_dict=True
    )
    repeated = {name: np.repeat(ids, times, axis=0) for name, ids in inputs.items()}
    whole = model.evaluate(repeated, np.repeat(labels, times), verbose=0, return_dict=True)
    held = ~np.isnan(labels)
    for name in ("student", "teacher"):
        assert weighted[f"{name}_auc"] == pytest.approx(whole[f"{name}_auc"], abs=1e-6)
        scores = model(inputs)[name].numpy()
        exact = sklearn.metrics.roc_auc_score(labels[held], scores[held], sample_weight=times[held])
        assert weighted[f"{name}_auc"] == pytest.approx(exact, abs=0.01)


@pytest.mark.parametrize("kind", ["shared", "independent", "frozen"])
def test_rows_of_weight_zero_have_no_influence(make, inputs_of, kind):
    model = make(kind)
    model.compile("sgd")
    inputs, other = inputs_of(4), inputs_of(4, seed=1)
    mixed = {
        n: np.where((np.arange(4) < 2).reshape(-1, *[1] * (i.ndim - 1)), i, other[n])
        for n, i in inputs.items()
    }
    weights = tf.constant([1.0, 2.0, 0.0, 0.0])
    first = gradients_of(model, inputs, [0.0, 1.0, 1.0, 0.0], weights)
    second = gradients_of(model, mixed, [0.0, 1.0, 0.0, 1.0], weights)
    assert_equal_gradients(first, second, atol=1e-7)


def test_metrics_ignore_rows_without_a_label_and_honour_weights(make, inputs_of):
    given = [
        keras.metrics.AUC(name="auc", from_logits=True),
        keras.metrics.BinaryCrossentropy(name="log_loss", from_logits=True),
        keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0),
        keras.metrics.MeanSquaredError(name="squared"),
    ]
    model = make("independent")
    model.compile("sgd", metrics=given, run_eagerly=True)
    inputs = inputs_of(20)
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 20).astype(np.float32)
    labels[[2, 3, 11]] = math.nan
    weights = random.uniform(0, 2, 20).astype(np.float32)
    out = model.evaluate(
        inputs, labels, sample_weight=weights, batch_size=8, verbose=0, return_dict=True
    )
    held = ~np.isnan(labels)
    y, w = labels[held], weights[held]
    for name in ("student", "teacher"):
        logits = model(inputs)[name].numpy()[held]
        mean = {
            "log_loss": np.average(cross_entropy(y, logits), weights=w),
            "accuracy": np.average((logits > 0) == y, weights=w),
            "squared": np.average((logits - y) ** 2, weights=w),
        }
        for metric, expected in mean.items():
            assert out[f"{name}_{metric}"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_names_of_metrics(make, inputs_of, batches_of):
    model = make()
    model.compile("sgd")
    data = batches_of(12, 4)
    history = model.fit(data, validation_data=data, verbose=0).history
    names = {
        "loss",
        "student_loss",
        "teacher_loss",
        "distillation_loss",
        "distillation_weight",
        "student_auc",
        "teacher_auc",
    }
    assert set(history) == names | {f"val_{name}" for name in names}
    assert set(model.evaluate(data, return_dict=True, verbose=0)) == names
    assert len(model.evaluate(data, verbose=0)) == len(names)


@pytest.mark.slow
def test_losses_shown_are_means_over_the_rows_they_count(make, inputs_of):
    model = make("independent")
    model.compile("sgd")
    inputs = inputs_of(7)
    labels = np.array([1, math.nan, math.nan, math.nan, 0, 0, 1], np.float32)
    out = model.evaluate(inputs, labels, batch_size=4, verbose=0, return_dict=True)
    logits = {name: value.numpy() for name, value in model(inputs).items()}
    held = ~np.isnan(labels)
    expected = cross_entropy(labels[held], logits["student"][held]).mean()
    assert out["student_loss"] == pytest.approx(expected, rel=1e-5)
    expected = cross_entropy(sigmoid(logits["teacher"]), logits["student"]).mean()
    assert out["distillation_loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["shared", "independent"])
def test_each_encoder_runs_once_a_batch(make, batches_of, monkeypatch, kind):
    calls = []
    penalties = FeatureEncoder._l2_of

    def counted(self, embedded):
        calls.append((id(self), tuple(embedded)))
        return penalties(self, embedded)

    model = make(kind)
    model.compile("sgd")
    monkeypatch.setattr(FeatureEncoder, "_l2_of", counted)
    model.evaluate(batches_of(8, 4), verbose=0)
    assert calls
    # A generation may trace more than once; each trace runs every encoder once.
    traces = calls.count(calls[0])
    assert len(set(calls)) == 2
    assert len(calls) == 2 * traces
    if kind == "shared":
        extra = next(names for encoder, names in calls if encoder != id(model.student.encoder))
        assert extra == ("affinity", "later_clicks")


@pytest.mark.slow
def test_l2_of_a_shared_encoder_counts_once(make, inputs_of, schema):
    model = make(l2=0.5)
    model.set_weights([np.full(weight.shape, 0.1) for weight in model.weights])
    model.compile(keras.optimizers.SGD(0.0))
    inputs = {name: np.maximum(ids, 1) for name, ids in inputs_of(4).items()}
    model.step.assign(0)
    out = {k: v[0] for k, v in model.fit(inputs, np.ones(4, np.float32), verbose=0).history.items()}
    plain = 0.5 * out["student_loss"] + 0.5 * out["distillation_loss"] + out["teacher_loss"]
    # 7 features, each a vector (or a mean over vectors) of 3 times .1.
    assert out["loss"] - plain == pytest.approx(0.5 * 7 * 3 * 0.01, rel=1e-4)


@pytest.mark.slow
def test_a_privileged_teacher_alone_is_lupi(schema, inputs_of, linear, batches_of):
    student = Ranker(schema, linear())
    teacher = Ranker(schema, linear(), sees="privileged", encoder=student.encoder)
    model = Distillation(student=student, teacher=teacher)
    model.compile("sgd")
    model.fit(batches_of(8, 4), verbose=0)
    inputs = inputs_of(3)
    other = {**inputs_of(3, seed=5), "affinity": inputs["affinity"]}
    other["later_clicks"] = inputs["later_clicks"]
    np.testing.assert_array_equal(model(inputs)["teacher"], model(other)["teacher"])
    # later_clicks has the student's table of items.
    assert teacher._extra[0].tables["item_id"] is student.encoder.tables["item_id"]


def test_a_frozen_teacher_must_not_share(schema, linear):
    student = Ranker(schema, linear())
    teacher = Ranker(schema, linear(), sees="all", encoder=student.encoder)
    teacher.trainable = False
    with pytest.raises(ValueError, match="`teacher` is frozen but shares weights with"):
        Distillation(student=student, teacher=teacher)


def test_a_frozen_teacher_must_not_share_tables(schema, linear):
    student = Ranker(schema, linear())
    encoder = FeatureEncoder(schema, ["affinity", "later_clicks"], base=student.encoder)
    teacher = Ranker(schema, linear(), sees="privileged", encoder=encoder)
    teacher.trainable = False
    with pytest.raises(ValueError, match="`teacher` is frozen but shares"):
        Distillation(student=student, teacher=teacher)


def test_sharing_that_could_not_be_saved_is_refused(schema, linear):
    student = Ranker(schema, linear())
    encoder = FeatureEncoder(schema, schema.features(), base=student.encoder)
    teacher = Ranker(schema, linear(), sees="all", encoder=encoder)
    with pytest.raises(ValueError, match=r"expected a Ranker with `encoder=student\.encoder`"):
        Distillation(student=student, teacher=teacher)


def test_a_teacher_frozen_later_must_not_share(make, inputs_of):
    model = make("shared")
    model.teacher.trainable = False
    with pytest.raises(ValueError, match="`teacher` is frozen but shares"):
        model.compile("sgd")


@pytest.mark.slow
def test_a_teacher_frozen_after_compile_must_not_share(make, batches_of):
    model = make("shared")
    model.compile("sgd")
    start = model.student.get_weights()
    model.teacher.trainable = False
    with pytest.raises(ValueError, match="`teacher` is frozen but shares"):
        model.fit(batches_of(8, 4), verbose=0)
    for one, other in zip(start, model.student.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("network", [MLP])
def test_a_frozen_teacher_does_not_change(make, batches_of, network):
    model = make("frozen", lambda: network([4]))
    start = model.teacher.get_weights()
    student = model.student.get_weights()
    model.compile(keras.optimizers.Adagrad(0.1))
    model.fit(batches_of(16, 4), verbose=0)
    for weight, expected in zip(model.teacher.get_weights(), start, strict=True):
        np.testing.assert_array_equal(weight, expected)
    for weight, before in zip(model.student.weights, student, strict=True):
        assert not np.array_equal(weight, before), weight.name
    # Keras counts its steps and its rate among the optimizer's variables.
    variables = model.optimizer.variables
    variables = variables() if callable(variables) else variables
    slots = sum(len(variable.shape) > 0 for variable in variables)
    assert slots == sum(len(weight.shape) > 0 for weight in model.student.trainable_weights)


def test_a_frozen_teacher_runs_in_inference_mode(make, inputs_of):
    model = make("frozen", lambda: MLP([4]))
    inputs = inputs_of(6)
    training = model(inputs, training=True)
    inference = model(inputs, training=False)
    np.testing.assert_array_equal(training["teacher"], inference["teacher"])
    assert not np.allclose(training["student"], inference["student"])


def functional_teacher(schema, outputs=1):
    places = {
        name: keras.layers.Input(() if f.length is None else (f.length,), dtype="int32", name=name)
        for name, f in schema.features("all").items()
    }
    vector = keras.layers.Embedding(4, 5)(places["affinity"])
    vector = keras.layers.Dropout(0.5)(keras.layers.BatchNormalization()(vector))
    logit = keras.layers.Dense(1)(vector)
    logit = logit if outputs else keras.layers.Reshape(())(logit)
    return keras.Model(places, logit)


@pytest.mark.slow
@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize("outputs", [0, 1])
def test_a_functional_teacher(schema, linear, inputs_of, batches_of, trainable, outputs, tmp_path):
    teacher = functional_teacher(schema, outputs)
    teacher.trainable = trainable
    model = Distillation(student=Ranker(schema, linear()), teacher=teacher)
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    start = teacher.get_weights()
    history = model.fit(batches_of(16, 4), verbose=0).history
    assert 0 <= history["teacher_auc"][0] <= 1
    changed = [
        not np.array_equal(weight, before)
        for weight, before in zip(teacher.get_weights(), start, strict=True)
    ]
    assert any(changed) == trainable
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.teacher.trainable == trainable
    inputs = inputs_of(5)
    for name, logits in model(inputs).items():
        np.testing.assert_array_equal(again(inputs)[name], logits)
    if not trainable:  # No dropout.
        out = again(inputs, training=True)["teacher"]
        np.testing.assert_array_equal(out, again(inputs)["teacher"])


def test_a_custom_distillation_loss(make):
    model = make(weight=0.5, distillation_loss=keras.losses.MeanSquaredError())
    model.compile("sgd")
    out = terms(model, [1.0, 2.0], [3.0, -1.0], [1.0, 0.0])
    assert out["distillation_loss"] == pytest.approx((2**2 + 3**2) / 2)


def test_temperature_reaches_the_loss(make):
    model = make(weight=1.0, distillation_loss=SoftCrossEntropy(2.0))
    model.compile("sgd")
    out = terms(model, [1.0], [3.0], [1.0])
    expected = 4 * cross_entropy(sigmoid(1.5), 0.5)
    assert out["distillation_loss"] == pytest.approx(expected, rel=1e-5)


def test_a_custom_loss_on_labels(make):
    model = make(weight=0.0)
    model.compile("sgd", loss=keras.losses.MeanSquaredError())
    out = terms(model, [1.0, 2.0], [3.0, -1.0], [1.0, 0.0], weights=[1.0, 0.5])
    assert out["student_loss"] == pytest.approx((0 + 0.5 * 4) / 2)
    assert out["teacher_loss"] == pytest.approx((4 + 0.5 * 1) / 2)


@pytest.mark.parametrize("weight", [-0.5, 2, "x"])
def test_weight_is_checked(make, weight):
    with pytest.raises(
        ValueError, match=r"`distillation_weight` must be a finite number from 0 to 1, received"
    ):
        make(weight=weight)


def test_student_and_teacher_are_checked(schema, linear):
    ranker = Ranker(schema, linear())
    with pytest.raises(TypeError, match="`student` must be a Ranker, received 'student'"):
        Distillation(student="student", teacher=ranker)
    with pytest.raises(TypeError, match="`teacher` must be a Keras model, received 'teacher'"):
        Distillation(student=ranker, teacher="teacher")


def test_swapped_student_and_teacher_are_refused(make):
    model = make("independent")
    with pytest.raises(ValueError, match=r"`student` must be .*sees='all'.*swapped"):
        Distillation(student=model.teacher, teacher=model.student)
    with pytest.raises(ValueError, match="must be two rankers, received the same one"):
        Distillation(student=model.student, teacher=model.student)


def test_a_teacher_that_knows_no_more_is_warned_of(schema, linear):
    served = schema.served()
    student = Ranker(served, linear())
    with pytest.warns(UserWarning, match="`teacher` sees='all', but .* no privileged features"):
        Distillation(student=student, teacher=Ranker(served, linear(), sees="all"))
    with pytest.raises(ValueError, match="`sees` is 'privileged', but `schema` has no privileged"):
        Ranker(served, linear(), sees="privileged")


def test_a_functional_teacher_gets_the_inputs_that_it_names(make, inputs_of):
    """Whatever else is in the batch, and whichever comes first in the alphabet."""
    score = keras.layers.Input((), dtype="float32", name="score")
    teacher = keras.Model({"score": score}, 2 * score)
    inputs = {**inputs_of(3), "score": tf.constant([1.0, -2.0, 0.5])}
    logits = Distillation(student=make().student, teacher=teacher)(inputs)["teacher"]
    np.testing.assert_allclose(logits, [2.0, -4.0, 1.0])
