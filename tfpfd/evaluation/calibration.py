"""Whether predicted rates are the observed ones, bin by bin."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tfpfd._arguments import check_integer


def reliability(labels: ArrayLike, probabilities: ArrayLike, bins: int = 10) -> pd.DataFrame:
    """The points of a reliability diagram, over bins of equally many rows.

    Of equal width, nearly all rows of a rare event would fall into the first bin.

    Args:
      labels: [n] array in [0, 1].
      probabilities: [n] array in [0, 1].
      bins: number of bins; fewer if there are fewer rows.

    Returns:
      A frame with a row a bin, in the order of the predictions: the mean probability `predicted`,
      the mean label `observed` and the number of `rows`.

    Raises:
      ValueError: for empty or NaN input, values out of [0, 1], unequal lengths, `bins` below 1.
    """
    given = {"labels": np.asarray(labels, float), "probabilities": np.asarray(probabilities, float)}
    for name, values in given.items():
        if values.ndim != 1 or values.size == 0 or values.shape != given["labels"].shape:
            raise ValueError(
                f"`{name}` must be a non-empty [n] array as long as `labels`, received shape "
                f"{values.shape}"
            )
        if not ((values >= 0) & (values <= 1)).all():  # Also where one is NaN.
            raise ValueError(
                f"`{name}` must be in [0, 1], received values from {values.min()} to {values.max()}"
            )
    check_integer("bins", bins, least=1)
    rows = pd.DataFrame(given).sort_values("probabilities", kind="stable", ignore_index=True)
    places = np.arange(len(rows)) * min(bins, len(rows)) // len(rows)
    grouped = rows.groupby(places)
    return pd.DataFrame(
        {
            "predicted": grouped["probabilities"].mean(),
            "observed": grouped["labels"].mean(),
            "rows": grouped.size(),
        }
    )
