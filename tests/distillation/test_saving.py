"""Save, load, go on: as if nothing had happened."""

import gc
import weakref

import numpy as np
import pytest

from tfpfd import Distillation, FeatureEncoder, Ranker, SelfAttention, TwoTower, WarmUp
from tfpfd._keras import keras
from tfpfd.distillation import SoftCrossEntropy
from tfpfd.optimizers import RowWiseAdagrad

OPTIMIZERS = {"adam": lambda: keras.optimizers.Adam(0.01), "row_wise": lambda: RowWiseAdagrad(0.1)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "optimizer"),
    [("shared", "adam"), ("shared", "row_wise"), ("independent", "adam"), ("frozen", "row_wise")],
)
def test_a_loaded_model_goes_on_in_the_same_way(
    compiled, batches_of, inputs_of, assert_same, tmp_path, kind, optimizer, small_mlp
):
    # Not eagerly, as the loaded model: what has no gradient but rounding would differ.
    optimizer = OPTIMIZERS[optimizer]()
    model = compiled(kind, network=small_mlp, optimizer=optimizer, run_eagerly=False)
    data, inputs = batches_of(8, 4), inputs_of(6, seed=4)
    model.fit(data, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert_same(again, model)
    for name, logits in model(inputs).items():
        np.testing.assert_array_equal(again(inputs)[name], logits)
    assert (again.teacher.encoder is again.student.encoder) == (kind == "shared")
    assert again.teacher.trainable == (kind != "frozen")
    histories = [one.fit(data, epochs=2, verbose=0).history for one in (model, again)]
    assert histories[0]["distillation_weight"] == pytest.approx([0.7, 0.7])
    for name, values in histories[0].items():
        np.testing.assert_allclose(histories[1][name], values, rtol=1e-5)
    assert_same(again, model, rtol=1e-5, atol=1e-7)
    assert int(again.step) == int(model.step) == 6
    assert int(again.optimizer.iterations) == 6


@pytest.mark.slow
def test_everything_that_was_set_is_kept(schema, inputs_of, batches_of, tmp_path):
    encoder = FeatureEncoder(
        schema, dim=4, dims={"item_id": 6}, behaviour=SelfAttention(2, 4), l2=0.01
    )
    student = Ranker(schema, TwoTower([3, 2], scale=2.0, l2=0.1), encoder=encoder)
    teacher = Ranker(
        schema,
        TwoTower([4, 2]),
        sees="all",
        encoder=student.encoder,
        unshared=["user_id", "clicks"],
    )
    loss = SoftCrossEntropy(2.0)
    model = Distillation(
        student=student,
        teacher=teacher,
        distillation_weight=WarmUp(0.3, steps=1),
        distillation_loss=loss,
        name="mine",
    )
    given = [keras.metrics.AUC(name="area", from_logits=True, num_thresholds=50)]
    label_loss = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1)
    model.compile(RowWiseAdagrad(0.2, 0.1), label_loss, given, run_eagerly=True)
    model.fit(batches_of(8, 4), verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")

    assert again.name == "mine"
    assert again.student.schema == again.teacher.schema == schema
    assert again.student.network.scale == 2.0
    assert again.student.encoder.l2 == 0.01
    assert again.teacher.unshared == ["user_id", "clicks"]
    assert again.distillation_weight.get_config() == {"distillation_weight": 0.3, "steps": 1}
    assert again.distillation_loss.temperature == 2.0
    assert again.label_loss.get_config() == label_loss.get_config()
    assert again.optimizer.get_config() == model.optimizer.get_config()
    assert "student_area" in [metric.name for metric in again.metrics]
    inputs = inputs_of(5)
    for name, logits in model(inputs).items():
        np.testing.assert_array_equal(again(inputs)[name], logits)
    # The teacher's later_clicks still have the shared table of items.
    extra = again.teacher._extra[-1]
    assert extra.tables["item_id"] is again.student.encoder.tables["item_id"]
    data = batches_of(8, 4, seed=2)
    expected = model.evaluate(data, verbose=0)
    np.testing.assert_allclose(again.evaluate(data, verbose=0), expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["shared", "frozen"])
def test_weights_alone(compiled, batches_of, assert_same, tmp_path, kind):
    model, other = compiled(kind), compiled(kind)
    model.fit(batches_of(8, 4), verbose=0)
    model.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    assert_same(other, model)
    history = other.fit(batches_of(8, 4), epochs=2, verbose=0).history
    # Steps 2 and 3, then 4 and 5: the warm-up of 3 steps was over at step 3.
    np.testing.assert_allclose(history["distillation_weight"], [0.7, 0.7], rtol=1e-6)
    assert int(other.step) == 6


@pytest.mark.slow
def test_a_model_that_was_not_compiled(make, inputs_of, tmp_path):
    model = make()
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    inputs = inputs_of(4)
    np.testing.assert_array_equal(again(inputs)["student"], model(inputs)["student"])


@pytest.mark.slow
def test_the_student_of_a_loaded_model_is_a_ranker_of_its_own(
    compiled, batches_of, inputs_of, schema, tmp_path
):
    model = compiled()
    model.fit(batches_of(8, 4), verbose=0)
    model.student.save(tmp_path / "student.keras")
    student = keras.models.load_model(tmp_path / "student.keras")
    served = {name: ids for name, ids in inputs_of(4).items() if name in schema.features("served")}
    np.testing.assert_array_equal(student(served), model.student(served))
    assert len(student.weights) == len(model.student.weights)


def test_what_a_configuration_was_made_of_stays(schema, linear, monkeypatch):
    """Keras knows the objects of a file by their addresses: a lost one's is given to another."""
    written, write = [], keras.utils.serialize_keras_object

    def recorded(part):
        written.append(weakref.ref(part))
        return write(part)

    ranker = Ranker(schema, linear())
    monkeypatch.setattr(keras.utils, "serialize_keras_object", recorded)
    ranker.get_config()
    gc.collect()
    assert len(written) > 1  # The network, the encoder and what that holds.
    assert all(part() is not None for part in written)
