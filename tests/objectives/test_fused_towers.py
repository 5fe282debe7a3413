import dataclasses

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tfpfd import (
    MLP,
    Categorical,
    FeatureEncoder,
    Numeric,
    Ranker,
    Schema,
    SelfAttention,
    Sequence,
    TwoTower,
    export,
    inspect_export,
    saved_scores,
)
from tfpfd.objectives.fused_towers import FusedTowers, fuse_scores

IDS = tuple(f"i{n}" for n in range(6))
WEIGHTS = {"book": 1.0, "cancel": -0.7, "rating": 0.25}
SCHEMA = Schema(
    user=(
        Categorical("user_id", vocabulary=("u1", "u2", "u3")),
        Sequence("clicks", of="item_id", length=3),
    ),
    item=(Categorical("item_id", vocabulary=IDS), Numeric("price", boundaries=(1.0, 5.0))),
    privileged={"cross": (Numeric("affinity", boundaries=(0.5,)),)},
)
USERS = {"user_id": ["u1", "u3", "new"], "clicks": [["i1"], ["i2", "i5"], []]}
ITEMS = pd.DataFrame({"item_id": IDS, "price": np.linspace(0, 7, 6)})


def ranker(units, scale, use_bias=True, **kwargs):
    """A ranker whose weights, statistics of batches too, are away from their start."""
    made = Ranker(SCHEMA, TwoTower(units, scale=scale, use_bias=use_bias), **kwargs)
    random = np.random.default_rng(units[-1])
    made.set_weights([w + random.uniform(0, 0.5, w.shape) for w in made.get_weights()])
    return made


@pytest.fixture(scope="module")
def rankers():
    """Of different sizes, with inputs of their own; one has features beside a shared encoder."""
    attention = FeatureEncoder(SCHEMA, dim=4, behaviour=SelfAttention(heads=2, dim=4))
    users = FeatureEncoder(SCHEMA, ["user_id", "item_id"], dim=3)
    return {
        "book": ranker([6, 4], 5.0),
        "cancel": ranker([5, 3], 2.0, encoder=attention),
        "rating": ranker([2], 1.0, encoder=users),
    }


def pairs():
    """Table rows of every user with every item."""
    users = SCHEMA.columns(USERS, SCHEMA.user)
    items = SCHEMA.columns(ITEMS, SCHEMA.item)
    raw = {k: np.repeat(v, len(ITEMS), axis=0) for k, v in users.items()}
    raw |= {k: np.tile(v, 3) for k, v in items.items()}
    return SCHEMA.served().lookup({k: tf.constant(v) for k, v in raw.items()})


def expected(rankers):
    """Σ_k ω_k · s_k, of the rankers' own scores."""
    inputs = pairs()
    scores = {name: one(inputs, training=False).numpy() for name, one in rankers.items()}
    return fuse_scores(scores, WEIGHTS)


def test_scores_are_the_weighted_sum(rankers):
    together = FusedTowers(rankers, WEIGHTS)
    found = together(pairs(), training=False)
    np.testing.assert_allclose(found, expected(rankers), atol=1e-5)
    assert found.numpy().std() > 0.05
    ids = {id(w) for one in rankers.values() for w in one.weights}
    assert {id(w) for w in together.weights} == ids
    assert len(together.weights) == len(ids)


@pytest.mark.slow
def test_export_is_one_saved_model(rankers, tmp_path):
    path = export(FusedTowers(rankers, WEIGHTS), ITEMS, tmp_path, k=2, verbose=0)
    loaded = tf.saved_model.load(str(path))
    users = {k: tf.constant(v) for k, v in SCHEMA.columns(USERS, SCHEMA.user).items()}
    candidates = tf.constant([IDS] * 3)
    answer = loaded.signatures["score_candidates"](candidate_ids=candidates, **users)
    scores = expected(rankers).reshape(3, 6)
    np.testing.assert_allclose(answer["scores"], scores, atol=1e-5)
    best = loaded.signatures["serving_default"](**users)
    np.testing.assert_allclose(best["scores"], -np.sort(-scores)[:, :2], atol=1e-5)
    assert loaded.signatures["user_embedding"](**users)["embedding"].shape == (3, 4 + 3 + 2)
    assert not inspect_export(path).findings


@pytest.mark.slow
@pytest.mark.parametrize("biased", ["all", "one", "none"])
def test_the_bias_is_the_weighted_sum(biased, tmp_path):
    """2 · 3 - .5 · 4 = 4, and what a ranker without one adds is nothing."""
    made = {
        name: ranker([3], 1.0, use_bias=biased == "all" or (biased == "one" and name == "a"))
        for name in ("a", "b")
    }
    for one, bias in zip(made.values(), (3.0, 4.0), strict=True):
        if one.network.bias is not None:
            one.network.bias.assign(bias)
    together = FusedTowers(made, {"a": 2.0, "b": -0.5})
    wanted = {"all": 4.0, "one": 6.0, "none": None}[biased]
    assert together.network.bias == wanted
    inputs = pairs()
    sums = fuse_scores({name: one(inputs) for name, one in made.items()}, {"a": 2.0, "b": -0.5})
    np.testing.assert_allclose(together(inputs), sums, atol=1e-5)

    path = export(together, ITEMS, tmp_path, verbose=0, warmup_requests=False)
    loaded = tf.saved_model.load(str(path))
    assert getattr(loaded, "bias", None) == wanted
    users = {k: tf.constant(v) for k, v in SCHEMA.columns(USERS, SCHEMA.user).items()}
    found = loaded.signatures["score_candidates"](candidate_ids=tf.constant([IDS] * 3), **users)
    np.testing.assert_allclose(found["scores"], sums.reshape(3, 6), atol=1e-5)
    rows = pd.DataFrame(USERS).merge(ITEMS, how="cross")
    np.testing.assert_allclose(saved_scores(path, rows), sums, atol=1e-5)
    assert not inspect_export(path).findings


