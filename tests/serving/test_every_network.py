"""Every network with every behaviour encoder: trained, saved, loaded, exported, refreshed."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tfpfd import (
    DCN,
    GRU,
    MLP,
    Categorical,
    DeepFM,
    Distillation,
    DotInteraction,
    FeatureEncoder,
    FusedTowers,
    MeanPooling,
    Numeric,
    Ranker,
    Schema,
    SelfAttention,
    Sequence,
    TargetAttention,
    Transformer,
    TwoTower,
    data,
    export,
    inspect_export,
    refresh,
    saved_scores,
    score_rows,
)
from tfpfd._keras import keras

SCHEMA = Schema(
    user=[
        Categorical("user", vocabulary=("ann", "bob", "cid")),
        Sequence("seen", of="film", length=3),
    ],
    item=[
        Categorical("film", vocabulary=("alien", "brazil", "cube")),
        Numeric("price", boundaries=(1.0,)),
    ],
    privileged={"post_event": [Sequence("later", of="film", length=2)]},
)
ROWS = {
    "user": ["ann", "bob", "cid", "ann", "bob", "cid"],
    "seen": [["alien", "cube"], [], ["brazil", "never", "cube", "alien"], ["cube"], [], ["alien"]],
    "film": ["alien", "brazil", "cube", "alien", "never", "brazil"],
    "price": [0.5, 2.0, 0.5, 2.0, 0.5, 2.0],
    "later": [["cube"], [], ["alien"], [], ["brazil", "cube"], []],
    "label": [0.0, 1.0, 1.0, 0.0, 1.0, 0.0],
}
ITEMS = {"film": ["alien", "brazil", "cube"], "price": [0.5, 2.0, 0.5]}
FINE = {
    "mlp": lambda: MLP([4]),
    "dcn": lambda: DCN(2, [4]),
    "dcn_of_rank_2": lambda: DCN(1, [4], rank=2),
    "deep_fm": lambda: DeepFM([4]),
    "dot_interaction": lambda: DotInteraction([4]),
}
TOWERS = {
    "towers": lambda: TwoTower([4, 3]),
    "towers_of_networks": lambda: TwoTower(
        [3], learned_scale=True, user_network=DCN(1, [4]), item_network=DeepFM([4])
    ),
    "inner_product": lambda: TwoTower([3], scale=1.0, normalize=False),
}
PLAIN = {
    "mean": lambda: MeanPooling(),
    "self_attention": lambda: SelfAttention(2, 4),
    "gru": lambda: GRU(3),
    "sasrec": lambda: Transformer(2, 1, 3, causal=True),
    "transformer": lambda: Transformer(1, 2, 4),
}
ATTENDING = {
    "bst": lambda: Transformer(1, 2, 4, candidate=True),
    "din": lambda: TargetAttention([4]),
}
NETWORKS, ENCODERS = {**FINE, **TOWERS}, {**PLAIN, **ATTENDING}
CELLS = [(n, e) for n in NETWORKS for e in ENCODERS if n in FINE or e in PLAIN]


def ranker(network, encoder, sees="served"):
    features = SCHEMA.features(sees)
    made = FeatureEncoder(SCHEMA, features, dim=3, behaviour=ENCODERS[encoder]())
    return Ranker(SCHEMA, NETWORKS[network](), sees=sees, encoder=made)


def batches():
    return data.from_rows(ROWS, SCHEMA, 6, shuffle=False)


@functools.cache
def trained(network, encoder):
    """One after a step."""
    keras.utils.set_random_seed(1)
    made = ranker(network, encoder)
    before = [np.array(w) for w in made.trainable_weights]
    # Step by step, as tracing the graphs of all of them takes minutes.
    made.compile(keras.optimizers.SGD(0.5), metrics=[], run_eagerly=True)
    made.fit(batches(), verbose=0)
    changed = [np.abs(w - b).max() > 0 for w, b in zip(made.trainable_weights, before, strict=True)]
    # Some ReLU of a step is dead, and a key's bias shifts what a softmax doesn't see.
    assert np.mean(changed) > 0.7
    return made


def logits(made):
    ((inputs, _),) = batches()
    return np.asarray(made(inputs, training=False))


@pytest.mark.parametrize(("network", "encoder"), CELLS)
def test_it_is_trained_saved_and_loaded(network, encoder, tmp_path):
    made = trained(network, encoder)
    expected = logits(made)
    assert np.isfinite(expected).all()
    made.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_allclose(logits(again), expected, rtol=1e-6, atol=1e-7)
    made.save_weights(tmp_path / "model.weights.h5")
    fresh = ranker(network, encoder)
    assert np.abs(logits(fresh) - expected).max() > 0
    fresh.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_allclose(logits(fresh), expected, rtol=1e-6, atol=1e-7)


def test_fine_rankers_are_exported(tmp_path):
    """All of them in one, each with its probability."""
    cells = {f"{n}_{e}": (n, e) for n, e in CELLS if n in FINE}
    made = {name: trained(*cell) for name, cell in cells.items()}
    path = export(made, None, tmp_path, warm_up=False, verbose=0)
    assert inspect_export(path).findings == []
    raw = SCHEMA.served().columns(ROWS, SCHEMA.served().features().values())
    signature = tf.saved_model.load(str(path)).signatures["rank"]
    answer = signature(**{name: tf.constant(values) for name, values in raw.items()})
    for name, one in made.items():
        expected = tf.sigmoid(logits(one))
        np.testing.assert_allclose(answer[name], expected, rtol=1e-4, atol=1e-6)


def test_a_fine_ranker_is_exported_alone(tmp_path):
    made = trained("dcn", "din")
    path = export(made, None, tmp_path, verbose=0)
    assert inspect_export(path).findings == []
    np.testing.assert_allclose(saved_scores(path, ROWS), logits(made), rtol=1e-4, atol=1e-6)
    with pytest.raises(TypeError, match=r"`student` must have a TwoTower, .* received a DCN"):
        export(made, ITEMS, tmp_path / "items", verbose=0)


@pytest.mark.parametrize("network", TOWERS)
def test_towers_are_exported_and_refreshed(network, tmp_path):
    """With all encoders that they may have, as one."""
    made = {encoder: trained(network, encoder) for encoder in PLAIN}
    fused = FusedTowers(made, dict.fromkeys(made, 0.5))
    expected = sum(logits(one) for one in made.values()) / 2
    for path in (
        export(fused, ITEMS, tmp_path, k=2, warm_up=False, verbose=0),
        refresh(tmp_path, ITEMS, warm_up=False, verbose=0),
    ):
        assert inspect_export(path).findings == []
        known = np.array([film in ITEMS["film"] for film in ROWS["film"]])
        rows = {name: [v for v, k in zip(x, known, strict=True) if k] for name, x in ROWS.items()}
        found = saved_scores(path, rows)
        np.testing.assert_allclose(found, expected[known], rtol=1e-4, atol=1e-5)


def test_towers_of_networks_are_exported_alone(tmp_path):
    made = trained("towers_of_networks", "self_attention")
    path = export(made, ITEMS, tmp_path, k=2, verbose=0)
    side = export(made, None, tmp_path / "user", side="user", verbose=0)
    assert inspect_export(path).findings == inspect_export(side).findings == []
    known = {name: values[:4] for name, values in ROWS.items()}
    found = saved_scores(path, known)
    np.testing.assert_allclose(found, logits(made)[:4], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("encoder", ATTENDING)
@pytest.mark.parametrize("network", TOWERS)
def test_towers_whose_user_attends_are_refused(network, encoder):
    with pytest.raises(ValueError, match="TwoTower runs the item side ahead of the requests"):
        ranker(network, encoder)


@pytest.mark.parametrize(
    ("student", "teacher"),
    [
        (("towers", "mean"), ("dcn", "din")),
        (("towers_of_networks", "transformer"), ("deep_fm", "bst")),
        (("mlp", "self_attention"), ("dot_interaction", "gru")),
        (("inner_product", "sasrec"), ("mlp", "din")),
    ],
)
def test_distilled_in_a_graph(student, teacher, tmp_path):
    """A teacher of any kind that sees all, for a student of another."""
    model = Distillation(student=ranker(*student), teacher=ranker(*teacher, sees="all"))
    model.compile(keras.optimizers.Adam(0.01))
    history = model.fit(batches(), epochs=2, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for name in ("student", "teacher"):
        found, expected = (score_rows(getattr(m, name), ROWS) for m in (again, model))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
