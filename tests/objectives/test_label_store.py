"""Teachers scored once into columns make the student that teachers in the graph make."""

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import MLP, Distillation, FeatureEncoder, FusedTeachers, Ranker, losses
from tfpfd._keras import keras

WEIGHTS = {"purchased": 1.0, "cancelled": -0.5, "rated": 0.3, "seen": 0.2}


def trained(schema, teachers, batches, normalize):
    """A student's weights after two epochs, from the same start."""
    keras.utils.set_random_seed(3)
    network = MLP([4], batch_norm=False)
    student = Ranker(schema, network, encoder=FeatureEncoder(schema, dim=3))
    start = [weight.numpy() for weight in student.weights]
    fused = FusedTeachers(teachers, WEIGHTS, normalize=normalize)
    model = Distillation(
        student=student,
        teacher=fused,
        distillation_weight=0.8,
        distillation_loss=losses.SoftListwiseSoftmax(2.0),
    )
    # Adam would make the rounding of a gradient that is 0, such as that of a bias of lists, large.
    model.compile(keras.optimizers.SGD(0.5), loss=losses.ListwiseSoftmax())
    model.fit(batches, epochs=2, shuffle=False, verbose=0)
    return start, [weight.numpy() for weight in student.weights]


@pytest.mark.slow
@pytest.mark.parametrize(("shares", "normalize"), [(True, "logits"), (False, "softmax")])
def test_the_label_store_makes_the_same_student(
    schema, ranker, fitted, lists_of, shares, normalize
):
    first = fitted(ranker())
    encoder = first.encoder if shares else None
    teachers = {"purchased": first, **{name: ranker(encoder) for name in list(WEIGHTS)[1:]}}
    batches = lists_of(12, 4)
    scores = FusedTeachers(teachers, WEIGHTS).scores

    def stored():
        """Each teacher's logits beside the rows, computed outside the student's graph."""
        found = [scores(inputs) for inputs, _ in batches]
        columns = {f"{n}_score": np.concatenate([part[n] for part in found]) for n in WEIGHTS}
        kept = [{**inputs, "label": labels} for inputs, labels in batches]
        rows = {name: np.concatenate([part[name] for part in kept]) for name in kept[0]}
        labels = rows.pop("label")
        return tf.data.Dataset.from_tensor_slices(({**rows, **columns}, labels)).batch(4)

    start, in_graph = trained(schema, teachers, batches, normalize)
    columns = {name: f"{name}_score" for name in WEIGHTS}
    same_start, from_store = trained(schema, columns, stored(), normalize)
    for one, other in zip(start, same_start, strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(in_graph, from_store, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    moved = [np.abs(one - other).max() for one, other in zip(start, in_graph, strict=True)]
    assert max(moved) > 0.01
