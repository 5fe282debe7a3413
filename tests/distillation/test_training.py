"""What `fit` does: Algorithm 1, the trajectory, callbacks."""

import warnings

import numpy as np
import pandas as pd
import pytest

from tfpfd import Distillation, Ranker, WarmUp
from tfpfd._keras import keras
from tfpfd.optimizers import RowWiseAdagrad


class Steps(keras.callbacks.Callback):
    """Writes down λ of every step, and may interrupt."""

    def __init__(self, interrupt_after=None):
        super().__init__()
        self.weights, self.interrupt_after = [], interrupt_after

    def on_train_batch_end(self, batch, logs=None):
        self.weights.append(round(float(logs["distillation_weight"]), 6))

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 == self.interrupt_after:
            raise RuntimeError("interrupted")


@pytest.mark.parametrize(
    ("kind", "optimizer"),
    [
        ("independent", lambda: keras.optimizers.SGD(0.1)),
        ("independent", lambda: RowWiseAdagrad(0.1)),
        ("frozen", lambda: keras.optimizers.Adam(0.01)),
    ],
)
def test_with_weight_zero_the_student_goes_its_way_alone(
    make, batches_of, schema, linear, assert_same, kind, optimizer
):
    weights = np.random.default_rng(0).uniform(0, 2, 24).astype("float32")
    data = batches_of(24, 6, weights=weights)
    model = make(kind, weight=WarmUp(0.5, steps=10**6))
    alone = Ranker(
        schema,
        linear(),
        encoder=model.student.encoder.like(schema, schema.features("served"), None),
    )
    alone.set_weights(model.student.get_weights())
    start = alone.get_weights()
    for one in (model, alone):
        one.compile(optimizer(), run_eagerly=True)
    history = model.fit(data, epochs=2, verbose=0).history
    expected = alone.fit(data, epochs=2, verbose=0).history
    assert_same(model.student, alone, rtol=1e-5, atol=1e-6)
    assert not np.allclose(start[0], alone.get_weights()[0])
    np.testing.assert_allclose(history["student_loss"], expected["loss"], rtol=1e-5)
    np.testing.assert_allclose(history["student_auc"], expected["auc"], rtol=1e-5)


def test_the_teacher_goes_its_way_alone_at_any_weight(
    make, batches_of, schema, linear, assert_same
):
    data = batches_of(24, 6)
    model = make("independent", weight=0.9)
    encoder = model.teacher.encoder.like(schema, schema.features(), None)
    alone = Ranker(schema, linear(), sees="all", encoder=encoder)
    alone.set_weights(model.teacher.get_weights())
    for one in (model, alone):
        one.compile(keras.optimizers.SGD(0.5), run_eagerly=True)
        one.fit(data, epochs=2, verbose=0)
    assert_same(model.teacher, alone, rtol=1e-5, atol=1e-6)


def test_distillation_draws_the_student_to_the_teacher(make, batches_of):
    data = batches_of(24, 8)
    distances = {}
    for weight in (0.0, 1.0):
        keras.utils.set_random_seed(3)
        model = make("frozen", weight=weight)
        model.teacher.network.bias.assign(3.0)
        model.compile(keras.optimizers.SGD(1.0), run_eagerly=True)
        model.fit(data, epochs=5, verbose=0)
        outputs = [model(inputs) for inputs, _ in data]
        distances[weight] = np.mean([np.abs(o["student"] - o["teacher"]) for o in outputs])
    assert distances[1.0] < 0.5 * distances[0.0]


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"run_eagerly": True}], ids=["graph", "eager"])
def test_steps_count_across_epochs(make, batches_of, settings):
    model = make(weight=WarmUp(0.7, steps=5))
    model.compile("sgd", **settings)
    steps = Steps()
    data = batches_of(12, 4)
    history = model.fit(data, validation_data=data, epochs=3, verbose=0, callbacks=[steps]).history
    assert steps.weights == [0.0] * 5 + [0.7] * 4
    assert int(model.step) == 9
    np.testing.assert_allclose(history["distillation_weight"], [0, 0.7, 0.7], rtol=1e-6)
    np.testing.assert_allclose(history["val_distillation_weight"], [0, 0.7, 0.7], rtol=1e-6)
    model.fit(data, verbose=0)
    assert int(model.step) == 12


