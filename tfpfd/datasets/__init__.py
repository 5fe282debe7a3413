"""Public data sets in the shape that privileged features distillation needs."""

from tfpfd.datasets.movielens import MovieLens, movielens_100k

__all__ = ["MovieLens", "movielens_100k"]
