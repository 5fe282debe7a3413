"""Data sets in the shape that privileged features distillation needs: public and simulated."""

from tfpfd.datasets.kuairand import KuaiRand, kuairand_pure
from tfpfd.datasets.marketplace import Marketplace, marketplace
from tfpfd.datasets.mediator import Mediator, mediator
from tfpfd.datasets.movielens import MovieLens, movielens_100k
from tfpfd.datasets.protocol import DataSet
from tfpfd.datasets.registry import Registered, register

__all__ = [
    "DataSet",
    "KuaiRand",
    "Marketplace",
    "Mediator",
    "MovieLens",
    "Registered",
    "kuairand_pure",
    "marketplace",
    "mediator",
    "movielens_100k",
    "register",
]
