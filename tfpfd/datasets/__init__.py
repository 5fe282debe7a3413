"""Data sets in the shape that privileged features distillation needs: public and simulated."""

from tfpfd.datasets.kuairand import KuaiRand, kuairand_pure
from tfpfd.datasets.marketplace_data import Marketplace
from tfpfd.datasets.movielens import MovieLens, movielens_100k
from tfpfd.datasets.simulated_marketplace import marketplace
from tfpfd.datasets.simulated_mediator import Mediator, mediator

__all__ = [
    "KuaiRand",
    "Marketplace",
    "Mediator",
    "MovieLens",
    "kuairand_pure",
    "marketplace",
    "mediator",
    "movielens_100k",
]
