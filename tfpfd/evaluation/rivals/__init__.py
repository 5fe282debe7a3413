"""What an expert would try first, to stand beside a model: a file a rival, and the table of them.

A student that ranks a catalogue worse than these needs no teacher, but another training.
"""

from tfpfd.evaluation.rivals.bias import BIAS, BiasModel
from tfpfd.evaluation.rivals.boosted_trees import BOOSTED_TREES
from tfpfd.evaluation.rivals.catalogue_rival import CatalogueRival
from tfpfd.evaluation.rivals.ease import EASE, ease
from tfpfd.evaluation.rivals.item_knn import ITEM_KNN, item_knn
from tfpfd.evaluation.rivals.logistic_regression import LOGISTIC_REGRESSION
from tfpfd.evaluation.rivals.popularity import POPULARITY, popularity
from tfpfd.evaluation.rivals.registry import (
    POINTWISE,
    RETRIEVAL,
    Candidate,
    PointwiseRival,
    RetrievalRival,
    register_rival,
    title_of_rival,
)
from tfpfd.evaluation.rivals.shown_rows import RivalRows, ShownRows

# In this order they stand in tables.
for _rival in (BIAS, LOGISTIC_REGRESSION, BOOSTED_TREES, POPULARITY, ITEM_KNN, EASE):
    register_rival(_rival)

__all__ = [
    "POINTWISE",
    "RETRIEVAL",
    "BiasModel",
    "Candidate",
    "CatalogueRival",
    "PointwiseRival",
    "RetrievalRival",
    "RivalRows",
    "ShownRows",
    "ease",
    "item_knn",
    "popularity",
    "register_rival",
    "title_of_rival",
]
