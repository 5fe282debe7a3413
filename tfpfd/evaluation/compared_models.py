"""Models as a comparison is given them: scores, rankers or scorers of a catalogue, a seed each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tfpfd._keras import keras
from tfpfd.data import from_rows
from tfpfd.data.scoring import SLICE, scores_of_batches
from tfpfd.distillation.scorer import Scorer
from tfpfd.evaluation.intervals import FloatArray
from tfpfd.evaluation.rivals import CatalogueRival
from tfpfd.evaluation.score_sources import Embeddings

Catalogue: TypeAlias = ArrayLike | Embeddings | CatalogueRival


def scores_of_rows(
    name: str, model: Any, test: pd.DataFrame, from_logits: bool
) -> tuple[FloatArray, bool]:
    """Scores `[seeds, n]` of a model, and whether they are logits."""
    several = model if isinstance(model, list | tuple) else [model]
    if not any(isinstance(one, keras.Model) for one in several):
        return np.atleast_2d(np.asarray(model, np.float64)), from_logits
    if other := [one for one in several if not isinstance(one, Scorer)]:
        raise TypeError(
            f"`models['{name}']` must be scores or Rankers (of a distillation its `student`), "
            f"received {type(other[0]).__name__}"
        )

    def scored(ranker: Scorer) -> NDArray:
        schema = ranker.schema.served() if ranker.sees == "served" else ranker.schema
        batches = (inputs for inputs, *_ in from_rows(test, schema, batch_size=SLICE))
        return np.reshape(scores_of_batches(ranker, batches), -1).astype(np.float64)

    return np.stack([scored(ranker) for ranker in several]), True


def check_scores(name: str, scores: FloatArray, rows: int, probabilities: bool) -> None:
    """Refuses scores of a model that aren't `[seeds, rows]`, finite and, if so, probabilities."""
    if scores.ndim != 2 or scores.shape[1] != rows or not len(scores):
        raise ValueError(
            f"`models['{name}']` must be [{rows}] or [seeds, {rows}], a score for each row of "
            f"`test`, received shape {scores.shape}"
        )
    if not np.isfinite(scores).all():
        raise ValueError(
            f"`models['{name}']` must be finite, received {(~np.isfinite(scores)).sum()} scores "
            "which aren't"
        )
    if probabilities and (scores.min() < 0 or scores.max() > 1):
        raise ValueError(
            f"`models['{name}']` must be in [0, 1], or logits with `from_logits=True`, received "
            f"from {scores.min():.4g} to {scores.max():.4g}"
        )


def check_names(models: Mapping[str, Any], base: str, rivals: Sequence[str]) -> None:
    """Refuses models without the base, or one by the name of a rival."""
    if base not in models:
        raise ValueError(f"`base` must name one of `models`, {list(models)}, received {base!r}")
    if taken := [name for name in models if name in rivals]:
        raise ValueError(f"`models` must have other names than rivals, received {taken}")


def check_seeds(counts: Mapping[str, int]) -> None:
    """Seeds of two models stand beside each other, so each has as many."""
    if len(set(counts.values())) > 1:
        raise ValueError(f"`models` must have as many seeds each, received {dict(counts)}")


def scorers_of(model: Any) -> list[Catalogue]:
    """One scorer of the catalogue a seed; a matrix in nested lists is one scorer."""
    if isinstance(model, Embeddings | CatalogueRival):
        return [model]
    first: Any = model[0] if len(model) else ()
    several = isinstance(first, Embeddings | CatalogueRival) or np.ndim(first) == 2
    return list(model) if several else [model]
