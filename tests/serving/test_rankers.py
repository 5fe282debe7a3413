"""Exports without items: a ranker of any network, several by expected value, a tower alone."""

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import (
    MLP,
    Categorical,
    FeatureEncoder,
    Numeric,
    Ranker,
    Schema,
    Sequence,
    TwoTower,
    export,
    inspect_export,
    refresh,
)


def schema_of():
    return Schema(
        user=(Categorical("user_id", vocabulary=("u1", "u2")), Sequence("seen", of="item_id")),
        item=(
            Categorical("item_id", vocabulary=("i1", "i2")),
            Numeric("price", boundaries=(1.0, 5.0), optional=True),
        ),
        privileged={"cross": (Numeric("affinity", boundaries=(0.5,)),)},
    )


ROWS = {
    "user_id": ["u1", "u2", "never", "u1", ""],
    "seen": [["i1", "i2"], ["", ""], ["i2", ""], ["never", "i1"], ["", ""]],
    "item_id": ["i1", "i2", "i2", "never", "i1"],
    "price": [2.0, 0.5, float("nan"), 8.0, 3.0],
}
RAW = {name: tf.constant(values) for name, values in ROWS.items()}


def student_of(network, seed=0):
    made = Ranker(schema_of(), network)
    random = np.random.default_rng(seed)
    made.set_weights([random.uniform(0.1, 1, w.shape) for w in made.get_weights()])
    return made


def logits(student):
    return student.predict(student.schema.lookup(RAW), verbose=0)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.float64(x)))


@pytest.mark.slow
@pytest.mark.parametrize("network", [MLP([4, 3]), TwoTower([4])], ids=["mlp", "two towers"])
def test_a_ranker_gives_its_predictions(tmp_path, network):
    student = student_of(network)
    path = export(student, None, tmp_path, warmup_requests=False, verbose=0)
    found = inspect_export(path)
    assert found.findings == []
    assert set(found.signatures) == {"serving_default", "score"}
    assert found.stripped == ["affinity"]
    loaded = tf.saved_model.load(str(path))
    for signature in found.signatures:
        answer = loaded.signatures[signature](**RAW)
        np.testing.assert_allclose(answer["logit"], logits(student), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(
            answer["probability"], sigmoid(logits(student)), rtol=1e-6, atol=1e-6
        )
    none = {name: values[:0] for name, values in RAW.items()}
    assert loaded.signatures["score"](**none)["logit"].shape == (0,)
    # There is no table to refresh.
    with pytest.raises(ValueError, match="has no item table: there is nothing to refresh"):
        refresh(tmp_path, {"item_id": ["i1"]}, verbose=0)


@pytest.mark.slow
def test_several_rankers_rank_by_expected_value(tmp_path):
    rankers = {"ctr": student_of(MLP([3]), 1), "cvr": student_of(TwoTower([4]), 2)}
    path = export(rankers, None, tmp_path, price="price", warmup_requests=False, verbose=0)
    found = inspect_export(path)
    assert found.findings == []
    assert found.manifest["rankers"] == ["ctr", "cvr"]
    assert found.manifest["price"] == "price"
    answer = tf.saved_model.load(str(path)).signatures["rank"](**RAW)
    rates = {name: sigmoid(logits(one)) for name, one in rankers.items()}
    for name, expected in rates.items():
        np.testing.assert_allclose(answer[name], expected, rtol=1e-6, atol=1e-6)
    # A missing price counts as 0.
    values = rates["ctr"] * rates["cvr"] * [2.0, 0.5, 0.0, 8.0, 3.0]
    np.testing.assert_allclose(answer["expected_value"], values, rtol=1e-5, atol=1e-6)
    assert answer["order"].numpy().tolist() == np.argsort(-values, kind="stable").tolist()


@pytest.mark.slow
def test_without_a_price_it_is_the_product(tmp_path):
    rankers = {"ctr": student_of(MLP([3]), 1), "cvr": student_of(MLP([3]), 2)}
    path = export(rankers, None, tmp_path, warmup_requests=False, verbose=0)
    answer = tf.saved_model.load(str(path)).signatures["serving_default"](**RAW)
    product = sigmoid(logits(rankers["ctr"])) * sigmoid(logits(rankers["cvr"]))
    np.testing.assert_allclose(answer["expected_value"], product, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_towers_apart_give_the_logit_together(tmp_path):
    student = student_of(TwoTower([4]))
    student.network.bias.assign(-3.0)
    embeddings = []
    for side in ("user", "item"):
        path = export(student, None, tmp_path / side, side=side, warmup_requests=False, verbose=0)
        found = inspect_export(path)
        assert found.findings == []
        assert found.manifest["bias"] == -3.0
        assert set(found.signatures) == {"serving_default", f"{side}_embedding"}
        names = [feature.name for feature in getattr(student.schema, side)]
        # The tower's kernel and bias, and the encoder's variables that it reads.
        held = [key for key in found.variables if key.startswith("weights/")]
        assert 2 < len(held) < len(student.weights)
        model = tf.saved_model.load(str(path))
        answer = model.signatures["serving_default"](**{name: RAW[name] for name in names})
        embeddings.append(answer["embedding"].numpy())
    user, item = embeddings
    found = (user * item).sum(axis=1) - 3.0
    np.testing.assert_allclose(found, logits(student), rtol=1e-6, atol=1e-6)


# Refusals.


def other():
    return Ranker(
        Schema(
            user=(Numeric("age", boundaries=(1.0,)),),
            item=(Categorical("item_id", vocabulary=("i1",)),),
        ),
        MLP([2]),
    )


def test_rankers_that_see_privileged_features_are_refused(tmp_path):
    schema = schema_of()
    teacher = Ranker(schema, MLP([2]), sees="all")
    held = Ranker(schema, MLP([2]), encoder=FeatureEncoder(schema, schema.features()))
    for student in (teacher, held, {"ctr": student_of(MLP([2])), "cvr": teacher}):
        with pytest.raises(ValueError, match=r"sees privileged features \['affinity'\]"):
            export(student, None, tmp_path)


@pytest.mark.parametrize(
    "student, arguments, error, message",
    [
        ("mlp", {}, TypeError, "`student` must be a Ranker, received str"),
        ({}, {}, ValueError, "`student` is an empty mapping"),
        ({"ctr": "mlp"}, {}, TypeError, "`student` must be a Ranker, received str"),
        (
            lambda: {"ctr": student_of(MLP([2])), "cvr": other()},
            {},
            ValueError,
            "the same served schema, received for 'cvr' another",
        ),
        (lambda: {"order": other()}, {}, ValueError, r"rankers named \['order'\]"),
        (
            lambda: {"ctr": student_of(MLP([2]))},
            {"price": "item_id"},
            ValueError,
            r"`price` must be a served Numeric, of \['price'\], received 'item_id'",
        ),
        (lambda: other(), {"side": "item"}, TypeError, "must have a TwoTower"),
        (
            lambda: student_of(TwoTower([2])),
            {"side": "privileged"},
            ValueError,
            "`side` must be 'user' or 'item', received 'privileged'",
        ),
    ],
)
def test_what_cannot_be_exported_is_refused(tmp_path, student, arguments, error, message):
    with pytest.raises(error, match=message):
        export(student() if callable(student) else student, None, tmp_path, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_items_for_one_side_are_refused(tmp_path):
    with pytest.raises(ValueError, match="`items` must be None for one `side` alone"):
        export(student_of(TwoTower([2])), {"item_id": ["i1"]}, tmp_path, side="user")
