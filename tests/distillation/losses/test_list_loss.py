"""What all losses of lists have in common."""

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import losses
from tfpfd._keras import keras
from tfpfd.distillation.losses import mean_loss
from tfpfd.distillation.targets import Targets

HARD = [losses.ListwiseSoftmax(), losses.ListwiseSoftmax(0.5), losses.PairwiseLogistic()]
SOFT = [
    losses.SoftListwiseSoftmax(),
    losses.SoftListwiseSoftmax(3.0),
    losses.CalibratedListwise(),
    losses.SoftPairwiseLogistic(),
    losses.Corrected(losses.SoftListwiseSoftmax()),
]


def name(loss):
    return f"{loss.name}-{getattr(loss, 'temperature', '')}"


@pytest.fixture(params=HARD + SOFT, ids=name)
def loss(request):
    return request.param


@pytest.fixture
def batch(loss):
    """Twenty rows in five lists; without `truth` for labels."""
    random = np.random.default_rng(0)
    batch = {
        "logits": random.normal(size=20) * 2,
        "labels": random.integers(0, 2, 20).astype(float),
        "lists": random.integers(0, 5, 20),
        "weights": random.uniform(0.5, 2, 20),
    }
    return batch if loss in HARD else {**batch, "truth": random.normal(size=20) * 2}


def changed(batch, **columns):
    return {**batch, **columns}


