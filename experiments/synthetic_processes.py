"""The generating processes of the synthetic experiments: privileged and regular rows, labels.

Lopez-Paz et al., "Unifying distillation and privileged information", ICLR 2016, section 6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

FEATURES, RELEVANT = 50, 3


@dataclass(frozen=True)
class Rows:
    """Rows of a process.

    Args:
      privileged: x*, `[rows, privileged features]`.
      regular: x, `[rows, 50]`.
      labels: y, `[rows]` of 0 and 1.
    """

    privileged: np.ndarray
    regular: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Truth:
    """What training and test rows of one repetition share.

    Args:
      weights: α, `[50]`, of the separating hyperplane.
      relevant: J, `[3]` indices of the features that decide in experiment 3.
    """

    weights: np.ndarray
    relevant: np.ndarray


@dataclass(frozen=True)
class Process:
    """A way to draw rows.

    Args:
      title: what is privileged.
      draw: takes the truth, regular standard normals `[rows, 50]`, and a generator.
    """

    title: str
    draw: Callable[[Truth, np.ndarray, np.random.Generator], Rows]


def _clean_labels(truth: Truth, x: np.ndarray, random: np.random.Generator) -> Rows:
    distance = x @ truth.weights
    return _rows(distance[:, None], x, distance + random.standard_normal(len(x)))


def _clean_inputs(truth: Truth, x: np.ndarray, random: np.random.Generator) -> Rows:
    return _rows(x, x + random.standard_normal(x.shape), x @ truth.weights)


def _relevant_inputs(truth: Truth, x: np.ndarray, random: np.random.Generator) -> Rows:
    privileged = x[:, truth.relevant]
    return _rows(privileged, x, privileged @ truth.weights[truth.relevant])


def _relevant_by_row(truth: Truth, x: np.ndarray, random: np.random.Generator) -> Rows:
    indices = np.argsort(random.random(x.shape), axis=1)[:, :RELEVANT]
    privileged = np.take_along_axis(x, indices, axis=1)
    return _rows(privileged, x, (privileged * truth.weights[indices]).sum(axis=1))


def _largest_by_row(truth: Truth, x: np.ndarray, random: np.random.Generator) -> Rows:
    privileged = -np.sort(-x, axis=1)[:, :RELEVANT]
    score = privileged @ truth.weights[:RELEVANT]
    return _rows(privileged, x, score - np.median(score))


def _rows(privileged: np.ndarray, regular: np.ndarray, score: np.ndarray) -> Rows:
    return Rows(privileged, regular, (score > 0).astype(np.float64))


PROCESSES = {
    "1": Process("clean labels", _clean_labels),
    "2": Process("clean inputs", _clean_inputs),
    "3": Process("relevant inputs", _relevant_inputs),
    "4": Process("relevant inputs by row", _relevant_by_row),
    "4, largest": Process("the row's largest inputs", _largest_by_row),
}


def draw(experiment: str, seed: int, train: int, test: int) -> tuple[Rows, Rows]:
    """Draws one repetition.

    Args:
      experiment: a key of `PROCESSES`.
      seed: of the truth and of all rows.
      train: how many training rows.
      test: how many test rows.

    Returns:
      Training and test rows of the same truth.
    """
    random = np.random.default_rng([[*PROCESSES].index(experiment), seed])
    relevant = random.choice(FEATURES, RELEVANT, replace=False)
    truth = Truth(random.standard_normal(FEATURES), relevant)
    process = PROCESSES[experiment]
    return (
        process.draw(truth, random.standard_normal((train, FEATURES)), random),
        process.draw(truth, random.standard_normal((test, FEATURES)), random),
    )