def test_privileged_tables_are_not_exported(rankers, tmp_path):
    """Also those of the second ranker, whose encoder is that of a teacher."""
    everything = FeatureEncoder(SCHEMA, SCHEMA.features(), dim=3)
    mixed = {"book": rankers["book"], "cancel": ranker([3], 1.0, encoder=everything)}
    with pytest.raises(ValueError, match=r"privileged features \['affinity'\]"):
        export(FusedTowers(mixed, {"book": 1, "cancel": 1}), ITEMS, tmp_path, verbose=0)


def test_rankers_that_share_an_encoder_run_it_once(monkeypatch):
    first = ranker([3], 1.0)
    made = {"book": first, "cancel": ranker([4], 2.0, encoder=first.encoder)}
    together = FusedTowers(made, {"book": 1.0, "cancel": -0.5})
    assert together.encoders == [first.encoder]
    inputs = pairs()
    sums = made["book"](inputs) - 0.5 * made["cancel"](inputs)
    known = first.encoder(inputs)
    calls, call = [], FeatureEncoder.call

    def counted(self, *args, **kwargs):
        calls.append(self)
        return call(self, *args, **kwargs)

    monkeypatch.setattr(FeatureEncoder, "call", counted)
    np.testing.assert_allclose(together(inputs), sums, atol=1e-5)
    assert calls == [first.encoder]
    np.testing.assert_allclose(together(inputs, shared=known), sums, atol=1e-5)
    assert calls == [first.encoder]


def test_its_summary_is_that_of_its_rankers():
    first = ranker([3], 1.0)
    shared = ranker([4], 2.0, encoder=first.encoder)
    together, lines = FusedTowers({"book": first, "cancel": shared}, {"book": 1, "cancel": 1}), []
    together.summary(print_fn=lines.append)
    assert [line.split("  ")[0] for line in lines[2:-1]] == [
        "ranker 1: encoder",
        "ranker 1: network",
        "ranker 2: encoder",
        "ranker 2: network",
    ]
    assert lines[4].endswith("shared with ranker 1: encoder")
    html = together._repr_html_()
    assert (
        html.count(">ranker 2<") == html.count(">shared<") == len(first.schema.features("served"))
    )


def test_fused_by_hand():
    scores = {"book": [1.0, 2.0], "cancel": np.array([3.0, -1.0])}
    np.testing.assert_allclose(fuse_scores(scores, {"cancel": -0.5, "book": 2}), [0.5, 4.5])


@pytest.mark.slow
def test_refusals(rankers, tmp_path):
    book = rankers["book"]

    def refused(kind, message, others, weights=None):
        with pytest.raises(kind, match=message):
            FusedTowers(others, weights or dict.fromkeys(others, 1.0))

    refused(ValueError, r"`rankers` must be two or more, received \['book'\]", {"book": book})
    refused(TypeError, "`rankers` must hold Rankers, received for 'x' 3", {"book": book, "x": 3})
    mlp = Ranker(SCHEMA, MLP([2]))
    refused(
        TypeError, "must have TwoTower networks, received for 'x' a MLP", {"book": book, "x": mlp}
    )
    seer = Ranker(SCHEMA, TwoTower([2]), sees="all")
    refused(ValueError, "received for 'x' one with sees='all'", {"book": book, "x": seer})
    other = dataclasses.replace(SCHEMA, user=SCHEMA.user[:1])
    other = Ranker(other, TwoTower([2]))
    refused(
        ValueError,
        "must have the same schema, received for 'x' another",
        {"book": book, "x": other},
    )
    relabelled = Ranker(dataclasses.replace(SCHEMA, label="y"), TwoTower([2]))
    refused(ValueError, r"the same label.*\['label', 'y'\]", {"book": book, "x": relabelled})
    refused(
        ValueError, r"`weights` must be of \['book', 'cancel', 'rating'\]", rankers, {"book": 1}
    )
    refused(
        ValueError, "`weights` must have one that isn't 0", rankers, dict.fromkeys(rankers, 0.0)
    )
    refused(
        ValueError,
        "`weights` of 'book' must be a finite number",
        rankers,
        {**WEIGHTS, "book": np.nan},
    )
    with pytest.raises(ValueError, match=r"`weights` must be of \['book'\], received \['like'\]"):
        fuse_scores({"book": [1.0]}, {"like": 1.0})
    with pytest.raises(NotImplementedError, match="save those, or export this"):
        FusedTowers(rankers, WEIGHTS).save(tmp_path / "never.keras")


def test_training_of_the_rankers_goes_on():
    """It refers to their weights, so what they learn later is served."""
    made = {"a": ranker([3], 1.0), "b": ranker([4], 1.0)}
    together = FusedTowers(made, {"a": 1.0, "b": 2.0})
    before = together(pairs(), training=False)
    made["b"].set_weights([w * 0.5 + 0.1 for w in made["b"].get_weights()])
    after = together(pairs(), training=False)
    assert not np.allclose(before, after)