def test_the_order_of_rows_does_not_matter(evaluate, loss, batch):
    value, gradient = evaluate(loss, **batch)
    order = np.random.default_rng(1).permutation(20)
    other, of_other = evaluate(loss, **{key: column[order] for key, column in batch.items()})
    assert other == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(of_other, gradient[order], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("known", [True, False])
def test_an_empty_batch_costs_nothing(loss, known):
    """Also where a graph is made for it."""

    @tf.function(input_signature=[tf.TensorSpec([0 if known else None])])
    def cost(logits):
        ids = tf.cast(logits, tf.int64)
        targets = Targets(logits, None, ids)
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = mean_loss(loss, logits, logits, targets, tf.ones_like(logits, tf.bool))
        return value, tape.gradient(value, logits)

    value, gradient = cost(tf.zeros([0]))
    assert value == 0
    assert gradient.shape == [0]


def test_the_ids_of_lists_do_not_matter(evaluate, loss, batch):
    value, gradient = evaluate(loss, **batch)
    ids = np.array([2**62, 0, -5, 7, 2**40])[batch["lists"]]
    other, of_other = evaluate(loss, **changed(batch, lists=ids))
    assert other == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(of_other, gradient, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    "ids",
    [
        np.repeat([3, 4, 5, 6, 7], 4),
        np.repeat([-1], 20),
        np.arange(20) - 9,
        # Almost: of one size, but not one after the other; one after the other, but not of a size.
        np.tile([0, 1, 2, 3, 4], 4),
        np.repeat([4, 3, 2, 1, 0], 4),
        np.repeat([0, 2, 4, 6, 8], 4),
        np.repeat([0, 1, 2, 3, 4], [4, 4, 3, 5, 4]),
        np.repeat([0, 1], [19, 1]),
        [*np.repeat([0, 1, 2, 3], 4), 4, 4, 0, 4],
    ],
    ids=str,
)
def test_lists_of_one_size(evaluate, loss, batch, ids):
    """The way through for a rectangle, and lists that look like one, against rows in any order."""
    given = changed(batch, lists=np.array(ids))
    value, gradient = evaluate(loss, **given)
    order = np.random.default_rng(2).permutation(20)
    assert (np.diff(given["lists"][order]) < 0).any() or len(set(ids)) == 1
    other, of_other = evaluate(loss, **{key: column[order] for key, column in given.items()})
    assert other == pytest.approx(value, rel=1e-5, abs=1e-7)
    np.testing.assert_allclose(of_other, gradient[order], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("ids", [[0, 1, 2, 3, 4], [7, 8, 9, 10, 11], [-5, 0, 3, 2**40, 2**62]])
def test_rows_list_by_list(evaluate, loss, batch, ids):
    """The shortest way through, for ids n, n + 1, …, and that for other ids in order."""
    order = np.argsort(batch["lists"], kind="stable")
    value, gradient = evaluate(loss, **batch)
    sorted_batch = {key: column[order] for key, column in batch.items()}
    sorted_batch["lists"] = np.array(ids)[sorted_batch["lists"]]
    other, of_other = evaluate(loss, **sorted_batch)
    assert other == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(of_other, gradient[order], rtol=1e-4, atol=1e-7)


def test_a_list_of_weight_two_is_the_list_twice(evaluate, loss, batch):
    twice = batch["lists"] == 3
    ones = changed(batch, weights=np.ones(20))
    weighted, _ = evaluate(loss, **changed(batch, weights=np.where(twice, 2.0, 1.0)))
    copy = {key: np.concatenate([column, column[twice]]) for key, column in ones.items()}
    copy["lists"][20:] = 99
    copied, _ = evaluate(loss, **copy)
    # The mean is over lists, of which there are five, and six with the copy.
    assert len(np.unique(batch["lists"])) == 5
    assert weighted * 5 == pytest.approx(copied * 6, rel=1e-5)


def test_a_list_of_weight_zero_sends_no_gradient(evaluate, loss, batch):
    none = batch["lists"] == 3
    _, gradient = evaluate(loss, **changed(batch, weights=np.where(none, 0.0, 1.0)))
    np.testing.assert_array_equal(gradient[none], 0)
    assert np.abs(gradient[~none]).max() > 0


# The shares of CLID are of probabilities, which a shift of logits changes.
@pytest.mark.parametrize("loss", [*HARD, *SOFT[:2], *SOFT[3:]], indirect=True, ids=name)
def test_a_shift_of_a_list_changes_nothing(evaluate, loss, batch):
    value, _ = evaluate(loss, **batch)
    shift = np.linspace(-3, 3, 5)[batch["lists"]]
    other, _ = evaluate(loss, **changed(batch, logits=batch["logits"] + shift))
    assert other == pytest.approx(value, rel=1e-5)


def test_gradient_equals_finite_differences(evaluate, loss, batch):
    _, gradient = evaluate(loss, **batch)
    step = 1e-2
    for row in range(0, 20, 4):
        up, down = (
            evaluate(loss, **changed(batch, logits=batch["logits"] + sign * step * np.eye(20)[row]))
            for sign in (1, -1)
        )
        assert gradient[row] == pytest.approx((up[0] - down[0]) / (2 * step), abs=2e-4)


@pytest.mark.parametrize("rows", [0, 1])
def test_nothing_to_compare(evaluate, loss, batch, rows):
    value, gradient = evaluate(loss, **{key: column[:rows] for key, column in batch.items()})
    assert value == 0
    np.testing.assert_array_equal(gradient, np.zeros(rows))


def test_lists_of_one_row_do_not_count(evaluate, loss, batch):
    value, gradient = evaluate(loss, **batch)
    more = {key: np.append(column, column[:2]) for key, column in batch.items()}
    more["labels"][20:], more["lists"][20:] = 1, [50, 51]
    other, of_other = evaluate(loss, **more)
    assert other == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(of_other, np.append(gradient, [0, 0]), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("size", [1e4, -1e4])
@pytest.mark.parametrize("shape", ["one", "alternating", "equal"])
def test_large_logits_are_finite(evaluate, loss, batch, size, shape):
    rows = np.arange(20)
    logits = {"one": rows == 3, "alternating": rows % 2 * 2 - 1, "equal": np.ones(20)}[shape] * size
    for truth in (logits, -logits) if "truth" in batch else (None,):
        value, gradient = evaluate(loss, **changed(batch, logits=logits, truth=truth))
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()


def test_equal_scores_by_symmetry(evaluate, loss, batch):
    """Where the truth is the same for all, the gradient is too: 0 for what doesn't see shifts."""
    truth = {"truth": np.ones(20)} if "truth" in batch else {}
    same = changed(batch, logits=np.full(20, 0.7), weights=np.ones(20), labels=np.ones(20), **truth)
    _, gradient = evaluate(loss, **same)
    np.testing.assert_allclose(gradient, np.zeros(20), atol=1e-7)


@pytest.mark.parametrize("loss", SOFT[:-1], indirect=True, ids=name)
def test_stationary_where_student_and_teacher_agree(evaluate, loss, batch):
    same = changed(batch, logits=batch["truth"])
    value, gradient = evaluate(loss, **same)
    np.testing.assert_allclose(gradient, np.zeros(20), atol=1e-6)
    for seed in range(5):
        step = np.random.default_rng(seed).normal(size=20)
        other, _ = evaluate(loss, **changed(batch, logits=batch["truth"] + step))
        assert other > value


@pytest.mark.parametrize("loss", SOFT[:-1], indirect=True, ids=name)
def test_soft_labels_do_not_need_labels(evaluate, loss, batch):
    value, gradient = evaluate(loss, **batch)
    other, of_other = evaluate(loss, **changed(batch, labels=np.full(20, np.nan)))
    assert other == value
    np.testing.assert_array_equal(of_other, gradient)


@pytest.mark.parametrize("loss", HARD, indirect=True, ids=name)
class TestLabels:
    def test_rows_without_a_label_leave_their_list(self, evaluate, loss, batch):
        kept = np.arange(20) % 3 > 0
        labels = np.where(kept, batch["labels"], np.nan)
        value, gradient = evaluate(loss, **changed(batch, labels=labels))
        alone, of_alone = evaluate(loss, **{key: column[kept] for key, column in batch.items()})
        assert value == pytest.approx(alone, rel=1e-6)
        np.testing.assert_allclose(gradient[kept], of_alone, rtol=1e-5, atol=1e-8)
        np.testing.assert_array_equal(gradient[~kept], 0)

    @pytest.mark.parametrize("label", [0.0, np.nan])
    def test_lists_without_a_positive_label_do_not_count(self, evaluate, loss, batch, label):
        none = batch["lists"] == 3
        value, gradient = evaluate(
            loss, **changed(batch, labels=np.where(none, label, batch["labels"]))
        )
        alone, _ = evaluate(loss, **{key: column[~none] for key, column in batch.items()})
        assert value == pytest.approx(alone, rel=1e-6)
        np.testing.assert_array_equal(gradient[none], 0)

    @pytest.mark.parametrize("label", [0.0, np.nan])
    def test_no_labels_at_all(self, evaluate, loss, batch, label):
        value, gradient = evaluate(loss, **changed(batch, labels=np.full(20, label)))
        assert value == 0
        np.testing.assert_array_equal(gradient, np.zeros(20))

    def test_a_step_from_equal_scores_puts_positives_first(self, evaluate, loss, batch):
        _, gradient = evaluate(loss, **changed(batch, logits=np.zeros(20), weights=np.ones(20)))
        for one in range(5):
            rows = batch["lists"] == one
            positive, negative = (gradient[rows & (batch["labels"] == y)] for y in (1, 0))
            assert positive.max() < 0 < negative.min()


def test_batches_without_lists(evaluate, loss, batch):
    message = r"looks at whole lists.*declare `list_key` in the schema"
    with pytest.raises(ValueError, match=message):
        evaluate(loss, **changed(batch, lists=None))


def test_keras_alone_has_no_lists(loss):
    with pytest.raises(NotImplementedError, match=r"needs more than rows.*`compile` of a tfpfd"):
        loss(tf.zeros([2, 1]), tf.zeros([2, 1]))


def test_config_round_trip(evaluate, loss, batch):
    again = keras.utils.deserialize_keras_object(keras.utils.serialize_keras_object(loss))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    assert evaluate(again, **batch)[0] == evaluate(loss, **batch)[0]


@pytest.mark.parametrize("dtype", [tf.int32, tf.int8, tf.uint16])
def test_ids_of_other_integer_types(loss, batch, evaluate, dtype):
    """In one graph for rows in any order and for lists that stand together."""

    @tf.function
    def run(logits, truth, labels, lists, weights):
        targets = Targets(labels, weights, lists)
        return mean_loss(loss, truth, logits, targets, targets.labelled)

    together = np.argsort(batch["lists"], kind="stable")
    for order in (slice(None), together):
        rows = {"truth": batch["labels"], **batch}
        rows = {key: tf.constant(column[order], tf.float32) for key, column in rows.items()}
        value = run(**{**rows, "lists": tf.cast(rows["lists"], dtype)})
        assert float(value) == pytest.approx(evaluate(loss, **batch)[0], rel=1e-5)
    assert run.experimental_get_tracing_count() == 1


def test_half_precision_logits(loss, batch, evaluate):
    targets = Targets(batch["labels"], batch["weights"], tf.constant(batch["lists"]))
    truth = tf.constant(batch.get("truth", batch["labels"]), tf.float32)
    half = tf.constant(batch["logits"], tf.float16)
    value = mean_loss(loss, truth, half, targets, targets.labelled)
    assert value.dtype == tf.float32
    assert float(value) == pytest.approx(evaluate(loss, **batch)[0], rel=1e-2)


def test_in_a_graph_of_any_size(loss, batch, evaluate):
    @tf.function(input_signature=[tf.TensorSpec([None])] * 4 + [tf.TensorSpec([None], tf.int64)])
    def run(truth, logits, labels, weights, lists):
        targets = Targets(labels, weights, lists)
        value = mean_loss(loss, truth, logits, targets, targets.labelled)
        return value, tf.convert_to_tensor(tf.gradients(value, logits)[0])

    for rows in (20, 7):
        part = {key: column[:rows] for key, column in batch.items()}
        columns = [part.get("truth", part["labels"]), part["logits"], part["labels"]]
        columns = [tf.constant(c, tf.float32) for c in (*columns, part["weights"])]
        value, gradient = run(*columns, tf.constant(part["lists"]))
        expected, by_tape = evaluate(loss, **part)
        assert float(value) == pytest.approx(expected, rel=1e-5, abs=1e-7)
        np.testing.assert_allclose(gradient, by_tape, rtol=1e-4, atol=1e-7)
