"""Losses of labels and of soft labels: of a row, of a pair, of a list."""

from tfpfd.distillation.losses.list_loss import ListLoss, Lists
from tfpfd.distillation.losses.listwise import (
    CalibratedListwise,
    ListwiseSoftmax,
    SoftListwiseSoftmax,
)
from tfpfd.distillation.losses.pairwise import PairwiseLogistic, SoftPairwiseLogistic
from tfpfd.distillation.losses.pointwise import CrossEntropy, SoftCrossEntropy, SquaredLogits
from tfpfd.distillation.losses.reduction import BatchLoss, Term, mean_loss, term_of
from tfpfd.distillation.losses.teacher import ConfidenceWeighted, Corrected

__all__ = [
    "BatchLoss",
    "CalibratedListwise",
    "ConfidenceWeighted",
    "Corrected",
    "CrossEntropy",
    "ListLoss",
    "Lists",
    "ListwiseSoftmax",
    "PairwiseLogistic",
    "SoftCrossEntropy",
    "SoftListwiseSoftmax",
    "SoftPairwiseLogistic",
    "SquaredLogits",
    "Term",
    "mean_loss",
    "term_of",
]