def test_evaluate_and_predict_count_no_steps(compiled, batches_of):
    model = compiled()
    model.evaluate(batches_of(8, 4), verbose=0)
    model.predict(batches_of(8, 4), verbose=0)
    assert int(model.step) == 0


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"run_eagerly": False, "steps_per_execution": 3}])
def test_the_way_of_execution_does_not_matter(compiled, batches_of, assert_same, settings):
    plain, other = compiled(run_eagerly=False), compiled(**settings)
    other.set_weights(plain.get_weights())
    histories = [m.fit(batches_of(24, 4), epochs=2, verbose=0).history for m in (plain, other)]
    assert_same(plain, other, rtol=1e-5, atol=1e-6)
    assert int(other.step) == 12
    assert set(histories[0]) == set(histories[1])
    for name, values in histories[0].items():
        np.testing.assert_allclose(histories[1][name], values, rtol=1e-4, atol=1e-6)


def test_arrays_in_place_of_a_dataset(compiled, inputs_of, batches_of, assert_same):
    arrays, batches = compiled(), compiled()
    batches.set_weights(arrays.get_weights())
    inputs = inputs_of(12)
    labels = np.concatenate([y.numpy() for _, y in batches_of(12, 4)])
    arrays.fit(inputs, labels[:, None], batch_size=4, shuffle=False, verbose=0)
    batches.fit(batches_of(12, 4), verbose=0)
    assert_same(arrays, batches, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("network", ["linear", "small_mlp"])
def test_interrupted_and_resumed(compiled, batches_of, assert_same, tmp_path, network, request):
    """BackupAndRestore: the schedule goes on where it stood, as does everything else."""
    network = request.getfixturevalue(network)
    data = batches_of(8, 4)
    whole = compiled(network=network)
    start = whole.get_weights()
    whole.fit(data, epochs=3, verbose=0)

    interrupted = compiled(network=network)
    interrupted.set_weights(start)
    backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
    with pytest.raises(RuntimeError, match="interrupted"):
        interrupted.fit(data, epochs=3, verbose=0, callbacks=[backup, Steps(1)])

    resumed = compiled(network=network)
    backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
    steps = Steps()
    resumed.fit(data, epochs=3, verbose=0, callbacks=[backup, steps])
    assert steps.weights == [0.0, 0.7, 0.7, 0.7]
    assert int(resumed.step) == 6
    assert_same(resumed, whole, rtol=1e-5, atol=1e-6)


def test_early_stopping_restores_the_best_weights(compiled, batches_of):
    model = compiled(optimizer=keras.optimizers.SGD(0.5))
    data, validation = batches_of(8, 4), batches_of(8, 4, seed=1)
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append((logs["val_student_auc"], self.model.get_weights()))

    stopping = keras.callbacks.EarlyStopping(
        "val_student_auc", mode="max", patience=1, restore_best_weights=True
    )
    model.fit(data, validation_data=validation, epochs=4, verbose=0, callbacks=[Watch(), stopping])
    best = max(range(len(seen)), key=lambda i: seen[i][0])
    for weight, expected in zip(model.get_weights(), seen[best][1], strict=True):
        np.testing.assert_array_equal(weight, expected)
    score = model.evaluate(validation, verbose=0, return_dict=True)["student_auc"]
    assert score == pytest.approx(seen[best][0], abs=1e-6)


@pytest.mark.slow
def test_checkpoint_of_the_whole_model(compiled, batches_of, inputs_of, tmp_path):
    model = compiled()
    path = str(tmp_path / "best.keras")
    checkpoint = keras.callbacks.ModelCheckpoint(path, "student_auc", mode="max")
    model.fit(batches_of(8, 4), verbose=0, callbacks=[checkpoint])
    again = keras.models.load_model(path)
    inputs = inputs_of(4)
    np.testing.assert_array_equal(again(inputs)["student"], model(inputs)["student"])
    assert int(again.step) == 2


def test_checkpoint_of_the_weights(compiled, batches_of, assert_same, tmp_path):
    model = compiled()
    path = str(tmp_path / "best.weights.h5")
    checkpoint = keras.callbacks.ModelCheckpoint(path, save_weights_only=True)
    model.fit(batches_of(8, 4), verbose=0, callbacks=[checkpoint])
    other = compiled()
    other.load_weights(path)
    assert_same(other, model)
    assert int(other.step) == 2


def test_logs(compiled, batches_of, tmp_path):
    pytest.importorskip("tensorboard")
    model = compiled()
    csv = tmp_path / "log.csv"
    callbacks = [
        keras.callbacks.CSVLogger(str(csv)),
        keras.callbacks.TensorBoard(str(tmp_path / "board"), histogram_freq=1),
    ]
    data = batches_of(8, 4)
    model.fit(data, validation_data=data, epochs=2, verbose=0, callbacks=callbacks)
    header, *rows = csv.read_text().splitlines()
    assert len(rows) == 2
    assert {"student_auc", "val_teacher_auc", "distillation_weight"} <= set(header.split(","))
    assert list((tmp_path / "board" / "train").iterdir())
    assert list((tmp_path / "board" / "validation").iterdir())


def test_learning_rate_callbacks(compiled, batches_of):
    model = compiled(optimizer=RowWiseAdagrad(0.5))
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch: 0.5 / (epoch + 1))
    model.fit(batches_of(8, 4), epochs=2, verbose=0, callbacks=[schedule])
    assert float(model.optimizer.learning_rate) == 0.25


