"""Real lists: the learning-to-rank example of LightGBM, against NumPy and TF-Ranking."""

import gzip

import numpy as np
import pytest
import scipy.special
import sklearn.datasets

from tfpfd._keras import KERAS_3
from tfpfd.distillation.losses import ListwiseSoftmax, PairwiseLogistic, SoftListwiseSoftmax


@pytest.fixture(scope="module")
def rows(outside_data):
    """Labels 0 to 4, made-up scores and weights, and the query of each row."""
    folder = outside_data("lightgbm-lambdarank")
    features, labels = sklearn.datasets.load_svmlight_file(str(folder / "rank.train.gz"))
    with gzip.open(folder / "rank.train.query.gz", "rt") as file:
        sizes = np.loadtxt(file, dtype=int)
    random = np.random.default_rng(0)
    scores = features @ random.normal(size=features.shape[1])
    weights = random.uniform(0, 2, len(labels))
    return {
        "labels": labels,
        "logits": scores / scores.std(),
        "weights": weights,
        "lists": np.repeat(np.arange(len(sizes)), sizes),
    }


def by_list(rows):
    order = np.unique(rows["lists"], return_index=True)[1][1:]
    return [np.split(rows[name], order) for name in ("labels", "logits", "weights")]


def test_the_data_are_what_they_should_be(rows):
    assert len(rows["labels"]) == 3005
    assert len(np.unique(rows["lists"])) == 201
    assert set(rows["labels"]) == {0, 1, 2, 3, 4}


def test_listwise_softmax_equals_numpy(evaluate, rows):
    costs = [
        -(w * y) @ scipy.special.log_softmax(f) if y.sum() else None
        for y, f, w in zip(*by_list(rows), strict=True)
    ]
    said = [cost for cost in costs if cost is not None]
    value, gradient = evaluate(ListwiseSoftmax(), **rows)
    assert value == pytest.approx(np.mean(said), rel=1e-5)
    # Within a list the gradients add up to nothing.
    sums = np.bincount(rows["lists"], gradient)
    np.testing.assert_allclose(sums, np.zeros(201), atol=1e-6)


def test_pairwise_logistic_equals_numpy(evaluate, rows):
    said = []
    for y, f, w in zip(*by_list(rows), strict=True):
        above = y[:, None] > y[None, :]
        costs = w[:, None] * np.logaddexp(0, f[None, :] - f[:, None])
        if above.any():
            said.append(costs[above].mean())
    value, _ = evaluate(PairwiseLogistic(), **rows)
    assert value == pytest.approx(np.mean(said), rel=1e-5)


@pytest.fixture
def ranking():
    if KERAS_3:
        pytest.skip("TF-Ranking needs Keras 2: stack A")
    return pytest.importorskip(
        "tensorflow_ranking", reason="TF-Ranking 0.5.5 works on stack A alone", exc_type=ImportError
    )


def padded(rows):
    """Labels, scores and weights `[lists, longest]`; TF-Ranking leaves negative labels out."""
    longest = np.bincount(rows["lists"]).max()
    return [
        np.array([np.pad(x, (0, longest - len(x)), constant_values=pad) for x in part], np.float32)
        for part, pad in zip(by_list(rows), (-1, 0, 0), strict=True)
    ]


@pytest.mark.parametrize("weighted", [False, True])
def test_listwise_softmax_equals_tf_ranking(evaluate, rows, ranking, weighted):
    labels, scores, weights = padded(rows)
    theirs = ranking.keras.losses.SoftmaxLoss(reduction="sum", temperature=2.0)
    expected = theirs(labels, scores, weights if weighted else None)
    batch = rows if weighted else {**rows, "weights": None}
    value, _ = evaluate(ListwiseSoftmax(2.0), **batch)
    lists = np.bincount(rows["lists"], rows["labels"] > 0)
    assert value * (lists > 0).sum() == pytest.approx(float(expected), rel=1e-5)


def test_soft_labels_equal_tf_ranking(evaluate, rows, ranking):
    """With the teacher's shares as its labels, TF-Ranking's loss is the soft one."""
    random = np.random.default_rng(3)
    teacher = rows["logits"] + random.normal(size=len(rows["logits"]))
    _, scores, _ = padded(rows)
    shares = [scipy.special.softmax(f) for f in by_list({**rows, "logits": teacher})[1]]
    longest = scores.shape[1]
    labels = [np.pad(x, (0, longest - len(x)), constant_values=-1) for x in shares]
    theirs = ranking.keras.losses.SoftmaxLoss(reduction="sum")
    expected = theirs(np.array(labels, np.float32), scores)
    value, _ = evaluate(SoftListwiseSoftmax(), **{**rows, "weights": None}, truth=teacher)
    several = (np.bincount(rows["lists"]) > 1).sum()  # A single row costs nothing.
    assert value * several == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_pairwise_logistic_equals_tf_ranking(evaluate, rows, ranking, weighted):
    labels, scores, weights = padded(rows)
    pairs = np.array([(y[:, None] > y[None, :]).sum() for y in by_list(rows)[0]])
    batch = rows if weighted else {**rows, "weights": None}
    value, _ = evaluate(PairwiseLogistic(), **batch)
    # TF-Ranking sums over all pairs of all lists; a list alone, over its pairs, is our value.
    theirs = ranking.keras.losses.PairwiseLogisticLoss(reduction="sum")
    sums = [
        float(
            theirs(labels[i : i + 1], scores[i : i + 1], weights[i : i + 1] if weighted else None)
        )
        for i in range(len(labels))
    ]
    expected = np.mean([total / n for total, n in zip(sums, pairs, strict=True) if n])
    assert value == pytest.approx(expected, rel=1e-5)
