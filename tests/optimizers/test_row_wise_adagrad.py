import numpy as np
import pytest
import tensorflow as tf

from tfpfd._keras import keras, tf_variable
from tfpfd.optimizers import RowWiseAdagrad


class Weights(keras.layers.Layer):
    """Variables with given starts, made as Keras makes them."""

    def __init__(self, *starts):
        super().__init__()
        self.held = [
            self.add_weight(
                name=f"w{i}",
                shape=np.shape(start),
                initializer=lambda shape, dtype=None, start=start, **_: tf.constant(start, dtype),
            )
            for i, start in enumerate(starts)
        ]


def run(optimizer, start, *gradients):
    """The value after steps with these gradients."""
    (variable,) = Weights(start).held
    for gradient in gradients:
        optimizer.apply_gradients([(as_gradient(gradient, variable), variable)])
    return np.array(variable)


def as_gradient(gradient, variable):
    if not isinstance(gradient, dict):
        return tf.constant(gradient, tf.float32)
    rows, values = gradient["rows"], tf.constant(gradient["values"], tf.float32)
    return tf.IndexedSlices(values, tf.constant(rows), tf.constant(variable.shape))


def test_vector_by_hand():
    optimizer = RowWiseAdagrad(0.5, epsilon=0.0)
    out = run(optimizer, [1.0, 2.0], [3.0, -4.0], [4.0, 3.0])
    # a = 3², then 3² + 4² = 25: 1 − .5·3/3 − .5·4/5; a = 4², then 25: 2 + .5·4/4 − .5·3/5.
    np.testing.assert_allclose(out, [1 - 0.5 - 0.4, 2 + 0.5 - 0.3], rtol=1e-6)


def test_scalar_by_hand():
    out = run(RowWiseAdagrad(0.5, epsilon=0.0), 1.0, 3.0, 4.0)
    np.testing.assert_allclose(out, 1 - 0.5 * 3 / 3 - 0.5 * 4 / 5, rtol=1e-6)


def test_matrix_by_hand():
    optimizer = RowWiseAdagrad(0.5, epsilon=0.0)
    out = run(optimizer, np.zeros((2, 2)), [[1.0, 7.0], [2.0, 2.0]], [[5.0, 5.0], [0.0, 0.0]])
    # Row 0: a = (1² + 7²)/2 = 25, then 25 + 25 = 50. Row 1: a = 4.
    first = [-0.5 / 5 - 2.5 / np.sqrt(50), -3.5 / 5 - 2.5 / np.sqrt(50)]
    np.testing.assert_allclose(out, [first, [-0.5, -0.5]], rtol=1e-6)


def test_three_axes_by_hand():
    gradient = np.zeros((2, 2, 2), np.float32)
    gradient[0] = [[2.0, 0.0], [0.0, 0.0]]
    out = run(RowWiseAdagrad(0.5, epsilon=0.1), np.zeros((2, 2, 2)), gradient)
    # a = 2²/4 = 1, so the step is .5·2 / (1 + .1).
    np.testing.assert_allclose(out[0], [[-1 / 1.1, 0], [0, 0]], rtol=1e-6)
    np.testing.assert_array_equal(out[1], np.zeros((2, 2)))


def test_duplicate_rows_by_hand():
    gradient = {"rows": [2, 0, 2], "values": [[1.0, 3.0], [3.0, 3.0], [0.0, 4.0]]}
    out = run(RowWiseAdagrad(0.5, epsilon=0.0), np.zeros((4, 2)), gradient)
    # Row 2: g = (1, 7), the sum of both slices, so a = (1 + 49)/2 = 25; row 0: a = 9.
    np.testing.assert_allclose(out, [[-0.5, -0.5], [0, 0], [-0.1, -0.7], [0, 0]], rtol=1e-6)


def test_sparse_equals_dense():
    random = np.random.default_rng(0)
    start = random.normal(size=(6, 3))
    sparse, dense = [], []
    for _ in range(4):
        rows, values = random.integers(0, 6, size=5), random.normal(size=(5, 3))
        sparse.append({"rows": rows, "values": values})
        dense.append(np.zeros((6, 3)))
        np.add.at(dense[-1], rows, values)
    expected = run(RowWiseAdagrad(0.1, 0.1), start, *dense)
    np.testing.assert_allclose(run(RowWiseAdagrad(0.1, 0.1), start, *sparse), expected, rtol=1e-5)


def test_rows_outside_the_batch_are_left_as_they_are():
    start = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    optimizer = RowWiseAdagrad(0.5)
    out = run(optimizer, start, {"rows": [1, 3, 1], "values": np.ones((3, 3))})
    np.testing.assert_array_equal(out[[0, 2, 4]], start[[0, 2, 4]])
    assert (out[[1, 3]] != start[[1, 3]]).all()
    accumulator = np.array(optimizer._accumulators[0])
    np.testing.assert_array_equal(accumulator, [0, 4, 0, 1, 0])


def test_a_gather_gives_a_sparse_update_inside_fit():
    model = keras.Sequential([keras.layers.Embedding(4, 2), keras.layers.Flatten()])
    model.build((None, 1))
    seen = []

    class Watching(RowWiseAdagrad):
        def update(self, gradient, variable, place, rate):
            seen.append(gradient)
            super().update(gradient, variable, place, rate)

    model.compile(Watching(0.1), loss="mse")
    model.fit(np.array([[1], [2]]), np.ones((2, 2)), verbose=0)
    assert seen
    assert all(isinstance(gradient, tf.IndexedSlices) for gradient in seen)