@pytest.mark.slow
def test_mixed_precision(make, batches_of):
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = make()
        model.compile(keras.optimizers.SGD(0.1))
        start = model.student.encoder.get_weights()[0]
        history = model.fit(batches_of(8, 4), verbose=0).history
    finally:
        keras.mixed_precision.set_global_policy(before)
    assert np.isfinite(history["loss"]).all()
    assert start.dtype == np.float32
    assert not np.array_equal(start, model.student.encoder.get_weights()[0])


def test_sharing_trains_one_table_for_both(compiled, batches_of):
    model = compiled()
    start = model.student.encoder.get_weights()
    model.fit(batches_of(8, 4), verbose=0)
    assert model.teacher.encoder is model.student.encoder
    assert not np.array_equal(start[0], model.teacher.encoder.get_weights()[0])


@pytest.mark.slow
def test_a_network_without_privileged_features_is_model_distillation(schema, linear, batches_of):
    student, teacher = Ranker(schema, linear()), Ranker(schema, linear())
    model = Distillation(student=student, teacher=teacher)
    model.compile("sgd")
    hidden = schema.features("privileged")
    data = batches_of(8, 4).map(lambda x, y: ({n: x[n] for n in x if n not in hidden}, y))
    assert np.isfinite(model.fit(data, verbose=0).history["loss"]).all()


@pytest.mark.slow
@pytest.mark.parametrize("alone", [False, True])
def test_rows_that_were_not_looked_up(make, batches_of, alone):
    model = make().student if alone else make()
    model.compile(optimizer="sgd")
    rows = pd.DataFrame({"user_id": ["u1"], "label": [1.0]})
    message = r"must be batches .* received a DataFrame: use tfpfd.data.from_rows\(rows, schema\)"
    for given in ((rows,), (rows, rows["label"])):
        with pytest.raises(TypeError, match=f"^`x` {message}"):
            model.fit(*given)
    for given in (rows, (rows, rows["label"])):
        with pytest.raises(TypeError, match=f"^`validation_data` {message}"):
            model.fit(batches_of(4, 4), validation_data=given)


@pytest.mark.slow
@pytest.mark.parametrize("part", [lambda model: model, lambda model: model.student])
def test_keras_has_nothing_to_warn_of_a_dataset(make, batches_of, part):
    model = part(make("shared"))
    model.compile(keras.optimizers.SGD(0.1))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.fit(batches_of(24, 6), epochs=1, verbose=0)
