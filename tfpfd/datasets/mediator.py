"""A simulator for audits: the privileged features are a noisy mediator of the label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tfpfd._arguments import check_integer, check_number
from tfpfd.datasets.registry import Registered, register
from tfpfd.schema import Numeric, Schema

NUM_FEATURES = 60
RELEVANT = 12  # causes that the mediator depends on
MEDIATOR_FEATURES = ("mediator_0", "mediator_1", "mediator_2")
VALIDATION_ROWS = 1_000
TEST_ROWS = 10_000
FEATURE_NOISE = 0.3  # standard deviation of what is added to the causes, which have 1
MEDIATOR_NOISE = 0.2
READING_NOISE = 0.3
EFFECT = 4.0  # of the mediator on the logit of the label


def mediator(
    rows: int = 500, unlabelled: int = 4_500, strength: float = 1.0, seed: int = 0
) -> Mediator:
    """Draws a problem on which it is known when privileged features help, and when they don't.

    Of 60 causes c, unseen, the features X are noisy readings, and a mediator m of 3 dimensions is
    a projection of the first 12; the label depends on the causes through the mediator alone, and
    the privileged features X* are noisy readings of it. With all e standard normal:

        c  ~ N(0, I_60)                   W  ~ N(0, 1/12) in [3, 12], one draw a seed
        x  = c + 0.3 e_x                  m  = W c_1..12 + 0.2 e_m
        x* = strength · m + 0.3 e_*       y  ~ Bernoulli(sigmoid(4 (m_0 + m_1 + m_2) / √3))

    From few labels the way from 60 features to the label is hard to learn and the way from 3 is
    easy, so a teacher that sees X* labels the unlabelled rows well. At `strength` 0, X* is noise,
    and whatever distillation still gives is not its doing.

    Args:
      rows: number of training rows with a label.
      unlabelled: number of training rows whose label is NaN; X and X* are known on them.
      strength: of the mediator in X*, from 0 (pure noise) on.
      seed: of all draws. The same arguments give the same data; rows, causes and labels don't
        depend on `strength`.

    Returns:
      The rows of all parts and their schema.

    Raises:
      ValueError: an argument is out of its range.
    """
    check_integer("rows", rows, least=1)
    check_integer("unlabelled", unlabelled, least=0)
    check_number("strength", strength)
    check_integer("seed", seed, least=0)
    # Each part has draws of its own: more unlabelled rows change no row of another part.
    weights, *parts = np.random.SeedSequence(seed).spawn(5)
    projection = np.random.default_rng(weights).normal(size=(3, NUM_FEATURES))
    projection[:, RELEVANT:] = 0.0
    projection /= np.sqrt(RELEVANT)
    sizes = (rows, unlabelled, VALIDATION_ROWS, TEST_ROWS)
    labelled, masked, validation, test = (
        _draw(np.random.default_rng(part), size, projection, strength)
        for part, size in zip(parts, sizes, strict=True)
    )
    train = pd.concat([labelled, masked.assign(label=np.float32(np.nan))], ignore_index=True)
    return Mediator(*(_numbered(part) for part in (train, validation, test)))


@dataclass(frozen=True, eq=False)
class Mediator:
    """Rows with the columns `x_00` to `x_59`, `mediator_0` to `mediator_2` and `label`, float32.

    Rows are independent of each other, so each has a `row` number of its own (int64, from 0 in
    every part) where other data have a user id.

    Attributes:
      train: the labelled rows, then the unlabelled ones (label NaN).
      validation: 1,000 rows.
      test: 10,000 rows.
    """

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame

    @property
    def user_key(self) -> str:
        """The column by which an audit resamples: rows belong to nobody, each is drawn alone."""
        return "row"

    @property
    def schema(self) -> Schema:
        """X, half as user and half as item side, and X* (group "cross"); not adapted yet."""
        served = tuple(Numeric(name) for name in _feature_names())
        half = NUM_FEATURES // 2
        privileged = {"cross": tuple(Numeric(name) for name in MEDIATOR_FEATURES)}
        return Schema(user=served[:half], item=served[half:], privileged=privileged)


def _feature_names() -> list[str]:
    return [f"x_{number:02d}" for number in range(NUM_FEATURES)]


def _numbered(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(row=np.arange(len(rows)))


def _draw(
    generator: np.random.Generator, rows: int, projection: np.ndarray, strength: float
) -> pd.DataFrame:
    causes = generator.normal(size=(rows, NUM_FEATURES))
    features = causes + FEATURE_NOISE * generator.normal(size=causes.shape)
    hidden = causes @ projection.T + MEDIATOR_NOISE * generator.normal(size=(rows, 3))
    readings = strength * hidden + READING_NOISE * generator.normal(size=hidden.shape)
    logit = EFFECT * hidden.sum(axis=1) / np.sqrt(3)
    label = generator.random(rows) < 1 / (1 + np.exp(-logit))
    columns = np.column_stack([features, readings, label]).astype(np.float32)
    return pd.DataFrame(columns, columns=[*_feature_names(), *MEDIATOR_FEATURES, "label"])


register(Registered("mediator", lambda path: mediator(), {"simulated"}))
