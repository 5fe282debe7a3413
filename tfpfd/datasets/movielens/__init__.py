"""MovieLens-100K."""

from tfpfd.datasets.movielens.data import MovieLens, movielens_100k
from tfpfd.datasets.registry import Registered, register

__all__ = ["MovieLens", "movielens_100k"]

register(Registered("movielens", movielens_100k, {"user ids", "catalogue"}))
