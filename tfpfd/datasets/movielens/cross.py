"""The cross features of MovieLens: a film against the past ratings of one user."""

from __future__ import annotations

import numpy as np

CROSS_FEATURES = (
    "genre_like_rate",
    "genre_like_share",
    "genre_log_count",
    "year_gap",
    "similarity_mean",
    "similarity_max",
    "similarity_top5",
    "similarity_contrast",
)
PRIOR_WEIGHT = 5.0  # ratings that a smoothed rate starts with
_TOP = 5


def cross_features(
    film: np.ndarray,
    rated: np.ndarray,
    past: np.ndarray,
    liked: np.ndarray,
    *,
    genres: np.ndarray,
    years: np.ndarray,
    similarity: np.ndarray,
) -> np.ndarray:
    """Cross features of some rows of one user.

    Args:
      film: [num_rows] positions of the films in question.
      rated: [num_ratings] positions of all films that the user rated.
      past: [num_rows, num_ratings] which ratings a row may look at.
      liked: [num_ratings] which ratings are likes.
      genres: [num_films, num_genres] 1 where a film has a genre.
      years: [num_films] release years, NaN where unknown.
      similarity: [num_films, num_films] of films, never negative.

    Returns:
      [num_rows, 8] in the order of CROSS_FEATURES.
    """
    seen, likes, dislikes = (m.astype(float) for m in (past, past & liked, past & ~liked))
    num_seen, num_likes, num_dislikes = (m.sum(axis=1) for m in (seen, likes, dislikes))

    weights = genres[film] / np.maximum(genres[film].sum(axis=1, keepdims=True), 1.0)
    shared = weights @ genres[rated].T  # [num_rows, num_ratings]
    genre_seen, genre_likes = (shared * seen).sum(axis=1), (shared * likes).sum(axis=1)
    own_rate = (num_likes + 0.5 * PRIOR_WEIGHT) / (num_seen + PRIOR_WEIGHT)

    known = ~np.isnan(years[rated])
    dated_likes = likes[:, known].sum(axis=1)
    liked_year = likes[:, known] @ years[rated[known]] / np.maximum(dated_likes, 1.0)
    gap = np.where(dated_likes > 0, years[film] - liked_year, 0.0)

    near = similarity[np.ix_(film, rated)]
    to_likes = (near * likes).sum(axis=1) / np.maximum(num_likes, 1.0)
    to_dislikes = (near * dislikes).sum(axis=1) / np.maximum(num_dislikes, 1.0)
    # Similarities are never negative, so zeros for all other films leave the largest in place.
    padded = np.pad(near[:, liked] * likes[:, liked], ((0, 0), (0, _TOP)))
    top = np.partition(padded, -_TOP, axis=1)[:, -_TOP:]
    columns = [
        (genre_likes + PRIOR_WEIGHT * own_rate) / (genre_seen + PRIOR_WEIGHT),
        genre_likes / np.maximum(num_likes, 1.0),
        np.log1p(genre_seen),
        np.nan_to_num(gap, nan=0.0),
        to_likes,
        top.max(axis=1),
        top.sum(axis=1) / np.clip(num_likes, 1.0, _TOP),
        to_likes - to_dislikes,
    ]
    return np.stack(columns, axis=1)
