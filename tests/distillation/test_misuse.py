"""What would train the wrong thing in silence is refused, and the right thing works afterwards."""

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import AuxiliaryTasks, Distillation, Ranker
from tfpfd._keras import keras


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["frozen", "outside"])
def test_a_frozen_teacher_that_says_nan_changes_no_student(make, batches_of, kind):
    model = make("frozen")
    if kind == "outside":
        numbers = keras.layers.Lambda(lambda inputs: tf.cast(inputs["age"], tf.float32) / 0.0)
        numbers.trainable = False
        model = Distillation(student=model.student, teacher=numbers)
    else:
        model.teacher.set_weights([np.full_like(w, np.nan) for w in model.teacher.get_weights()])
    model.compile("sgd")
    before = model.student.get_weights()
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"the frozen teacher .* aren't finite"
    ):
        model.fit(batches_of(8, 4), verbose=0)
    for one, other in zip(model.student.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


class Own(Ranker):
    """A ranker with a training of its own."""

    def _costs(self, outputs, targets):
        return super()._costs(2 * outputs, targets)


@pytest.mark.parametrize("place", ["student", "teacher", "multi_task"])
def test_a_ranker_with_costs_of_its_own_is_fitted_alone(schema, linear, batches_of, place):
    own = Own(schema, linear(), sees="all" if place == "teacher" else "served")
    with pytest.raises(TypeError, match=r"is a Own with a `_costs` of its own"):
        if place == "multi_task":
            AuxiliaryTasks(own)
        elif place == "student":
            Distillation(student=own, teacher=Ranker(schema, linear(), sees="all"))
        else:
            Distillation(student=Ranker(schema, linear()), teacher=own)
    own.compile("sgd")
    own.fit(batches_of(8, 4), verbose=0)


def served_alone(schema, batches):
    privileged = schema.features("privileged")
    return batches.map(lambda x, y: ({k: v for k, v in x.items() if k not in privileged}, y))


class TestASizeBesideBatches:
    """Keras takes no notice of it, or would read other batches than those that were made."""

    @pytest.mark.parametrize("argument", ["batch_size", "validation_batch_size"])
    def test_fit(self, make, batches_of, argument):
        model = make()
        model.compile("sgd")
        before = model.get_weights()
        message = rf"`{argument}` must be left out for a \w+, which has batches already, received 2"
        with pytest.raises(ValueError, match=message):
            model.fit(
                batches_of(8, 4), validation_data=batches_of(8, 4), verbose=0, **{argument: 2}
            )
        for one, other in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(one, other)

    @pytest.mark.parametrize("method", ["evaluate", "predict"])
    def test_others(self, schema, linear, batches_of, method):
        ranker = Ranker(schema, linear())
        ranker.compile("sgd")
        with pytest.raises(ValueError, match="`batch_size` must be left out for a "):
            getattr(ranker, method)(batches_of(8, 4), batch_size=2, verbose=0)
        if method == "predict":
            with pytest.raises(ValueError, match="`batch_size` must be left out for a "):
                ranker.predict(batches_of(8, 4), 2)

    def test_arrays_have_none_yet(self, schema, linear, batches_of):
        """Validated on batches, of which the size of the arrays says nothing."""
        ranker = Ranker(schema, linear())
        ranker.compile("sgd")
        ((inputs, labels),) = batches_of(8, 8)
        arrays = {name: rows.numpy() for name, rows in inputs.items()}
        held_out = batches_of(8, 4)
        history = ranker.fit(
            arrays, labels.numpy(), batch_size=4, validation_data=held_out, verbose=0
        ).history
        assert np.isfinite(history["val_loss"]).all()
        assert ranker.predict(arrays, batch_size=4, verbose=0).shape == (8,)


WRONG = {
    "served columns alone": served_alone,
    "no inputs": lambda schema, batches: batches.map(lambda x, y: y),
    "inputs by place": lambda schema, batches: batches.map(
        lambda x, y: ((x["age"], x["clicks"]), y)
    ),
    "no labels": lambda schema, batches: batches.map(lambda x, y: x),
}


@pytest.mark.slow
@pytest.mark.parametrize("generator", [False, True])
def test_the_right_batches_train_after_wrong_ones(make, schema, batches_of, generator):
    model = make("shared")
    model.compile("sgd")
    steps = 0
    for name, spoilt in WRONG.items():
        batches = spoilt(schema, batches_of(8, 4))
        with pytest.raises((ValueError, TypeError)):
            model.fit(iter(batches) if generator else batches, verbose=0)
        assert int(model.step) == steps, name
        model.fit(batches_of(8, 4), verbose=0)
        steps += 2
        assert int(model.step) == steps, name
    assert np.isfinite(model.evaluate(batches_of(8, 4), verbose=0)).all()


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
def test_weights_in_arrays_are_checked(make, inputs_of, wrong):
    model = make("shared")
    model.compile("sgd")
    inputs, labels = inputs_of(4), np.float32([1, 0, np.nan, 0.5])
    weights = np.float32([1, 2, wrong, 1])
    message = f"`sample_weight` must have finite values of at least 0, received 1 .* {wrong}"
    for use in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=message):
            use(inputs, labels, sample_weight=weights, verbose=0)
    assert int(model.step) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("labels", "weights", "message"),
    [
        ([1.0, 5.0], [1.0, 1.0], "labels: expected values in .*5"),
        ([1.0, 0.0], [1.0, -2.0], "weights: expected finite values of at least 0.*-2"),
        ([1.0, 0.0], [1.0, np.nan], "weights: expected finite values of at least 0.*nan"),
    ],
)
def test_labels_and_weights_that_a_map_spoilt(make, inputs_of, labels, weights, message):
    model = make("shared")
    model.compile("sgd")
    before = [weight.numpy() for weight in model.trainable_variables]
    batch = (inputs_of(2), np.float32(labels), np.float32(weights))
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        model.fit(tf.data.Dataset.from_tensors(batch), verbose=0)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        model.train_on_batch(*batch)
    for one, other in zip(model.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(one.numpy(), other)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(4, 2), (4, 1, 1)])
