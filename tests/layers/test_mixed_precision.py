"""Mixed precision: the same numbers but for rounding, finite where float16 has no number."""

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import (
    DCN,
    GRU,
    MLP,
    PLE,
    DeepFM,
    Distillation,
    DotInteraction,
    FeatureEncoder,
    FusedTeachers,
    MeanPooling,
    MMoE,
    MultiTaskRanker,
    PrecomputedTeacher,
    Ranker,
    SelfAttention,
    SharedBottom,
    TargetAttention,
    Transformer,
    TwoTower,
)
from tfpfd._keras import keras

POLICIES = {"mixed_float16": 2e-3, "mixed_bfloat16": 2e-2}

SHAPES = {"user": {"x": (None, 2)}, "item": {"x": (None, 2)}}


@pytest.fixture(params=POLICIES)
def policy(request):
    """The policy is the global one while the test runs; its rounding is returned."""
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(request.param)
    yield request.param
    keras.mixed_precision.set_global_policy(before)


def in_float32(make):
    """What `make` makes without the policy."""
    held = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy("float32")
    try:
        return make()
    finally:
        keras.mixed_precision.set_global_policy(held)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "behaviour"),
    [
        (lambda: TwoTower([6, 4]), MeanPooling),
        (lambda: MLP([4]), lambda: SelfAttention(2, 4)),
        (lambda: TwoTower([6, 4]), lambda: GRU(4)),
        (lambda: DCN(2, [4], rank=3), TargetAttention),
        (lambda: DeepFM([4]), lambda: Transformer(1, 2, 4, candidate=True)),
        (lambda: DotInteraction([4]), lambda: Transformer(2, 1, 4, causal=True)),
        (
            lambda: TwoTower([4], learned_scale=True, user_network=DCN(1, [4])),
            lambda: Transformer(1, 2, 4),
        ),
    ],
)
def test_logits_are_those_of_float32_but_for_rounding(
    schema, inputs_of, policy, behaviour, network
):
    def make():
        encoder = FeatureEncoder(schema, dim=4, behaviour=behaviour())
        return Ranker(schema, network(), encoder=encoder)

    student, exact, inputs = make(), in_float32(make), inputs_of(16)
    exact.set_weights(student.get_weights())
    expected = in_float32(lambda: exact(inputs).numpy())
    found = student(inputs)
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, expected, atol=12 * POLICIES[policy])  # of logits up to 5
    assert np.abs(found - expected).max() > 0
    predicted = student.predict(inputs, verbose=0)
    assert predicted.dtype == np.float32
    np.testing.assert_allclose(predicted, found, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("network", [lambda: TwoTower([6, 4]), lambda: MLP([4])])
def test_a_saved_student_computes_alike_without_the_policy(
    schema, inputs_of, policy, network, tmp_path
):
    encoder = FeatureEncoder(schema, dim=4, behaviour=SelfAttention(2, 4))
    student, inputs = Ranker(schema, network(), encoder=encoder), inputs_of(16)
    student.save(tmp_path / "student.keras")
    expected = student(inputs).numpy()
    again = in_float32(lambda: keras.models.load_model(tmp_path / "student.keras"))
    np.testing.assert_array_equal(in_float32(lambda: again(inputs).numpy()), expected)
    # And a student of float32 stays one under the policy.
    exact = in_float32(lambda: Ranker(schema, network()))
    expected = in_float32(lambda: exact(inputs).numpy())
    exact.save(tmp_path / "exact.keras")
    again = keras.models.load_model(tmp_path / "exact.keras")
    np.testing.assert_array_equal(again(inputs), expected)


def test_a_tower_that_says_zero(policy):
    """Its embedding is zeros, and the slopes are finite in the type of the layers."""
    towers = TwoTower([3, 2], batch_norm=False)
    towers.build(SHAPES)
    encoded = {side: {"x": tf.zeros([4, 2], towers.compute_dtype)} for side in SHAPES}
    with tf.GradientTape() as tape:
        tape.watch(encoded)
        logits = towers(encoded)
        loss = tf.reduce_sum(logits)
    np.testing.assert_array_equal(logits, np.zeros(4))
    np.testing.assert_array_equal(towers.item_embedding(encoded), np.zeros([4, 2]))
    sources = [*tf.nest.flatten(encoded), *towers.trainable_weights]
    for slope in tape.gradient(loss, sources):
        assert np.isfinite(np.asarray(slope, np.float32)).all()


def test_the_bias_stays_float32(policy):
    towers = TwoTower([2], batch_norm=False)
    towers.build(SHAPES)
    towers.bias.assign(-6.0001)  # Neither half type can hold it.
    zeros = {side: {"x": tf.zeros([3, 2], towers.compute_dtype)} for side in SHAPES}
    logits = towers(zeros)
    assert logits.dtype == towers.bias.dtype == tf.float32
    np.testing.assert_array_equal(logits, np.full(3, -6.0001, "float32"))


def test_a_zero_on_one_side_alone(policy):
    towers = TwoTower([2], batch_norm=False)
    towers.build(SHAPES)
    user, item = (tf.Variable(x, dtype=towers.compute_dtype) for x in (np.zeros([1, 2]), [[1, 2]]))
    with tf.GradientTape() as tape:
        logits = towers({"user": {"x": user}, "item": {"x": item}})
    slope = np.asarray(tape.gradient(logits, user), np.float32)
    assert np.isfinite(slope).all() and np.abs(slope).max() > 0


@pytest.mark.slow
@pytest.mark.parametrize("teacher", ["shared", "frozen", "any model", "column"])
def test_distillation(schema, batches_of, inputs_of, policy, teacher):
    student = Ranker(schema, TwoTower([4, 2]))
    data = batches_of(16, 8)
    scorer = Ranker(schema, MLP([4]), sees="all", encoder=student.encoder)
    if teacher == "frozen":
        scorer = Ranker(schema, MLP([4]), sees="all")
        scorer.trainable = False
    elif teacher == "any model":
        given = keras.Input((), name="affinity", dtype="int32")
        output = keras.layers.Dense(1)(keras.layers.Embedding(4, 2)(given))
        scorer = keras.Model({"affinity": given}, output)
    elif teacher == "column":
        scorer = PrecomputedTeacher("score")
        data = data.map(lambda x, y: ({**x, "score": tf.cast(x["age"], tf.float32) + 0.1234567}, y))
    model = Distillation(student=student, teacher=scorer, distillation_weight=0.5)
    # Only float16 scales its losses, and does so within the graph.
    model.compile(keras.optimizers.Adam(0.01), run_eagerly=policy == "mixed_bfloat16")
    history = model.fit(data, epochs=2, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    assert model.predict(inputs_of(4), verbose=0).dtype == np.float32
    for inputs, _ in data.take(1):
        logits = model(inputs)
        assert {x.dtype for x in logits.values()} == {tf.float32}
        if teacher == "column":
            # Not rounded on the way.
            np.testing.assert_array_equal(logits["teacher"], inputs["score"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "network",
    [
        lambda names: SharedBottom([4], names),
        lambda names: MMoE([4], names, experts=2),
        lambda names: PLE([[4], [4]], names),
    ],
)
def test_several_objectives(schema, inputs_of, policy, network):
    model, inputs = MultiTaskRanker(schema, network(["label", "like"])), inputs_of(8)
    exact = in_float32(lambda: MultiTaskRanker(schema, network(["label", "like"])))
    exact.set_weights(model.get_weights())
    expected = in_float32(lambda: exact(inputs))
    for name, logits in model(inputs).items():
        assert logits.dtype == tf.float32
        np.testing.assert_allclose(logits, expected[name], atol=5 * POLICIES[policy])


def test_scorers_of_columns_do_not_round(policy):
    columns = {"a": tf.constant([1.2345678, 70000.5]), "b": tf.constant([2.0, 3.0])}
    fused = FusedTeachers({"a": "a", "b": "b"}, {"a": 1.0, "b": 0.5}, normalize="logits")
    np.testing.assert_allclose(fused(columns), [2.2345678, 70002.0], rtol=1e-7)