@pytest.mark.parametrize("accumulator", [0.1, 1.0])
def test_equals_adagrad_on_vectors(accumulator):
    random = np.random.default_rng(0)
    gradients = [random.normal(size=7) for _ in range(5)]
    start = random.normal(size=7)
    stock = keras.optimizers.Adagrad(0.3, accumulator, epsilon=0.0)
    ours = RowWiseAdagrad(0.3, accumulator, epsilon=0.0)
    expected = run(stock, start, *gradients)
    np.testing.assert_allclose(run(ours, start, *gradients), expected, rtol=1e-5)


def test_equals_adagrad_on_one_column():
    random = np.random.default_rng(0)
    gradients = [random.normal(size=(7, 1)) for _ in range(5)]
    stock, ours = (
        run(kind(0.3, 0.1, epsilon=0.0), np.zeros((7, 1)), *gradients)
        for kind in (keras.optimizers.Adagrad, RowWiseAdagrad)
    )
    np.testing.assert_allclose(ours, stock, rtol=1e-5, atol=1e-7)


def test_learning_rate_schedule():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([0], [1.0, 0.25])
    out = run(RowWiseAdagrad(schedule, epsilon=0.0), [0.0], [2.0], [0.0], [2.0])
    # Step 0 at rate 1: −2/2; step 1 has no gradient; step 2 at rate .25: −.25·2/√8.
    np.testing.assert_allclose(out, [-1 - 0.5 / np.sqrt(8)], rtol=1e-6)


def test_learning_rate_can_be_changed():
    optimizer = RowWiseAdagrad(1, epsilon=0.0)
    (variable,) = Weights([0.0]).held
    optimizer.apply_gradients([(tf.constant([2.0]), variable)])
    optimizer.learning_rate = 0.5
    optimizer.apply_gradients([(tf.constant([0.0]), variable)])
    optimizer.apply_gradients([(tf.constant([2.0]), variable)])
    np.testing.assert_allclose(np.array(variable), [-1 - 0.5 * 2 / np.sqrt(8)], rtol=1e-6)


def test_clipnorm_by_hand():
    # (3, 4) has norm 5 and becomes (.6, .8): a = 1 + .36, 1 + .64.
    out = run(RowWiseAdagrad(1.0, 1.0, epsilon=0.0, clipnorm=1.0), [0.0, 0.0], [3.0, 4.0])
    np.testing.assert_allclose(out, [-0.6 / np.sqrt(1.36), -0.8 / np.sqrt(1.64)], rtol=1e-6)


@pytest.mark.parametrize("clip", ["clipnorm", "global_clipnorm", "clipvalue"])
@pytest.mark.parametrize("rows", [[2, 0], [2, 2]])
def test_clipping_is_the_same_for_sparse_gradients(clip, rows):
    values = np.array([[3.0, 0.0], [2.0, 4.0]])
    dense = np.zeros((4, 2))
    np.add.at(dense, rows, values)
    settings = {"initial_accumulator_value": 1.0, clip: 1.0}
    expected = run(RowWiseAdagrad(1.0, **settings), np.zeros((4, 2)), dense)
    sparse = run(
        RowWiseAdagrad(1.0, **settings), np.zeros((4, 2)), {"rows": rows, "values": values}
    )
    np.testing.assert_allclose(sparse, expected, rtol=1e-5)


@pytest.mark.parametrize("rate", [0.25, keras.optimizers.schedules.ExponentialDecay(0.5, 10, 0.9)])
def test_config_round_trip(rate):
    optimizer = RowWiseAdagrad(rate, 0.2, 1e-3, name="mine", clipnorm=2.0)
    serialized = keras.optimizers.serialize(optimizer)
    again = keras.optimizers.deserialize(serialized)
    assert isinstance(again, RowWiseAdagrad)
    assert again.get_config() == optimizer.get_config()
    gradients = [[1.0, 2.0], [3.0, 1.0]]
    np.testing.assert_array_equal(
        run(again, [0.0, 0.0], *gradients), run(optimizer, [0.0, 0.0], *gradients)
    )


def small_model():
    model = keras.Sequential(
        [
            keras.layers.Input((2,), dtype="int32"),
            keras.layers.Embedding(5, 2),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )
    model.compile(RowWiseAdagrad(0.1), loss="mse")
    return model


def test_saved_and_restored(tmp_path):
    random = np.random.default_rng(0)
    x, y = random.integers(0, 5, size=(8, 2)), random.normal(size=(8, 1))
    model = small_model()
    model.fit(x, y, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for one in (model, again):
        one.fit(x, y, verbose=0, shuffle=False)
    for weight, expected in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)
    assert int(again.optimizer.iterations) == 2


def test_state_is_one_number_a_row():
    optimizer = RowWiseAdagrad(0.1, initial_accumulator_value=0.5)
    variables = Weights(np.zeros((5, 3)), np.zeros(4), np.zeros((2, 3, 4)), 1.0).held
    optimizer.build(variables)
    states = [np.array(tf_variable(state)) for state in optimizer._accumulators]
    assert [state.shape for state in states] == [(5,), (4,), (2,), ()]
    assert all((state == 0.5).all() for state in states)


@pytest.mark.parametrize("argument", ["initial_accumulator_value", "epsilon"])
def test_arguments_are_checked(argument):
    with pytest.raises(
        ValueError, match=f"`{argument}` must be a finite number from 0 on, received -1"
    ):
        RowWiseAdagrad(**{argument: -1})