def test_labels_of_other_shapes_are_refused(make, inputs_of, shape):
    model = make("shared")
    model.compile("sgd")
    batches = tf.data.Dataset.from_tensors((inputs_of(4), np.zeros(shape, np.float32)))
    message = rf"the labels of `x` must have the shape \[batch\], received shape \({shape[0]}, "
    with pytest.raises(ValueError, match=message):
        model.fit(batches, verbose=0)
    by_objective = tf.data.Dataset.from_tensors((inputs_of(4), {"a": np.zeros(4, np.float32)}))
    with pytest.raises(ValueError, match=r"the labels of `x` .* received dict"):
        model.fit(by_objective, verbose=0)


@pytest.mark.slow
def test_labels_of_unknown_shape_are_taken(make, batches_of):
    batches = batches_of(8, 4)
    inputs, labels = batches.element_spec
    unknown = tf.data.Dataset.from_generator(
        lambda: iter(batches), output_signature=(inputs, tf.TensorSpec(None, labels.dtype))
    )
    model = make("shared")
    model.compile("sgd")
    expected = model.evaluate(batches, verbose=0)
    assert model.evaluate(unknown, verbose=0) == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_arguments_by_position(make, batches_of):
    seen = []
    model = make("shared")
    model.compile("sgd")
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda *of: seen.append(of))
    model.fit(batches_of(8, 4), None, None, 2, 0, [callback])
    assert len(seen) == 2
    assert np.isfinite(model.evaluate(batches_of(8, 4), None, None, 0)).all()


@pytest.mark.slow
def test_generators_of_sequences(make, batches_of):
    model = make("shared")
    model.compile("sgd", run_eagerly=False)
    batches = batches_of(8, 4)
    model.fit((batch for batch in batches), verbose=0)
    assert int(model.step) == 2
    found = model.predict((batch for batch in batches), verbose=0)
    np.testing.assert_allclose(found, model.predict(batches, verbose=0), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [2.0, -1.0])
@pytest.mark.parametrize("of", [np.asarray, list])
def test_labels_in_arrays_are_checked(make, inputs_of, wrong, of):
    model = make("shared")
    model.compile("sgd")
    labels = of([1.0, wrong, np.nan, 0.5])
    inputs, good = inputs_of(4), np.float32([1, 0, np.nan, 0.5])
    message = f"`y` must have values in .*received 1 outside, such as {wrong}"
    for use in (
        lambda: model.fit(inputs, labels, verbose=0),
        lambda: model.fit(inputs, good, validation_data=(inputs, labels), verbose=0),
        lambda: model.evaluate(inputs, labels, verbose=0),
        lambda: model.evaluate(inputs, y=labels, verbose=0),
    ):
        with pytest.raises(ValueError, match=message):
            use()
    assert int(model.step) == 0
    model.fit(inputs, good, validation_data=(inputs, good), verbose=0)
